"""`make bench`: medians in one run, over 100,000 invented movies in SQLite, and of `matinee serve` with the
demo catalogue. Nothing fails on a number.

python -m tests.benchmarks [--movies N] [--synced N] [--only store|sync|service|recommendations]
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
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
from domain.pagination import Cursor, Window
from domain.people import search_with_people
from domain.search import Query
from tests.benchmarks.catalogue import GENRES, fill
from tests.benchmarks.load import load
from tests.benchmarks.recommendations import RATINGS, recommendations
from tests.benchmarks.service import service
from tests.benchmarks.sync import sync

TIMES = 9
USER = UserId("a" * 24)
RATED = 3_000
"""The most popular movies, which a user has rated."""
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
"""The filters with which common words are searched."""
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
    """Measure and print."""
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


def measure_store(console: Console, amount: int) -> None:
    """Fill a store with so many movies, and ask it."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(path=Path(folder) / "bench.db", clock=system.now)
        store.prepare()
        seconds = fill(store, amount)
        size = (Path(folder) / "bench.db").stat().st_size / 1e6
        console.print(
            f"{amount:,} movies stored in {seconds:.0f} s ({amount / seconds:,.0f}/s), {size:.0f} MB"
        )
        rate(store)
        console.print(lists(store))
        console.print(searches(store))
        console.print(imports())
        store.close()


def rate(store: SqliteStore) -> None:
    """Store ratings of the most popular movies."""
    store.users.add(new_account(id=USER))
    for start in range(0, RATED, 100):
        for movie in store.movies.page(MovieFilter(), Sorting(), Window(limit=100, skip=start)).movies:
            store.ratings.add(new_rating(USER, movie.id))


def lists(store: SqliteStore) -> Table:
    """Over all orders, the slowest median of a first page and of a cursor page, anywhere in the list."""
    table = Table(
        "list",
        "movies",
        "first page, ms",
        "cursor page, ms",
        "count, ms",
        title="lists (wanted: under 10 ms)",
    )
    for name, wanted in FILTERS.items():
        first, behind = zip(*(pages(store, wanted, sorting) for sorting in sortings()), strict=True)
        total = store.movies.count(wanted)
        counted = milliseconds(lambda wanted=wanted: store.movies.count(wanted))  # type: ignore[misc]
        table.add_row(name, f"{total:,}", f"{max(first):.2f}", f"{max(behind):.2f}", f"{counted:.2f}")
    return table


def sortings() -> Iterator[Sorting]:
    """All orders."""
    return (Sorting(by, order) for by in SortBy for order in SortOrder)


def pages(store: SqliteStore, wanted: MovieFilter, sorting: Sorting) -> tuple[float, float]:
    """Milliseconds for the first page, and the most for a cursor page at five depths."""
    total = store.movies.count(wanted)
    depths = []
    for depth in (0.1, 0.3, 0.5, 0.7, 0.95):
        found = store.movies.page(wanted, sorting, Window(limit=1, skip=int(depth * total))).movies
        for last in found:
            window = Window(cursor=Cursor(sorting.value(last), last.id))
            depths.append(milliseconds(lambda window=window: store.movies.page(wanted, sorting, window)))  # type: ignore[misc]
    return milliseconds(lambda: store.movies.page(wanted, sorting, Window())), max(depths, default=0.0)


def searches(store: SqliteStore) -> Table:
    """The median of each search, and of common words with each of some filters."""

    def found(text: str, wanted: MovieFilter) -> int:
        find, find_people = (
            partial(each, wanted=wanted) for each in (store.movies.find, store.movies.find_people)
        )
        # A query remembers the distances that were computed for it, so that each search has its own.
        return len(search_with_people(Query(text), find, find_people, store.movies.count_with_term))

    table = Table("search", "filter", "matches", "ms", title="searches (wanted: under 30 ms)")
    filtered = [(text, name) for text in SEARCHES[:3] for name in FILTERED]
    for text, name in (*((text, "no filter") for text in SEARCHES), *filtered):
        spent = milliseconds(partial(found, text, FILTERS[name]))
        table.add_row(text, name, str(found(text, FILTERS[name])), f"{spent:.1f}")
    return table


def imports() -> Table:
    """How long the library takes to import, in a process of its own."""
    table = Table("import", "ms", title="imports (wanted: under 50 ms)")
    program = "import time; t = time.perf_counter(); import {}; print((time.perf_counter() - t) * 1000)"
    for module in ("domain", "domain.ports"):
        command = [sys.executable, "-c", program.format(module)]
        ran = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(7)]
        table.add_row(module, f"{median(float(each.stdout) for each in ran):.1f}")
    return table


def milliseconds(call: Callable[[], object]) -> float:
    """The median of some calls, after one to warm up."""
    call()
    spent = []
    for _ in range(TIMES):
        began = perf_counter()
        call()
        spent.append((perf_counter() - began) * 1000)
    return median(spent)


main()
