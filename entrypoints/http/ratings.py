"""The calls that give, change, withdraw and show ratings."""

from litestar import delete, get, patch, post, put
from litestar.params import RawBody

from application.ratings import (
    ChangeRating,
    GetRating,
    ListMovieRatings,
    ListMyRatings,
    RateMovie,
    RemoveReview,
    SetRating,
    UnrateMovie,
    WithdrawRating,
)
from domain.browsing import SortOrder
from domain.ids import RatingId, is_id
from domain.ratings import RatingNotFound, RatingOrder
from domain.users import Caller
from entrypoints.http.bodies import RatingChangeIn, RatingIn, ScoreIn, movie_named
from entrypoints.http.caching import Caching, rating_key
from entrypoints.http.endpoints import MOVIE_REF, REMOVING, Access, Call, Given, described, id_of
from entrypoints.http.pagination import item_answer, meta_of, paged
from entrypoints.http.people import (
    MovieRatingsOut,
    RatingOut,
    RatingWrittenOut,
    rating_out,
    rating_written_out,
    ratings_out,
    summary_out,
)
from entrypoints.http.queries import MovieRatingsQuery, RatingQuery, RatingsQuery
from entrypoints.http.reading import sent
from entrypoints.http.requests import HttpRequest, Query, asked, listing_of
from entrypoints.http.responses import Answer, done, json_answer
from entrypoints.http.schemas import PageOut

TAG = "Ratings"
RATING = {"id": id_of("rating")}

RATING_FIRST = Call(
    operation_id="rateMovie",
    summary="Rate a movie",
    tag=TAG,
    answer=RatingWrittenOut,
    access=Access.USERS,
    body=RatingIn,
    successes=(201,),
    refusals=(404, 409),
)
SETTING = Call(
    operation_id="setMovieRating",
    summary="Set your rating of a movie",
    tag=TAG,
    answer=RatingWrittenOut,
    access=Access.USERS,
    body=ScoreIn,
    path={"id": MOVIE_REF},
    successes=(200, 201),
    refusals=(404,),
)
UNRATING = Call(
    operation_id="removeMovieRating",
    summary="Remove your rating of a movie",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path={"id": MOVIE_REF},
    successes=(204,),
    refusals=(404,),
)
LISTING = Call(
    operation_id="listMyRatings",
    summary="List your ratings",
    tag=TAG,
    answer=PageOut[RatingOut],
    access=Access.USERS,
    query=RatingsQuery,
    linked=True,
    own=True,
)
LISTING_OF_MOVIE = Call(
    operation_id="listMovieRatings",
    summary="List all ratings of a movie",
    tag=TAG,
    answer=MovieRatingsOut,
    access=Access.USERS,
    query=MovieRatingsQuery,
    path={"movie_id": MOVIE_REF},
    refusals=(404,),
    linked=True,
    cached=rating_key,
)
SHOWING = Call(
    operation_id="getRating",
    summary="Get a rating",
    tag=TAG,
    answer=RatingOut,
    query=RatingQuery,
    access=Access.USERS,
    path=RATING,
    refusals=(403, 404),
)
CHANGING = Call(
    operation_id="updateRating",
    summary="Update a rating",
    tag=TAG,
    answer=RatingWrittenOut,
    access=Access.USERS,
    body=RatingChangeIn,
    path=RATING,
    refusals=(403, 404),
)
WITHDRAWING = Call(
    operation_id="deleteRating",
    summary="Delete a rating",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=RATING,
    successes=(204,),
    refusals=(403, 404),
)

REMOVING_REVIEW = Call(
    operation_id="deleteReview",
    summary="Delete a review",
    tag="Administration",
    answer=None,
    access=Access.ADMINS,
    path=RATING,
    successes=(204,),
    refusals=(404,),
)


@post("/ratings", sync_to_thread=True, opt=described(RATING_FIRST))
def post_rating(
    request: HttpRequest, body: RawBody, caller: Given[Caller], rate_movie: Given[RateMovie]
) -> Answer:
    """Rate a movie that you have not rated yet. To rate whether or not you have, set your rating instead."""
    given = sent(RatingIn, request, body)
    rated = rate_movie(user=caller.user, movie=given.movie, score=given.score, review=given.review)
    return json_answer(rating_written_out(rated), status=201)


@put("/movies/{id:str}/rating", sync_to_thread=True, opt=described(SETTING))
def put_movie_rating(
    request: HttpRequest, body: RawBody, caller: Given[Caller], set_rating: Given[SetRating]
) -> Answer:
    """Rate a movie, or replace your rating of it. A review that is left out is removed.

    The status is 201 for a first rating and 200 for a replaced one, so the request is safe to repeat.
    """
    given, movie = sent(ScoreIn, request, body), movie_named(request.path_params["id"])
    rated = set_rating(user=caller.user, movie=movie, score=given.score, review=given.review)
    return json_answer(rating_written_out(rated), status=201 if rated.created else 200)


@delete("/movies/{id:str}/rating", status_code=REMOVING, sync_to_thread=True, opt=described(UNRATING))
def delete_movie_rating(
    request: HttpRequest, caller: Given[Caller], unrate_movie: Given[UnrateMovie]
) -> Answer:
    """Remove your rating of a movie. The answer is the same if there is none: safe to repeat."""
    asked(Query, request)
    unrate_movie(user=caller.user, movie=movie_named(request.path_params["id"]))
    return done()


@get("/ratings", sync_to_thread=True, opt=described(LISTING))
def get_ratings(request: HttpRequest, caller: Given[Caller], list_my_ratings: Given[ListMyRatings]) -> Answer:
    """List your own ratings, newest first by default."""
    user = caller.user
    query, listing = asked(RatingsQuery, request), listing_of(request)
    by, descending = query.sort_by, query.sort_order is SortOrder.DESC
    mine = list_my_ratings(user=user, by=by, descending=descending, window=query.window(listing))
    meta = meta_of(query, listing, mine.page, lambda rating: rating.place(by))
    return paged(PageOut(data=ratings_out(mine), meta=meta), query, request)


@get("/ratings/movie/{movie_id:str}", opt=described(LISTING_OF_MOVIE))
async def get_ratings_of_movie(
    request: HttpRequest, list_movie_ratings: Given[ListMovieRatings], caching: Given[Caching]
) -> Answer:
    """Everybody's ratings of a movie, the newest first, and what they come to."""
    query, listing = asked(MovieRatingsQuery, request), listing_of(request)
    movie = movie_named(request.path_params["movie_id"])

    def build() -> Answer:
        everybodys = list_movie_ratings(movie=movie, window=query.window(listing))
        (rated,) = everybodys.movies.values()
        meta = meta_of(query, listing, everybodys.page, lambda rating: rating.place(RatingOrder.CREATED_AT))
        out = MovieRatingsOut(data=ratings_out(everybodys), meta=meta, summary=summary_out(rated.tally))
        return paged(out, query, request)

    return await caching(query, build, request)


@get("/ratings/{id:str}", sync_to_thread=True, opt=described(SHOWING))
def get_rating_by_id(request: HttpRequest, caller: Given[Caller], get_rating: Given[GetRating]) -> Answer:
    """Get one of your own ratings."""
    query = asked(RatingQuery, request)
    rated = get_rating(user=caller.user, rating=rating_named(request.path_params["id"]))
    return item_answer(rating_out(rated.rating, rated.movie, rated.user), query)


@patch("/ratings/{id:str}", sync_to_thread=True, opt=described(CHANGING))
def patch_rating(
    request: HttpRequest, body: RawBody, caller: Given[Caller], change_rating: Given[ChangeRating]
) -> Answer:
    """Change the score or the review of your rating. Fields that are left out stay as they are."""
    given, rating = sent(RatingChangeIn, request, body), rating_named(request.path_params["id"])
    rated = change_rating(user=caller.user, rating=rating, score=given.score, review=given.new_review)
    return json_answer(rating_written_out(rated))


@delete("/ratings/{id:str}", status_code=REMOVING, sync_to_thread=True, opt=described(WITHDRAWING))
def delete_rating(
    request: HttpRequest, caller: Given[Caller], withdraw_rating: Given[WithdrawRating]
) -> Answer:
    """Delete one of your own ratings."""
    asked(Query, request)
    withdraw_rating(user=caller.user, rating=rating_named(request.path_params["id"]))
    return done()


@delete(
    "/admin/ratings/{id:str}/review",
    status_code=REMOVING,
    sync_to_thread=True,
    opt=described(REMOVING_REVIEW),
)
def delete_review(request: HttpRequest, remove_review: Given[RemoveReview]) -> Answer:
    """Delete the review of anybody's rating. The score stays."""
    asked(Query, request)
    remove_review(rating=rating_named(request.path_params["id"]))
    return done()


def rating_named(text: str) -> RatingId:
    """The rating that a path names. Raises RatingNotFound for what is no id."""
    if not is_id(text):
        raise RatingNotFound
    return RatingId(text)
