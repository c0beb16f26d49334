"""Use cases of ratings, and the verification of tallies."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.ids import MovieId, MovieRef, NewId, RatingId, UserId
from domain.movies import Movie
from domain.pagination import Page, Window, page_of
from domain.ports import CacheInvalidation, Clock, MovieRepository, RatingRepository, UserRepository
from domain.ratings import Drift, NotYourRating, Rating, RatingOrder, Score, Tally
from domain.texts import UNCHANGED, Unchanged, clean_text
from domain.users import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A rating with its movie and author, and the present tally of the movie.

    `created` is set if a write added the user's first rating of the movie.
    """

    rating: Rating
    movie: Movie
    user: User
    tally: Tally
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPage:
    """A page of a list of ratings, with their movies and authors by id."""

    page: Page[Rating]
    movies: Mapping[MovieId, Movie]
    users: Mapping[UserId, User]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateMovie:
    """Add a rating of a movie that the user has not rated yet."""

    ratings: RatingRepository
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, movie: MovieRef, score: Score, review: str | None) -> Rated:
        """Raises MovieNotFound, AlreadyRated, InvalidText."""
        text, rated = clean_text("review", review), self.movies.get(movie)
        rating = _new_rating(self.new_id, self.clock, user, rated, score, text)
        with self.invalidation.movies([rated.id]):
            tally = self.ratings.add(rating)
        return Rated(rating=rating, movie=rated, user=user, tally=tally, created=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRating:
    """Add or replace a user's rating of a movie. Idempotent."""

    ratings: RatingRepository
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, movie: MovieRef, score: Score, review: str | None) -> Rated:
        """Raises MovieNotFound, InvalidText."""
        text, rated = clean_text("review", review), self.movies.get(movie)
        wanted = _new_rating(self.new_id, self.clock, user, rated, score, text)
        with self.invalidation.movies([rated.id]):
            rating, tally, created = self.ratings.put(wanted)
        return Rated(rating=rating, movie=rated, user=user, tally=tally, created=created)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRating:
    """Change the score or the review of one's own rating."""

    ratings: RatingRepository
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(
        self,
        *,
        user: User,
        rating: RatingId,
        score: Score | None = None,
        review: str | Unchanged | None = UNCHANGED,
    ) -> Rated:
        """A review of None is removed. Raises RatingNotFound, NotYourRating, InvalidText."""
        text = review if isinstance(review, Unchanged) else clean_text("review", review)
        now, movie = self.clock(), self.ratings.get(rating).movie  # the movie of a rating never changes
        with self.invalidation.movies([movie]):
            changed, tally = self.ratings.change(
                rating, user.id, lambda before: before.changed(now, score=score, review=text)
            )
        return Rated(rating=changed, movie=self.movies.get(movie), user=user, tally=tally)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveReview:
    """Delete the review of any rating; the score stays."""

    ratings: RatingRepository
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(self, *, rating: RatingId) -> None:
        """Raises RatingNotFound. Nothing happens if there is no review."""
        now, stored = self.clock(), self.ratings.get(rating)
        if stored.review is None:
            return
        with self.invalidation.movies([stored.movie]):
            self.ratings.change(rating, stored.user, lambda before: before.changed(now, review=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRating:
    """Delete one's own rating."""

    ratings: RatingRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: User, rating: RatingId) -> None:
        """Raises RatingNotFound, NotYourRating."""
        with self.invalidation.movies([self.ratings.get(rating).movie]):
            self.ratings.remove(rating, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMovieRating:
    """Delete one's own rating of a movie, if there is one."""

    ratings: RatingRepository
    movies: MovieRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: User, movie: MovieRef) -> None:
        """Raises MovieNotFound."""
        unrated = self.movies.get(movie).id
        with self.invalidation.movies([unrated]):
            self.ratings.remove_from(unrated, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRating:
    """Show one of one's own ratings."""

    ratings: RatingRepository
    movies: MovieRepository

    def __call__(self, *, user: User, rating: RatingId) -> Rated:
        """Raises RatingNotFound, NotYourRating."""
        found = self.ratings.get(rating)
        if found.user != user.id:
            raise NotYourRating
        movie = self.movies.get(found.movie)
        return Rated(rating=found, movie=movie, user=user, tally=movie.tally)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMyRatings:
    """Show one's own ratings."""

    ratings: RatingRepository
    movies: MovieRepository

    def __call__(self, *, user: User, by: RatingOrder, descending: bool, window: Window) -> RatedPage:
        """One page of ratings in the requested order."""
        found = self.ratings.of_user(
            user.id,
            by,
            descending=descending,
            limit=window.fetch_size,
            skip=window.skip,
            after=window.cursor,
        )
        shown = page_of(found, window, self.ratings.count(user.id))
        movies = self.movies.by_ids([rating.movie for rating in shown.rows])
        return RatedPage(page=shown, movies={movie.id: movie for movie in movies}, users={user.id: user})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMovieRatings:
    """Show all ratings of one movie, the newest first."""

    ratings: RatingRepository
    movies: MovieRepository
    users: UserRepository

    def __call__(self, *, movie: MovieRef, window: Window) -> RatedPage:
        """One page of ratings. The tally of the movie is the summary. Raises MovieNotFound."""
        rated = self.movies.get(movie)
        found = self.ratings.of_movie(rated.id, window.fetch_size, window.skip, after=window.cursor)
        shown = page_of(found, window, rated.tally.count)
        return RatedPage(
            page=shown,
            movies={rated.id: rated},
            users=self.users.by_ids({rating.user for rating in shown.rows}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRatings:
    """Compare every movie's tally with a recount of its ratings."""

    ratings: RatingRepository
    invalidation: CacheInvalidation

    def __call__(self, *, repair: bool = False) -> list[Drift]:
        """The movies whose tally differs from the recount; `repair` corrects them."""
        drifts = self.ratings.drifts()
        if not (repair and drifts):
            return drifts
        wrong = [drift.movie for drift in drifts]  # a repair that fails may be partly stored
        with self.invalidation.movies(wrong):
            repaired = self.ratings.drifts(repair=True)
            wrong += [drift.movie for drift in repaired]
        return repaired


def _new_rating(
    new_id: NewId, clock: Clock, user: User, movie: Movie, score: Score, review: str | None
) -> Rating:
    now = clock()
    return Rating(
        id=RatingId(new_id()),
        user=user.id,
        movie=movie.id,
        score=score,
        review=review,
        created_at=now,
        updated_at=now,
    )
