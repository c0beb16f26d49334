"""Measures requests under load with wrk, and compares them with those of a bare ASGI function."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from adapters import system
from adapters.sqlite.store import SqliteStore
from tests.benchmarks.catalogue import WORDS, fill
from tests.benchmarks.service import api_processes
from tests.e2e.commands import RunningServer, serving
from tests.ports import free_port
from tests.waiting import eventually

MOVIES = 10_000
CONNECTIONS = 32
WRITERS = 16
SECONDS = 5
TICKS = os.sysconf("SC_CLK_TCK")
PASSWORD = "a measured benchmark"
VARIABLES = {
    "RATE_LIMIT": "100000000/minute",
    "AUTH_RATE_LIMIT": "100000000/minute",
    "LOG_LEVEL": "info",
    "PUBLIC_CATALOGUE": "false",
}

BARE_SERVER = """
import sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

BODY = b"x" * int(sys.argv[2])
quiet = {"log_level": "critical", "access_log": False, "lifespan": "off"}
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", **quiet)
"""

SCRIPT = """
local n, words = 0, {{{words}}}
function request()
  n = n + 1
  {request}
end
"""
"""A script of wrk: `request` returns the request of number `n`."""

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests to send: a Lua expression that returns each request, or one path for all."""

    request: str = ""
    path: str = "/"
    headers: tuple[str, ...] = ()
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Result:
    """The processor time per request in microseconds, the requests per second, and the median and the 99th
    percentile of their durations in milliseconds.
    """

    cost: float
    rate: float
    median: float
    p99: float

    def cells(self, bare: "Result") -> list[str]:
        """The cells of a row, with the ratios of cost and rate to those of the bare function."""
        return [
            f"{self.cost:.0f}",
            f"{self.cost / bare.cost:.1f}",
            f"{self.rate:.0f}",
            f"{self.rate / bare.rate:.2f}",
            f"{self.median:.2f}",
            f"{self.p99:.2f}",
        ]


def load() -> Table | str:
    """Measure all workloads; returns a message if wrk is not installed."""
    if shutil.which("wrk") is None:
        return "There is no wrk here (on Debian: apt install wrk), so requests under load are not measured."
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "matinee-data"
        data.mkdir()
        store = SqliteStore(path=data / "matinee.db", clock=system.now)
        store.prepare()
        fill(store, MOVIES)
        store.close()
        with serving(folder, **VARIABLES) as server:
            table = measure(server, folder)
            server.stop()
    return table


def measure(server: RunningServer, folder: Path) -> Table:
    """Measure the workloads on a running service."""
    tokens = [register(server, number) for number in range(WRITERS)]
    signed_in = {"Authorization": f"Bearer {tokens[0]}"}
    server.client.get("/movies", headers=signed_in)
    response = server.client.get("/movies", headers=signed_in)
    size, etag = len(response.content), response.headers["etag"]
    port = server.client.base_url.port or 80
    (api,) = api_processes(server.process.pid)
    pin_to_one_core(api)
    title = f"{MOVIES:,} movies, {CONNECTIONS} connections, {SECONDS} s each, signed in, on one core"
    table = Table("request", "us", "to raw", "per s", "to raw", "median ms", "p99 ms", title=title)
    with bare_server(size) as (process, bare_port):
        bare = under_load(process, f"http://127.0.0.1:{bare_port}", Workload(), folder)
        table.add_row(f"bare ASGI, {size} bytes", *bare.cells(bare))
        base = f"http://127.0.0.1:{port}/api/v1"
        for name, workload in workloads(tokens, etag).items():
            table.add_row(name, *under_load(api, base, workload, folder).cells(bare))
    return table


def workloads(tokens: list[str], etag: str) -> Mapping[str, Workload]:
    """The workloads by name."""
    token = f"Authorization: Bearer {tokens[0]}"
    quoted_tokens = ", ".join(f'"Bearer {value}"' for value in tokens)
    put = (
        'local headers = {{["Authorization"] = ({{{tokens}}})[n % {writers} + 1], '
        '["Content-Type"] = "application/json"}}\n'
        "  return wrk.format('PUT', '/api/v1/movies/' .. (n * 7 % {movies} + 1) .. '{path}', headers, {body})"
    )
    lists = {"tokens": quoted_tokens, "writers": WRITERS, "movies": MOVIES}
    rating = put.format(path="/rating", body="""string.format('{"rating": %d}', n % 10 + 1)""", **lists)
    entry = put.format(path="/watchlist", body="""string.format('{"note": "%d"}', n)""", **lists)
    login = (
        "return wrk.format('POST', '/api/v1/auth/login', {['Content-Type'] = 'application/json'}, "
        f"""string.format('{{"email": "bench%d@example.org", "password": "{PASSWORD}"}}', n % {WRITERS}))"""
    )

    def get_request(path: str) -> str:
        return f"return wrk.format('GET', '/api/v1' .. {path})"

    word = "words[{} % #words + 1]"
    pair = f"{word.format('n')} .. '%20' .. {word.format('math.floor(n / #words)')}"
    return {
        "list": Workload(path="/movies", headers=(token,)),
        "list, gzip": Workload(path="/movies", headers=(token, "Accept-Encoding: gzip")),
        "list, not modified": Workload(path="/movies", headers=(token, f"If-None-Match: {etag}")),
        "movie": Workload(path="/movies/603", headers=(token,)),
        "search": Workload(path="/movies/search?q=night", headers=(token,)),
        "genres": Workload(path="/genres", headers=(token,)),
        "health/live": Workload(path="/health/live"),
        "movie, miss": Workload(
            get_request(
                f"string.format('/movies/%d?fields=id%s', n % {MOVIES} + 1, n > {MOVIES} and ',title' or '')"
            ),
            headers=(token,),
        ),
        "list, miss": Workload(
            get_request(
                "string.format('/movies?min_votes=%d&year_from=%d&year_to=%d', "
                "math.floor(n / 100), 1900 + n % 100, 1909 + n % 100)"
            ),
            headers=(token,),
        ),
        "search, miss": Workload(
            get_request(
                f"'/movies/search?q=' .. {pair} .. '&page=' .. (math.floor(n / #words / #words) + 1)"
            ),
            headers=(token,),
        ),
        "PUT rating, 16 clients": Workload(rating, connections=WRITERS),
        "PUT watchlist, 16 clients": Workload(entry, connections=WRITERS),
        "login, 4 clients": Workload(login, connections=4),
    }


def under_load(process: int, base: str, workload: Workload, folder: Path) -> Result:
    """Send the requests of a workload to a process. Raises RuntimeError if a request fails."""
    command = ["wrk", "--latency", "-t1", f"-c{workload.connections}", f"-d{SECONDS}s"]
    command += [word for header in workload.headers for word in ("-H", header)]
    if workload.request:
        words = ", ".join(f'"{word}"' for word in dict.fromkeys(WORDS))
        script = folder / "requests.lua"
        script.write_text(SCRIPT.format(words=words, request=workload.request))
        command += ["-s", str(script)]
    before = processor_seconds(process)
    completed = subprocess.run([*command, base + workload.path], capture_output=True, text=True, check=True)
    used = processor_seconds(process) - before
    if "Non-2xx" in completed.stdout or "Socket errors" in completed.stdout:
        raise RuntimeError(completed.stdout)
    number = int(captured(r"(\d+) requests in", completed.stdout))
    return Result(
        cost=used / number * 1e6,
        rate=float(captured(r"Requests/sec: +([\d.]+)", completed.stdout)),
        median=duration("50", completed.stdout),
        p99=duration("99", completed.stdout),
    )


def captured(pattern: str, text: str) -> str:
    """The group of a pattern in a text. Raises RuntimeError if the text does not match."""
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(text)
    return match[1]


def duration(percentile: str, text: str) -> float:
    """A percentile that wrk has printed, in milliseconds."""
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", captured(rf" {percentile}% +(\S+)", text)).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def register(server: RunningServer, number: int) -> str:
    """Register an account; return its token."""
    account = {"username": f"bench{number}", "email": f"bench{number}@example.org", "password": PASSWORD}
    response = server.client.post("/auth/register", json=account)
    return str(response.raise_for_status().json()["access_token"])


def processor_seconds(process: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pin_to_one_core(process: int) -> None:
    """Run all threads of a process on the first core only, and leave the others to wrk."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {min(os.sched_getaffinity(0))})


def accepts(port: int) -> bool:
    """Whether a server accepts connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def bare_server(size: int) -> Iterator[tuple[int, int]]:
    """Run a bare ASGI function that sends `size` bytes; yields its process id and its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", BARE_SERVER, str(port), str(size)])
    try:
        eventually(lambda: accepts(port), timeout=10, interval=0.05)
        pin_to_one_core(process.pid)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)
