"""What `matinee serve` costs: how soon it is ready, the memory of its processes, and a request's time."""

import os
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from rich.table import Table

from tests.e2e.commands import Serving, serving

STARTS = 5
REQUESTS = 300
PAGE = os.sysconf("SC_PAGE_SIZE")


def service() -> list[Table]:
    """Start it on an empty store, then on a filled one, and send it requests."""
    variables = {"PUBLIC_CATALOGUE": "true", "RATE_LIMIT": "100000000/minute"}
    starts, idle = [], Table("process", "RSS, MB", title="memory when idle (wanted: under 250 MB together)")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(STARTS + 1):
            began = time.perf_counter()
            with serving(Path(folder), **variables) as server:
                starts.append(time.perf_counter() - began)
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
    """A row for each process, and one for all."""
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
    """The processes that a process has started."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in found]


def api_processes(supervisor: int) -> list[int]:
    """The API processes of a running service."""
    return [
        process
        for process in children(supervisor)
        if b"api" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    ]


def requests(server: Serving) -> Table:
    """Median milliseconds of a request over one connection, and how that compares with a cached response."""
    host, port = server.client.base_url.host, server.client.base_url.port
    connection = HTTPConnection(host, port or 80)
    turn = iter(range(10**9))
    cached = timed(lambda: get(connection, "/movies?limit=20"))
    etag = get(connection, "/movies?limit=20")
    rows = {
        "cached list": cached,
        "the same, not modified": timed(lambda: get(connection, "/movies?limit=20", {"If-None-Match": etag})),
        "cached movie": timed(lambda: get(connection, "/movies/603")),
        "built list": timed(lambda: get(connection, f"/movies?limit=20&min_votes={next(turn)}")),
        "built search": timed(
            lambda: get(connection, f"/movies/search?q=the&limit=20&min_votes={next(turn)}")
        ),
        "health/live": timed(lambda: get(connection, "/health/live")),
    }
    connection.close()
    table = Table("request", "ms", "to a cached list", title="requests, one after the other")
    for name, took in rows.items():
        table.add_row(name, f"{took:.2f}", f"{took / cached:.2f}")
    return table


def get(connection: HTTPConnection, path: str, headers: dict[str, str] | None = None) -> str:
    """Send one request and read its response; its ETag."""
    connection.request("GET", f"/api/v1{path}", headers={"Accept-Encoding": "gzip", **(headers or {})})
    response = connection.getresponse()
    response.read()
    if response.status not in {200, 304}:
        raise RuntimeError(f"{path}: {response.status}")
    return response.headers.get("etag", "")


def timed(call: Callable[[], object]) -> float:
    """The median of many calls, in milliseconds, after one to warm up."""
    call()
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)
