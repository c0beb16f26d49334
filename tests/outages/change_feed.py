"""A client copies a user's data through the change feed, while others write and processes are killed.

When the writers have stopped, the copy must equal the lists of the API: no change was missed, and no deleted
entry is left.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import quote, urlsplit

from tests.benchmarks.service import api_processes
from tests.outages.consistency import Client
from tests.outages.environment import Environment
from tests.outages.load import register_clients

KINDS = {"rating": "ratings", "watchlist": "watchlist", "viewing": "viewings"}
"""The kinds of entries, and the field of a response of the feed that has the entries of each kind."""

STATUSES = frozenset({200, 201, 204, 404, 409, 503, 0})
"""The allowed statuses of writes: others may have added or removed the entry, or killed the process."""


@dataclass
class Copy:
    """The entries that a client has read, by kind and id. `position` is `next` of the last response."""

    entries: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    position: str = ""
    removed: int = 0

    def apply(self, changes: Any) -> bool:
        """Apply a response of the feed; return whether there are more changes."""
        for entry in changes["removed"]:
            self.removed += self.entries[entry["kind"]].pop(entry["id"], None) is not None
        for kind, name in KINDS.items():
            self.entries[kind].update({entry["id"]: entry for entry in changes[name]})
        self.position = changes["next"]
        return bool(changes["more"])


@dataclass
class Result:
    """The result of a run. `statuses` counts responses by method and status, `reads` those of the feed."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    reads: int = 0
    kills: int = 0
    copy: Copy = field(default_factory=Copy)
    violations: list[str] = field(default_factory=list)


async def write(client: Client, movies: list[str], until: float, result: Result, seed: int) -> None:
    """Add ratings, entries of the watchlist and viewings, and delete them, in random order."""
    chance = random.Random(seed)
    viewings: list[str] = []
    while time.monotonic() < until:
        movie = chance.choice(movies)
        content: object = None
        match chance.choice(("rate", "rate", "unrate", "list", "unlist", "watch", "unwatch")):
            case "rate":
                method, path = "PUT", f"/movies/{movie}/rating"
                content = {"rating": chance.randrange(2, 21) / 2}
            case "unrate":
                method, path = "DELETE", f"/movies/{movie}/rating"
            case "list":
                method, path, content = "PUT", f"/movies/{movie}/watchlist", {"note": str(chance.random())}
            case "unlist":
                method, path = "DELETE", f"/movies/{movie}/watchlist"
            case "unwatch" if viewings:
                method, path = "DELETE", f"/viewings/{viewings.pop()}"
            case _:
                method, path = "POST", "/viewings"
                content = {"movie_id": movie, "rewatch": True, "remove_from_watchlist": chance.random() < 0.5}
        response = await client.send(method, path, content)
        result.statuses[method, response.status] += 1
        if method == "POST" and response.status == 201:
            viewings.append(json.loads(response.body)["id"])


async def read_feed(client: Client, writers_done: asyncio.Event, result: Result) -> None:
    """Read the feed until the writers are done and there are no more changes."""
    more = True
    while more or not writers_done.is_set():
        finishing = writers_done.is_set()
        since = f"&since={quote(result.copy.position)}" if result.copy.position else ""
        response = await client.send("GET", f"/me/changes?limit=50{since}")
        if response.status == 200:
            more = result.copy.apply(json.loads(response.body)) or not finishing
            result.reads += 1
        elif response.status not in {0, 503}:
            result.violations.append(f"the feed responded with {response.status}: {response.body!r}")
            return


async def list_entries(client: Client, path: str) -> dict[str, Any]:
    """All entries of a list, by id."""
    entries: dict[str, Any] = {}
    cursor = ""
    while True:
        response = await client.send("GET", f"{path}?limit=100{cursor}")
        page = json.loads(response.body)
        entries.update({entry["id"]: entry for entry in page["data"]})
        if not page["meta"]["has_next_page"]:
            return entries
        cursor = f"&cursor={page['meta']['next_cursor']}"


def without_movie_details(entry: Any) -> Any:
    """An entry with only the id of its movie, whose average rating others change."""
    return entry and {**entry, "movie": entry["movie"]["id"]}


async def kill_processes(environment: Environment, seconds: float, kills: int, result: Result) -> None:
    """Kill API processes, one at a time, and start another for each that has no supervisor to do so."""
    for _ in range(kills):
        await asyncio.sleep(seconds / (kills + 1))
        if serve := environment.processes.get("serve"):
            processes = api_processes(serve.pid)
            os.kill(processes[result.kills % len(processes)], signal.SIGKILL)
        else:
            name = f"api{result.kills % len(environment.base_urls)}"
            environment.processes[name].kill()
            environment.processes[name].wait()
            port = urlsplit(environment.base_urls[int(name.removeprefix("api"))]).port
            environment.start(name, "api", "--port", str(port))
        result.kills += 1


def run(environment: Environment, *, writers: int, seconds: float, kills: int) -> Result:
    """Write with several clients of one user for `seconds`, and compare the copy with the lists."""
    (user,) = register_clients(environment.base_urls, 1, environment.movie_ids * 9)
    movies = environment.movie_ids[:20]

    async def send_requests() -> Result:
        result, writers_done = Result(), asyncio.Event()
        until = time.monotonic() + seconds
        base_urls = cycle(environment.base_urls)
        *writing, reading = [Client(next(base_urls), user.token) for _ in range(writers + 1)]
        feed = asyncio.create_task(read_feed(reading, writers_done, result))
        killing = asyncio.create_task(kill_processes(environment, seconds, kills, result))
        await asyncio.gather(
            *(write(client, movies, until, result, number) for number, client in enumerate(writing))
        )
        await killing
        writers_done.set()
        await feed
        for kind, name in KINDS.items():
            listed, copied = await list_entries(writing[0], f"/{name}"), result.copy.entries[kind]
            for key in listed.keys() | copied.keys():
                if without_movie_details(listed.get(key)) != without_movie_details(copied.get(key)):
                    result.violations.append(f"{kind} {key} is not as in its list")
        result.violations += [
            f"{method} {status}" for method, status in result.statuses if status not in STATUSES
        ]
        for client in [*writing, reading]:
            await client.close()
        return result

    return asyncio.run(send_requests())
