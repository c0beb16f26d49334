"""Finds the films of rows: in the catalogue first, then at the source, from which missing ones are added."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from domain.ids import ImdbId, MovieId, movie_id
from domain.imports.imports import ImportRow
from domain.imports.matching import Film, Matched, match, title_key
from domain.imports.rows import ImportedRow, Reason, RowClass
from domain.movies import MovieFacts
from domain.ports import CacheInvalidation, Clock, MovieRepository, MovieSource
from domain.search import MAX_CANDIDATES, numbered, titled
from domain.sync import FetchFailed, FilledFromAnotherSource, SourceName, SourceRefused, SourceUnavailable

TITLES_AT_ONCE = 40
"""Titles of one query."""

MAX_KNOWN = 10_000
"""Titles whose films are remembered from one batch to the next."""

MAX_FAILURES = 3
"""Requests in a row after whose failure no more are sent."""

log = logging.getLogger(__name__)

T = TypeVar("T")
V = TypeVar("V")

Request = Callable[[], T]

Title = tuple[str | None, str | None, int | None]
"""Title, original title and year of a row, by which rows about one film share what was found."""


@dataclass(slots=True, kw_only=True)
class MatchRows:
    """Match one batch of rows after another with films.

    The source is queried only if it is TMDB, as that of the catalogue: a demo catalogue holds all of its own.
    """

    movies: MovieRepository
    source: MovieSource
    invalidation: CacheInvalidation
    clock: Clock
    _lookups: bool = field(init=False)
    _failures: int = 0
    _known: dict[Title, Matched] = field(default_factory=dict)
    _absent: set[object] = field(default_factory=set)
    _unanswered: set[object] = field(default_factory=set)

    def __post_init__(self) -> None:
        of_tmdb = self.movies.source() in {None, SourceName.TMDB}
        self._lookups = of_tmdb and self.source.name is SourceName.TMDB

    def __call__(self, *, rows: Sequence[ImportRow]) -> list[ImportRow]:
        """The rows with their films, or with why they have none."""
        # What was not answered then may be now.
        for subject in self._unanswered:
            self._known.pop(subject, None)  # type: ignore[call-overload]
        self._unanswered.clear()
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        wanted = [each.row for each in rows if _wants_a_film(each)]
        by_number = self._by_number({row.tmdb_id for row in wanted if row.tmdb_id})
        by_imdb = self._by_imdb(
            {row.imdb_id for row in wanted if row.imdb_id and row.tmdb_id not in by_number}
        )
        by_title = self._by_title({_title(row): row for row in wanted if not (row.tmdb_id or row.imdb_id)})
        return [
            self._matched(each, by_number, by_imdb, by_title) if _wants_a_film(each) else each
            for each in rows
        ]

    def _matched(
        self,
        each: ImportRow,
        by_number: Mapping[int, MovieId],
        by_imdb: Mapping[str, MovieId],
        by_title: Mapping[Title, Matched],
    ) -> ImportRow:
        row = each.row
        if row.tmdb_id or row.imdb_id:
            movie = by_number.get(row.tmdb_id or 0) or by_imdb.get(row.imdb_id or "")
            found = Matched(movie)
        elif row.title:
            found = by_title[_title(row)]
        else:
            return each.decided(RowClass.UNREADABLE, Reason.NO_TITLE)
        if found.movie:
            return replace(each, movie=found.movie, candidates=(), row_class=None, reason=None)
        each = replace(each, candidates=found.candidates)
        if found.several and found.candidates:
            return each.decided(RowClass.AMBIGUOUS, Reason.SEVERAL_FILMS)
        answered = self._can_look_up and self._unanswered.isdisjoint({row.tmdb_id, row.imdb_id, _title(row)})
        return each.decided(RowClass.UNMATCHED, Reason.NOT_FOUND if answered else Reason.SOURCE_UNAVAILABLE)

    def _by_number(self, numbers: set[int]) -> dict[int, MovieId]:
        held = {number: movie.id for number, movie in self.movies.by_tmdb_ids(numbers).items()}
        missing = [number for number in sorted(numbers - held.keys()) if number not in self._absent]
        return held | {number: movie_id(number) for number in self._fetch(missing)}

    def _by_imdb(self, ids: set[str]) -> dict[str, MovieId]:
        """The films with IMDb ids. Few are requested at a time: a query returns so many films at most."""
        held = self._held_by_imdb(ids)
        for imdb in sorted(ids - held.keys()):
            facts = self._ask(lambda imdb=imdb: self.source.find(ImdbId(imdb)), imdb)  # type: ignore[misc]
            if facts and self._holds_or_fetches(facts.tmdb_id, imdb):
                held[imdb] = movie_id(facts.tmdb_id)
        return held

    def _held_by_imdb(self, ids: set[str]) -> dict[str, MovieId]:
        found: dict[str, MovieId] = {}
        for part in _parts(sorted(ids), TITLES_AT_ONCE):
            candidates = self.movies.find(numbered(map(ImdbId, part)), MAX_CANDIDATES)
            for movie in self.movies.by_ids([each.id for each in candidates]):
                found.setdefault(str(movie.facts.imdb_id), movie.id)
        return found

    def _by_title(self, rows: Mapping[Title, ImportedRow]) -> Mapping[Title, Matched]:
        unknown = {title: row for title, row in rows.items() if row.title and title not in self._known}
        for part in _parts(list(unknown.items()), TITLES_AT_ONCE):
            films = self._films(part)
            for title, row in part:
                self._known[title] = self._match(row, films)
        return self._known

    def _films(self, rows: Iterable[tuple[Title, ImportedRow]]) -> dict[str, set[Film]]:
        """The held films with the titles of rows, by folded title."""
        titles = {title for _, row in rows for title in _titles(row)}
        candidates = self.movies.find(titled(titles), MAX_CANDIDATES)
        if len(candidates) == MAX_CANDIDATES:  # some may be missing
            candidates = [
                each for title in titles for each in self.movies.find(titled([title]), MAX_CANDIDATES)
            ]
        found: dict[str, set[Film]] = {}
        for movie in self.movies.by_ids(list({each.id for each in candidates})):
            film = Film.of(movie.facts)
            for folded in film.keys:
                found.setdefault(folded, set()).add(film)
        return found

    def _match(self, row: ImportedRow, films: Mapping[str, set[Film]]) -> Matched:
        held = {film for title in _titles(row) for film in films.get(title_key(title), ())}
        matched = match(_titles(row), row.year, held)
        # A film of that very year may lack here, so one of the year before or after needs a second opinion.
        if matched.exact or not row.year:
            return matched
        at_source = self._at_source(row, held)
        return at_source if at_source.movie or at_source.candidates else matched

    def _at_source(self, row: ImportedRow, held: set[Film]) -> Matched:
        """The match among what the source's search finds, and what is held."""
        page = self._ask(lambda: self.source.search(str(row.title), year=row.year), _title(row))
        found = {Film.of(facts) for facts in page.movies if not facts.adult} if page else set()
        matched = match(_titles(row), row.year, found | held)
        if page and matched.movie:
            numbers = [each.tmdb_id for each in page.movies if movie_id(each.tmdb_id) == matched.movie]
            there = all(self._holds_or_fetches(number, _title(row)) for number in numbers)
            return matched if there else Matched()
        kept = {movie.id for movie in self.movies.by_ids(matched.candidates)}
        return replace(matched, candidates=tuple(each for each in matched.candidates if each in kept))

    @property
    def _can_look_up(self) -> bool:
        return self._lookups and self._failures < MAX_FAILURES

    def _ask(self, request: Request[T], subject: object) -> T | None:
        """What the source answers about a subject; None if it has nothing, or cannot be asked."""
        if not self._can_look_up or subject in self._absent:
            return None
        try:
            answer = request()
        except SourceUnavailable as error:
            self._failures += 1
            self._unanswered.add(subject)
            log.warning("A film of an import could not be looked up: %s", error)
            return None
        except (SourceRefused, FilledFromAnotherSource) as error:
            self._lookups = False
            log.warning("A film of an import could not be looked up: %s", error)
            return None
        self._failures = 0
        if answer is None:
            self._absent.add(subject)
        return answer

    def _holds_or_fetches(self, number: int, subject: object) -> bool:
        """Whether a film that the source named for a subject is in the catalogue, or can be added to it."""
        if self.movies.by_tmdb_ids([number]) or self._fetch([number]):
            return True
        if number in self._unanswered:
            self._unanswered.add(subject)
        return False

    def _fetch(self, numbers: Sequence[int]) -> list[int]:
        """Add films from the source to the catalogue; return the numbers of those that were added."""
        if not numbers or not self._can_look_up:
            return []
        failures = self._failures
        details = self._ask(lambda: list(self.source.details(numbers)), None) or []
        facts = [each for each in details if isinstance(each, MovieFacts)]
        answered = {each.tmdb_id for each in details if not isinstance(each, FetchFailed)}
        if details and not answered:
            self._failures = failures + 1
        self._unanswered |= set(numbers) - answered
        self._absent |= answered - {each.tmdb_id for each in facts}
        if not facts or self._ask(lambda: self._add(facts), None) is None:
            return []
        return [each.tmdb_id for each in facts]

    def _add(self, facts: Sequence[MovieFacts]) -> bool:
        with self.invalidation.all():
            self.movies.add(facts, self.source.name, self.clock())
        return True


def _wants_a_film(each: ImportRow) -> bool:
    return each.row.refused is None and not each.chosen


def _title(row: ImportedRow) -> Title:
    return row.title, row.original_title, row.year


def _titles(row: ImportedRow) -> list[str]:
    return [title for title in (row.title, row.original_title) if title]


def _parts(values: Sequence[V], size: int) -> Iterator[Sequence[V]]:
    return (values[start : start + size] for start in range(0, len(values), size))
