"""Clients that send requests continuously, and record the responses.

Each client has its own account, and a movie that no other client rates: the movie must have the rating that
the client last wrote, whichever API process responds. This detects stale responses.
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
"""Seconds until a client stops waiting for a response."""

REGISTRATION_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A response to a client. `began` is when the request was sent, by time.monotonic(); `status` is 0 if
    there was no response; `cache` is the header X-Cache.
    """

    began: float
    request: str
    status: int
    seconds: float
    cache: str | None = None


@dataclass
class LoadClient:
    """A client. `written_score` is the last score that it has written to its movie. It is not `certain` after
    a write without a response, which may or may not have been stored.
    """

    number: int
    base_urls: Sequence[str]
    token: str
    movie: str
    responses: list[RecordedResponse] = field(default_factory=list)
    stale_reads: list[str] = field(default_factory=list)
    written_score: float | None = None
    certain: bool = True

    def run(self, stop: Event, pause: float) -> None:
        """Send requests until the event is set, `pause` seconds apart on average."""
        chance = random.Random(self.number)
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(headers=headers, timeout=TIMEOUT) as client:
            steps = (
                self.read_movie,
                self.write_rating,
                self.read_movie,
                self.list_movies,
                self.search,
                self.use_watchlist,
            )
            for step in itertools.cycle(steps):
                if stop.wait(pause * chance.random() * 2):
                    return
                step(client, chance)

    def send(
        self, client: httpx.Client, chance: random.Random, method: str, path: str, **options: Any
    ) -> httpx.Response | None:
        """Send a request to a random API process; returns None if there is no response."""
        base_url, began = chance.choice(self.base_urls), time.monotonic()
        try:
            response = client.request(method, f"{base_url}{path}", **options)
        except httpx.HTTPError:
            self.responses.append(RecordedResponse(began, f"{method} {path}", 0, time.monotonic() - began))
            return None
        seconds = time.monotonic() - began
        request = f"{method} {path.partition('?')[0]}"
        cache = response.headers.get("x-cache")
        self.responses.append(RecordedResponse(began, request, response.status_code, seconds, cache))
        return response

    def write_rating(self, client: httpx.Client, chance: random.Random) -> None:
        """Rate the client's movie."""
        score = chance.randint(2, 20) / 2
        response = self.send(client, chance, "PUT", f"/movies/{self.movie}/rating", json={"rating": score})
        if response is not None and response.is_success:
            self.written_score, self.certain = score, True
        elif response is None or response.status_code >= 500:
            self.certain = False

    def read_movie(self, client: httpx.Client, chance: random.Random) -> None:
        """Read the client's movie, and compare its average rating with the last score written."""
        response = self.send(client, chance, "GET", f"/movies/{self.movie}")
        if response is None or not response.is_success or not self.certain:
            return
        average = response.json()["average_rating"]
        if average != self.written_score:
            cache = response.headers.get("x-cache", "not used")
            self.stale_reads.append(
                f"movie {self.movie} has {average}, not {self.written_score} (cache: {cache})"
            )

    def list_movies(self, client: httpx.Client, chance: random.Random) -> None:
        """Read one of the first pages of the movies."""
        self.send(client, chance, "GET", f"/movies?limit=10&page={chance.randint(1, 3)}")

    def search(self, client: httpx.Client, chance: random.Random) -> None:
        """Search for a word."""
        self.send(client, chance, "GET", f"/movies/search?q={chance.choice(('the', 'matrix', 'seven'))}")

    def use_watchlist(self, client: httpx.Client, chance: random.Random) -> None:
        """Put the client's movie on the watchlist, and read the watchlist."""
        self.send(
            client, chance, "PUT", f"/movies/{self.movie}/watchlist", json={"note": str(chance.random())}
        )
        self.send(client, chance, "GET", "/watchlist")

    def delete_rating(self) -> None:
        """Delete the rating, so that the next client finds the movie without one."""
        headers = {"Authorization": f"Bearer {self.token}"}
        httpx.delete(f"{self.base_urls[0]}/movies/{self.movie}/rating", headers=headers, timeout=TIMEOUT)


def register_clients(base_urls: Sequence[str], count: int, movies: Sequence[str]) -> list[LoadClient]:
    """Register `count` clients, each with the next of the movies."""
    clients = []
    for number in range(count):
        name = f"client{number}x{time.monotonic_ns()}"
        account = {"username": name[:30], "email": f"{name}@example.org", "password": f"horse staple {name}"}
        response = httpx.post(f"{base_urls[0]}/auth/register", json=account, timeout=REGISTRATION_TIMEOUT)
        assert response.status_code == 201, response.text
        clients.append(LoadClient(number, base_urls, response.json()["access_token"], movies[number]))
    return clients


@contextmanager
def running_clients(clients: Sequence[LoadClient], pause: float) -> Iterator[None]:
    """Run all clients in threads while the context is open."""
    stop = Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        futures = [pool.submit(client.run, stop, pause) for client in clients]
        try:
            yield
        finally:
            stop.set()
        for future in futures:
            future.result(timeout=TIMEOUT * 2)


@dataclass(frozen=True, slots=True)
class Period:
    """The responses in a period of time: their number by status, and their durations in seconds."""

    statuses: dict[int, int]
    median: float
    slowest: float
    cached: int

    def __str__(self) -> str:
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(self.statuses.items()))
        return f"{statuses}  median {self.median * 1000:.1f} ms  slowest {self.slowest * 1000:.0f} ms"


def period(clients: Sequence[LoadClient], since: float, until: float) -> Period:
    """The responses to requests that were sent in a period, by time.monotonic()."""
    responses = [
        response for client in clients for response in client.responses if since <= response.began < until
    ]
    durations = [response.seconds for response in responses] or [0.0]
    return Period(
        statuses=dict(Counter(response.status for response in responses)),
        median=statistics.median(durations),
        slowest=max(durations),
        cached=sum(response.cache is not None for response in responses),
    )
