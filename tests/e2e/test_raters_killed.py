"""Many clients rate and keep diaries while the server is killed and restarted: no acknowledged write is lost
or done in part, every average is exact, the change feed agrees with the lists, and no response is a 500.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.contracts.mongo_server import running_secantus
from tests.e2e.commands import RunningServer, matinee, serving
from tests.e2e.diary_client import DiaryClient
from tests.ports import free_port

CLIENTS = {store: int(os.environ.get("ATTACK_CLIENTS", few)) for store, few in (("sqlite", 12), ("mongo", 4))}
SECONDS = float(os.environ.get("ATTACK_SECONDS", "4"))
"""The size of the attack; `make attack` runs a larger one."""

MOVIES = ("603", "238", "680", "155", "278")
DIARY_SHARE = 0.3
"""The part of the writes that are of the diary: viewings, many of them at once, and readings of the feed."""

KILLS = 2
PLENTY = "1000000/minute"
SECRET = "a secret of more than thirty-two bytes for tests"


@dataclass
class Rater:
    """A client with its own account, and what it knows of its ratings.

    `acknowledged` has the result of the last acknowledged write of each movie. `uncertain` has the possible
    results for movies whose last write was not acknowledged.
    """

    number: int
    base: str
    token: str
    acknowledged: dict[str, float | None] = field(default_factory=dict)
    uncertain: dict[str, list[float | None]] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)
    writes: int = 0

    def __post_init__(self) -> None:
        self.diary_client = DiaryClient(self.number, MOVIES)

    def work(self, over: Event) -> None:
        chance = random.Random(self.number)
        with self.client() as client:
            while not over.is_set():
                if chance.random() < DIARY_SHARE:
                    try:
                        self.diary_client.send_random_requests(client, chance)
                    except httpx.HTTPError:
                        time.sleep(0.1)
                    continue
                movie = chance.choice(MOVIES)
                score = None if chance.random() < 0.2 else chance.randint(2, 20) / 2
                self.write(client, movie, score)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.base, headers={"Authorization": f"Bearer {self.token}"}, timeout=20)

    def write(self, client: httpx.Client, movie: str, score: float | None) -> None:
        try:
            if score is None:
                response = client.delete(f"/movies/{movie}/rating", timeout=5)
            else:
                response = client.put(f"/movies/{movie}/rating", json={"rating": score}, timeout=5)
        except httpx.HTTPError:
            self.uncertain.setdefault(movie, [self.acknowledged.get(movie)]).append(score)
            time.sleep(0.1)
            return
        self.statuses.add(response.status_code)
        if response.is_success:
            self.acknowledged[movie] = score
            self.uncertain.pop(movie, None)
            self.writes += 1
        elif response.status_code == 503:
            self.uncertain.setdefault(movie, [self.acknowledged.get(movie)]).append(score)

    def check(self) -> None:
        with self.client() as client:
            for movie in MOVIES:
                relation = client.get(f"/me/movies/{movie}").json()
                found = relation["rating"]["rating"] if relation["rating"] else None
                assert found in self.uncertain.get(movie, [self.acknowledged.get(movie)]), (
                    self.number,
                    movie,
                )
            self.diary_client.check(client)


def await_writes(raters: list[Rater], seconds: float) -> None:
    """Wait for a time, and until one more write for each rater was acknowledged."""
    wanted, until = sum(rater.writes for rater in raters) + len(raters), time.monotonic() + 60
    time.sleep(seconds)
    while sum(rater.writes for rater in raters) < wanted:
        assert time.monotonic() < until
        time.sleep(0.05)


def registered(server: RunningServer, number: int) -> Rater:
    account = {
        "username": f"rater{number}",
        "email": f"rater{number}@example.org",
        "password": f"horse staple {number}",
    }
    response = server.client.post("/auth/register", json=account, timeout=30)
    assert response.status_code == 201, response.text
    return Rater(number, str(server.client.base_url), response.json()["access_token"])


@pytest.mark.parametrize("store", ["sqlite", "mongo"])
def test_no_acknowledged_write_is_lost_when_the_server_is_killed(tmp_path: Path, store: str) -> None:
    variables = {
        "JWT_SECRET": SECRET,
        "PORT": str(free_port()),
        "RATE_LIMIT": PLENTY,
        "AUTH_RATE_LIMIT": PLENTY,
    }
    if store == "sqlite":
        rate_and_kill(tmp_path, CLIENTS[store], variables)
    else:  # a separate server, because all transactions on it are ended
        with running_secantus(tmp_path) as address, MongoClient[Any](address) as mongo:
            variables["MONGODB_URI"] = f"{address}/raters"
            rate_and_kill(tmp_path, CLIENTS[store], variables, partial(end_transactions, mongo))


def end_transactions(mongo: MongoClient[Any]) -> None:
    """Abort the transactions of killed clients, as a server does after transactionLifetimeLimitSeconds."""
    mongo.admin.command("killAllSessions", [])


def rate_and_kill(
    tmp_path: Path, clients: int, variables: dict[str, str], after_restart: Callable[[], None] = lambda: None
) -> None:
    """Run the attack on the store of these variables."""
    over, share = Event(), SECONDS / (KILLS + 1)
    with ThreadPoolExecutor(clients) as pool, ExitStack() as at_the_end:
        at_the_end.callback(over.set)
        with serving(tmp_path, **variables) as server:
            raters = [registered(server, number) for number in range(clients)]
            working = [pool.submit(rater.work, over) for rater in raters]
            await_writes(raters, share)
            server.process.send_signal(signal.SIGKILL)
        for _ in range(KILLS - 1):
            with serving(tmp_path, **variables) as server:
                after_restart()
                await_writes(raters, share)
                server.process.send_signal(signal.SIGKILL)
        with serving(tmp_path, **variables) as server:
            after_restart()
            await_writes(raters, share)
            over.set()
            for work in working:
                work.result(timeout=30)
            for rater in raters:
                rater.check()
            assert server.stop() == 0
    statuses = (statuses for rater in raters for statuses in (rater.statuses, rater.diary_client.statuses))
    assert set().union(*statuses) <= {200, 201, 204, 503}
    verified = matinee("ratings", "verify", cwd=tmp_path, **variables)
    assert verified.returncode == 0, verified.stdout
