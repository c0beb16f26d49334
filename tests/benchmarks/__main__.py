"""`make bench`: measures the store with 100,000 generated movies in SQLite, and `matinee serve` with the demo
catalogue, and prints medians. It does not fail, whatever the results.

python -m tests.benchmarks [--movies N] [--synced N] [--only store|sync|service|recommendations]
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import new_account, new_rating
from domain.browsing import Mine, MovieFilter, OwnFilter, SortBy, Sorting, SortOrder
from domain.ids import UserId
from domain.movies import Movie
from domain.pagination import Cursor, Window
from domain.people import search_with_people
from domain.search import Query
from tests.benchmarks.catalogue import GENRES, fill
from tests.benchmarks.load import load
from tests.benchmarks.recommendations import RATINGS, recommendations
from tests.benchmarks.service import service
from tests.benchmarks.sync import sync

REPETITIONS = 9
USER = UserId("a" * 24)
RATED_MOVIES = 3_000
"""The number of movies that a user has rated, which are the most popular ones."""
FILTERS = {
    "no filter": MovieFilter(),
    "a frequent genre": MovieFilter(all_genres=frozenset(GENRES[:1])),
    "two genres": MovieFilter(all_genres=frozenset((GENRES[0], GENRES[-1]))),
    "any of two genres": MovieFilter(any_genres=frozenset(GENRES[5:7])),
    "a rare language": MovieFilter(language="fi"),
    "a language and a genre": MovieFilter(language="fr", all_genres=frozenset(GENRES[9:10])),
    "one year": MovieFilter(year_from=1950, year_to=1950),
    "a runtime": MovieFilter(min_runtime=90, max_runtime=100),
    "one's own": MovieFilter(own=OwnFilter(user=USER, mine=frozenset({Mine.RATED}))),
    "not one's own": MovieFilter(own=OwnFilter(user=USER, not_mine=frozenset({Mine.RATED}))),
    "years and votes": MovieFilter(year_from=1990, year_to=1999, min_votes=500),
}
FILTERED = ("a frequent genre", "a rare language", "one year", "one's own", "not one's own")
"""The filters that are combined with searches for common words."""
SEARCHES = (
    "night river",
    "the",
    "k",
    "love sto",
    "nihgt rievr",
    "katendor",
    "kategdor",
    "star war queen",
    "nothing at all",
    "night river 1950",
    "house 2",
    "winter two",
    "kaka",
    "kaka kanight",
    "kaka lo",
)


def main() -> None:
    """Run the benchmarks, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--movies", type=int, default=100_000, help="in the store, up to 1,000,000")
    parser.add_argument("--synced", type=int, default=2_000, help="movies that a sync reads, up to 10,000")
    parser.add_argument(
        "--only", choices=("store", "sync", "service", "recommendations"), help="one part of the measurements"
    )
    options = parser.parse_args()
    console = Console(width=110)
    if options.only in (None, "store"):
        measure_store(console, options.movies)
    if options.only in (None, "sync"):
        console.print(sync(options.synced))
    if options.only in (None, "recommendations"):
        if RATINGS.exists():
            console.print(recommendations())
        else:
            console.print(f"recommendations are not measured: there are no ratings at {RATINGS}")
    if options.only in (None, "service"):
        for table in (*service(), load()):
            console.print(table)


def measure_store(console: Console, count: int) -> None:
    """Fill a store with movies, and measure lists and searches."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(path=Path(folder) / "bench.db", clock=system.now)
        store.prepare()
        seconds = fill(store, count)
        size = (Path(folder) / "bench.db").stat().st_size / 1e6
        console.print(f"{count:,} movies stored in {seconds:.0f} s ({count / seconds:,.0f}/s), {size:.0f} MB")
        add_ratings(store)
        console.print(lists(store))
        console.print(searches(store))
        console.print(imports())
        store.close()


def add_ratings(store: SqliteStore) -> None:
    """Store ratings of the most popular movies."""
    store.users.add(new_account(id=USER))
    for start in range(0, RATED_MOVIES, 100):
        for movie in store.movies.page(MovieFilter(), Sorting(), Window(limit=100, skip=start)).movies:
            store.ratings.add(new_rating(USER, movie.id))


def lists(store: SqliteStore) -> Table:
    """The slowest median of all orders: for the first page, and for pages by cursor anywhere in the list."""
    table = Table(
        "list",
        "movies",
        "first page, ms",
        "cursor page, ms",
        "count, ms",
        title="lists (wanted: under 10 ms)",
    )
    for name, movie_filter in FILTERS.items():
        total = store.movies.count(movie_filter)
        sample = movies_at_depths(store, movie_filter, total)
        first, later = zip(
            *(pages(store, movie_filter, sorting, sample) for sorting in sortings()), strict=True
        )
        count_time = milliseconds(lambda movie_filter=movie_filter: store.movies.count(movie_filter))  # type: ignore[misc]
        table.add_row(name, f"{total:,}", f"{max(first):.2f}", f"{max(later):.2f}", f"{count_time:.2f}")
    return table


def sortings() -> Iterator[Sorting]:
    """All combinations of a sort key and an order."""
    return (Sorting(by, order) for by in SortBy for order in SortOrder)


def movies_at_depths(store: SqliteStore, movie_filter: MovieFilter, total: int) -> list[Movie]:
    """Movies at five depths of a list. In another order they are anywhere."""
    windows = [Window(limit=1, skip=int(depth * total)) for depth in (0.1, 0.3, 0.5, 0.7, 0.95)]
    return [
        movie for window in windows for movie in store.movies.page(movie_filter, Sorting(), window).movies
    ]


def pages(
    store: SqliteStore, movie_filter: MovieFilter, sorting: Sorting, sample: Sequence[Movie]
) -> tuple[float, float]:
    """The times for the first page, and the longest for a page by cursor after a movie of the sample, in
    milliseconds.
    """
    times = []
    for last in sample:
        window = Window(cursor=Cursor(sorting.value(last), last.id))
        times.append(milliseconds(lambda window=window: store.movies.page(movie_filter, sorting, window)))  # type: ignore[misc]
    return milliseconds(lambda: store.movies.page(movie_filter, sorting, Window())), max(times, default=0.0)


def searches(store: SqliteStore) -> Table:
    """The median time of each search, and of searches for common words with filters."""

    def count_matches(text: str, movie_filter: MovieFilter) -> int:
        find, find_people = (
            partial(method, wanted=movie_filter) for method in (store.movies.find, store.movies.find_people)
        )
        # A Query caches the distances that were computed for it, so each search needs a new one.
        return len(search_with_people(Query(text), find, find_people, store.movies.count_with_term))

    table = Table("search", "filter", "matches", "ms", title="searches (wanted: under 30 ms)")
    filtered = [(text, name) for text in SEARCHES[:3] for name in FILTERED]
    for text, name in (*((text, "no filter") for text in SEARCHES), *filtered):
        duration = milliseconds(partial(count_matches, text, FILTERS[name]))
        table.add_row(text, name, str(count_matches(text, FILTERS[name])), f"{duration:.1f}")
    return table


def imports() -> Table:
    """The time of importing the library in a separate process."""
    table = Table("import", "ms", title="imports (wanted: under 50 ms)")
    program = "import time; t = time.perf_counter(); import {}; print((time.perf_counter() - t) * 1000)"
    for module in ("domain", "domain.ports"):
        command = [sys.executable, "-c", program.format(module)]
        completed = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(7)]
        table.add_row(module, f"{median(float(process.stdout) for process in completed):.1f}")
    return table


def milliseconds(call: Callable[[], object]) -> float:
    """The median time of several calls in milliseconds, after one to warm up."""
    call()
    durations = []
    for _ in range(REPETITIONS):
        started = perf_counter()
        call()
        durations.append((perf_counter() - started) * 1000)
    return median(durations)


main()
