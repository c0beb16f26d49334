"""What goes out over the wire of users and what is theirs, and the one conversion of each thing."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from application.accounts import SignedIn
from application.ratings import Rated, RatedPage
from application.watchlist import ExportedItems, ExportedRatings, Listed, ListedPage, Relation
from domain.ids import GenreId
from domain.movies import Genre, Movie
from domain.ratings import Rating, Tally
from domain.users import Role, User
from domain.watchlist import WatchlistItem
from entrypoints.http.schemas import Id, Moment, MovieOut, PageOut, moment, movie_out

Points = Annotated[float, Meta(ge=1, le=10, multiple_of=0.5, examples=[8.5])]
Average = Annotated[float, Meta(ge=1, le=10, description="One decimal. Null until someone rates.")] | None
Weighted = Annotated[float, Meta(description="Few ratings count for less. Null until someone rates.")] | None
Username = Annotated[str, Meta(examples=["trinity"])]
Genres = Mapping[GenreId, Genre]

SCHEME: Literal["Bearer"] = "Bearer"


class UserOut(Struct, frozen=True, kw_only=True):
    """An account, as its owner sees it."""

    id: Id
    username: Username
    email: Annotated[str, Meta(examples=["trinity@example.com"])]
    role: Role
    created_at: Moment


class AdminUserOut(UserOut, frozen=True, kw_only=True):
    """An account, as admins see it."""

    disabled: Annotated[bool, Meta(description="Whether it is kept from signing in.")]


class SignedInOut(Struct, frozen=True, kw_only=True):
    """What a client needs that has proved who it is."""

    access_token: Annotated[str, Meta(description="For the header `Authorization: Bearer`.")]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Meta(description="Seconds that the access token lasts.", examples=[604800])]
    refresh_token: Annotated[str, Meta(description="Good for one `POST /auth/refresh`.")]
    user: UserOut


class AuthorOut(Struct, frozen=True, kw_only=True):
    """Who wrote a rating."""

    id: Id
    username: Username


class RatedMovieOut(Struct, frozen=True, kw_only=True):
    """A movie in brief."""

    id: Id
    tmdb_id: Annotated[int, Meta(description="TMDB's number.", examples=[603])]
    title: Annotated[str, Meta(examples=["The Matrix"])]
    poster_path: str | None
    release_date: date | None


class RatingOut(Struct, frozen=True, kw_only=True):
    """One user's rating of one movie."""

    id: Id
    movie_id: Id
    movie: RatedMovieOut
    user: AuthorOut
    rating: Points
    review: str | None
    created_at: Moment
    updated_at: Moment


class MovieRatingOut(Struct, frozen=True, kw_only=True):
    """What all users together make of a movie."""

    average_rating: Average
    ratings_count: Annotated[int, Meta(ge=0)]


class RatingWrittenOut(RatingOut, frozen=True, kw_only=True):
    """A rating that was just written, and where that leaves its movie."""

    movie_rating: MovieRatingOut


class SummaryOut(MovieRatingOut, frozen=True, kw_only=True):
    """What all users together make of a movie, at length."""

    weighted_rating: Weighted
    distribution: Annotated[
        dict[str, int],
        Meta(description="How many users gave each score from 1 to 10.", examples=[{"1": 0, "8.5": 2}]),
    ]


class MovieRatingsOut(PageOut[RatingOut], frozen=True, kw_only=True):
    """A page of everybody's ratings of one movie."""

    summary: SummaryOut


class ItemOut(Struct, frozen=True, kw_only=True):
    """A movie on a user's watchlist."""

    id: Id
    movie: MovieOut
    is_favorite: bool
    note: str | None
    added_at: Moment
    created_at: Annotated[Moment, Meta(description="The same as `added_at`.")]
    updated_at: Moment


class RelationOut(Struct, frozen=True, kw_only=True):
    """All that the caller has to do with one movie."""

    rating: Annotated[RatingOut | None, Meta(description="Null until the caller rates it.")]
    watchlist: Annotated[ItemOut | None, Meta(description="Null while it is not on the caller's watchlist.")]


class ExportOut(Struct, frozen=True, kw_only=True):
    """All data of one user, the newest first."""

    user: UserOut
    ratings: list[RatingOut]
    watchlist: list[ItemOut]


def user_out(user: User) -> UserOut:
    """An account as its owner sees it."""
    return UserOut(
        id=user.id,
        username=user.username,
        email=user.email,
        role=user.role,
        created_at=moment(user.created_at),
    )


def admin_user_out(user: User) -> AdminUserOut:
    """An account as admins see it."""
    return AdminUserOut(**asdict(user_out(user)), disabled=user.disabled)


def signed_in_out(signed_in: SignedIn) -> SignedInOut:
    """A new session as its client sees it."""
    return SignedInOut(
        access_token=signed_in.access_token,
        token_type=SCHEME,
        expires_in=int(signed_in.lasts.total_seconds()),
        refresh_token=signed_in.refresh_token,
        user=user_out(signed_in.user),
    )


def rating_out(rating: Rating, movie: Movie, user: User) -> RatingOut:
    """A rating as everybody sees it."""
    return RatingOut(
        id=rating.id,
        movie_id=rating.movie,
        movie=_movie_in_brief(movie),
        user=AuthorOut(id=user.id, username=user.username),
        rating=rating.score.points,
        review=rating.review,
        created_at=moment(rating.created_at),
        updated_at=moment(rating.updated_at),
    )


def rating_written_out(rated: Rated) -> RatingWrittenOut:
    """A rating that was just written."""
    return RatingWrittenOut(
        **asdict(rating_out(rated.rating, rated.movie, rated.user)),
        movie_rating=MovieRatingOut(average_rating=rated.tally.average, ratings_count=rated.tally.count),
    )


def ratings_out(page: RatedPage) -> list[RatingOut]:
    """Ratings in a list; one whose movie or author went away meanwhile is left out."""
    return [
        rating_out(rating, page.movies[rating.movie], page.users[rating.user])
        for rating in page.page.rows
        if rating.movie in page.movies and rating.user in page.users
    ]


def summary_out(tally: Tally) -> SummaryOut:
    """A tally as everybody sees it."""
    return SummaryOut(
        average_rating=tally.average,
        ratings_count=tally.count,
        weighted_rating=tally.weighted,
        distribution=tally.distribution,
    )


def item_out(item: WatchlistItem, movie: Movie, genres: Genres) -> ItemOut:
    """A watchlist item as its owner sees it."""
    return ItemOut(
        id=item.id,
        movie=movie_out(movie, genres),
        is_favorite=item.is_favorite,
        note=item.note,
        added_at=moment(item.added_at),
        created_at=moment(item.added_at),
        updated_at=moment(item.updated_at),
    )


def listed_out(listed: Listed, genres: Iterable[Genre]) -> ItemOut:
    """One watchlist item."""
    return item_out(listed.item, listed.movie, named(genres))


def items_out(page: ListedPage, genres: Iterable[Genre]) -> list[ItemOut]:
    """Watchlist items in a list; one whose movie went away meanwhile is left out."""
    by_id = named(genres)
    return [
        item_out(each, page.movies[each.movie], by_id) for each in page.page.rows if each.movie in page.movies
    ]


def relation_out(relation: Relation, user: User, genres: Iterable[Genre]) -> RelationOut:
    """What a user has to do with a movie."""
    rating, item, movie = relation.rating, relation.item, relation.movie
    return RelationOut(
        rating=rating_out(rating, movie, user) if rating else None,
        watchlist=item_out(item, movie, named(genres)) if item else None,
    )


def export_out(user: User, parts: Iterable[ExportedRatings | ExportedItems]) -> ExportOut:
    """All data of a user."""
    ratings: list[RatingOut] = []
    items: list[ItemOut] = []
    for part in parts:
        if isinstance(part, ExportedRatings):
            ratings += exported_ratings(user, part)
        else:
            items += exported_items(part)
    return ExportOut(user=user_out(user), ratings=ratings, watchlist=items)


def exported_ratings(user: User, part: ExportedRatings) -> list[RatingOut]:
    """Ratings in an export; one whose movie went away meanwhile is left out."""
    movies = part.movies
    return [rating_out(each, movies[each.movie], user) for each in part.ratings if each.movie in movies]


def exported_items(part: ExportedItems) -> list[ItemOut]:
    """Watchlist items in an export; one whose movie went away meanwhile is left out."""
    movies = part.movies
    return [item_out(each, movies[each.movie], part.genres) for each in part.items if each.movie in movies]


def named(genres: Iterable[Genre]) -> Genres:
    """Genres by id."""
    return {genre.id: genre for genre in genres}


def _movie_in_brief(movie: Movie) -> RatedMovieOut:
    facts = movie.facts
    return RatedMovieOut(
        id=movie.id,
        tmdb_id=facts.tmdb_id,
        title=facts.title,
        poster_path=facts.poster_path,
        release_date=facts.release_date,
    )
