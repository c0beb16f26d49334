"""Readers and writers of the same movies, through several API processes, while Redis and processes fail.

A read that begins after a write was answered must show what was written, or what was written later. A token
whose session has ended must be refused, by every process. A user must not exceed the limit.
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
from tests.outages.load import visitors
from tests.outages.place import Place

LIMIT = 20_000
"""Requests a minute that one user may send: more than a reader sends, less than the greedy user tries."""

TIMEOUT = 20.0
STATUSES = frozenset({200, 201, 204, 503})
"""What may be answered: a process that is paused has requests that wait too long for a thread."""

SCORES = [score / 2 for score in range(2, 21)]
CONNECTIONS_OF_A_GREEDY_USER = 4
SESSIONS_AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class Response:
    """A response; status 0 is none."""

    status: int
    body: bytes = b""


class Client:
    """Sends one request after the other on one connection, which reaches one of the processes."""

    def __init__(self, base: str, token: str = "") -> None:
        self.base = urlsplit(base)
        self.token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, content: object = None) -> Response:
        """Send a request. A connection that breaks gives status 0, and the next request a new connection."""
        try:
            return await asyncio.wait_for(self._send(method, path, content), TIMEOUT)
        except (OSError, EOFError, TimeoutError):
            await self.close()
            return Response(0)

    async def _send(self, method: str, path: str, content: object) -> Response:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.base.hostname, self.base.port)
        reader, writer = self._streams
        body = b"" if content is None else json.dumps(content).encode()
        lines = [f"{method} {self.base.path}{path} HTTP/1.1", f"Host: {self.base.netloc}"]
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
    """A write of a score; `ended` is None until it is answered."""

    score: float | None
    began: float
    ended: float | None = None


@dataclass(slots=True)
class Movie:
    """A movie that one writer rates, and all its writes in order; at first nobody has rated it."""

    id: str
    writes: list[Write] = field(default_factory=lambda: [Write(None, -inf, -inf)])

    def allowed(self, began: float, ended: float) -> set[float | None]:
        """What a read may show: the last write that was answered before it began, or a later one."""
        answered = [
            index
            for index, write in enumerate(self.writes)
            if write.ended is not None and write.ended < began
        ]
        return {write.score for write in self.writes[answered[-1] :] if write.began <= ended}


@dataclass
class Observed:
    """What was sent and seen, and what was not as promised."""

    sessions: int = 0
    faults: list[str] = field(default_factory=list)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    greedy: list[float] = field(default_factory=list)

    @property
    def most_in_a_minute(self) -> int:
        """The most requests of the greedy user that were answered in any 60 seconds."""
        return max((bisect(self.greedy, since + 60) - n for n, since in enumerate(self.greedy)), default=0)

    def broken(self, processes: int) -> list[str]:
        """What was not as promised. Without Redis each of the processes counts for itself."""
        faults = list(self.faults)
        faults += [f"{what} {status}" for what, status in self.statuses if status not in STATUSES]
        if self.most_in_a_minute > processes * LIMIT:
            faults.append(f"{self.most_in_a_minute} requests of one user in a minute")
        return faults

    def note(self, what: str, status: int, seconds: float) -> None:
        self.statuses[what, status] += 1
        self.slowest[what] = max(self.slowest.get(what, 0.0), seconds)


async def write(client: Client, movie: Movie, until: float, observed: Observed) -> None:
    """Rate a movie again and again."""
    for score in itertools.cycle(SCORES):
        if time.monotonic() > until:
            return
        entry = Write(score, time.monotonic())
        movie.writes.append(entry)
        response = await client.send("PUT", f"/movies/{movie.id}/rating", {"rating": score})
        if response.status in {200, 201}:
            entry.ended = time.monotonic()
        observed.note("write", response.status, time.monotonic() - entry.began)


async def read(client: Client, movies: list[Movie], until: float, observed: Observed, seed: int) -> None:
    """Read any of the movies again and again."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        movie, began = chance.choice(movies), time.monotonic()
        response = await client.send("GET", f"/movies/{movie.id}")
        ended = time.monotonic()
        observed.note("read", response.status, ended - began)
        if response.status == 200:
            shown, allowed = json.loads(response.body)["average_rating"], movie.allowed(began, ended)
            if shown not in allowed:
                observed.faults.append(f"movie {movie.id} shows {shown}, allowed are {allowed}")
        await asyncio.sleep(chance.random() * 0.02)


async def end_sessions(base: str, account: dict[str, str], until: float, observed: Observed) -> None:
    """Log in, use the token on several connections, log out, and use it on all of them once more."""
    clients = [Client(base) for _ in range(SESSIONS_AT_ONCE)]
    while time.monotonic() < until:
        first = clients[0]
        first.token = ""
        logged_in = await first.send("POST", "/auth/login", account)
        if logged_in.status != 200:
            observed.note("login", logged_in.status, 0)
            continue
        for client in clients:
            client.token = json.loads(logged_in.body)["access_token"]
        for response in await asyncio.gather(*(client.send("GET", "/auth/me") for client in clients)):
            observed.note("session", response.status, 0)
        logged_out = await first.send("POST", "/auth/logout")
        if logged_out.status != 204:
            observed.note("logout", logged_out.status, 0)
            continue
        responses = await asyncio.gather(*(client.send("GET", "/auth/me") for client in clients))
        wrong = [response.status for response in responses if response.status not in {401, 503, 0}]
        if wrong:
            observed.faults.append(f"a revoked token was answered with {wrong}")
        observed.sessions += 1
    await asyncio.gather(*(client.close() for client in clients))


async def exceed(client: Client, until: float, observed: Observed) -> None:
    """Send as much as one can as one user."""
    while time.monotonic() < until:
        response = await client.send("GET", "/auth/me")
        if response.status == 200:
            observed.greedy.append(time.monotonic())
        elif response.status == 429:
            await asyncio.sleep(0.01)


async def fail(place: Place, until: float, seed: int) -> Counter[str]:
    """Pause, kill and start Redis, and pause API processes, one after the other; count what was done."""
    chance, done = random.Random(seed), Counter[str]()

    async def redis_frozen() -> None:
        place.redis.freeze()
        await asyncio.sleep(chance.choice((0.02, 0.1, 0.5, 3.0)))
        place.redis.thaw()

    async def redis_killed() -> None:
        place.redis.kill()
        await asyncio.sleep(chance.choice((0.1, 1.0, 2.0)))
        await asyncio.to_thread(place.redis.start)

    async def api_paused() -> None:
        process = chance.choice(api_processes(place.processes["serve"].pid))
        os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(chance.choice((0.05, 0.3, 1.0)))
        os.kill(process, signal.SIGCONT)

    acts: list[Callable[[], Awaitable[None]]] = [redis_frozen, redis_killed, api_paused, api_paused]
    while time.monotonic() < until - 5:
        await asyncio.sleep(chance.random() * 2)
        act = chance.choice(acts)
        await act()
        done[act.__name__] += 1
    return done


def observe(
    place: Place, *, writers: int, readers: int, seconds: float, seed: int
) -> tuple[Observed, Counter[str]]:
    """Let writers and readers work for so many seconds while things fail."""
    base = place.bases[0]
    movies = [Movie(number) for number in place.movies[:writers]]
    crowd = visitors(place.bases, writers + readers + 2, [movie.id for movie in movies] * 9)
    tokens = [visitor.token for visitor in crowd]
    account = {"username": "ends_sessions", "email": "ends@example.org", "password": "a horse that staples"}

    async def run() -> tuple[Observed, Counter[str]]:
        observed = Observed()
        registered = await Client(base).send("POST", "/auth/register", account)
        assert registered.status == 201, registered
        login = {"email": account["email"], "password": account["password"]}
        until = time.monotonic() + seconds
        clients = [Client(base, token) for token in tokens]
        work = [
            *(write(client, movie, until, observed) for client, movie in zip(clients, movies, strict=False)),
            *(
                read(client, movies, until, observed, number)
                for number, client in enumerate(clients[writers : writers + readers])
            ),
            *(exceed(Client(base, tokens[-1]), until, observed) for _ in range(CONNECTIONS_OF_A_GREEDY_USER)),
            end_sessions(base, login, until, observed),
        ]
        failing = asyncio.create_task(fail(place, until, seed))
        await asyncio.gather(*work)
        done = await failing
        for client in clients:
            await client.close()
        return observed, done

    return asyncio.run(run())
