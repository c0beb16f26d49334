"""A client that writes viewings, one and many at once, moves movies from its watchlist to its diary, and
keeps a copy through the change feed, while the server is killed.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

import httpx

KINDS = {"rating": "ratings", "watchlist": "watchlist", "viewing": "viewings"}
"""The fields of the feed with the entries of each kind."""

FIRST_DAY = date(2020, 1, 1)
MANY = 20
"""Viewings of a call for many."""


@dataclass
class Diarist:
    """What a client knows of its viewings, by their notes, each of which it sends once.

    `certain` were acknowledged, `doubtful` may be there or not. `moved` is a viewing that was to take its
    movie off the watchlist and was not acknowledged, with that movie: both happened, or neither.
    """

    number: int
    movies: tuple[str, ...]
    certain: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    moved: tuple[str, str] | None = None
    copy: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    mark: str = ""
    statuses: set[int] = field(default_factory=set)
    _notes: "count[int]" = field(default_factory=count)

    def act(self, client: httpx.Client, chance: random.Random) -> None:
        """Do one of these things. Raises httpx.HTTPError if the server has been killed."""
        match chance.choice(("add", "many", "move", "follow")):
            case "add":
                note = f"{self.number} {next(self._notes)}"
                self._post(client, note, {"movie_id": chance.choice(self.movies)})
            case "many":
                self.add_many(client, chance.choice(self.movies))
            case "move" if not self.moved:
                self.move(client, chance.choice(self.movies))
            case _:
                self.follow(client)

    def _post(self, client: httpx.Client, note: str, viewing: dict[str, Any]) -> bool:
        """Add a viewing; whether that was acknowledged."""
        self.doubtful.add(note)
        answer = client.post("/viewings", json={"rewatch": True, "note": note, **viewing}, timeout=5)
        self.statuses.add(answer.status_code)
        if answer.is_success:
            self._acknowledged({note})
        return answer.is_success

    def add_many(self, client: httpx.Client, movie: str) -> None:
        """Add viewings on days of their own."""
        numbers = [next(self._notes) for _ in range(MANY)]
        notes = {f"{self.number} {number}" for number in numbers}
        self.doubtful |= notes
        viewings = [
            {
                "movie_id": movie,
                "watched_on": str(FIRST_DAY + timedelta(days=number % 2000)),
                "rewatch": True,
                "note": f"{self.number} {number}",
            }
            for number in numbers
        ]
        answer = client.put("/me/viewings", json=viewings, timeout=5)
        self.statuses.add(answer.status_code)
        if answer.is_success:
            assert {each["status"] for each in answer.json()["data"]} <= {200, 201}
            self._acknowledged(notes)

    def move(self, client: httpx.Client, movie: str) -> None:
        """Put a movie on the watchlist, then see it."""
        if client.put(f"/movies/{movie}/watchlist", json={}, timeout=5).is_success:
            note = f"{self.number} {next(self._notes)}"
            self.moved = (note, movie)
            if self._post(client, note, {"movie_id": movie, "remove_from_watchlist": True}):
                self.moved = None

    def follow(self, client: httpx.Client) -> bool:
        """Read the next part of the feed; whether there is more."""
        since = {"since": self.mark} if self.mark else {}
        answer = client.get("/me/changes", params=since, timeout=5)
        self.statuses.add(answer.status_code)
        if not answer.is_success:
            return True
        changes = answer.json()
        for gone in changes["removed"]:
            self.copy[gone["kind"]].pop(gone["id"], None)
        for kind, name in KINDS.items():
            self.copy[kind].update({entry["id"]: entry for entry in changes[name]})
        self.mark = changes["next"]
        return bool(changes["more"])

    def check(self, client: httpx.Client) -> None:
        """Every acknowledged viewing is there once, none is there in part, and the copy equals the lists."""
        while self.follow(client):
            pass
        for kind, name in KINDS.items():
            listed = everything(client, f"/{name}")
            assert {key: own(each) for key, each in listed.items()} == {
                key: own(each) for key, each in self.copy[kind].items()
            }, (self.number, kind)
        notes = sorted(each["note"] for each in self.copy["viewing"].values())
        assert len(notes) == len(set(notes)), self.number
        assert self.certain <= set(notes) <= self.certain | self.doubtful, self.number
        if self.moved:
            note, movie = self.moved
            (relation,) = client.get("/me/movies", params={"ids": movie}).json()["data"]
            assert (note in notes) == (relation["watchlist"] is None), self.number
        counted = client.get("/me/movies", params={"ids": ",".join(self.movies)}).json()["data"]
        assert sum(each["viewings"]["count"] for each in counted) == len(notes), self.number

    def _acknowledged(self, notes: set[str]) -> None:
        self.certain |= notes
        self.doubtful -= notes


def everything(client: httpx.Client, path: str) -> dict[str, Any]:
    """All entries of a list, by id."""
    found: dict[str, Any] = {}
    cursor: dict[str, str] = {}
    while True:
        page = client.get(path, params={"limit": 100, **cursor}).raise_for_status().json()
        found |= {entry["id"]: entry for entry in page["data"]}
        if not page["meta"]["has_next_page"]:
            return found
        cursor = {"cursor": page["meta"]["next_cursor"]}


def own(entry: dict[str, Any]) -> dict[str, Any]:
    """What an entry itself consists of: of its movie, whose average others change, only the id."""
    return {**entry, "movie": entry["movie"]["id"]}
