"""Parsers of the parts of a movie's details that are appended to them: credits, videos, recommendations.

The readers are like those of `values`. A list with an invalid entry is unreadable, since an incomplete one
would replace the stored one; its valid entries are used where there is no earlier value. Left out are people
without a name, and videos that are no trailers or at unknown hosts.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

from adapters.tmdb import values
from adapters.tmdb.values import Reader, Unreadable
from domain.ids import MAX_TMDB_NUMBER
from domain.movies import CastMember

T = TypeVar("T")

PARTS = ("credits", "videos", "recommendations")
"""What is appended to the details of a movie (`append_to_response`)."""

MAX_CAST = 10
MAX_DIRECTORS = 50
MAX_RECOMMENDED = 40
"""Entries that are kept. TMDB sends up to 20 recommendations at once."""

MAX_CHARACTER_LENGTH = 500

TRAILERS = ("Trailer", "Teaser")
"""The types of videos that are trailers, the best first."""

HOSTS = {
    "YouTube": ("https://www.youtube.com/watch?v=", re.compile(r"[A-Za-z0-9_-]{6,20}")),
    "Vimeo": ("https://vimeo.com/", re.compile(r"[0-9]{5,12}")),
}
"""The hosts of videos: the beginning of a video's address, and the form of its key."""


class Entries:
    """The objects of a list in an appended part, and whether all that was read of them was valid."""

    def __init__(self, part: object, key: str) -> None:
        """Raises Unreadable if the part has no such list. An unknown part has no entries."""
        rows = [] if values.is_unknown(part) else part.get(key) if isinstance(part, dict) else None
        if not isinstance(rows, list):
            raise Unreadable
        self._rows = rows
        self._valid = True

    def __iter__(self) -> Iterator[dict[str, object]]:
        for row in self._rows:
            if isinstance(row, dict):
                yield row
            else:
                self._valid = False

    def read(self, reader: Reader[T], value: object) -> T | None:
        """The value that a reader returns; None for an invalid one."""
        try:
            return reader(value)
        except Unreadable:
            self._valid = False
            return None

    def checked(self, found: T) -> T:
        """What was read of the entries. Raises Unreadable if anything was invalid."""
        if self._valid:
            return found
        raise Unreadable(instead=found)


def directors(credits_: object) -> tuple[str, ...]:
    """The names of the directors in TMDB's order, without duplicates."""
    crew = Entries(credits_, "crew")
    names = [crew.read(values.name, each.get("name")) for each in crew if each.get("job") == "Director"]
    return crew.checked(tuple(dict.fromkeys(filter(None, names)))[:MAX_DIRECTORS])


def cast(credits_: object) -> tuple[CastMember, ...]:
    """The first actors and their characters, in the order of the credits, without duplicates."""
    actors = Entries(credits_, "cast")
    found: dict[CastMember, None] = {}
    for actor in sorted(actors, key=_place):
        if len(found) == MAX_CAST:
            break
        if name := actors.read(values.name, actor.get("name")):
            found[CastMember(name, actors.read(character, actor.get("character")))] = None
    return actors.checked(tuple(found))


def trailer_url(videos: object) -> str | None:
    """The address of a trailer: a trailer rather than a teaser, an official one rather than another, else the
    first that TMDB lists.
    """
    entries = Entries(videos, "results")
    found: list[tuple[int, bool, int, str]] = []
    for place, video in enumerate(entries):
        kind, site = video.get("type"), video.get("site")
        if kind in TRAILERS and isinstance(site, str) and site in HOSTS:
            address, form = HOSTS[site]
            if key := entries.read(values.matching(form), video.get("key")):
                unofficial = video.get("official") is not True
                found.append((TRAILERS.index(str(kind)), unofficial, place, address + key))
    return entries.checked(min(found)[-1] if found else None)


def collection(value: object) -> str | None:
    """The name of the collection to which a movie belongs."""
    if values.is_unknown(value):
        return None
    name = values.name(value.get("name")) if isinstance(value, dict) else None
    if name is None:
        raise Unreadable
    return name


def recommended(recommendations: object) -> tuple[int, ...]:
    """The numbers of the recommended movies, best first, without duplicates."""
    entries = Entries(recommendations, "results")
    movies = [each for each in entries if each.get("media_type", "movie") == "movie"]
    numbers = [entries.read(_number, each.get("id")) for each in movies]
    return entries.checked(tuple(dict.fromkeys(filter(None, numbers)))[:MAX_RECOMMENDED])


character = values.text(MAX_CHARACTER_LENGTH)


def _number(value: object) -> int:
    number = values.identity(value)
    if number is None:
        raise Unreadable
    return number


def _place(actor: dict[str, object]) -> int:
    """The place of an actor in the credits; the last one if it is not sent."""
    order = actor.get("order")
    return order if isinstance(order, int) else MAX_TMDB_NUMBER
