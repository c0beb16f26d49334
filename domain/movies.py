"""Movies and genres: what a source says of them, what we hold, and how the one becomes the other."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from urllib.parse import quote, unquote

from domain.errors import NotFound
from domain.ids import GenreId, MovieId, genre_id, movie_id
from domain.pagination import Cursor
from domain.ratings import Tally

POSTERS = "https://image.tmdb.org/t/p/w500"
"""Where TMDB serves posters, 500 pixels wide; a poster path is appended."""

UNESCAPED_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
"""A percent sign that does not begin an escape."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and what else ends a line."""


@dataclass(eq=False)
class MovieNotFound(NotFound):
    """No movie has that id, TMDB number or IMDb id."""

    code: ClassVar[str] = "movie_not_found"
    ref: object

    def __str__(self) -> str:
        return "There is no such movie"


@dataclass(eq=False)
class GenreNotFound(NotFound):
    """No genre has that id, TMDB number or name."""

    code: ClassVar[str] = "genre_not_found"
    ref: object

    def __str__(self) -> str:
        return "There is no such genre"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenreFacts:
    """What a source says of one genre."""

    tmdb_id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Genre:
    """A genre as we hold it."""

    id: GenreId
    tmdb_id: int
    name: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def first_heard(cls, facts: GenreFacts, at: datetime) -> "Genre":
        """A genre that we have not held before."""
        return cls(
            id=genre_id(facts.tmdb_id), tmdb_id=facts.tmdb_id, name=facts.name, created_at=at, updated_at=at
        )

    def told(self, facts: GenreFacts, at: datetime) -> "Genre":
        """This genre after a source spoke of it again; itself if nothing is new."""
        return self if facts.name == self.name else replace(self, name=facts.name, updated_at=at)

    def answers_to(self, ref: str) -> bool:
        """Whether a client may mean this genre: by our id, by TMDB's number, or by name in any case."""
        return ref in (self.id, str(self.tmdb_id)) or folded_name(ref) == folded_name(self.name)

    @property
    def place(self) -> Cursor:
        """Where this genre stands among all, by name."""
        return Cursor(self.name, self.id)

    @property
    def substance(self) -> str:
        """What makes a record another one."""
        return self.name


def folded_name(name: str) -> str:
    """A genre's name for comparing: case, width and outer space do not count."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


OWN_PAGE_ONLY = frozenset({"imdb_id", "runtime"})
"""Facts that a source tells on a movie's own page, and in no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFacts:
    """What a source says of one movie. None is unknown: a source's "" dates and 0 runtimes are not values.

    A list tells less than a movie's own page: `detailed` says whether this comes from the latter. `genres`
    stand in the source's order, each once; one of them may be a genre that we do not hold yet.

    `omitted` names facts that the source did not send, or not readably: what was known before still holds.
    `warnings` are the sentences, for the record of a run, that name values which could not be read. Facts
    that we hold have neither.
    """

    tmdb_id: int
    title: str
    original_title: str
    original_language: str | None = None
    overview: str | None = None
    poster_path: str | None = None
    backdrop_path: str | None = None
    release_date: date | None = None
    popularity: float | None = None
    vote_average: float | None = None
    vote_count: int | None = None
    adult: bool = False
    genres: tuple[GenreId, ...] = ()
    imdb_id: str | None = None
    runtime: int | None = None
    detailed: bool = False
    omitted: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def missing(self) -> frozenset[str]:
        """The names of all facts that are not given here."""
        return self.omitted if self.detailed else self.omitted | OWN_PAGE_ONLY

    def completed_by(self, earlier: "MovieFacts") -> "MovieFacts":
        """These facts, with those that are missing taken from earlier ones."""
        known = {fact: getattr(earlier, fact) for fact in self.missing}
        return replace(
            self,
            **known,
            detailed=self.detailed or earlier.detailed,
            omitted=self.missing & earlier.missing,
            warnings=tuple(dict.fromkeys(earlier.warnings + self.warnings)),
        )

    @property
    def as_stored(self) -> "MovieFacts":
        """These facts as we hold them: what is still missing is unknown."""
        return replace(self, omitted=frozenset(), warnings=())


class Outcome(StrEnum):
    """What a source's word did to our record."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """A movie as we hold it: the source's facts, our users' tally, and when each was written.

    `removed_at` is set when the source has dropped the movie while users still refer to it.
    """

    id: MovieId
    facts: MovieFacts
    tally: Tally
    created_at: datetime
    updated_at: datetime
    synced_at: datetime
    removed_at: datetime | None = None

    @classmethod
    def first_heard(cls, facts: MovieFacts, at: datetime) -> "Movie":
        """A movie that we have not held before."""
        return cls(
            id=movie_id(facts.tmdb_id),
            facts=facts.as_stored,
            tally=Tally(),
            created_at=at,
            updated_at=at,
            synced_at=at,
        )

    def told(self, facts: MovieFacts, at: datetime) -> "Movie":
        """This movie after a source spoke of it again. `updated_at` moves only if a fact did; the tally never
        does.
        """
        known = self._completed(facts)
        if known == self.facts and self.removed_at is None:
            return replace(self, synced_at=at)
        return replace(self, facts=known, updated_at=at, synced_at=at, removed_at=None)

    def removed(self, at: datetime) -> "Movie":
        """This movie after its source no longer knew it; the first time counts."""
        if self.removed_at:
            return replace(self, synced_at=at)
        return replace(self, removed_at=at, updated_at=at, synced_at=at)

    def cleared(self, at: datetime) -> "Movie":
        """This movie without its source's texts and pictures. What it is called and counted by stays, so that
        users still recognize what they rated and listed; `synced_at` too, since no source has spoken.
        """
        facts = replace(self.facts, overview=None, poster_path=None, backdrop_path=None)
        return self if facts == self.facts else replace(self, facts=facts, updated_at=at)

    def wants_details(self, listed: MovieFacts) -> bool:
        """Whether a list's word on this movie is a reason to read its own page: news, or a runtime still
        unknown.
        """
        return (
            self.facts.runtime is None or self.removed_at is not None or self._completed(listed) != self.facts
        )

    @property
    def substance(self) -> tuple[MovieFacts, datetime | None]:
        """What makes a record another one, apart from users' ratings."""
        return self.facts, self.removed_at

    @property
    def listed(self) -> bool:
        """Whether lists and searches show it: not adult, and still known to its source."""
        return not self.facts.adult and self.removed_at is None

    @property
    def poster_url(self) -> str | None:
        """Where the poster can be fetched."""
        return picture_url(POSTERS, self.facts.poster_path)

    def _completed(self, said: MovieFacts) -> MovieFacts:
        """What we know once a source has said this: for what it leaves out, what it said before holds."""
        return said.completed_by(self.facts).as_stored


def picture_url(base: str, path: str | None) -> str | None:
    """The address of a picture: a source's path below a base address, percent-encoded where it has to be.

    None for an unknown path, for one that does not begin with a slash, for one that leads out of the base by
    an empty segment, "." or "..", and for one with control characters, be they escaped.
    """
    if path is None or not path.startswith("/"):
        return None
    plain = unquote(path[1:])
    if CONTROL.search(plain):
        return None
    segments = plain.replace("\\", "/").split("/")
    if not {"", ".", ".."}.isdisjoint(segments):
        return None
    return base + UNESCAPED_PERCENT.sub("%25", quote(path, safe="/%", errors="replace"))


def outcome(before: Movie | Genre | None, after: Movie | Genre) -> Outcome:
    """What happened to a record, for the counts of a sync run."""
    if before is None:
        return Outcome.INSERTED
    return Outcome.UNCHANGED if before.substance == after.substance else Outcome.UPDATED


def genres_told(held: Iterable[Genre], facts: Iterable[GenreFacts], at: datetime) -> list[Genre]:
    """What a source's word does to the genres that we hold: all of them afterwards, no two of one name.

    Of several rows with one number the last counts. A name belongs to the genre that the source last gave it
    to; any other that bears it gets its number added.
    """
    genres = {genre.tmdb_id: genre for genre in held}
    said = {fact.tmdb_id: fact for fact in facts}
    named: dict[str, int] = {}
    for number in [*said, *(number for number in genres if number not in said)]:
        fact = said[number] if number in said else GenreFacts(tmdb_id=number, name=genres[number].name)
        if named.setdefault(folded_name(fact.name), number) != number:
            fact = replace(fact, name=f"{fact.name} ({number})")
        genres[number] = genres[number].told(fact, at) if number in genres else Genre.first_heard(fact, at)
    return list(genres.values())
