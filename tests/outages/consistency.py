"""Consistency of reads with earlier writes, through several API processes, while Redis and processes fail.

A read that begins after the response to a write must return the written value, or a later one. A token whose
session has ended must be refused by every process. A user must not exceed the rate limit.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import time
from bisect import bisect
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from urllib.parse import urlsplit

from tests.benchmarks.service import api_processes
from tests.outages.environment import Environment
from tests.outages.load import register_clients

RATE_LIMIT = 20_000
"""Requests a minute that one user may send: more than a reader sends, fewer than `exceed_rate_limit` does."""

TIMEOUT = 20.0
STATUSES = frozenset({200, 201, 204, 503})
"""The allowed statuses; 503, since requests to a paused process may wait too long for a thread."""

SCORES = [score / 2 for score in range(2, 21)]
RATE_LIMIT_CONNECTIONS = 4
CONNECTIONS_PER_SESSION = 6


@dataclass(frozen=True, slots=True)
class Response:
    """A response. The status is 0 if the connection broke, or after a timeout."""

    status: int
    body: bytes = b""


class Client:
    """Sends requests one after the other on one connection, and so to one of the API processes."""

    def __init__(self, base_url: str, token: str = "") -> None:
        self.base_url = urlsplit(base_url)
        self.token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, content: object = None) -> Response:
        """Send a request. If the connection breaks, the status is 0, and the next request opens another."""
        try:
            return await asyncio.wait_for(self._send(method, path, content), TIMEOUT)
        except (OSError, EOFError, TimeoutError):
            await self.close()
            return Response(0)

    async def _send(self, method: str, path: str, content: object) -> Response:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.base_url.hostname, self.base_url.port)
        reader, writer = self._streams
        body = b"" if content is None else json.dumps(content).encode()
        lines = [f"{method} {self.base_url.path}{path} HTTP/1.1", f"Host: {self.base_url.netloc}"]
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next((line[15:] for line in head.split("\r\n") if line.startswith("content-length:")), "0")
        response = Response(int(head[9:12]), await reader.readexactly(int(length)))
        if "\r\nconnection: close" in head:
            await self.close()
        return response

    async def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None


@dataclass(slots=True)
class Write:
    """A write of a score. `ended` is when the response was received, None without a response."""

    score: float | None
    began: float
    ended: float | None = None


@dataclass(slots=True)
class Movie:
    """A movie that one writer rates, and all writes in order. The first one stands for no rating."""

    id: str
    writes: list[Write] = field(default_factory=lambda: [Write(None, -inf, -inf)])

    def allowed_scores(self, began: float, ended: float) -> set[float | None]:
        """The scores that a read may return: that of the last write that ended before it began, and those of
        later writes.
        """
        ended_before = [
            index
            for index, write in enumerate(self.writes)
            if write.ended is not None and write.ended < began
        ]
        return {write.score for write in self.writes[ended_before[-1] :] if write.began <= ended}


@dataclass
class Result:
    """The result of a run.

    `statuses` counts responses by operation and status, `slowest` has the longest duration of each operation
    in seconds, `failures` counts the failures that were injected, by their names. `accepted` has the times at
    which requests of `exceed_rate_limit` were accepted.
    """

    ended_sessions: int = 0
    violations: list[str] = field(default_factory=list)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    accepted: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def max_requests_per_minute(self) -> int:
        """The maximum number of requests of one user that were accepted in any 60 seconds."""
        return max(
            (bisect(self.accepted, since + 60) - index for index, since in enumerate(self.accepted)),
            default=0,
        )

    def all_violations(self, processes: int) -> list[str]:
        """What differs from the expected behaviour. Without Redis each process counts requests separately."""
        violations = list(self.violations)
        violations += [
            f"{operation} {status}" for operation, status in self.statuses if status not in STATUSES
        ]
        if self.max_requests_per_minute > processes * RATE_LIMIT:
            violations.append(f"{self.max_requests_per_minute} requests of one user in a minute")
        return violations

    def record(self, operation: str, status: int, seconds: float) -> None:
        self.statuses[operation, status] += 1
        self.slowest[operation] = max(self.slowest.get(operation, 0.0), seconds)


async def write(client: Client, movie: Movie, until: float, result: Result) -> None:
    """Rate a movie repeatedly."""
    for score in itertools.cycle(SCORES):
        if time.monotonic() > until:
            return
        current = Write(score, time.monotonic())
        movie.writes.append(current)
        response = await client.send("PUT", f"/movies/{movie.id}/rating", {"rating": score})
        if response.status in {200, 201}:
            current.ended = time.monotonic()
        result.record("write", response.status, time.monotonic() - current.began)


async def read(client: Client, movies: list[Movie], until: float, result: Result, seed: int) -> None:
    """Read random movies repeatedly."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        movie, began = chance.choice(movies), time.monotonic()
        response = await client.send("GET", f"/movies/{movie.id}")
        ended = time.monotonic()
        result.record("read", response.status, ended - began)
        if response.status == 200:
            average, allowed = json.loads(response.body)["average_rating"], movie.allowed_scores(began, ended)
            if average not in allowed:
                result.violations.append(f"movie {movie.id} has {average}, allowed are {allowed}")
        await asyncio.sleep(chance.random() * 0.02)


async def end_sessions(base_url: str, account: dict[str, str], until: float, result: Result) -> None:
    """Log in, use the token on several connections, log out, and use the token on all of them again."""
    clients = [Client(base_url) for _ in range(CONNECTIONS_PER_SESSION)]
    while time.monotonic() < until:
        first = clients[0]
        first.token = ""
        logged_in = await first.send("POST", "/auth/login", account)
        if logged_in.status != 200:
            result.record("login", logged_in.status, 0)
            continue
        for client in clients:
            client.token = json.loads(logged_in.body)["access_token"]
        for response in await asyncio.gather(*(client.send("GET", "/auth/me") for client in clients)):
            result.record("session", response.status, 0)
        logged_out = await first.send("POST", "/auth/logout")
        if logged_out.status != 204:
            result.record("logout", logged_out.status, 0)
            continue
        responses = await asyncio.gather(*(client.send("GET", "/auth/me") for client in clients))
        unexpected = [response.status for response in responses if response.status not in {401, 503, 0}]
        if unexpected:
            result.violations.append(f"requests with a revoked token got {unexpected}")
        result.ended_sessions += 1
    await asyncio.gather(*(client.close() for client in clients))


async def exceed_rate_limit(client: Client, until: float, result: Result) -> None:
    """Send as many requests of one user as possible."""
    while time.monotonic() < until:
        response = await client.send("GET", "/auth/me")
        if response.status == 200:
            result.accepted.append(time.monotonic())
        elif response.status == 429:
            await asyncio.sleep(0.01)


async def inject_failures(environment: Environment, until: float, seed: int, result: Result) -> None:
    """Freeze, kill and start Redis, and pause API processes, one at a time."""
    chance = random.Random(seed)

    async def redis_frozen() -> None:
        environment.redis.freeze()
        await asyncio.sleep(chance.choice((0.02, 0.1, 0.5, 3.0)))
        environment.redis.thaw()

    async def redis_killed() -> None:
        environment.redis.kill()
        await asyncio.sleep(chance.choice((0.1, 1.0, 2.0)))
        await asyncio.to_thread(environment.redis.start)

    async def api_paused() -> None:
        process = chance.choice(api_processes(environment.processes["serve"].pid))
        os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(chance.choice((0.05, 0.3, 1.0)))
        os.kill(process, signal.SIGCONT)

    failures: list[Callable[[], Awaitable[None]]] = [redis_frozen, redis_killed, api_paused, api_paused]
    while time.monotonic() < until - 5:
        await asyncio.sleep(chance.random() * 2)
        failure = chance.choice(failures)
        await failure()
        result.failures[failure.__name__] += 1


def run(environment: Environment, *, writers: int, readers: int, seconds: float, seed: int) -> Result:
    """Run writers and readers for `seconds` while failures are injected."""
    base_url = environment.base_urls[0]
    movies = [Movie(movie_id) for movie_id in environment.movie_ids[:writers]]
    users = register_clients(environment.base_urls, writers + readers + 2, [movie.id for movie in movies] * 9)
    account = {"username": "ends_sessions", "email": "ends@example.org", "password": "a horse that staples"}

    async def send_requests() -> Result:
        result = Result()
        registered = await Client(base_url).send("POST", "/auth/register", account)
        assert registered.status == 201, registered
        login = {"email": account["email"], "password": account["password"]}
        until = time.monotonic() + seconds
        clients = [Client(base_url, user.token) for user in users]
        await asyncio.gather(
            inject_failures(environment, until, seed, result),
            *(write(client, movie, until, result) for client, movie in zip(clients, movies, strict=False)),
            *(
                read(client, movies, until, result, number)
                for number, client in enumerate(clients[writers : writers + readers])
            ),
            *(
                exceed_rate_limit(Client(base_url, users[-1].token), until, result)
                for _ in range(RATE_LIMIT_CONNECTIONS)
            ),
            end_sessions(base_url, login, until, result),
        )
        for client in clients:
            await client.close()
        return result

    return asyncio.run(send_requests())
