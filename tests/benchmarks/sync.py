"""What a sync costs: time, processor time and memory. TMDB is simulated by a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tests.e2e.commands import MATINEE, environment

MOVIES_A_PAGE = 20
REQUESTS_PER_SECOND = 1000
"""The highest rate that the settings allow. A movie is one request, and a page of the list one more."""

ACCEPTED = {0, 3}
"""The codes of a complete run, and of one with problems: some of the simulator's movies have oddities."""


@dataclass
class Cost:
    """What a command took: seconds, seconds of the processor, and the most memory, in MB."""

    seconds: float
    processor: float
    memory: float


def sync(movies: int) -> Table:
    """Fill an empty store with so many movies, and again after that, when no details are read."""
    table = Table("sync", "s", "CPU s", "MB", "CPU s per 1,000 movies", title=f"sync of {movies:,} movies")
    pages = str(-(-movies // MOVIES_A_PAGE))
    with simulator(movies) as address, tempfile.TemporaryDirectory() as folder:
        start = command(address, folder, "genres")
        table.add_row("genres: the start", *described(start), "")
        for name in ("new movies", "unchanged movies"):
            cost = command(address, folder, "movies", "--pages", pages)
            each = (cost.processor - start.processor) / movies * 1000
            table.add_row(name, *described(cost), f"{each:.2f}")
    return table


@contextmanager
def simulator(movies: int) -> Iterator[str]:
    """The address of a simulated TMDB."""
    arguments = [sys.executable, "-m", "tests.tmdb_simulator", "--movies", str(movies)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


def command(address: str, folder: str, *arguments: str) -> Cost:
    """Run `matinee sync`. Raises RuntimeError if it fails."""
    variables = {
        "TMDB_BASE_URL": address,
        "TMDB_ACCESS_TOKEN": "a-token-for-the-simulator",
        "TMDB_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
        "PYTHONPATH": str(Path.cwd()),
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [*MATINEE, "sync", *arguments, "--data-dir", folder],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ACCEPTED:
        raise RuntimeError(output)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def described(cost: Cost) -> list[str]:
    return [f"{cost.seconds:.1f}", f"{cost.processor:.1f}", f"{cost.memory:.0f}"]
