"""Measures the start time of `matinee serve`, the memory of its processes, and the time of requests."""

import os
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from rich.table import Table

from tests.e2e.commands import RunningServer, serving

STARTS = 5
REQUESTS = 300
PAGE = os.sysconf("SC_PAGE_SIZE")


def service() -> list[Table]:
    """Start it with an empty store, then with a filled one, and send requests."""
    variables = {"PUBLIC_CATALOGUE": "true", "RATE_LIMIT": "100000000/minute"}
    starts, idle = [], Table("process", "RSS, MB", title="memory when idle (wanted: under 250 MB together)")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(STARTS + 1):
            started = time.perf_counter()
            with serving(Path(folder), **variables) as server:
                starts.append(time.perf_counter() - started)
                if number == STARTS:
                    time.sleep(3)
                    memory(idle, server.process.pid)
                    times = requests(server)
                server.stop()
    ready = Table("start", "seconds", title="ready to serve (wanted: under 3 s on a filled store)")
    ready.add_row("empty store", f"{starts[0]:.1f}")
    ready.add_row(f"filled store, median of {STARTS}", f"{median(starts[1:]):.1f}")
    return [ready, idle, times]


def memory(table: Table, supervisor: int) -> None:
    """Add a row for each process, and one for all together."""
    processes = [supervisor, *children(supervisor)]
    sizes = {
        process: int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE for process in processes
    }
    for process, size in sizes.items():
        words = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ").split()
        name = next(
            (word for word in ("api", "worker", "scheduler") if word in words), words[0].split("/")[-1]
        )
        table.add_row("supervisor" if process == supervisor else name, f"{size / 1e6:.0f}")
    table.add_row("together", f"{sum(sizes.values()) / 1e6:.0f}")


def children(parent: int) -> list[int]:
    """The child processes of a process."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in pids]


def api_processes(supervisor: int) -> list[int]:
    """The API processes of a running service."""
    return [
        process
        for process in children(supervisor)
        if b"api" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    ]


def requests(server: RunningServer) -> Table:
    """The median time of requests on one connection, and its ratio to that of a cached response."""
    host, port = server.client.base_url.host, server.client.base_url.port
    connection = HTTPConnection(host, port or 80)
    numbers = iter(range(10**9))
    cached = median_time(lambda: get(connection, "/movies?limit=20"))
    etag = get(connection, "/movies?limit=20")
    rows = {
        "cached list": cached,
        "the same, not modified": median_time(
            lambda: get(connection, "/movies?limit=20", {"If-None-Match": etag})
        ),
        "cached movie": median_time(lambda: get(connection, "/movies/603")),
        "built list": median_time(lambda: get(connection, f"/movies?limit=20&min_votes={next(numbers)}")),
        "built search": median_time(
            lambda: get(connection, f"/movies/search?q=the&limit=20&min_votes={next(numbers)}")
        ),
        "health/live": median_time(lambda: get(connection, "/health/live")),
    }
    connection.close()
    table = Table("request", "ms", "to a cached list", title="requests, one after the other")
    for name, duration in rows.items():
        table.add_row(name, f"{duration:.2f}", f"{duration / cached:.2f}")
    return table


def get(connection: HTTPConnection, path: str, headers: dict[str, str] | None = None) -> str:
    """Send a request and read the response; return its ETag."""
    connection.request("GET", f"/api/v1{path}", headers={"Accept-Encoding": "gzip", **(headers or {})})
    response = connection.getresponse()
    response.read()
    if response.status not in {200, 304}:
        raise RuntimeError(f"{path}: {response.status}")
    return response.headers.get("etag", "")


def median_time(call: Callable[[], object]) -> float:
    """The median time of many calls in milliseconds, after one to warm up."""
    call()
    durations = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        call()
        durations.append((time.perf_counter() - started) * 1000)
    return median(durations)
