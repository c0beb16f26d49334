"""The journey with the client of openapi-python-client. Usage: openapi_python_client.py http://127.0.0.1:8080"""

import sys
from typing import TypeVar

from client import AuthenticatedClient, Client
from client.api.account import (
    delete_account,
    export_my_data,
    get_account,
    login,
    refresh_session,
    register,
)
from client.api.diary import get_my_movie
from client.api.movies import get_movie, list_movies, search_movies
from client.api.ratings import rate_movie, remove_movie_rating, set_movie_rating, update_rating
from client.api.watchlist import add_to_watchlist
from client.models import (
    AddToWatchlistInput,
    ApiError,
    DeleteAccountInput,
    Export,
    FieldErrorCode,
    LoginInput,
    MoviePage,
    MovieSortField,
    PartialMovieDetail,
    PartialMyMovie,
    PartialUser,
    RateMovieInput,
    Rating,
    RefreshSessionInput,
    RegisterInput,
    SearchResultPage,
    Session,
    SetMovieRatingInput,
    SortOrder,
    UpdateRatingInput,
    WatchlistItem,
    WrittenRating,
)
from client.types import UNSET

AnswerT = TypeVar("AnswerT")


def must(kind: type[AnswerT], answer: object) -> AnswerT:
    """The answer, if it is of that kind."""
    assert isinstance(answer, kind), answer
    return answer


def refused(answer: object) -> tuple[int, str]:
    """The status and the code of an error."""
    error = must(ApiError, answer)
    return error.status_code, error.code


base = sys.argv[1]
stranger = Client(base_url=base)
email, password = "python@example.org", "correct horse battery"

account = RegisterInput(username="python", email=email, password=password)
registered = must(Session, register.sync(client=stranger, body=account))
assert registered.token_type == "Bearer"
wrong = login.sync(client=stranger, body=LoginInput(email=email, password="wrong"))
assert refused(wrong) == (401, "invalid_credentials")
session = must(Session, login.sync(client=stranger, body=LoginInput(email=email, password=password)))
me = AuthenticatedClient(base_url=base, token=session.access_token)
assert must(PartialUser, get_account.sync(client=me)).email == email

narrow = list_movies.sync(
    client=me, fields="id,title", limit=3, sort_by=MovieSortField.TITLE, sort_order=SortOrder.ASC
)
for movie in must(MoviePage, narrow).data:
    assert movie.id and movie.title
    assert movie.tmdb_id is UNSET
whole = must(MoviePage, list_movies.sync(client=me, limit=2, page=2))
assert whole.meta.page == 2
assert whole.data[0].genres

film = must(SearchResultPage, search_movies.sync(client=me, q="godfahter")).data[0]
assert film.title == "The Godfather"
assert film.id
detail = must(PartialMovieDetail, get_movie.sync(film.id, client=me, fields="id,runtime"))
assert set(detail.to_dict()) == {"id", "runtime"}

rating = RateMovieInput(movie_id=film.id, rating=8.5)
rated = must(WrittenRating, rate_movie.sync(client=me, body=rating))
assert rated.movie_rating.ratings_count == 1
assert refused(rate_movie.sync(client=me, body=rating)) == (409, "already_rated")
replaced = set_movie_rating.sync(film.id, client=me, body=SetMovieRatingInput(rating=9, review="An offer."))
written = must(WrittenRating, replaced)
assert written.review == "An offer."
changed = update_rating.sync(written.id, client=me, body=UpdateRatingInput(review=None))
assert must(WrittenRating, changed).review is None

item = must(WatchlistItem, add_to_watchlist.sync(client=me, body=AddToWatchlistInput(movie_id=film.id)))
assert (item.is_favorite, item.movie.title) == (False, "The Godfather")
mine = must(PartialMyMovie, get_my_movie.sync(film.id, client=me))
assert must(Rating, mine.rating).rating == 9
assert must(WatchlistItem, mine.watchlist).id == item.id

export = must(Export, export_my_data.sync(client=me))
assert [each.rating for each in export.ratings] == [9]
assert [each.movie.title for each in export.watchlist] == ["The Godfather"]

tokens = RefreshSessionInput(refresh_token=session.refresh_token)
me = AuthenticatedClient(
    base_url=base, token=must(Session, refresh_session.sync(client=stranger, body=tokens)).access_token
)

bad = must(ApiError, rate_movie.sync(client=me, body=RateMovieInput(movie_id=film.id, rating=11)))
assert bad.errors == ["rating must be between 1 and 10 in steps of 0.5"]
assert [(each.field, each.code) for each in bad.details] == [("rating", FieldErrorCode.OUT_OF_RANGE)]
assert refused(get_movie.sync("999999999", client=me)) == (404, "movie_not_found")

assert remove_movie_rating.sync_detailed(film.id, client=me).status_code == 204
assert delete_account.sync_detailed(client=me, body=DeleteAccountInput(password=password)).status_code == 204
assert get_account.sync_detailed(client=me).status_code == 401
print("done")
