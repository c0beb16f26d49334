"""A client that adds viewings, moves movies from its watchlist to its diary, and keeps a copy of its data
through the change feed, while the server is killed.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

import httpx

KINDS = {"rating": "ratings", "watchlist": "watchlist", "viewing": "viewings"}
"""The kinds of entries, and the field of a response of the feed that has the entries of each kind."""

FIRST_DAY = date(2020, 1, 1)
BATCH_SIZE = 20
"""The viewings in a request that adds several."""


@dataclass
class DiaryClient:
    """The state that a client expects. It identifies viewings by their notes, which are unique.

    `acknowledged` are the viewings whose requests succeeded, `uncertain` those whose requests failed: they
    may be stored or not. `unacknowledged_move` is the viewing and the movie of a failed request to move a
    movie from the watchlist to the diary: the server must have made both changes, or neither. `position` is
    `next` of the last response of the feed.
    """

    number: int
    movies: tuple[str, ...]
    acknowledged: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    unacknowledged_move: tuple[str, str] | None = None
    copy: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    position: str = ""
    statuses: set[int] = field(default_factory=set)
    _notes: "count[int]" = field(default_factory=count)

    def send_random_requests(self, client: httpx.Client, chance: random.Random) -> None:
        """Send random requests. Raises httpx.HTTPError if the server has been killed."""
        match chance.choice(("add", "add several", "move", "read feed")):
            case "add":
                note = f"{self.number} {next(self._notes)}"
                self._add(client, note, {"movie_id": chance.choice(self.movies)})
            case "add several":
                self.add_several(client, chance.choice(self.movies))
            case "move" if not self.unacknowledged_move:
                self.move(client, chance.choice(self.movies))
            case _:
                self.read_feed(client)

    def _add(self, client: httpx.Client, note: str, viewing: dict[str, Any]) -> bool:
        """Add a viewing; return whether the request succeeded."""
        self.uncertain.add(note)
        response = client.post("/viewings", json={"rewatch": True, "note": note, **viewing}, timeout=5)
        self.statuses.add(response.status_code)
        if response.is_success:
            self._acknowledge({note})
        return response.is_success

    def add_several(self, client: httpx.Client, movie: str) -> None:
        """Add viewings on different days in one request."""
        numbers = [next(self._notes) for _ in range(BATCH_SIZE)]
        notes = {f"{self.number} {number}" for number in numbers}
        self.uncertain |= notes
        viewings = [
            {
                "movie_id": movie,
                "watched_on": str(FIRST_DAY + timedelta(days=number % 2000)),
                "rewatch": True,
                "note": f"{self.number} {number}",
            }
            for number in numbers
        ]
        response = client.put("/me/viewings", json=viewings, timeout=5)
        self.statuses.add(response.status_code)
        if response.is_success:
            assert {result["status"] for result in response.json()["data"]} <= {200, 201}
            self._acknowledge(notes)

    def move(self, client: httpx.Client, movie: str) -> None:
        """Put a movie on the watchlist, and add a viewing that removes it from there."""
        if client.put(f"/movies/{movie}/watchlist", json={}, timeout=5).is_success:
            note = f"{self.number} {next(self._notes)}"
            self.unacknowledged_move = (note, movie)
            if self._add(client, note, {"movie_id": movie, "remove_from_watchlist": True}):
                self.unacknowledged_move = None

    def read_feed(self, client: httpx.Client) -> bool:
        """Read changes from the feed; return whether there may be more."""
        since = {"since": self.position} if self.position else {}
        response = client.get("/me/changes", params=since, timeout=5)
        self.statuses.add(response.status_code)
        if not response.is_success:
            return True
        changes = response.json()
        for removed in changes["removed"]:
            self.copy[removed["kind"]].pop(removed["id"], None)
        for kind, name in KINDS.items():
            self.copy[kind].update({entry["id"]: entry for entry in changes[name]})
        self.position = changes["next"]
        return bool(changes["more"])

    def check(self, client: httpx.Client) -> None:
        """Assert that each acknowledged viewing is stored once, no change is partial, and the copy equals the
        lists.
        """
        while self.read_feed(client):
            pass
        for kind, name in KINDS.items():
            listed = list_entries(client, f"/{name}")
            assert {key: without_movie_details(entry) for key, entry in listed.items()} == {
                key: without_movie_details(entry) for key, entry in self.copy[kind].items()
            }, (self.number, kind)
        notes = sorted(viewing["note"] for viewing in self.copy["viewing"].values())
        assert len(notes) == len(set(notes)), self.number
        assert self.acknowledged <= set(notes) <= self.acknowledged | self.uncertain, self.number
        if self.unacknowledged_move:
            note, movie = self.unacknowledged_move
            (relation,) = client.get("/me/movies", params={"ids": movie}).json()["data"]
            assert (note in notes) == (relation["watchlist"] is None), self.number
        relations = client.get("/me/movies", params={"ids": ",".join(self.movies)}).json()["data"]
        assert sum(relation["viewings"]["count"] for relation in relations) == len(notes), self.number

    def _acknowledge(self, notes: set[str]) -> None:
        self.acknowledged |= notes
        self.uncertain -= notes


def list_entries(client: httpx.Client, path: str) -> dict[str, Any]:
    """All entries of a list, by id."""
    entries: dict[str, Any] = {}
    cursor: dict[str, str] = {}
    while True:
        page = client.get(path, params={"limit": 100, **cursor}).raise_for_status().json()
        entries |= {entry["id"]: entry for entry in page["data"]}
        if not page["meta"]["has_next_page"]:
            return entries
        cursor = {"cursor": page["meta"]["next_cursor"]}


def without_movie_details(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with only the id of its movie, whose average rating others change."""
    return {**entry, "movie": entry["movie"]["id"]}
