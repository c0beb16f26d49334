"""The lists of SQLite over generated filters: exactly the movies that the domain's own rule admits."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.movies import expected
from adapters.testkit.samples import (
    GENRES,
    add_user,
    new_item,
    new_rating,
    new_viewing,
    random_facts,
    store_page,
)
from domain.browsing import Mine, MovieFilter, OwnFilter, SortBy, Sorting, SortOrder
from domain.ids import MovieId, UserId
from domain.movies import Movie
from domain.pagination import Window
from tests.stores import store_in_memory

USER = UserId("a" * 24)
MOVIES = 150


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    """A store with movies that two users have rated, listed and seen; the first is USER."""
    store = store_in_memory(system.now)
    for day, facts in enumerate((random_facts(MOVIES), random_facts(MOVIES + 20)[MOVIES:]), 1):
        store_page(store, *facts, day=day)
    users = add_user(store, id=USER).id, add_user(store, "bob").id
    for place, movie in enumerate(store.movies.by_tmdb_ids(range(MOVIES)).values()):
        for number, user in enumerate(users, 2):
            if place % number == 0:
                store.ratings.add(new_rating(user, movie.id, 1 + place % 19 / 2))
            if place % (number + 3) == 0:
                store.watchlists.add(new_item(user, movie.id, is_favorite=place % 2 == 0))
            if place % (number + 5) == 0:
                store.viewings.add(new_viewing(user, movie.id))
    yield store
    store.close()


@pytest.fixture(scope="module")
def movies(store: SqliteStore) -> list[Movie]:
    return list(store.movies.by_tmdb_ids(range(MOVIES + 21)).values())


@pytest.fixture(scope="module")
def own(store: SqliteStore, movies: list[Movie]) -> dict[MovieId, set[Mine]]:
    """What the movies are to USER."""
    found = {movie.id: {Mine.RATED} if store.ratings.of(USER, movie.id) else set() for movie in movies}
    for movie in movies:
        item = store.watchlists.of(USER, movie.id)
        if item:
            found[movie.id] |= {Mine.LISTED, Mine.FAVORITE} if item.is_favorite else {Mine.LISTED}
    for viewing in store.viewings.of_user(USER, limit=MOVIES):
        found[viewing.movie].add(Mine.SEEN)
    return found


def perhaps(*values: float) -> st.SearchStrategy[float | None]:
    return st.sampled_from((None, None, *values))


genre_sets = st.frozensets(st.sampled_from(GENRES), max_size=2)
kinds = st.frozensets(st.sampled_from(Mine), max_size=2)
filters = st.builds(
    MovieFilter,
    all_genres=st.just(frozenset()) | genre_sets,
    any_genres=st.just(frozenset()) | genre_sets,
    year_from=perhaps(1903, 1908),
    year_to=perhaps(1903, 1908),
    min_rating=perhaps(2.5, 8.0),
    max_rating=perhaps(5.5, 9.5),
    min_votes=perhaps(0, 100),
    min_runtime=perhaps(90, 200),
    max_runtime=perhaps(100, 250),
    language=st.sampled_from((None, None, "en", "fr")),
    own=st.none() | st.builds(OwnFilter, user=st.just(USER), mine=kinds, not_mine=kinds),
)
sortings = st.builds(Sorting, st.sampled_from(SortBy), st.sampled_from(SortOrder))


@settings(max_examples=150)
@given(filters, sortings, st.integers(0, MOVIES))
def test_lists_and_counts_are_those_of_the_domains_rule_from_any_place_on(
    store: SqliteStore,
    movies: list[Movie],
    own: dict[MovieId, set[Mine]],
    wanted: MovieFilter,
    sorting: Sorting,
    place: int,
) -> None:
    ordered = expected(movies, wanted, sorting, own)
    assert store.movies.count(wanted) == len(ordered)
    skip = place % (len(ordered) + 1)
    numbered = store.movies.page(wanted, sorting, Window(limit=9, skip=skip))
    assert (list(numbered.movies), numbered.more) == (ordered[skip : skip + 9], len(ordered) > skip + 9)
    if skip:
        after = Window(limit=9, cursor=sorting.cursor(ordered[skip - 1]))
        assert store.movies.page(wanted, sorting, after) == numbered
