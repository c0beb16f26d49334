"""A client keeps a copy of a user's data through the feed, while others write and processes are killed.

When the writers have stopped, the copy equals what the lists show: nothing was missed, and nothing that was
deleted has stayed.
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
from tests.outages.freshness import Client
from tests.outages.load import visitors
from tests.outages.place import Place

KINDS = {"rating": "ratings", "watchlist": "watchlist", "viewing": "viewings"}
"""The fields of the feed with the entries of each kind."""

STATUSES = frozenset({200, 201, 204, 404, 409, 503, 0})
"""What a writer may see: others have added or removed the same entry, or its process was killed."""


@dataclass
class Copy:
    """The entries that a client knows, by kind and id, and its mark in the feed."""

    entries: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    mark: str = ""
    removed: int = 0

    def apply(self, changes: Any) -> bool:
        """Apply a response of the feed; whether there is more."""
        for gone in changes["removed"]:
            self.removed += self.entries[gone["kind"]].pop(gone["id"], None) is not None
        for kind, name in KINDS.items():
            self.entries[kind].update({entry["id"]: entry for entry in changes[name]})
        self.mark = changes["next"]
        return bool(changes["more"])


@dataclass
class Followed:
    """What was done and seen."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    reads: int = 0
    kills: int = 0
    copy: Copy = field(default_factory=Copy)
    faults: list[str] = field(default_factory=list)


async def write(client: Client, movies: list[str], until: float, followed: Followed, seed: int) -> None:
    """Rate, list and watch movies, and take it back, in any order."""
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
        followed.statuses[method, response.status] += 1
        if method == "POST" and response.status == 201:
            viewings.append(json.loads(response.body)["id"])


async def follow(client: Client, done: asyncio.Event, followed: Followed) -> None:
    """Read the feed until the writers are done, and then to its end."""
    more = True
    while more or not done.is_set():
        finishing = done.is_set()
        since = f"&since={quote(followed.copy.mark)}" if followed.copy.mark else ""
        response = await client.send("GET", f"/me/changes?limit=50{since}")
        if response.status == 200:
            more = followed.copy.apply(json.loads(response.body)) or not finishing
            followed.reads += 1
        elif response.status not in {0, 503}:
            followed.faults.append(f"the feed answered with {response.status}: {response.body!r}")
            return


async def listed(client: Client, path: str) -> dict[str, Any]:
    """All entries of a list, by id."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        response = await client.send("GET", f"{path}?limit=100{cursor}")
        page = json.loads(response.body)
        found.update({entry["id"]: entry for entry in page["data"]})
        if not page["meta"]["has_next_page"]:
            return found
        cursor = f"&cursor={page['meta']['next_cursor']}"


def own(entry: Any) -> Any:
    """What an entry itself consists of: of its movie, whose average others change, only the id."""
    return entry and {**entry, "movie": entry["movie"]["id"]}


async def kill(place: Place, seconds: float, kills: int, followed: Followed) -> None:
    """Kill an API process now and then. Its supervisor starts another; this does, where there is none."""
    for _ in range(kills):
        await asyncio.sleep(seconds / (kills + 1))
        if serve := place.processes.get("serve"):
            processes = api_processes(serve.pid)
            os.kill(processes[followed.kills % len(processes)], signal.SIGKILL)
        else:
            name = f"api{followed.kills % len(place.bases)}"
            place.processes[name].kill()
            place.processes[name].wait()
            port = urlsplit(place.bases[int(name.removeprefix("api"))]).port
            place.start(name, "api", "--port", str(port))
        followed.kills += 1


def observe(place: Place, *, writers: int, seconds: float, kills: int) -> Followed:
    """Let writers write as one user for so many seconds, and compare the copy with the lists."""
    (visitor,) = visitors(place.bases, 1, place.movies * 9)
    movies = place.movies[:20]

    async def run() -> Followed:
        followed, done = Followed(), asyncio.Event()
        until = time.monotonic() + seconds
        bases = cycle(place.bases)
        clients = [Client(next(bases), visitor.token) for _ in range(writers + 1)]
        following = asyncio.create_task(follow(clients[-1], done, followed))
        killing = asyncio.create_task(kill(place, seconds, kills, followed))
        await asyncio.gather(
            *(write(client, movies, until, followed, number) for number, client in enumerate(clients[:-1]))
        )
        await killing
        done.set()
        await following
        for kind, name in KINDS.items():
            theirs, ours = await listed(clients[0], f"/{name}"), followed.copy.entries[kind]
            for each in theirs.keys() | ours.keys():
                if own(theirs.get(each)) != own(ours.get(each)):
                    followed.faults.append(f"{kind} {each} is not as in its list")
        followed.faults += [
            f"{what} {status}" for what, status in followed.statuses if status not in STATUSES
        ]
        for client in clients:
            await client.close()
        return followed

    return asyncio.run(run())
