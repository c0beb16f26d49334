"""Cache keys contain everything that a response depends on."""

from itertools import chain
from typing import Any

import msgspec
import pytest

from domain.ids import UserId, movie_id
from entrypoints.http import app
from entrypoints.http.caching import MAX_KEY_PART_LENGTH, variant_key
from entrypoints.http.endpoints import Access, Endpoint, endpoint_of
from entrypoints.http.resources.movies import BrowseQuery, list_key
from entrypoints.http.resources.search import SearchQuery

ANN, BOB = UserId("a" * 24), UserId("b" * 24)

HANDLERS = tuple(chain.from_iterable((*app.CATALOGUE, *app.OTHERS)))
CACHED: dict[str, Endpoint] = {
    handler.fn.__name__: call for handler in HANDLERS if (call := endpoint_of(handler.opt)) and call.cached
}


PERSONAL = ("mine", "not_mine")
"""The parameters of lists that depend on the caller."""


def path_of(call: Endpoint, ref: str = "603") -> dict[str, str]:
    return dict.fromkeys(call.path, ref)


def query_of(call: Endpoint, **given: Any) -> Any:
    """A query of an endpoint. Structs are not validated when created, so any values are possible."""
    required = {field.name: "matrix" for field in msgspec.structs.fields(call.query) if field.required}
    return call.query(**{**required, **given})


def test_the_endpoints_of_the_contract_are_cached() -> None:
    assert set(CACHED) == {
        "get_movies", "get_movies_search", "get_movie_by_id", "get_genres", "get_genre_movies",
        "get_ratings_of_movie", "get_watchlist", "get_movie_recommendations",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, field.name)
        for name, call in CACHED.items()
        for field in msgspec.structs.fields(call.query)
        if field.name not in PERSONAL
    ],
)
def test_every_parameter_of_a_cached_endpoint_is_in_its_key(name: str, parameter: str) -> None:
    call = CACHED[name]
    owner = ANN if call.own else None
    keys = {
        variant_key(call, query_of(call, **given), path_of(call), owner)
        for given in ({}, {parameter: "3"}, {parameter: "4"}, {parameter: "400"})
    }
    assert len(keys) == 4


@pytest.mark.parametrize("name", ["get_movies", "get_movies_search", "get_genre_movies"])
@pytest.mark.parametrize("parameter", PERSONAL)
def test_a_list_that_depends_on_the_caller_is_not_cached(name: str, parameter: str) -> None:
    call = CACHED[name]
    assert variant_key(call, query_of(call, **{parameter: "rated"}), path_of(call), None) is None


@pytest.mark.parametrize("name", [name for name, call in CACHED.items() if call.path])
def test_every_path_parameter_is_in_the_key(name: str) -> None:
    call = CACHED[name]
    for parameter in call.path:
        paths = [path_of(call), {**path_of(call), parameter: "604"}, {**path_of(call), parameter: "0603"}]
        assert len({variant_key(call, query_of(call), path, None) for path in paths}) == 3


@pytest.mark.parametrize("name", [name for name, call in CACHED.items() if call.own])
def test_a_response_for_one_user_has_a_key_for_each_user(name: str) -> None:
    call = CACHED[name]
    mine, yours = (variant_key(call, query_of(call), path_of(call), owner) for owner in (ANN, BOB))
    assert mine
    assert yours
    assert mine[0] != yours[0]
    assert mine[1] != yours[1]


def test_a_response_that_is_cached_for_all_does_not_depend_on_the_caller() -> None:
    """Only endpoints for readers, those that are `own`, and the ratings of a movie."""
    shared = {name for name, call in CACHED.items() if not call.own and call.access is not Access.READERS}
    assert shared == {"get_ratings_of_movie"}


def test_equivalent_queries_have_one_key() -> None:
    call = CACHED["get_movies"]
    plain, spelt = (
        variant_key(call, query, {}, None)
        for query in (BrowseQuery(), BrowseQuery(limit=20, sort_by="popularity"))  # type: ignore[arg-type]
    )
    assert plain == spelt == ("movies:list:1:20:", "")


@pytest.mark.parametrize("ref", ["603", movie_id(603)])
def test_the_responses_of_a_movie_share_the_key_that_is_invalidated(ref: str) -> None:
    for name, prefix in (("get_movie_by_id", "movies:detail:"), ("get_ratings_of_movie", "movies:rating:")):
        call = CACHED[name]
        for query in (query_of(call), query_of(call, **{msgspec.structs.fields(call.query)[0].name: 7})):
            key = variant_key(call, query, path_of(call, ref), None)
            assert key
            assert key[0] == f"{prefix}{movie_id(603)}"


def test_a_movie_requested_by_its_imdb_id_has_no_key() -> None:
    for name in ("get_movie_by_id", "get_ratings_of_movie"):
        assert (
            variant_key(CACHED[name], query_of(CACHED[name]), path_of(CACHED[name], "tt0133093"), None)
            is None
        )


def test_keys_stay_short_and_differ_however_long_their_parameters_are() -> None:
    call, long = CACHED["get_movies_search"], "x" * 200
    keys = [
        variant_key(call, SearchQuery(q=q, cursor=cursor), {}, None)
        for q in (f"{long}a", f"{long}b")
        for cursor in (f"{long}a", f"{long}b")
    ]
    assert len(set(keys)) == 4
    assert all(key and len(part) <= MAX_KEY_PART_LENGTH + 20 for key in keys for part in key or ())
    assert str(list_key(BrowseQuery(genre=long, page=2), {}, None)).startswith("movies:list:2:20:#")


def test_query_parameters_and_path_parameters_do_not_collide_in_keys() -> None:
    call = CACHED["get_genre_movies"]
    keys = {
        variant_key(call, query, {"id": ref}, None)
        for query, ref in (
            (query_of(call, language="en"), "18"),
            (query_of(call), "18&language=en"),
            (query_of(call, language="en&/id=18"), "18"),
            (query_of(call, fields="id", language="en"), "18"),
            (query_of(call, fields="id&language=en"), "18"),
        )
    }
    assert len(keys) == 5
