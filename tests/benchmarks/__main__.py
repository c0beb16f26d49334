"""`make bench`: medians in one run, over 100,000 invented movies in SQLite, and of `matinee serve` with the
demo catalogue. Nothing fails on a number.

python -m tests.benchmarks [--movies N] [--only-service]
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

from adapters import system
from adapters.sqlite.store import SqliteStore
from domain.browsing import MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import RunId, genre_id
from domain.movies import MovieFacts
from domain.pagination import Cursor, Window
from domain.search import Query, search
from domain.sync import Entity, PageResult, SyncRun
from tests.benchmarks.load import load
from tests.benchmarks.service import service

TIMES = 15
A_PAGE = 1000
GENRES = tuple(
    genre_id(number) for number in (28, 12, 16, 35, 80, 99, 18, 10751, 14, 36, 27, 878, 53, 10752, 37)
)
WORDS = """
    night river war love star man king dawn house of the a in last city home red black summer winter ghost
    queen return secret garden island storm blood moon road bridge letter mountain silent broken golden empire
    shadow
""".split()
SYLLABLES = "ka lo mi ra ten dor vel sha zu qui fen bar ost nim gra pel tho wex yan jud".split()

FILTERS = {
    "no filter": MovieFilter(),
    "a frequent genre": MovieFilter(all_genres=frozenset(GENRES[:1])),
    "two genres": MovieFilter(all_genres=frozenset((GENRES[0], GENRES[-1]))),
    "any of two genres": MovieFilter(any_genres=frozenset(GENRES[5:7])),
    "a rare language": MovieFilter(language="fi"),
    "a language and a genre": MovieFilter(language="fr", all_genres=frozenset(GENRES[9:10])),
    "one year": MovieFilter(year_from=1950, year_to=1950),
    "years and votes": MovieFilter(year_from=1990, year_to=1999, min_votes=500),
}
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
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--movies", type=int, default=100_000)
    parser.add_argument("--only-service", action="store_true", help="leave the store out")
    options = parser.parse_args()
    console = Console(width=110)
    if not options.only_service:
        measure_store(console, options.movies)
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
        console.print(lists(store))
        console.print(searches(store))
        console.print(imports())
        store.close()


def fill(store: SqliteStore, amount: int) -> float:
    """Store so many movies by pages, as a sync does; the seconds that it took."""
    random = Random(1)
    run = SyncRun(id=RunId(system.new_id()), entity=Entity.MOVIES, started_at=system.now())
    store.runs.add(run)
    began = perf_counter()
    for page, start in enumerate(range(0, amount, A_PAGE), 1):
        movies = tuple(invent(number, random) for number in range(start + 1, min(start + A_PAGE, amount) + 1))
        run = store.movies.store(PageResult(page=page, at=system.now(), movies=movies), run)
    store.runs.save(run.finished(system.now()))
    return perf_counter() - began


def invent(number: int, random: Random) -> MovieFacts:
    """A movie with a title of one to five words, some of them rare, and skewed figures."""
    title = " ".join(word(random) for _ in range(random.randint(1, 5)))
    return MovieFacts(
        tmdb_id=number,
        title=title,
        original_title=title if random.random() < 0.7 else word(random),
        original_language=random.choices(("en", "fr", "ja", "hi", "fi"), (60, 15, 12, 10, 3))[0],
        overview=" ".join(random.choices(WORDS, k=40)),
        release_date=date(random.randint(1900, 2025), random.randint(1, 12), random.randint(1, 28)),
        popularity=round(random.expovariate(0.2), 4) if random.random() < 0.98 else None,
        vote_average=round(random.uniform(1, 10), 3),
        vote_count=int(random.paretovariate(0.5)) % 40_000,
        genres=tuple(
            dict.fromkeys(random.choices(GENRES, range(len(GENRES), 0, -1), k=random.randint(1, 3)))
        ),
        runtime=random.randint(60, 200),
        detailed=True,
    )


def word(random: Random) -> str:
    """A common word, or one of the eight thousand that three syllables make."""
    return random.choice(WORDS) if random.random() < 0.6 else "".join(random.choices(SYLLABLES, k=3))


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
    """The median of each search."""
    table = Table("search", "matches", "ms", title="searches (wanted: under 30 ms)")
    for text in SEARCHES:
        matches = len(search(Query(text), store.movies.find))
        # A query remembers the distances that were computed for it, so that each search has its own.
        spent = milliseconds(lambda text=text: search(Query(text), store.movies.find))  # type: ignore[misc]
        table.add_row(text, str(matches), f"{spent:.1f}")
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
