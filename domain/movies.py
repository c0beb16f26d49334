"""Movies and genres: the facts that a source gives, the stored records, and how facts update records."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from domain.errors import NotFound
from domain.ids import GenreId, MovieId, genre_id, movie_id
from domain.languages import Language, Translation, primary_subtag
from domain.pagination import Cursor
from domain.ratings import Tally

UNESCAPED_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
"""A percent sign that does not begin an escape."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and the other characters that end a line."""

DETAIL = {"detail": True}
"""Marks a fact that a source gives with a movie's details only, never in a list."""

TEXT = {"text": True}
"""Marks a text or picture of the source, which may be stored for a limited time only."""

LARGE = {"large": True}
"""Marks a fact that only the page of its movie shows. Lists and searches are read without it, so that their
rows stay small.
"""

NO_FACT = {"no_fact": True}
"""Marks a field that describes how complete the facts are."""


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
    """A source's description of one genre."""

    tmdb_id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Genre:
    """A stored genre."""

    id: GenreId
    tmdb_id: int
    name: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_facts(cls, facts: GenreFacts, at: datetime) -> "Genre":
        """A genre that is not stored yet."""
        return cls(
            id=genre_id(facts.tmdb_id), tmdb_id=facts.tmdb_id, name=facts.name, created_at=at, updated_at=at
        )

    def updated_from(self, facts: GenreFacts, at: datetime) -> "Genre":
        """This genre with the source's present facts; itself if nothing has changed."""
        return self if facts.name == self.name else replace(self, name=facts.name, updated_at=at)

    def matches(self, ref: str) -> bool:
        """Whether a client's reference names this genre: its id, its TMDB number, or its name in any case."""
        return ref in (self.id, str(self.tmdb_id)) or folded_name(ref) == folded_name(self.name)

    @property
    def cursor(self) -> Cursor:
        """The genre's position in the list of all, which is sorted by name."""
        return Cursor(self.name, self.id)

    @property
    def content(self) -> str:
        """The value that is compared to decide whether a record has changed."""
        return self.name


def folded_name(name: str) -> str:
    """The name in the form that is compared: folded case and width, no outer white space."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


@dataclass(frozen=True, slots=True)
class CastMember:
    """An actor, and the character that they play; None if that is unknown."""

    name: str
    character: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFacts:
    """A source's description of one movie. None means unknown.

    Every fact is declared here once; FACTS, DETAIL_FACTS, TEXT_FACTS and LARGE_FACTS are derived from the
    declaration, and the stores derive their columns and fields from these.

    A list gives fewer facts than a movie's details: `detailed` says whether these are details, and
    `details_version` what they consisted of (`MovieSource.details_version`); None if none were read. `genres`
    are in the source's order, without duplicates; a genre need not be stored yet. `directors` and `cast` are
    in the source's order, too; `collection` is the name of a series of films. `recommended` are the TMDB
    numbers of the movies that the source recommends beside this one, best first; they need not be stored.
    `translations` are in the further languages that are kept, sorted by language, without unknown ones.

    `omitted` names the facts that the source did not send, or that could not be read; their stored values are
    kept. `warnings` has a sentence for each value that could not be read, for the record of the run. Stored
    facts have neither.
    """

    tmdb_id: int
    title: str
    original_title: str
    original_language: str | None = None
    overview: str | None = field(default=None, metadata=TEXT)
    poster_path: str | None = field(default=None, metadata=TEXT)
    backdrop_path: str | None = field(default=None, metadata=TEXT)
    release_date: date | None = None
    popularity: float | None = None
    vote_average: float | None = None
    vote_count: int | None = None
    adult: bool = False
    genres: tuple[GenreId, ...] = ()
    imdb_id: str | None = field(default=None, metadata=DETAIL)
    runtime: int | None = field(default=None, metadata=DETAIL)
    tagline: str | None = field(default=None, metadata=DETAIL | TEXT | LARGE)
    directors: tuple[str, ...] = field(default=(), metadata=DETAIL | TEXT | LARGE)
    cast: tuple[CastMember, ...] = field(default=(), metadata=DETAIL | TEXT | LARGE)
    trailer_url: str | None = field(default=None, metadata=DETAIL | TEXT | LARGE)
    collection: str | None = field(default=None, metadata=DETAIL | TEXT | LARGE)
    recommended: tuple[int, ...] = field(default=(), metadata=DETAIL | TEXT | LARGE)
    translations: tuple[Translation, ...] = field(default=(), metadata=DETAIL | TEXT | LARGE)
    detailed: bool = field(default=False, metadata=NO_FACT)
    details_version: str | None = field(default=None, metadata=NO_FACT)
    omitted: frozenset[str] = field(default=frozenset(), metadata=NO_FACT)
    warnings: tuple[str, ...] = field(default=(), metadata=NO_FACT)

    @property
    def missing(self) -> frozenset[str]:
        """The names of the facts that are not given here."""
        return self.omitted if self.detailed else self.omitted | DETAIL_FACTS

    def completed_by(self, earlier: "MovieFacts") -> "MovieFacts":
        """These facts, with missing ones taken from earlier facts."""
        if not (self.missing or earlier.warnings) and self.details_version:
            return self
        known = {fact: getattr(earlier, fact) for fact in self.missing}
        return replace(
            self,
            **known,
            detailed=self.detailed or earlier.detailed,
            details_version=self.details_version or earlier.details_version,
            omitted=self.missing & earlier.missing,
            warnings=tuple(dict.fromkeys(earlier.warnings + self.warnings)),
        )

    @property
    def as_stored(self) -> "MovieFacts":
        """These facts as they are stored, where missing facts are unknown."""
        return replace(self, omitted=frozenset(), warnings=()) if self.omitted or self.warnings else self

    @property
    def other_titles(self) -> tuple[str, ...]:
        """The titles in further languages that are neither the title nor the original title, each once."""
        titles = dict.fromkeys(each.title for each in self.translations if each.title)
        return tuple(title for title in titles if title not in (self.title, self.original_title))

    @property
    def people(self) -> tuple[str, ...]:
        """The names of the directors and of the cast, each once."""
        return tuple(dict.fromkeys((*self.directors, *(member.name for member in self.cast))))


FACTS = tuple(each.name for each in fields(MovieFacts) if not each.metadata.get("no_fact"))
"""The names of all facts, in the order of their declaration."""

DETAIL_FACTS = frozenset(each.name for each in fields(MovieFacts) if each.metadata.get("detail"))
"""The names of the facts that no list gives."""

TEXT_FACTS = tuple(each.name for each in fields(MovieFacts) if each.metadata.get("text"))
"""The names of the texts and pictures, which have their defaults once they were removed."""

LARGE_FACTS = frozenset(each.name for each in fields(MovieFacts) if each.metadata.get("large"))
"""The names of the facts that lists and searches are read without."""

NO_TEXTS: Mapping[str, Any] = {
    each.name: each.default for each in fields(MovieFacts) if each.metadata.get("text")
}
"""The values of texts and pictures that were removed: unknown."""


class Outcome(StrEnum):
    """How an update from a source changed a stored record."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """A stored movie: the source's facts, the tally of our users' ratings, and times.

    `updated_at` is when a fact last changed, `synced_at` when the source was last read. `removed_at` is set
    if the source has removed the movie while users still refer to it. A movie that was read for a list has
    the defaults of the LARGE_FACTS instead of their stored values.
    """

    id: MovieId
    facts: MovieFacts
    tally: Tally
    created_at: datetime
    updated_at: datetime
    synced_at: datetime
    removed_at: datetime | None = None

    @classmethod
    def from_facts(cls, facts: MovieFacts, at: datetime) -> "Movie":
        """A movie that is not stored yet."""
        return cls(
            id=movie_id(facts.tmdb_id),
            facts=facts.as_stored,
            tally=Tally(),
            created_at=at,
            updated_at=at,
            synced_at=at,
        )

    def updated_from(self, facts: MovieFacts, at: datetime) -> "Movie":
        """This movie with the source's present facts. `updated_at` changes only with a fact; the tally never
        does.
        """
        known = self._completed(facts)
        if known == self.facts and self.removed_at is None:
            return replace(self, synced_at=at)
        return replace(self, facts=known, updated_at=at, synced_at=at, removed_at=None)

    def marked_removed(self, at: datetime) -> "Movie":
        """This movie, removed at its source; if it was marked before, `removed_at` stays."""
        if self.removed_at:
            return replace(self, synced_at=at)
        return replace(self, removed_at=at, updated_at=at, synced_at=at)

    def without_texts(self, at: datetime) -> "Movie":
        """This movie without its source's texts and pictures. Titles and figures stay, so that users still
        recognize what they rated and listed; `synced_at` stays, since no source was read.
        """
        facts = replace(self.facts, **NO_TEXTS)
        return self if facts == self.facts else replace(self, facts=facts, updated_at=at)

    def needs_details(self, listed: MovieFacts) -> bool:
        """Whether the movie's details must be read after this row of a list: a fact has changed, or the
        runtime is unknown.
        """
        return (
            self.facts.runtime is None or self.removed_at is not None or self._completed(listed) != self.facts
        )

    def in_language(self, language: Language, translation: Translation | None) -> "Movie":
        """This movie with its title and overview in a language, by their translation into that.

        Where there is none, a movie that was made in the language has its original title; otherwise the texts
        stay as they are.
        """
        facts = self.facts
        made_in_it = primary_subtag(language) == primary_subtag(facts.original_language or "")
        title = (translation and translation.title) or (facts.original_title if made_in_it else facts.title)
        overview = (translation and translation.overview) or facts.overview
        return replace(self, facts=replace(facts, title=title, overview=overview))

    @property
    def content(self) -> tuple[MovieFacts, datetime | None]:
        """The values that are compared to decide whether a record has changed. Ratings are not among them."""
        return self.facts, self.removed_at

    @property
    def visible(self) -> bool:
        """Whether lists and searches show it: it is not adult, and not removed at its source."""
        return not self.facts.adult and self.removed_at is None

    def _completed(self, facts: MovieFacts) -> MovieFacts:
        """The facts to store: the source's present ones, and the stored ones where these are missing."""
        return facts.completed_by(self.facts).as_stored


def picture_url(base: str, path: str | None) -> str | None:
    """The address of a picture: a source's path below a base address, percent-encoded where necessary.

    None for an unknown path, for a path that does not begin with a slash, for one that leaves the base by an
    empty segment, "." or "..", and for one with control characters, escaped or not.
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
    """What an update did to a record, for the counts of a sync run."""
    if before is None:
        return Outcome.INSERTED
    return Outcome.UNCHANGED if before.content == after.content else Outcome.UPDATED


def merged_movies(
    stored: Mapping[int, Movie], facts: Iterable[MovieFacts], at: datetime
) -> list[tuple[Movie | None, Movie]]:
    """The records before and after an update from a source, one pair for each description.

    `stored` are the movies that exist, by TMDB number.
    """
    pairs = ((stored.get(each.tmdb_id), each) for each in facts)
    return [
        (before, before.updated_from(each, at) if before else Movie.from_facts(each, at))
        for before, each in pairs
    ]


def merged_genres(stored: Iterable[Genre], facts: Iterable[GenreFacts], at: datetime) -> list[Genre]:
    """All genres after an update from a source, no two of one name.

    Of several descriptions with one number the last counts. A name belongs to the genre that the source last
    gave it to; the number is appended to the name of any other genre that has it.
    """
    genres = {genre.tmdb_id: genre for genre in stored}
    given = {fact.tmdb_id: fact for fact in facts}
    named: dict[str, int] = {}
    for number in [*given, *(number for number in genres if number not in given)]:
        fact = given[number] if number in given else GenreFacts(tmdb_id=number, name=genres[number].name)
        if named.setdefault(folded_name(fact.name), number) != number:
            fact = replace(fact, name=f"{fact.name} ({number})")
        known = genres.get(number)
        genres[number] = known.updated_from(fact, at) if known else Genre.from_facts(fact, at)
    return list(genres.values())
