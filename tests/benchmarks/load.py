"""What a request costs the API process under load, next to a bare ASGI function, in one run of wrk."""

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
from tests.e2e.commands import Serving, serving
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

RAW = """
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

ABBREVIATED = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Work:
    """Requests to send: a Lua expression for each, or one path for all."""

    request: str = ""
    path: str = "/"
    headers: tuple[str, ...] = ()
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Result:
    """Processor time of a request in microseconds, requests a second, and the median and 99th percentile of
    their durations in milliseconds.
    """

    cost: float
    rate: float
    median: float
    p99: float

    def cells(self, raw: "Result") -> list[str]:
        """The cells of a row; cost and rate are also compared with those of the bare function."""
        return [
            f"{self.cost:.0f}",
            f"{self.cost / raw.cost:.1f}",
            f"{self.rate:.0f}",
            f"{self.rate / raw.rate:.2f}",
            f"{self.median:.2f}",
            f"{self.p99:.2f}",
        ]


def load() -> Table | str:
    """The cost of every kind of request; a sentence where there is no wrk."""
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
            table = measured(server, folder)
            server.stop()
    return table


def measured(server: Serving, folder: Path) -> Table:
    """The table of one service."""
    tokens = [register(server, number) for number in range(WRITERS)]
    signed_in = {"Authorization": f"Bearer {tokens[0]}"}
    server.client.get("/movies", headers=signed_in)
    listed = server.client.get("/movies", headers=signed_in)
    size, etag = len(listed.content), listed.headers["etag"]
    port = server.client.base_url.port or 80
    (api,) = api_processes(server.process.pid)
    keep_to_one_core(api)
    title = f"{MOVIES:,} movies, {CONNECTIONS} connections, {SECONDS} s each, signed in, on one core"
    table = Table("request", "us", "to raw", "per s", "to raw", "median ms", "p99 ms", title=title)
    with raw_server(size) as (process, raw_port):
        raw = under_load(process, f"http://127.0.0.1:{raw_port}", Work(), folder)
        table.add_row(f"bare ASGI, {size} bytes", *raw.cells(raw))
        base = f"http://127.0.0.1:{port}/api/v1"
        for name, work in works(tokens, etag).items():
            table.add_row(name, *under_load(api, base, work, folder).cells(raw))
    return table


def works(tokens: list[str], etag: str) -> Mapping[str, Work]:
    """What is measured."""
    token = f"Authorization: Bearer {tokens[0]}"
    listed = ", ".join(f'"Bearer {each}"' for each in tokens)
    put = (
        'local headers = {{["Authorization"] = ({{{tokens}}})[n % {writers} + 1], '
        '["Content-Type"] = "application/json"}}\n'
        "  return wrk.format('PUT', '/api/v1/movies/' .. (n * 7 % {movies} + 1) .. '{path}', headers, {body})"
    )
    lists = {"tokens": listed, "writers": WRITERS, "movies": MOVIES}
    rating = put.format(path="/rating", body="""string.format('{"rating": %d}', n % 10 + 1)""", **lists)
    entry = put.format(path="/watchlist", body="""string.format('{"note": "%d"}', n)""", **lists)
    login = (
        "return wrk.format('POST', '/api/v1/auth/login', {['Content-Type'] = 'application/json'}, "
        f"""string.format('{{"email": "bench%d@example.org", "password": "{PASSWORD}"}}', n % {WRITERS}))"""
    )

    def each(path: str) -> str:
        return f"return wrk.format('GET', '/api/v1' .. {path})"

    word = "words[{} % #words + 1]"
    pair = f"{word.format('n')} .. '%20' .. {word.format('math.floor(n / #words)')}"
    return {
        "list": Work(path="/movies", headers=(token,)),
        "list, gzip": Work(path="/movies", headers=(token, "Accept-Encoding: gzip")),
        "list, not modified": Work(path="/movies", headers=(token, f"If-None-Match: {etag}")),
        "movie": Work(path="/movies/603", headers=(token,)),
        "search": Work(path="/movies/search?q=night", headers=(token,)),
        "genres": Work(path="/genres", headers=(token,)),
        "health/live": Work(path="/health/live"),
        "movie, miss": Work(
            each(
                f"string.format('/movies/%d?fields=id%s', n % {MOVIES} + 1, n > {MOVIES} and ',title' or '')"
            ),
            headers=(token,),
        ),
        "list, miss": Work(
            each(
                "string.format('/movies?min_votes=%d&year_from=%d&year_to=%d', "
                "math.floor(n / 100), 1900 + n % 100, 1909 + n % 100)"
            ),
            headers=(token,),
        ),
        "search, miss": Work(
            each(f"'/movies/search?q=' .. {pair} .. '&page=' .. (math.floor(n / #words / #words) + 1)"),
            headers=(token,),
        ),
        "PUT rating, 16 clients": Work(rating, connections=WRITERS),
        "PUT watchlist, 16 clients": Work(entry, connections=WRITERS),
        "login, 4 clients": Work(login, connections=4),
    }


def under_load(process: int, base: str, work: Work, folder: Path) -> Result:
    """Load a process. Raises RuntimeError if a request failed."""
    command = ["wrk", "--latency", "-t1", f"-c{work.connections}", f"-d{SECONDS}s"]
    command += [word for header in work.headers for word in ("-H", header)]
    if work.request:
        words = ", ".join(f'"{word}"' for word in dict.fromkeys(WORDS))
        script = folder / "requests.lua"
        script.write_text(SCRIPT.format(words=words, request=work.request))
        command += ["-s", str(script)]
    before = processor_seconds(process)
    ran = subprocess.run([*command, base + work.path], capture_output=True, text=True, check=True)
    spent = processor_seconds(process) - before
    if "Non-2xx" in ran.stdout or "Socket errors" in ran.stdout:
        raise RuntimeError(ran.stdout)
    number = int(found(r"(\d+) requests in", ran.stdout))
    return Result(
        cost=spent / number * 1e6,
        rate=float(found(r"Requests/sec: +([\d.]+)", ran.stdout)),
        median=duration("50", ran.stdout),
        p99=duration("99", ran.stdout),
    )


def found(pattern: str, text: str) -> str:
    """What a pattern captures. Raises RuntimeError if it does not occur."""
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(text)
    return match[1]


def duration(percentile: str, text: str) -> float:
    """A percentile that wrk has printed, in milliseconds."""
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", found(rf" {percentile}% +(\S+)", text)).groups()  # type: ignore[union-attr]
    return float(number) * ABBREVIATED[unit]


def register(server: Serving, number: int) -> str:
    """The token of a new account."""
    account = {"username": f"bench{number}", "email": f"bench{number}@example.org", "password": PASSWORD}
    response = server.client.post("/auth/register", json=account)
    return str(response.raise_for_status().json()["access_token"])


def processor_seconds(process: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def keep_to_one_core(process: int) -> None:
    """Let all threads of a process run on the first core only. The load has the others."""
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
def raw_server(size: int) -> Iterator[tuple[int, int]]:
    """A bare ASGI function that sends so many bytes; its process and its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", RAW, str(port), str(size)])
    try:
        eventually(lambda: accepts(port), timeout=10, interval=0.05)
        keep_to_one_core(process.pid)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)
