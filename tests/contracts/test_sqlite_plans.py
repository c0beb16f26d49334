"""The query plans of SQLite: no call reads a whole table."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from adapters import system
from adapters.sqlite.schema import SORT_COLUMNS
from adapters.sqlite.store import SqliteStore
from adapters.testkit.movies import FILTERS, SORTINGS
from adapters.testkit.own_movies import own_filter
from adapters.testkit.samples import (
    GENRES,
    add_session,
    add_user,
    add_users,
    facts,
    fresh_id,
    new_account,
    new_item,
    new_rating,
    new_run,
    new_viewing,
    random_facts,
    store_page,
)
from domain.browsing import RATING_ORDERS, Mine, MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import ImdbId, ItemId, RatingId, SessionId, TmdbNumber, UserId, ViewingId, movie_id
from domain.pagination import Cursor, Value, Window
from domain.ratings import RatingOrder
from domain.recommendations import Neighbour
from domain.search import Query, search
from domain.sync import Entity
from domain.users import Role, User
from domain.viewings import DayRange
from domain.watchlist import WatchlistOrder
from tests.stores import store_in_memory

VALUES: dict[SortBy, Value] = {
    SortBy.TITLE: "b",
    SortBy.RELEASE_DATE: "1905-12-01",
    SortBy.CREATED_AT: "2026-01-01T12:00:00.345+00:00",
}

Calls = Callable[[SqliteStore], object]


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    store_page(store, *random_facts(400))
    yield store
    store.close()


def plans(store: SqliteStore, call: Calls) -> Iterator[str]:
    """The steps of the plans of a call's statements."""
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


def read_page(wanted: MovieFilter, sorting: Sorting, window: Window, store: SqliteStore) -> object:
    """Read a page of a list."""
    return store.movies.page(wanted, sorting, window)


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
def test_no_list_reads_a_whole_table(store: SqliteStore, wanted: MovieFilter) -> None:
    for sorting in SORTINGS:
        cursors = (None, Cursor(None, movie_id(1)), Cursor(VALUES.get(sorting.by, 3.0), movie_id(1)))
        for window in (*(Window(limit=5, cursor=cursor) for cursor in cursors), Window(skip=30)):
            assert scans(store, partial(read_page, wanted, sorting, window)) == [], (sorting, window)


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


def test_a_list_does_not_read_large_facts(store: SqliteStore) -> None:
    def read(store: SqliteStore) -> None:
        store.movies.by_ids(
            [movie.id for movie in store.movies.page(MovieFilter(), Sorting(), Window()).movies]
        )

    statements = " ".join(plans(store, read))
    assert "movie_details" not in statements
    assert "movie_details" in " ".join(plans(store, lambda store: store.movies.get(movie_id(1))))


@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
def test_no_count_reads_a_whole_table(store: SqliteStore, wanted: MovieFilter) -> None:
    assert scans(store, lambda store: store.movies.count(wanted)) == []


@pytest.fixture(scope="module")
def rated() -> Iterator[SqliteStore]:
    """A store with movies of which two thirds have ratings, in various numbers."""
    store = store_in_memory(system.now)
    store_page(store, *random_facts(600))
    with store.database.writing() as connection:
        connection.execute(
            "UPDATE movies SET ratings_count = tmdb_id, average_rating = tmdb_id / 60.0,"
            " weighted_rating = tmdb_id / 70.0 WHERE tmdb_id <= 400"
        )
    yield store
    store.close()


def effort(store: SqliteStore, call: Calls) -> int:
    """The steps of SQLite's virtual machine that a call takes, in tens."""
    steps: list[None] = []
    with store.database.reading() as connection:
        connection.set_progress_handler(lambda: steps.append(None), 10)
        call(store)
        connection.set_progress_handler(None, 0)
    return len(steps)


@pytest.mark.parametrize("sorting", SORTINGS, ids=lambda sorting: f"{sorting.by}-{sorting.order}")
def test_a_page_costs_the_same_at_any_depth(rated: SqliteStore, sorting: Sorting) -> None:
    def page(cursor: Cursor | None) -> Calls:
        return partial(read_page, MovieFilter(), sorting, Window(limit=5, cursor=cursor))

    with rated.database.reading() as connection:
        places = connection.execute(f"SELECT {SORT_COLUMNS[sorting.by]}, id FROM movies").fetchall()
    first = effort(rated, page(None))
    for value, identifier in places[::7]:
        assert effort(rated, page(Cursor(value, identifier))) <= 1.5 * first, value


@pytest.mark.parametrize("by", RATING_ORDERS)
@pytest.mark.parametrize("order", SortOrder)
def test_a_list_of_rated_movies_by_ratings_does_not_read_those_without(by: SortBy, order: SortOrder) -> None:
    store = store_in_memory(system.now)
    store_page(store, *random_facts(40))
    user = add_user(store)
    for number in range(1, 39):
        store.ratings.add(new_rating(user.id, movie_id(number)))
    for wanted, read in ((MovieFilter(), True), (MovieFilter(min_rating=1.0), False)):
        page = partial(read_page, wanted, Sorting(by, order), Window(limit=1, skip=37))
        steps = " ".join(plans(store, page))
        assert f"movies_by_{by}_{order} " in steps
        assert ("movies_by_id_unrated" in steps) is read
    store.close()


@pytest.mark.parametrize("name", ["years", "votes", "runtimes", "language", "years and votes"])
def test_a_list_by_popularity_tests_filters_without_reading_the_movies(store: SqliteStore, name: str) -> None:
    wanted = FILTERS.get(name, MovieFilter(year_from=1903, year_to=1905, min_votes=100))
    page = partial(read_page, wanted, Sorting(), Window(limit=1))
    for call in (page, lambda store: store.movies.count(wanted)):
        steps = [step for step in plans(store, call) if "movies_by" in step]
        assert steps
        assert not [step for step in steps if "COVERING INDEX" not in step]


@pytest.mark.parametrize(
    "wanted",
    [
        FILTERS["all of two genres"],
        FILTERS["all of one and any of two"],
        MovieFilter(all_genres=frozenset(GENRES[:1]), language="en"),
        MovieFilter(any_genres=frozenset(GENRES[:2]), year_from=1902),
    ],
)
def test_a_count_of_genres_and_one_more_condition_reads_indexes_only(
    store: SqliteStore, wanted: MovieFilter
) -> None:
    steps = list(plans(store, lambda store: store.movies.count(wanted)))
    assert steps
    assert not [step for step in steps if "INTEGER PRIMARY KEY" in step]


@pytest.mark.parametrize("text", ["star", "s", "love of", "wall e", "nihgt", "千尋", "amelie river dawn"])
def test_no_search_reads_a_whole_table(store: SqliteStore, text: str) -> None:
    query = Query(text)
    assert scans(store, lambda store: search(query, store.movies.find)) == []


@pytest.mark.parametrize("name", ["years", "any of two genres", "no year", "runtimes"])
def test_no_search_with_a_filter_reads_a_whole_table(store: SqliteStore, name: str) -> None:
    for text in ("star", "love of", "nihgt"):
        query, find = Query(text), partial(store.movies.find, wanted=FILTERS[name])
        assert scans(store, lambda _, query=query, find=find: search(query, find)) == []  # type: ignore[misc]


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
        lambda store: store.runs.latest(Entity.MOVIES),
        lambda store: store.runs.latest(Entity.MOVIES, completed=True),
        lambda store: store.runs.recent(10),
        lambda store: store.locks.acquire("sync:movies", "me", timedelta(seconds=1)),
        lambda store: store.ping(),
        lambda store: store_page(store, facts(1, genres=GENRES[:1]), facts(9000), gone=(9000,)),
    ],
    ids=[
        "by id", "by number", "by IMDb id", "several", "held", "stale", "incomplete", "recommended",
        "generation", "latest run",
        "completed run", "recent runs", "lock", "ping", "a page of a sync",
    ],
)  # fmt: skip
def test_no_lookup_reads_a_whole_table(store: SqliteStore, call: Calls) -> None:
    if call(store) is not None:
        new_run(store)
    assert scans(store, call) == []


USER, SESSION, RATING, ITEM = UserId("a" * 24), SessionId("b" * 24), RatingId("c" * 24), ItemId("d" * 24)
VIEWING, DAYS = ViewingId("e" * 24), DayRange.of_year(2026)


@pytest.fixture(scope="module")
def used(store: SqliteStore) -> SqliteStore:
    """The store with users, ratings, watchlists and viewings."""
    ann = add_user(store, id=USER, role=Role.ADMIN)
    add_user(store, "admin", role=Role.ADMIN)
    add_session(store, ann, id=SESSION)
    store.ratings.add(new_rating(USER, movie_id(1), id=RATING))
    store.watchlists.add(new_item(USER, movie_id(1), id=ITEM))
    store.viewings.add(new_viewing(USER, movie_id(1), id=VIEWING))
    for user in add_users(store, 30):
        for number in range(1, 20):
            store.ratings.add(new_rating(user, movie_id(number)))
            store.watchlists.add(new_item(user, movie_id(number)))
            store.viewings.add(new_viewing(user, movie_id(number), DAYS.first))
    return store


def come_and_go(store: SqliteStore) -> None:
    """All that one user does, from registration to deletion."""
    user = new_account(f"visitor{int(fresh_id(), 16)}")
    store.users.add(user)
    add_session(store, user)
    for number in (1, 2):
        store.ratings.add(new_rating(user.id, movie_id(number)))
        store.ratings.put(new_rating(user.id, movie_id(number), 3))
        store.watchlists.add(new_item(user.id, movie_id(number)))
        store.watchlists.put(new_item(user.id, movie_id(number), is_favorite=True))
        store.viewings.add(new_viewing(user.id, movie_id(number)), remove_from_watchlist=number == 2)
    store.ratings.remove_from(movie_id(1), user.id)
    store.watchlists.remove_from(movie_id(1), user.id)
    store.users.remove(user.id)


def renamed(user: User) -> User:
    return user.with_changes(user.updated_at, username=f"{user.username[:9]}{int(fresh_id(), 16)}")


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.users.get(USER),
        lambda store: store.users.by_email("ann@example.com"),
        lambda store: store.users.by_ids([USER, UserId("e" * 24)]),
        lambda store: store.users.page(5, 2),
        lambda store: store.users.count(),
        lambda store: store.users.change(USER, renamed),
        lambda store: store.users.change(USER, lambda user: user.with_changes(system.now(), disabled=True)),
        lambda store: store.sessions.caller(SESSION, system.now()),
        lambda store: store.sessions.change(SESSION, lambda session: (session, None)),
        lambda store: store.sessions.change(
            SESSION, lambda session: (replace(session, expires_at=system.now()), None)
        ),
        lambda store: store.users.change(
            USER, lambda user: user.with_changes(system.now(), password_hash=fresh_id()), keeping=SESSION
        ),
        lambda store: store.sessions.remove(SESSION),
        lambda store: store.sessions.count(USER, system.now()),
        lambda store: store.sessions.remove_others(USER, SESSION),
        lambda store: store.sessions.remove_expired(system.now()),
        lambda store: store.ratings.get(RATING),
        lambda store: store.ratings.of(USER, movie_id(1)),
        lambda store: store.ratings.change(RATING, USER, lambda rating: rating.changed(system.now())),
        lambda store: store.ratings.of_movie(movie_id(1), 5, 2),
        lambda store: store.ratings.count(USER),
        lambda store: store.watchlists.get(ITEM),
        lambda store: store.watchlists.of(USER, movie_id(1)),
        lambda store: store.watchlists.change(ITEM, USER, lambda item: item.toggled(system.now())),
        lambda store: store.watchlists.count(USER),
        lambda store: store.watchlists.sorted_of_user(
            USER, WatchlistOrder.TITLE, descending=False, favorite=None, limit=5
        ),
        lambda store: store.watchlists.count(USER, favorite=True),
        lambda store: store.ratings.among(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.watchlists.among(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.movies.by_imdb_ids(["tt0000001", "tt0000002"]),
        lambda store: store.viewings.get(VIEWING),
        lambda store: store.viewings.change(
            VIEWING, USER, lambda viewing: viewing.changed(system.now(), watched_on=DAYS.last)
        ),
        lambda store: store.viewings.count(USER, movie=movie_id(1), days=DAYS),
        lambda store: store.statistics.viewed(USER),
        lambda store: store.statistics.viewed(USER, DAYS),
        lambda store: store.statistics.rated(USER, DAYS),
        lambda store: store.statistics.years(USER),
        lambda store: store.viewings.summaries(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.recommendations.likers(movie_id(1)),
        lambda store: store.recommendations.likes([USER], newest=9),
        lambda store: store.recommendations.tallies([movie_id(1), movie_id(2)]),
        lambda store: store.recommendations.movies_after(movie_id(1), 9),
        lambda store: store.recommendations.store({movie_id(1): [Neighbour(movie_id(2), 2, 9)]}),
        lambda store: store.recommendations.neighbours([movie_id(1), movie_id(2)]),
        lambda store: store.recommendations.known(USER, [movie_id(1), movie_id(2)]),
        lambda store: store.recommendations.hide(USER, movie_id(1), system.now()),
        lambda store: store.recommendations.unhide(USER, movie_id(1)),
        lambda store: store.recommendations.count_hidden(USER),
        lambda store: store.changes.since(USER, 1, 5),
        lambda store: store.changes.activity(USER),
        lambda store: store.changes.remove_before(system.now()),
        lambda store: store_page(store, facts(9000), gone=(1, 2, 9000)),
        come_and_go,
    ],
    ids=[
        "user", "by address", "several users", "page of users", "count of users", "rename", "disable",
        "caller", "look at a session", "refresh", "another password", "log out",
        "count of sessions", "other sessions", "expired sessions",
        "rating", "rating of a movie", "change a rating", "ratings of a movie", "count of ratings",
        "item", "item of a movie", "toggle", "count of items", "sorted items", "count of favourites",
        "ratings of movies", "items of movies", "several by IMDb id", "viewing", "move a viewing",
        "count of viewings", "viewed", "viewed in a year", "rated in a year", "years",
        "summaries of viewings", "likers", "likes", "tallies",
        "movies of a recount",
        "store neighbours", "neighbours", "known movies", "hide", "unhide", "count of hidden movies",
        "changes", "activity", "old removals",
        "gone movies", "a whole visit",
    ],
)  # fmt: skip
def test_no_call_of_a_user_reads_a_whole_table(used: SqliteStore, call: Calls) -> None:
    assert scans(used, call) == []


OWN_FILTERS = {
    **{f"{each}": MovieFilter(own=own_filter(USER, mine=[each])) for each in Mine},
    **{f"not {each}": MovieFilter(own=own_filter(USER, not_mine=[each])) for each in Mine},
    "several": MovieFilter(own=own_filter(USER, mine=list(Mine)), language="fr"),
}


@pytest.mark.parametrize("wanted", OWN_FILTERS.values(), ids=OWN_FILTERS.keys())
def test_no_list_of_ones_own_movies_reads_a_whole_table(used: SqliteStore, wanted: MovieFilter) -> None:
    for sorting in SORTINGS:
        for cursor in (None, Cursor(VALUES.get(sorting.by, 3.0), movie_id(1))):
            call = partial(read_page, wanted, sorting, Window(limit=5, cursor=cursor))
            assert scans(used, call) == [], sorting
            own = [
                step
                for step in plans(used, call)
                if {"ratings", "watchlists", "viewings"} & set(step.split())
            ]
            assert own
            assert all("(user=?" in step for step in own)
    assert scans(used, lambda store: store.movies.count(wanted)) == []


@pytest.mark.parametrize("kind", Mine)
def test_a_list_of_ones_own_movies_joins_them_without_collecting_their_ids(
    used: SqliteStore, kind: Mine
) -> None:
    wanted = MovieFilter(own=own_filter(USER, mine=[kind]))
    steps = list(plans(used, partial(read_page, wanted, Sorting(), Window(limit=5))))
    assert "SEARCH movies USING INDEX sqlite_autoindex_movies_1 (id=?)" in steps
    assert not [step for step in steps if step.startswith("LIST SUBQUERY") or step.endswith("DISTINCT")]


WINDOWS = ({"skip": 2}, {"after": Cursor(None, "c" * 24)})
"""A page by number, and one by cursor; the value of its place does not matter to a plan."""


@pytest.mark.parametrize("window", WINDOWS, ids=["page", "cursor"])
@pytest.mark.parametrize("by", RatingOrder)
@pytest.mark.parametrize("descending", [True, False])
def test_ratings_of_a_user_are_read_in_order_from_an_index(
    used: SqliteStore, by: RatingOrder, window: Any, *, descending: bool
) -> None:
    steps = list(
        plans(used, lambda store: store.ratings.of_user(USER, by, descending=descending, limit=5, **window))
    )
    assert steps
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]


@pytest.mark.parametrize("window", WINDOWS, ids=["page", "cursor"])
@pytest.mark.parametrize(
    "call",
    [
        lambda store, window: store.users.page(5, **window),
        lambda store, window: store.ratings.of_movie(movie_id(1), 5, **window),
        lambda store, window: store.watchlists.of_user(USER, favorite=None, limit=5, **window),
        lambda store, window: store.watchlists.of_user(USER, favorite=True, limit=5, **window),
        lambda store, window: store.watchlists.of_user(USER, favorite=False, limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, days=DAYS, limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, movie=movie_id(1), limit=5, **window),
        lambda store, window: store.viewings.of_user(USER, movie=movie_id(1), days=DAYS, limit=5, **window),
        lambda store, window: store.viewings.by_creation(USER, limit=5, after=window.get("after")),
        lambda store, window: store.recommendations.hidden(USER, limit=5, **window),
        lambda store, window: store.sessions.of_user(USER, system.now(), 5, **window),
        lambda store, window: store.runs.recent(5, **window),
    ],
    ids=[
        "users", "ratings of a movie", "watchlist", "favourites", "not favourites", "diary",
        "diary of a year", "viewings of a movie", "viewings of a movie in a year", "viewings by creation",
        "hidden movies",
        "sessions", "runs",
    ],
)  # fmt: skip
def test_lists_of_users_and_of_what_they_own_and_of_runs_are_never_sorted(
    used: SqliteStore, call: Callable[[SqliteStore, Any], object], window: Any
) -> None:
    steps = list(plans(used, lambda store: call(store, window)))
    assert steps
    assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN")]


def test_a_page_after_a_cursor_reads_two_ranges_of_an_index(used: SqliteStore) -> None:
    after = Cursor(8.0, "c" * 24)
    by = RatingOrder.RATING
    steps = plans(used, lambda store: store.ratings.of_user(USER, by, descending=True, limit=50, after=after))
    assert list(steps) == [
        "SEARCH ratings USING INDEX ratings_by_rating_desc (user=? AND half_points=? AND id>?)",
        "SEARCH ratings USING INDEX ratings_by_rating_desc (user=? AND half_points<?)",
    ]


@pytest.mark.parametrize("after", [None, Cursor("2026-05-05 2026-05-06T12:00:00.000+00:00", "c" * 24)])
def test_a_page_of_a_year_of_the_diary_reads_only_viewings_of_that_year(
    used: SqliteStore, after: Cursor | None
) -> None:
    steps = plans(used, lambda store: store.viewings.of_user(USER, days=DAYS, limit=5, after=after))
    *_, last = steps
    assert last == "SEARCH viewings USING INDEX viewings_by_position (user=? AND position>? AND position<?)"


def test_a_caller_is_identified_by_two_lookups(used: SqliteStore) -> None:
    steps = list(plans(used, lambda store: store.sessions.caller(SESSION, system.now())))
    assert steps == [
        "SEARCH sessions USING PRIMARY KEY (id=?)",
        "SEARCH users USING PRIMARY KEY (id=?)",
    ]


def test_a_recount_reads_ratings_by_their_index_and_only_movies_with_a_tally(used: SqliteStore) -> None:
    assert set(scans(used, lambda store: store.ratings.drifts())) <= {
        "SCAN ratings USING COVERING INDEX ratings_by_movie",
        "SCAN counted",
        "SCAN movies USING INDEX movies_by_tally",
    }
