"""The query plans of MongoDB: no call reads a whole collection, and lists are not sorted.

A listener records all commands, and each is explained. SecantusDB's plans are less precise than MongoDB's:
they have a SORT for every query with a filter and two sort fields. There the tests apply MongoDB's rule for
sorts to the chosen index.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pymongo import monitoring

from adapters import system
from adapters.list_planner import ALWAYS_KNOWN
from adapters.mongo import listing
from adapters.mongo.store import MongoStore
from adapters.testkit.movies import FILTERS, LISTS, SORTINGS
from adapters.testkit.own_movies import own_filter
from adapters.testkit.samples import GENRES, add_user, facts, new_run, new_viewing, random_facts, store_page
from domain.browsing import Mine, MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import ImdbId, SessionId, TmdbNumber, UserId, movie_id
from domain.movies import GenreFacts
from domain.pagination import Cursor, Value, Window
from domain.ratings import RatingOrder
from domain.search import Query, search
from domain.sync import Entity, PageResult
from domain.viewings import DayRange
from tests.contracts.mongo_server import SERVERS, address, fresh_database

VALUES: dict[SortBy, Value] = {
    SortBy.TITLE: "b",
    SortBy.RELEASE_DATE: "1905-12-01",
    SortBy.CREATED_AT: "2026-01-01T12:00:00.345+00:00",
}

Calls = Callable[[MongoStore], object]
Command = Mapping[str, Any]

QUERIES = ("find", "aggregate")
WRITES = {"update": "updates", "delete": "deletes"}
"""Commands with several writes, and the field that holds them."""

WITHOUT_QUERY = ("insert", "ping", "commitTransaction", "abortTransaction", "endSessions", "getMore")
"""Commands without a query."""


class Listener(monitoring.CommandListener):
    """Records the commands that all clients of this process send."""

    recorded: list[Command] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.recorded is not None:
            self.recorded.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


LISTENER = Listener()
monitoring.register(LISTENER)


@pytest.fixture(scope="module", params=SERVERS)
def store(request: pytest.FixtureRequest) -> Iterator[MongoStore]:
    with fresh_database(address(request)) as uri:
        store = MongoStore(uri, system.now)
        store.prepare()
        movies = random_facts(200)
        for start in range(0, len(movies), 50):
            store_page(store, *movies[start : start + 50])
        yield store
        store.close()


def page(wanted: MovieFilter, sorting: Sorting, window: Window) -> Calls:
    """A call that reads a page of a list."""
    return lambda store: store.movies.page(wanted, sorting, window)


def commands(store: MongoStore, call: Calls) -> list[Command]:
    """The commands that a call sends."""
    LISTENER.recorded = recorded = list[Command]()
    try:
        call(store)
    finally:
        LISTENER.recorded = None
    return recorded


def queries(command: Command) -> Iterator[Command]:
    """The queries of a command, in a form that can be explained; a write has its filter."""
    (kind, collection), *_ = command.items()
    if kind in QUERIES:
        wanted = ("filter", "sort", "hint", "limit", "skip", "projection", "pipeline", "cursor")
        yield {kind: collection, **{name: command[name] for name in wanted if name in command}}
    elif kind in WRITES:
        for write in command[WRITES[kind]]:
            yield {"find": collection, "filter": write["q"]}
    elif kind == "findAndModify":
        yield {"find": collection, "filter": command["query"]}
    else:
        assert kind in WITHOUT_QUERY, command


def stages(plan: object) -> Iterator[Mapping[str, Any]]:
    """All stages of a plan."""
    if isinstance(plan, Mapping):
        if "stage" in plan:
            yield plan
        for part in plan.values():
            yield from stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from stages(part)


def plan(store: MongoStore, query: Command) -> list[Mapping[str, Any]]:
    """The stages of the winning plan of a query."""
    with store.database.using() as database:
        explained = database.command("explain", dict(query), verbosity="queryPlanner")
    plans = [explained, *(stage.get("$cursor", {}) for stage in explained.get("stages", ()))]
    return [stage for each in plans for stage in stages(each.get("queryPlanner", {}).get("winningPlan"))]


def scans(store: MongoStore, call: Calls) -> list[Command]:
    """The queries of a call that read a whole collection."""
    return [
        query
        for command in commands(store, call)
        for query in queries(command)
        # Whatever else it asks, a query for an id is entered by the index of ids; SecantusDB calls it a scan.
        if "_id" not in query.get("filter", ())
        if any(stage["stage"] == "COLLSCAN" for stage in plan(store, query))
    ]


def sorts(store: MongoStore, call: Calls) -> list[Command]:
    """The queries of a call whose results are sorted in memory."""
    found = [query for command in commands(store, call) for query in queries(command) if "sort" in query]
    assert found
    with store.database.using() as database:
        coarse = database.client.admin.command("hello").get("setName") == "secantus"
    plans = [(query, plan(store, query)) for query in found]
    blocked = [
        (query, explained)
        for query, explained in plans
        if any(stage["stage"] == "SORT" for stage in explained)
    ]
    return [query for query, explained in blocked if not (coarse and in_order(explained, query))]


def in_order(explained: list[Mapping[str, Any]], query: Command) -> bool:
    """Whether the scanned index has the requested order, by MongoDB's rule: fields with equality conditions,
    or whose sorted results can be merged, may come before it.
    """
    (pattern,) = (list(stage["keyPattern"].items()) for stage in explained if stage["stage"] == "IXSCAN")
    wanted = list(query["sort"].items())
    fixed = set(values_given(query["filter"]))
    while pattern[: len(wanted)] != wanted and pattern and pattern[0][0] in fixed:
        pattern = pattern[1:]
    return pattern[: len(wanted)] == wanted


def values_given(wanted: Mapping[str, Any]) -> Iterator[str]:
    """The fields that a filter compares with values, not with ranges."""
    for field, test in wanted.items():
        if field == "$and":
            for part in test:
                yield from values_given(part)
        elif not isinstance(test, Mapping) or set(test) <= {"$eq", "$in"}:
            yield field


@pytest.mark.parametrize(
    ("wanted", "sorting"),
    [
        pytest.param(wanted, sorting, id=f"{name}-{sorting.by}-{sorting.order}")
        for name, (wanted, sortings) in LISTS.items()
        for sorting in sortings
    ],
)
def test_no_list_reads_a_whole_collection(store: MongoStore, wanted: MovieFilter, sorting: Sorting) -> None:
    cursors = (None, Cursor(None, movie_id(1)), Cursor(VALUES.get(sorting.by, 3.0), movie_id(1)))
    for window in (*(Window(limit=5, cursor=cursor) for cursor in cursors), Window(skip=30)):
        assert scans(store, page(wanted, sorting, window)) == []


@pytest.mark.parametrize("sorting", SORTINGS, ids=lambda sorting: f"{sorting.by}-{sorting.order}")
def test_a_list_without_a_filter_is_never_sorted(store: MongoStore, sorting: Sorting) -> None:
    cursors = [None, Cursor(VALUES.get(sorting.by, 3.0), movie_id(1))]
    if sorting.by not in ALWAYS_KNOWN:
        cursors.append(Cursor(None, movie_id(1)))
    for window in (*(Window(limit=5, cursor=cursor) for cursor in cursors), Window(limit=50, skip=185)):
        assert sorts(store, page(MovieFilter(), sorting, window)) == []


SCANNED = LISTS | {
    f"not {kind}": (
        MovieFilter(own=own_filter(UserId("a" * 24), not_mine=[kind])),
        SORTINGS[place :: len(Mine)],
    )
    for place, kind in enumerate(Mine)
}


@pytest.mark.parametrize(("wanted", "sortings"), SCANNED.values(), ids=SCANNED.keys())
def test_a_list_that_is_scanned_is_in_the_order_of_its_index(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch, wanted: MovieFilter, sortings: list[Sorting]
) -> None:
    monkeypatch.setattr(listing, "worth_sorting", lambda *_, **__: None)
    for sorting in sortings:
        for cursor in (None, Cursor(VALUES.get(sorting.by, 3.0), movie_id(1)), Cursor(None, movie_id(1))):
            read = page(wanted, sorting, Window(limit=5, cursor=cursor))
            lists = [each for each in commands(store, read) if each.get("find") == "movies"]
            assert {each["hint"] for each in lists} <= {f"visible_by_{sorting.by}_{sorting.order}"}
            assert not lists or sorts(store, read) == []


@pytest.mark.parametrize("order", SortOrder)
@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        (SortBy.RELEASE_DATE, MovieFilter(year_from=1903, year_to=1903)),
        (SortBy.AVERAGE_RATING, MovieFilter(min_rating=8)),
    ],
)
def test_a_list_in_the_order_of_its_filter_is_never_sorted(
    store: MongoStore, by: SortBy, order: SortOrder, wanted: MovieFilter
) -> None:
    assert sorts(store, page(wanted, Sorting(by, order), Window())) == []


@pytest.mark.parametrize("order", SortOrder)
@pytest.mark.parametrize(
    ("by", "field"), [(SortBy.WEIGHTED_RATING, "weightedRating"), (SortBy.RATINGS_COUNT, "ratingsCount")]
)
def test_a_list_of_rated_movies_by_ratings_does_not_read_those_without(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch, by: SortBy, field: str, order: SortOrder
) -> None:
    monkeypatch.setattr(listing, "worth_sorting", lambda *_, **__: None)
    for wanted, bound in ((MovieFilter(min_rating=8), True), (MovieFilter(), False)):
        lists = [
            each["filter"]["$and"]
            for each in commands(store, page(wanted, Sorting(by, order), Window()))
            if each.get("find") == "movies"
        ]
        assert lists
        assert all(({field: {"$gt": 0}} in tests) is bound for tests in lists)


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
def test_no_count_reads_a_whole_collection(store: MongoStore, wanted: MovieFilter) -> None:
    assert scans(store, lambda store: store.movies.count(wanted)) == []


@pytest.mark.parametrize("text", ["star", "s", "love of", "wall e", "nihgt", "千尋", "amelie river dawn"])
def test_no_search_reads_a_whole_collection_or_sorts(store: MongoStore, text: str) -> None:
    def call(store: MongoStore) -> object:
        return search(Query(text), store.movies.find)

    assert scans(store, call) == []
    assert sorts(store, call) == []


@pytest.mark.parametrize("name", ["years", "no year"])
def test_no_search_with_a_filter_reads_a_whole_collection(store: MongoStore, name: str) -> None:
    find = partial(store.movies.find, wanted=FILTERS[name])
    assert scans(store, lambda _: search(Query("love of"), find)) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.movies.get(movie_id(1)),
        lambda store: store.movies.get(TmdbNumber(1)),
        lambda store: store.movies.get(ImdbId("tt0000001")),
        lambda store: store.movies.by_ids([movie_id(1), movie_id(2)]),
        lambda store: store.movies.by_tmdb_ids([1, 2]),
        lambda store: store.movies.stale(system.now(), 10),
        lambda store: store.movies.incomplete("2", 10),
        lambda store: store.movies.recommended(10),
        lambda store: store.movies.generation(),
        lambda store: store.genres.all(),
        lambda store: store.runs.latest(Entity.MOVIES),
        lambda store: store.runs.latest(Entity.MOVIES, completed=True),
        lambda store: store.runs.recent(10),
        lambda store: store.locks.acquire("sync:movies", "me", timedelta(seconds=1)),
        lambda store: store.locks.renew("sync:movies", "me", timedelta(seconds=1)),
        lambda store: store.locks.release("sync:movies", "me"),
        lambda store: store.ping(),
        lambda store: store_page(store, facts(1, genres=GENRES[:1]), facts(9000), facts(2), gone=(9000, 3)),
        lambda store: store.genres.store(
            PageResult(page=1, at=system.now(), genres=(GenreFacts(tmdb_id=18, name="Drama"),)),
            new_run(store, Entity.GENRES),
        ),
    ],
    ids=[
        "by id", "by number", "by IMDb id", "several", "held", "stale", "incomplete", "recommended",
        "generation", "genres", "latest run",
        "completed run", "recent runs", "lock", "renewed lock", "released lock", "ping", "a page of a sync",
        "a sync of genres",
    ],
)  # fmt: skip
def test_no_lookup_reads_a_whole_collection(store: MongoStore, call: Calls) -> None:
    call(store)
    assert scans(store, call) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.movies.stale(system.now(), 10),
        lambda store: store.runs.latest(Entity.MOVIES),
        lambda store: store.runs.latest(Entity.MOVIES, completed=True),
        lambda store: store.runs.recent(10, skip=3),
        lambda store: store.movies.get(ImdbId("tt0000001")),
        lambda store: store.genres.all(),
    ],
    ids=["stale", "latest run", "completed run", "recent runs", "by IMDb id", "genres"],
)
def test_no_lookup_sorts(store: MongoStore, call: Calls) -> None:
    assert sorts(store, call) == []


@pytest.mark.parametrize("sorting", SORTINGS[::3], ids=lambda sorting: f"{sorting.by}-{sorting.order}")
@pytest.mark.parametrize("kind", Mine)
def test_no_list_of_ones_own_movies_reads_a_whole_collection(
    store: MongoStore, kind: Mine, sorting: Sorting
) -> None:
    for own in (own_filter(USER, mine=[kind]), own_filter(USER, not_mine=[kind])):
        wanted = MovieFilter(own=own)
        for cursor in (None, Cursor(VALUES.get(sorting.by, 3.0), movie_id(1))):
            assert scans(store, page(wanted, sorting, Window(limit=5, cursor=cursor))) == []
        assert scans(store, lambda store, wanted=wanted: store.movies.count(wanted)) == []  # type: ignore[misc]


USER = UserId("a" * 24)
TIMED = Cursor("2026-01-05T12:00:00.345+00:00", "c" * 24)
DAYS = DayRange.of_year(2026)
WINDOWS = ({"skip": 2}, {"after": TIMED})
"""A page by number, and one by cursor."""


@pytest.mark.parametrize("window", WINDOWS, ids=["page", "cursor"])
@pytest.mark.parametrize("by", RatingOrder)
@pytest.mark.parametrize("descending", [True, False])
def test_ratings_of_a_user_are_read_in_order_from_an_index(
    store: MongoStore, by: RatingOrder, window: Any, *, descending: bool
) -> None:
    if by is RatingOrder.RATING and "after" in window:
        window = {"after": Cursor(8.0, "c" * 24)}

    def call(store: MongoStore) -> object:
        return store.ratings.of_user(USER, by, descending=descending, limit=5, **window)

    assert scans(store, call) == []
    assert sorts(store, call) == []


@pytest.mark.parametrize("window", WINDOWS, ids=["page", "cursor"])
@pytest.mark.parametrize(
    "call",
    [
        lambda store, window: store.users.page(5, **window),
        lambda store, window: store.ratings.of_movie(movie_id(1), 5, **window),
        lambda store, window: store.watchlists.of_user(USER, favorite=None, limit=5, **window),
        lambda store, window: store.watchlists.of_user(USER, favorite=True, limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, days=DAYS, limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, movie=movie_id(1), days=DAYS, limit=5, **window),
        lambda store, window: store.viewings.by_creation(USER, limit=5, after=window.get("after")),
        lambda store, window: store.recommendations.hidden(USER, limit=5, **window),
        lambda store, window: store.sessions.of_user(USER, system.now(), 5, **window),
        lambda store, window: store.runs.recent(5, **window),
    ],
    ids=[
        "users", "ratings of a movie", "watchlist", "favourites", "diary", "diary of a year",
        "viewings of a movie in a year", "viewings by creation", "hidden movies", "sessions", "runs",
    ],
)  # fmt: skip
def test_lists_of_users_and_of_what_they_own_and_of_runs_are_never_sorted(
    store: MongoStore, call: Callable[[MongoStore, Any], object], window: Any
) -> None:
    assert scans(store, lambda store: call(store, window)) == []
    assert sorts(store, lambda store: call(store, window)) == []


def come_and_go(store: MongoStore) -> None:
    """A user records, moves and removes viewings, and leaves."""
    user = add_user(store)
    viewings = [new_viewing(user.id, movie_id(number), DAYS.first) for number in (1, 2)]
    for viewing in viewings:
        store.viewings.add(viewing, remove_from_watchlist=True)
    store.viewings.change(
        viewings[0].id, user.id, lambda viewing: viewing.changed(system.now(), watched_on=DAYS.last)
    )
    store.viewings.remove(viewings[0].id, user.id)
    store.changes.since(user.id, 1, 5)
    store.changes.activity(user.id)
    store.users.remove(user.id)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.ratings.among(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.watchlists.among(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.movies.by_imdb_ids(["tt0000001", "tt0000002"]),
        lambda store: store.viewings.count(USER, movie=movie_id(1), days=DAYS),
        lambda store: store.statistics.viewed(USER, DAYS),
        lambda store: store.statistics.rated(USER, DAYS),
        lambda store: store.statistics.years(USER),
        lambda store: store.viewings.summaries(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.recommendations.likers(movie_id(1)),
        lambda store: store.recommendations.likes([USER], newest=9),
        lambda store: store.recommendations.movies_after(movie_id(1), 9),
        lambda store: store.recommendations.known(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.recommendations.count_hidden(USER),
        lambda store: store.recommendations.is_hidden(USER, movie_id(1)),
        lambda store: store.changes.remove_before(system.now()),
        lambda store: store.sessions.count(USER, system.now()),
        lambda store: store.sessions.remove_others(USER, SessionId("b" * 24)),
        come_and_go,
    ],
    ids=[
        "ratings of movies", "items of movies", "several by IMDb id", "count of viewings",
        "viewed", "rated", "years", "summaries of viewings", "likers", "likes",
        "movies of a recount", "known movies", "count of hidden movies", "a hidden movie",
        "old removals", "count of sessions", "other sessions", "viewings of a visit",
    ],
)  # fmt: skip
def test_no_call_of_a_diary_reads_a_whole_collection(store: MongoStore, call: Calls) -> None:
    assert scans(store, call) == []


def test_a_page_of_a_sync_is_one_bulk_write(store: MongoStore) -> None:
    store_page(store, facts(7001), facts(7002), facts(7003))
    sent = commands(
        store,
        lambda store: store_page(store, facts(7001), facts(7002, title="Other"), facts(7004), gone=(7003,)),
    )
    writes = [next(iter(each.items())) for each in sent if WRITES.keys() & each.keys()]
    assert [kind for kind, collection in writes if collection == "movies"] == ["update", "delete"]
