"""Term queries in SQLite: each plan finds the same movies."""

from collections.abc import Iterator
from itertools import cycle
from random import Random

import pytest

from adapters import system
from adapters.sqlite import search
from adapters.sqlite.store import SqliteStore
from adapters.testkit.movies import FILTERS
from adapters.testkit.samples import add_movies, random_facts
from domain.browsing import MovieFilter
from domain.movies import Movie
from domain.people import name_terms
from domain.search import TermQuery, terms
from tests.stores import store_in_memory


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    yield store
    store.close()


@pytest.fixture(scope="module")
def movies(store: SqliteStore) -> list[Movie]:
    """All visible movies, the most popular first."""
    added = add_movies(store, random_facts(300, seed=5))
    return sorted((movie for movie in added if movie.visible), key=_least_popular)


@pytest.mark.parametrize("counted", [1, 4, 12, search.MAX_COUNTED])
@pytest.mark.parametrize("lookup_cost", [0, search.LOOKUP_COST, 1000])
def test_every_plan_finds_the_most_popular_movies_with_a_term_of_each_clause(
    store: SqliteStore,
    movies: list[Movie],
    monkeypatch: pytest.MonkeyPatch,
    counted: int,
    lookup_cost: int,
) -> None:
    monkeypatch.setattr(search, "MAX_COUNTED", counted)
    monkeypatch.setattr(search, "LOOKUP_COST", lookup_cost)
    held = {movie.id: _terms(movie) for movie in movies}
    filters = cycle((MovieFilter(), *FILTERS.values()))
    for query, limit in _queries(list(held.values())):
        admitted = next(filters)
        wanted = [
            movie
            for movie in movies
            if admitted.admits(movie) and all(not clause.isdisjoint(held[movie.id]) for clause in query)
        ]
        found = [candidate.id for candidate in store.movies.find(query, limit, admitted)]
        assert found == [movie.id for movie in wanted[:limit]], (query, limit, admitted)


def _queries(held: list[frozenset[str]]) -> Iterator[tuple[TermQuery, int]]:
    """Queries of up to three clauses, each with terms of one movie, of another, and of none."""
    random = Random(1)
    for _ in range(300):
        one, other = random.sample(held, 2)
        query = tuple(
            frozenset(
                (
                    *random.sample(sorted(one), min(len(one), random.randint(1, 4))),
                    *random.sample(sorted(other), random.choice((0, 0, 2))),
                    *random.choice(((), ("no such term",))),
                )
            )
            for _ in range(random.randint(1, 3))
        )
        query = random.choice((query, query, query, (*query, frozenset({"no such term"}))))
        yield query, random.choice((1, 3, 500))


def _terms(movie: Movie) -> frozenset[str]:
    facts = movie.facts
    year = facts.release_date.year if facts.release_date else None
    titles = (facts.title, facts.original_title, *facts.other_titles)
    of_titles = terms(titles, year=year, tmdb_id=facts.tmdb_id, imdb_id=facts.imdb_id)
    return of_titles | name_terms(facts.people)


def _least_popular(movie: Movie) -> tuple[float, int]:
    popularity = movie.facts.popularity
    return (float("inf") if popularity is None else -popularity), movie.facts.tmdb_id
