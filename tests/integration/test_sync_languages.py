"""Titles and overviews in further languages come with the details, and later from the sweep."""

from collections.abc import Callable, Iterator

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.source import TmdbMovieSource
from application.sync import SyncChanges, SyncMovies
from application.sync_runner import SyncRunner
from domain.ids import TmdbNumber
from domain.languages import Language, Languages
from domain.search import Query, search
from domain.sync import Status
from tests.stores import store_in_memory
from tests.tmdb_simulator import Catalogue, TmdbSimulator

ENGLISH, GERMAN, FRENCH = map(Language, ("en-US", "de-DE", "fr"))

FILMS = [
    {
        "id": number,
        "title": f"The Film {number}",
        "popularity": float(number),
        "runtime": 90,
        "_translations": {
            "de-DE": {"title": f"Der Streifen {number}", "overview": "Ein Film."},
            "fr-FR": {"title": f"Le Long {number}", "overview": ""},
        },
    }
    for number in range(1, 8)
]

Runner = Callable[..., SyncRunner]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    yield store
    store.close()


@pytest.fixture
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(catalogue=Catalogue(FILMS), token="right") as simulator:
        yield simulator


@pytest.fixture
def runner(store: SqliteStore, tmdb: TmdbSimulator) -> Iterator[Runner]:
    sources: list[TmdbMovieSource] = []

    def make(*further: Language) -> SyncRunner:
        source = TmdbMovieSource(
            access_token="right",
            api_key=None,
            base_url=tmdb.url,
            budget=RequestPacer(1000),
            languages=Languages(ENGLISH, further),
        )
        sources.append(source)
        return SyncRunner(
            source=source,
            runs=store.runs,
            locks=store.locks,
            jobs=system.NoJobQueue(),
            invalidation=system.NoCache(),
            clock=system.now,
            new_id=system.new_id,
        )

    yield make
    for source in sources:
        source.close()


def translated(store: SqliteStore, language: Language) -> str:
    """The numbers of the films that are translated into a language."""
    movies = (store.movies.get(TmdbNumber(number)).facts for number in range(1, 8))
    return "".join(
        str(facts.tmdb_id) for facts in movies if language in {each.language for each in facts.translations}
    )


def found(store: SqliteStore, text: str) -> int:
    return len(search(Query(text), store.movies.find))


def test_translations_cost_no_request(store: SqliteStore, tmdb: TmdbSimulator, runner: Runner) -> None:
    run = SyncMovies(runner=runner(GERMAN, FRENCH), movies=store.movies)(pages=1)
    assert (run.status, run.requests, len(tmdb.log)) == (Status.SUCCESS, 8, 8)
    assert translated(store, GERMAN) == translated(store, FRENCH) == "1234567"
    assert found(store, "der streifen") == found(store, "le long") == found(store, "the film") == 7


def test_the_sweep_reads_movies_again_for_a_language_that_was_added_or_removed(
    store: SqliteStore, tmdb: TmdbSimulator, runner: Runner
) -> None:
    assert SyncMovies(runner=runner(), movies=store.movies)(pages=1).complete
    assert translated(store, GERMAN) == ""
    for further, expected in (((GERMAN,), "567"), ((GERMAN,), "234567"), ((), "234")):
        before = len(tmdb.log)
        run = SyncChanges(runner=runner(*further), movies=store.movies)(max_completed=3)
        assert run.status is Status.SUCCESS
        assert sum("append_to_response" in request.params for request in tmdb.log[before:]) == 3
        assert translated(store, GERMAN) == expected
    assert found(store, "der streifen") == 3
