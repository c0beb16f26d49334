"""Measures the time, processor time and memory of a sync. TMDB is simulated by a separate process."""

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

MOVIES_PER_PAGE = 20
REQUESTS_PER_SECOND = 10_000
"""The highest rate that the settings allow. Each movie needs one request, and each page of the list one."""

ACCEPTED_EXIT_CODES = {0, 3}
"""Those of a run without problems, and of one with problems, which some of the simulated movies cause."""


@dataclass
class Cost:
    """The duration and the processor time of a command in seconds, and its maximum memory in MB."""

    seconds: float
    processor: float
    memory: float


def sync(movies: int) -> Table:
    """Sync movies into an empty store, and once more, when no details are read."""
    table = Table("sync", "s", "CPU s", "MB", "CPU s per 1,000 movies", title=f"sync of {movies:,} movies")
    pages = str(-(-movies // MOVIES_PER_PAGE))
    with running_simulator(movies) as address, tempfile.TemporaryDirectory() as folder:
        start = run_sync(address, folder, "genres")
        table.add_row("genres: the start", *cells(start), "")
        for name in ("new movies", "unchanged movies"):
            cost = run_sync(address, folder, "movies", "--pages", pages)
            per_thousand = (cost.processor - start.processor) / movies * 1000
            table.add_row(name, *cells(cost), f"{per_thousand:.2f}")
    return table


@contextmanager
def running_simulator(movies: int) -> Iterator[str]:
    """Run a simulated TMDB; yields its URL."""
    arguments = [sys.executable, "-m", "tests.tmdb_simulator", "--movies", str(movies)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


def run_sync(address: str, folder: str, *arguments: str) -> Cost:
    """Run `matinee sync`. Raises RuntimeError if it fails."""
    variables = {
        "TMDB_BASE_URL": address,
        "TMDB_ACCESS_TOKEN": "a-token-for-the-simulator",
        "TMDB_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
        "PYTHONPATH": str(Path.cwd()),
    }
    started = time.perf_counter()
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
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ACCEPTED_EXIT_CODES:
        raise RuntimeError(output)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def cells(cost: Cost) -> list[str]:
    return [f"{cost.seconds:.1f}", f"{cost.processor:.1f}", f"{cost.memory:.0f}"]
