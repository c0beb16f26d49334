"""Ratings: giving, changing, removing and listing them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from litestar import delete, get, patch, post, put
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from application import catalogue, ratings
from domain.browsing import SortOrder
from domain.ids import RatingId, UserId
from domain.movies import Movie
from domain.ratings import Rating, RatingNotFound, RatingOrder, Score, ScoreOutOfRange, Tally
from domain.texts import Unchanged
from domain.users import Caller, User
from entrypoints.http.caching import Caching
from entrypoints.http.cursors import SortKey
from entrypoints.http.endpoints import (
    DELETE_STATUS,
    Access,
    Endpoint,
    Injected,
    endpoint_opt,
    id_parameter,
)
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.languages import LanguageNegotiation, TextLanguage, in_language
from entrypoints.http.movie_refs import MOVIE_REF, MovieName, derived_id, parse_movie_ref
from entrypoints.http.pagination import Direction, PageQuery, parse_page
from entrypoints.http.requests import (
    HttpRequest,
    free_text,
    parse_body,
    parse_query,
    path_id,
    unset_to_none,
    unset_to_unchanged,
)
from entrypoints.http.responses import Response, json_response, no_content
from entrypoints.http.schemas import (
    Average,
    Body,
    Distribution,
    Id,
    Moment,
    PageOut,
    PatchBody,
    PosterPath,
    Query,
    RatingsCount,
    ReleaseDate,
    TmdbId,
    Username,
    Weighted,
    rfc3339,
)
from entrypoints.validation import rule

TAG = "Ratings"
PATH = {"id": id_parameter("rating")}

# Request bodies

Points = Annotated[
    float,
    rule(
        ScoreOutOfRange.rule,
        ge=1,
        le=10,
        multiple_of=0.5,
        description="1 to 10 in steps of 0.5.",
        examples=[8.5],
    ),
]
Review = Annotated[str, free_text("review", example="Whoa.")]


class ScoreIn(Body, frozen=True, kw_only=True):
    """Your rating of the movie. It replaces an earlier one, with its review."""

    rating: Points
    review: Review | None = None

    @property
    def score(self) -> Score:
        """The score."""
        return Score.of(self.rating)


class RatingIn(ScoreIn, frozen=True, kw_only=True):
    """A movie and your rating of it."""

    movie_id: MovieName


class RatingChangeIn(PatchBody, frozen=True, kw_only=True):
    """The fields of a rating to change; at least one. A review of null is removed."""

    rating: Points | UnsetType = UNSET
    review: Review | UnsetType | None = UNSET

    @property
    def score(self) -> Score | None:
        """The new score, if there is one."""
        return None if isinstance(self.rating, UnsetType) else Score.of(self.rating)

    @property
    def new_review(self) -> str | Unchanged | None:
        """The new review, None to remove it, or UNCHANGED."""
        return unset_to_unchanged(self.review)


# Responses


class AuthorOut(Struct, frozen=True, kw_only=True):
    """The author of a rating."""

    id: Id
    username: Username


class MovieSummaryOut(Struct, frozen=True, kw_only=True):
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
    movie: MovieSummaryOut
    user: AuthorOut
    rating: Points
    review: Annotated[str, Meta(description="Plain text. Null without one.", examples=["Whoa."])] | None
    created_at: Annotated[Moment, Meta(description="When the movie was first rated.")]
    updated_at: Annotated[Moment, Meta(description="When score or review last changed.")]


class MovieRatingOut(Struct, frozen=True, kw_only=True):
    """The ratings of a movie in figures."""

    average_rating: Average | None
    ratings_count: RatingsCount


class WrittenRatingOut(RatingOut, frozen=True, kw_only=True):
    """A rating that was just written, with the new figures of its movie."""

    movie_rating: MovieRatingOut


class RatingSummaryOut(MovieRatingOut, frozen=True, kw_only=True):
    """The ratings of a movie in figures, with their distribution."""

    weighted_rating: Weighted | None
    distribution: Distribution


class MovieRatingPageOut(PageOut[RatingOut], frozen=True, kw_only=True):
    """A page of all ratings of one movie."""

    summary: RatingSummaryOut


# Parameters

RatingSortField = Annotated[
    RatingOrder, rule(f"must be one of {', '.join(RatingOrder)}", description="What to sort by.")
]
RatingFields = Annotated[str, fields_rule(RatingOut, "each rating")]


class RatingQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one rating."""

    fields: RatingFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


class MovieRatingsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the ratings of a movie."""

    fields: RatingFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


class RatingsQuery(MovieRatingsQuery, frozen=True, kw_only=True):
    """The parameters of the ratings of a user."""

    sort_by: RatingSortField = RatingOrder.CREATED_AT
    sort_order: Direction = SortOrder.DESC

    @property
    def sort_key(self) -> SortKey:
        """Ratings are sorted by times or by scores."""
        return SortKey.NUMBER if self.sort_by is RatingOrder.RATING else SortKey.TIME


# Endpoints


def rating_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str | None:  # noqa: ARG001
    """`movies:rating:{id}`; None if the id cannot be derived from the reference."""
    movie = derived_id(path["movie_id"])
    return f"movies:rating:{movie}" if movie else None


RATE_MOVIE = Endpoint(
    operation_id="rateMovie",
    summary="Rate a movie",
    tag=TAG,
    answer=WrittenRatingOut,
    access=Access.USERS,
    body=RatingIn,
    successes=(201,),
    errors=(404, 409),
)
SET_MOVIE_RATING = Endpoint(
    operation_id="setMovieRating",
    summary="Set your rating of a movie",
    tag=TAG,
    answer=WrittenRatingOut,
    access=Access.USERS,
    body=ScoreIn,
    path={"id": MOVIE_REF},
    successes=(200, 201),
    errors=(404,),
)
REMOVE_MOVIE_RATING = Endpoint(
    operation_id="removeMovieRating",
    summary="Remove your rating of a movie",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path={"id": MOVIE_REF},
    successes=(204,),
    errors=(404,),
)
LIST_MY_RATINGS = Endpoint(
    operation_id="listMyRatings",
    summary="List your ratings",
    tag=TAG,
    answer=PageOut[RatingOut],
    access=Access.USERS,
    query=RatingsQuery,
    linked=True,
    own=True,
)
LIST_MOVIE_RATINGS = Endpoint(
    operation_id="listMovieRatings",
    summary="List all ratings of a movie",
    tag=TAG,
    answer=MovieRatingPageOut,
    access=Access.USERS,
    query=MovieRatingsQuery,
    path={"movie_id": MOVIE_REF},
    errors=(404,),
    linked=True,
    cached=rating_key,
)
GET_RATING = Endpoint(
    operation_id="getRating",
    summary="Get a rating",
    tag=TAG,
    answer=RatingOut,
    query=RatingQuery,
    access=Access.USERS,
    path=PATH,
    errors=(403, 404),
)
UPDATE_RATING = Endpoint(
    operation_id="updateRating",
    summary="Update a rating",
    tag=TAG,
    answer=WrittenRatingOut,
    access=Access.USERS,
    body=RatingChangeIn,
    path=PATH,
    errors=(403, 404),
)
DELETE_RATING = Endpoint(
    operation_id="deleteRating",
    summary="Delete a rating",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=PATH,
    successes=(204,),
    errors=(403, 404),
)
DELETE_REVIEW = Endpoint(
    operation_id="deleteReview",
    summary="Delete a review",
    tag="Administration",
    answer=None,
    access=Access.ADMINS,
    path=PATH,
    successes=(204,),
    errors=(404,),
)


@post("/ratings", sync_to_thread=True, opt=endpoint_opt(RATE_MOVIE))
def post_rating(
    request: HttpRequest, body: RawBody, caller: Injected[Caller], rate_movie: Injected[ratings.RateMovie]
) -> Response:
    """Rate a movie that you have not rated yet. To rate whether or not you have, set your rating instead."""
    given = parse_body(RatingIn, request, body)
    movie = parse_movie_ref(given.movie_id)
    rated = rate_movie(user=caller.user, movie=movie, score=given.score, review=given.review)
    return json_response(written_rating_out(rated), status=201)


@put("/movies/{id:str}/rating", sync_to_thread=True, opt=endpoint_opt(SET_MOVIE_RATING))
def put_movie_rating(
    request: HttpRequest, body: RawBody, caller: Injected[Caller], set_rating: Injected[ratings.SetRating]
) -> Response:
    """Rate a movie, or replace your rating of it. A review that is left out is removed.

    The status is 201 for a first rating and 200 for a replaced one, so the request is safe to repeat.
    """
    given, movie = parse_body(ScoreIn, request, body), parse_movie_ref(request.path_params["id"])
    rated = set_rating(user=caller.user, movie=movie, score=given.score, review=given.review)
    return json_response(written_rating_out(rated), status=201 if rated.created else 200)


@delete(
    "/movies/{id:str}/rating",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(REMOVE_MOVIE_RATING),
)
def delete_movie_rating(
    request: HttpRequest, caller: Injected[Caller], remove_movie_rating: Injected[ratings.RemoveMovieRating]
) -> Response:
    """Remove your rating of a movie. The answer is the same if there is none: safe to repeat."""
    parse_query(Query, request)
    remove_movie_rating(user=caller.user, movie=parse_movie_ref(request.path_params["id"]))
    return no_content()


@get("/ratings", sync_to_thread=True, opt=endpoint_opt(LIST_MY_RATINGS))
def get_ratings(
    request: HttpRequest,
    caller: Injected[Caller],
    list_my_ratings: Injected[ratings.ListMyRatings],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """List your own ratings, newest first by default."""
    page = parse_page(RatingsQuery, request)
    by, descending = page.query.sort_by, page.query.sort_order is SortOrder.DESC
    language = negotiate(request.scope, unset_to_none(page.query.language))
    mine = list_my_ratings(user=caller.user, by=by, descending=descending, window=page.window)
    mine = replace(mine, movies=translate_movies.by_id(mine.movies, language))
    meta = page.meta(mine.page, lambda rating: rating.cursor(by))
    return in_language(page.response(PageOut(data=ratings_out(mine), meta=meta)), language)


@get("/ratings/movie/{movie_id:str}", opt=endpoint_opt(LIST_MOVIE_RATINGS))
async def get_ratings_of_movie(
    request: HttpRequest,
    list_movie_ratings: Injected[ratings.ListMovieRatings],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """Everybody's ratings of a movie, the newest first, and what they come to."""
    page = parse_page(MovieRatingsQuery, request)
    movie = parse_movie_ref(request.path_params["movie_id"])
    language = negotiate(request.scope, unset_to_none(page.query.language))

    def build() -> Response:
        rated = list_movie_ratings(movie=movie, window=page.window)
        rated = replace(rated, movies=translate_movies.by_id(rated.movies, language))
        (its_movie,) = rated.movies.values()
        meta = page.meta(rated.page, lambda rating: rating.cursor(RatingOrder.CREATED_AT))
        summary = rating_summary_out(its_movie.tally)
        return page.response(MovieRatingPageOut(data=ratings_out(rated), meta=meta, summary=summary))

    return await caching(page.query, build, request, language)


@get("/ratings/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_RATING))
def get_rating_by_id(
    request: HttpRequest,
    caller: Injected[Caller],
    get_rating: Injected[ratings.GetRating],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """Get one of your own ratings."""
    query = parse_query(RatingQuery, request)
    language = negotiate(request.scope, unset_to_none(query.language))
    rated = get_rating(user=caller.user, rating=rating_id(request))
    movie = translate_movies.one(rated.movie, language)
    return in_language(item_response(rating_out(rated.rating, movie, rated.user), query), language)


@patch("/ratings/{id:str}", sync_to_thread=True, opt=endpoint_opt(UPDATE_RATING))
def patch_rating(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_rating: Injected[ratings.ChangeRating],
) -> Response:
    """Change the score or the review of your rating. Fields that are left out stay as they are."""
    given, rating = parse_body(RatingChangeIn, request, body), rating_id(request)
    rated = change_rating(user=caller.user, rating=rating, score=given.score, review=given.new_review)
    return json_response(written_rating_out(rated))


@delete("/ratings/{id:str}", status_code=DELETE_STATUS, sync_to_thread=True, opt=endpoint_opt(DELETE_RATING))
def delete_rating(
    request: HttpRequest, caller: Injected[Caller], remove_rating: Injected[ratings.RemoveRating]
) -> Response:
    """Delete one of your own ratings."""
    parse_query(Query, request)
    remove_rating(user=caller.user, rating=rating_id(request))
    return no_content()


@delete(
    "/admin/ratings/{id:str}/review",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(DELETE_REVIEW),
)
def delete_review(request: HttpRequest, remove_review: Injected[ratings.RemoveReview]) -> Response:
    """Delete the review of anybody's rating. The score stays."""
    parse_query(Query, request)
    remove_review(rating=rating_id(request))
    return no_content()


def rating_id(request: HttpRequest) -> RatingId:
    """The rating in the path. Raises RatingNotFound if it is not an id."""
    return path_id(request, RatingId, RatingNotFound)


# Conversion


def rating_out(rating: Rating, movie: Movie, user: User) -> RatingOut:
    """Convert a rating with its movie and its author."""
    return RatingOut(
        id=rating.id,
        movie_id=rating.movie,
        movie=movie_summary(movie),
        user=AuthorOut(id=user.id, username=user.username),
        rating=rating.score.points,
        review=rating.review,
        created_at=rfc3339(rating.created_at),
        updated_at=rfc3339(rating.updated_at),
    )


def movie_summary(movie: Movie) -> MovieSummaryOut:
    """Convert a movie in brief."""
    facts = movie.facts
    return MovieSummaryOut(
        id=movie.id,
        tmdb_id=facts.tmdb_id,
        title=facts.title,
        poster_path=facts.poster_path,
        release_date=facts.release_date,
    )


def written_rating_out(rated: ratings.Rated) -> WrittenRatingOut:
    """Convert a rating that was just stored."""
    return WrittenRatingOut(
        **asdict(rating_out(rated.rating, rated.movie, rated.user)),
        movie_rating=MovieRatingOut(average_rating=rated.tally.average, ratings_count=rated.tally.count),
    )


def ratings_out(page: ratings.RatedPage) -> list[RatingOut]:
    """Convert a page of ratings, without those whose movie or author has been deleted meanwhile."""
    return [
        rating_out(rating, page.movies[rating.movie], page.users[rating.user])
        for rating in page.page.rows
        if rating.movie in page.movies and rating.user in page.users
    ]


def rating_summary_out(tally: Tally) -> RatingSummaryOut:
    """Convert a tally."""
    return RatingSummaryOut(
        average_rating=tally.average,
        ratings_count=tally.count,
        weighted_rating=tally.weighted,
        distribution=tally.distribution,
    )


ROUTES = (
    post_rating,
    put_movie_rating,
    delete_movie_rating,
    get_ratings,
    get_ratings_of_movie,
    get_rating_by_id,
    patch_rating,
    delete_rating,
    delete_review,
)
