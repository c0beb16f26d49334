"""What SQLite does for each call, by its own account: no call reads a whole table."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.movies import FILTERS, SORTINGS
from adapters.testkit.samples import GENRES, facts, invented, new_run, put
from domain.browsing import Cursor, MovieFilter, SortBy, Sorting, Value, Window
from domain.ids import ImdbId, TmdbNumber, movie_id
from domain.search import Query, search
from domain.sync import Entity

VALUES: dict[SortBy, Value] = {SortBy.TITLE: "b", SortBy.RELEASE_DATE: "1905-12-01"}

Calls = Callable[[SqliteStore], object]


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(path=None, clock=system.now)
    store.prepare()
    put(store, *invented(400))
    yield store
    store.close()


def plans(store: SqliteStore, call: Calls) -> Iterator[str]:
    """Each step that SQLite takes for the statements of a call."""
    statements: list[str] = []
    with store.database.reading() as connection:
        connection.set_trace_callback(statements.append)
        call(store)
        connection.set_trace_callback(None)
        for statement in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                    yield step["detail"]


def scans(store: SqliteStore, call: Calls) -> list[str]:
    """The steps that read a whole table or a whole index."""
    of_results = ("SCAN (subquery", "SCAN CONSTANT ROW", "SCAN best")
    return [
        step for step in plans(store, call) if step.startswith("SCAN") and not step.startswith(of_results)
    ]


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("sorting", SORTINGS, ids=lambda sorting: f"{sorting.by}-{sorting.order}")
def test_no_list_reads_a_whole_table(store: SqliteStore, wanted: MovieFilter, sorting: Sorting) -> None:
    cursors = (None, Cursor(None, movie_id(1)), Cursor(VALUES.get(sorting.by, 3.0), movie_id(1)))
    for cursor in cursors:
        window = Window(limit=5, cursor=cursor)
        assert scans(store, lambda store, window=window: store.movies.page(wanted, sorting, window)) == []  # type: ignore[misc]
    assert scans(store, lambda store: store.movies.page(wanted, sorting, Window(skip=30))) == []


@pytest.mark.parametrize("sorting", SORTINGS, ids=lambda sorting: f"{sorting.by}-{sorting.order}")
def test_a_list_without_a_filter_is_never_sorted(store: SqliteStore, sorting: Sorting) -> None:
    for cursor in (None, Cursor(VALUES.get(sorting.by, 3.0), movie_id(1))):
        window = Window(limit=5, cursor=cursor)
        steps = list(
            plans(store, lambda store, window=window: store.movies.page(MovieFilter(), sorting, window))  # type: ignore[misc]
        )
        assert any(
            step.startswith("SEARCH movies USING INDEX movies_by_") or "COVERING" in step for step in steps
        )
        assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
def test_no_count_reads_a_whole_table(store: SqliteStore, wanted: MovieFilter) -> None:
    assert scans(store, lambda store: store.movies.count(wanted)) == []


@pytest.mark.parametrize("text", ["star", "s", "love of", "wall e", "nihgt", "千尋", "amelie river dawn"])
def test_no_search_reads_a_whole_table(store: SqliteStore, text: str) -> None:
    query = Query(text)
    assert scans(store, lambda store: search(query, store.movies.find)) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.movies.get(movie_id(1)),
        lambda store: store.movies.get(TmdbNumber(1)),
        lambda store: store.movies.get(ImdbId("tt0000001")),
        lambda store: store.movies.by_ids([movie_id(1), movie_id(2)]),
        lambda store: store.movies.held([1, 2]),
        lambda store: store.movies.stale(system.now(), 10),
        lambda store: store.movies.generation(),
        lambda store: store.runs.latest(Entity.MOVIES),
        lambda store: store.runs.latest(Entity.MOVIES, completed=True),
        lambda store: store.runs.recent(10),
        lambda store: store.locks.acquire("sync:movies", "me", timedelta(seconds=1)),
        lambda store: store.ping(),
        lambda store: put(store, facts(1, genres=GENRES[:1]), facts(9000), gone=(9000,)),
    ],
    ids=[
        "by id", "by number", "by IMDb id", "several", "held", "stale", "generation", "latest run",
        "completed run", "recent runs", "lock", "ping", "a page of a sync",
    ],
)  # fmt: skip
def test_no_lookup_reads_a_whole_table(store: SqliteStore, call: Calls) -> None:
    if call(store) is not None:
        new_run(store)
    assert scans(store, call) == []
