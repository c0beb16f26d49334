"""Clients who use the service all the time, and note what they see.

Each has an account and a movie of its own, which nobody else rates: what it reads of that movie must be what
it last wrote, through whichever process it reads. That finds anything stale.
"""

import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx

TIMEOUT = 20.0
"""Seconds after which a client gives up: that is a hang."""

REGISTERED_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: when, to what, which status (0 is none), how long it took, and what the cache said."""

    at: float
    what: str
    status: int
    seconds: float
    cache: str | None = None


@dataclass
class Visitor:
    """One client. Its movie must show `written`, while that is `certain`: after a write without an answer
    nobody knows.
    """

    number: int
    bases: Sequence[str]
    token: str
    movie: str
    seen: list[Seen] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    written: float | None = None
    certain: bool = True

    def work(self, over: Event, pause: float) -> None:
        """Read and write until it is over."""
        chance = random.Random(self.number)
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(headers=headers, timeout=TIMEOUT) as client:
            steps = (self.read_own, self.write, self.read_own, self.list, self.search, self.listed)
            for step in itertools.cycle(steps):
                if over.wait(pause * chance.random() * 2):
                    return
                step(client, chance)

    def ask(self, client: httpx.Client, chance: random.Random, method: str, path: str, **more: Any) -> Any:
        """One request through one of the processes."""
        base, began = chance.choice(self.bases), time.monotonic()
        try:
            answer = client.request(method, f"{base}{path}", **more)
        except httpx.HTTPError:
            self.seen.append(Seen(began, f"{method} {path}", 0, time.monotonic() - began))
            return None
        took = time.monotonic() - began
        what = f"{method} {path.partition('?')[0]}"
        self.seen.append(Seen(began, what, answer.status_code, took, answer.headers.get("x-cache")))
        return answer

    def write(self, client: httpx.Client, chance: random.Random) -> None:
        score = chance.randint(2, 20) / 2
        answer = self.ask(client, chance, "PUT", f"/movies/{self.movie}/rating", json={"rating": score})
        if answer is not None and answer.is_success:
            self.written, self.certain = score, True
        elif answer is None or answer.status_code >= 500:
            self.certain = False

    def read_own(self, client: httpx.Client, chance: random.Random) -> None:
        answer = self.ask(client, chance, "GET", f"/movies/{self.movie}")
        if answer is None or not answer.is_success or not self.certain:
            return
        shown = answer.json()["average_rating"]
        if shown != self.written:
            self.stale.append(f"movie {self.movie} shows {shown}, not {self.written}: {answer.headers}")

    def list(self, client: httpx.Client, chance: random.Random) -> None:
        self.ask(client, chance, "GET", f"/movies?limit=10&page={chance.randint(1, 3)}")

    def search(self, client: httpx.Client, chance: random.Random) -> None:
        self.ask(client, chance, "GET", f"/movies/search?q={chance.choice(('the', 'matrix', 'seven'))}")

    def listed(self, client: httpx.Client, chance: random.Random) -> None:
        self.ask(
            client, chance, "PUT", f"/movies/{self.movie}/watchlist", json={"note": str(chance.random())}
        )
        self.ask(client, chance, "GET", "/watchlist")


def visitors(bases: Sequence[str], number: int, movies: Sequence[str]) -> list[Visitor]:
    """So many new accounts, and a movie for each."""
    made = []
    for each in range(number):
        name = f"visitor{each}x{time.monotonic_ns()}"
        account = {"username": name[:30], "email": f"{name}@example.org", "password": f"horse staple {name}"}
        answer = httpx.post(f"{bases[0]}/auth/register", json=account, timeout=REGISTERED_WITHIN)
        assert answer.status_code == 201, answer.text
        made.append(Visitor(each, bases, answer.json()["access_token"], movies[each]))
    return made


@contextmanager
def visiting(crowd: Sequence[Visitor], pause: float) -> Iterator[None]:
    """Let them all be at it for a while."""
    over = Event()
    with ThreadPoolExecutor(len(crowd)) as pool:
        working = [pool.submit(visitor.work, over, pause) for visitor in crowd]
        try:
            yield
        finally:
            over.set()
        for work in working:
            work.result(timeout=TIMEOUT * 2)


@dataclass(frozen=True, slots=True)
class Period:
    """What all clients saw in a stretch of time."""

    statuses: dict[int, int]
    median: float
    slowest: float
    cached: int

    def __str__(self) -> str:
        told = " ".join(f"{status}:{number}" for status, number in sorted(self.statuses.items()))
        return f"{told}  median {self.median * 1000:.1f} ms  slowest {self.slowest * 1000:.0f} ms"


def period(crowd: Sequence[Visitor], since: float, until: float) -> Period:
    """What they saw of requests that began in that time."""
    seen = [each for visitor in crowd for each in visitor.seen if since <= each.at < until]
    times = [each.seconds for each in seen] or [0.0]
    return Period(
        statuses=dict(Counter(each.status for each in seen)),
        median=statistics.median(times),
        slowest=max(times),
        cached=sum(each.cache is not None for each in seen),
    )
