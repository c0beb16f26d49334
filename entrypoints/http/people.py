"""What goes out over the wire of users and what is theirs, and the one conversion of each thing."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from application.accounts import SignedIn
from application.ratings import Rated, RatedPage
from application.watchlist import ExportedItems, ExportedRatings, Listed, ListedPage, Relation
from domain.ids import GenreId
from domain.invitations import Invitation
from domain.movies import Genre, Movie
from domain.ratings import Rating, Tally
from domain.users import Role, User
from domain.watchlist import WatchlistItem
from entrypoints.http.schemas import (
    Average,
    Distribution,
    Id,
    Moment,
    MovieOut,
    PageOut,
    PosterPath,
    RatingsCount,
    ReleaseDate,
    TmdbId,
    Weighted,
    moment,
    movie_out,
)

Points = Annotated[
    float, Meta(ge=1, le=10, multiple_of=0.5, description="1 to 10 in steps of 0.5.", examples=[8.5])
]
Username = Annotated[str, Meta(description="Unique in any case.", examples=["trinity"])]
Genres = Mapping[GenreId, Genre]

SCHEME: Literal["Bearer"] = "Bearer"


class UserOut(Struct, frozen=True, kw_only=True):
    """An account, as its owner sees it."""

    id: Id
    username: Username
    email: Annotated[
        str,
        Meta(
            description="Shown to you and to admins only.",
            examples=["trinity@example.com"],
            extra_json_schema={"format": "email"},
        ),
    ]
    role: Annotated[Role, Meta(description="What the account may do.")]
    created_at: Annotated[Moment, Meta(description="When it was created.")]


class AdminUserOut(UserOut, frozen=True, kw_only=True):
    """An account, as admins see it."""

    disabled: Annotated[bool, Meta(description="Whether it cannot log in.", examples=[False])]


class InvitationOut(Struct, frozen=True, kw_only=True):
    """An invitation; its code was shown when it was created, and cannot be shown again."""

    id: Id
    uses: Annotated[int, Meta(description="How many accounts it can make in all.", ge=1, examples=[1])]
    remaining: Annotated[int, Meta(description="How many more it can make.", ge=0, examples=[1])]
    created_at: Annotated[Moment, Meta(description="When it was created.")]
    expires_at: Annotated[Moment, Meta(description="Until when it is valid.")]


class NewInvitationOut(InvitationOut, frozen=True, kw_only=True):
    """An invitation that was just created, with its code."""

    code: Annotated[
        str,
        Meta(description="For `invitation` of `POST /auth/register`.", examples=["Zk3v0cXb5J1nQe8yq1hVw0z3"]),
    ]


class SignedInOut(Struct, frozen=True, kw_only=True):
    """The tokens of a session, and whose session it is."""

    access_token: Annotated[
        str,
        Meta(description="For the header `Authorization: Bearer`.", examples=["eyJhbGciOiJIUzI1NiJ9.eyJ…"]),
    ]
    token_type: Annotated[Literal["Bearer"], Meta(description="Always `Bearer`.")]
    expires_in: Annotated[
        int, Meta(description="Seconds until the access token expires.", ge=0, examples=[604800])
    ]
    refresh_token: Annotated[
        str,
        Meta(
            description="For `POST /auth/refresh`; it works once.",
            examples=["8e7b1c04d9b44b6f9a2d3c51.Zk3v0cXb5J1nQe8y"],
        ),
    ]
    user: UserOut


class AuthorOut(Struct, frozen=True, kw_only=True):
    """The author of a rating."""

    id: Id
    username: Username


class RatedMovieOut(Struct, frozen=True, kw_only=True):
    """A movie in brief."""

    id: Id
    tmdb_id: TmdbId
    title: Annotated[str, Meta(description="In the language of the catalogue.", examples=["The Matrix"])]
    poster_path: PosterPath | None
    release_date: ReleaseDate | None


class RatingOut(Struct, frozen=True, kw_only=True):
    """One user's rating of one movie."""

    id: Id
    movie_id: Annotated[Id, Meta(description="The id of the movie.")]
    movie: RatedMovieOut
    user: AuthorOut
    rating: Points
    review: Annotated[str, Meta(description="Plain text. Null without one.", examples=["Whoa."])] | None
    created_at: Annotated[Moment, Meta(description="When the movie was first rated.")]
    updated_at: Annotated[Moment, Meta(description="When score or review last changed.")]


class MovieRatingOut(Struct, frozen=True, kw_only=True):
    """The ratings of a movie in figures."""

    average_rating: Average | None
    ratings_count: RatingsCount


class RatingWrittenOut(RatingOut, frozen=True, kw_only=True):
    """A rating that was just written, with the new figures of its movie."""

    movie_rating: MovieRatingOut


class SummaryOut(MovieRatingOut, frozen=True, kw_only=True):
    """The ratings of a movie in figures, with their distribution."""

    weighted_rating: Weighted | None
    distribution: Distribution


class MovieRatingsOut(PageOut[RatingOut], frozen=True, kw_only=True):
    """A page of all ratings of one movie."""

    summary: SummaryOut


class ItemOut(Struct, frozen=True, kw_only=True):
    """A movie on a user's watchlist."""

    id: Id
    movie: MovieOut
    is_favorite: Annotated[bool, Meta(description="Whether it is marked as a favourite.", examples=[True])]
    note: (
        Annotated[str, Meta(description="Plain text. Null without one.", examples=["With the children"])]
        | None
    )
    added_at: Annotated[Moment, Meta(description="When it was added.")]
    created_at: Annotated[Moment, Meta(description="The same as `added_at`.")]
    updated_at: Annotated[Moment, Meta(description="When mark or note last changed.")]


class RelationOut(Struct, frozen=True, kw_only=True):
    """Your rating of a movie and its item on your watchlist."""

    rating: Annotated[RatingOut | None, Meta(description="Null if you have not rated it.")]
    watchlist: Annotated[ItemOut | None, Meta(description="Null if it is not on your watchlist.")]


class ExportOut(Struct, frozen=True, kw_only=True):
    """All data of one user, newest first."""

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


def invitation_out(invitation: Invitation) -> InvitationOut:
    """An invitation, without its code."""
    return InvitationOut(
        id=invitation.id,
        uses=invitation.uses,
        remaining=invitation.remaining,
        created_at=moment(invitation.created_at),
        expires_at=moment(invitation.expires_at),
    )


def new_invitation_out(invitation: Invitation, code: str) -> NewInvitationOut:
    """An invitation with its code."""
    return NewInvitationOut(code=code, **asdict(invitation_out(invitation)))


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


def listed_out(listed: Listed) -> ItemOut:
    """One watchlist item."""
    return item_out(listed.item, listed.movie, listed.genres)


def items_out(page: ListedPage) -> list[ItemOut]:
    """Watchlist items in a list; one whose movie went away meanwhile is left out."""
    return [
        item_out(each, page.movies[each.movie], page.genres)
        for each in page.page.rows
        if each.movie in page.movies
    ]


def relation_out(relation: Relation, user: User) -> RelationOut:
    """What a user has to do with a movie."""
    rating, item, movie = relation.rating, relation.item, relation.movie
    return RelationOut(
        rating=rating_out(rating, movie, user) if rating else None,
        watchlist=item_out(item, movie, relation.genres) if item else None,
    )


def exported_ratings(user: User, part: ExportedRatings) -> list[RatingOut]:
    """Ratings in an export; one whose movie went away meanwhile is left out."""
    movies = part.movies
    return [rating_out(each, movies[each.movie], user) for each in part.ratings if each.movie in movies]


def exported_items(part: ExportedItems) -> list[ItemOut]:
    """Watchlist items in an export; one whose movie went away meanwhile is left out."""
    movies = part.movies
    return [item_out(each, movies[each.movie], part.genres) for each in part.items if each.movie in movies]


def _movie_in_brief(movie: Movie) -> RatedMovieOut:
    facts = movie.facts
    return RatedMovieOut(
        id=movie.id,
        tmdb_id=facts.tmdb_id,
        title=facts.title,
        poster_path=facts.poster_path,
        release_date=facts.release_date,
    )
