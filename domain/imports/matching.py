"""Which film a row is about: the one with its id or, without one, the only one of its title and year."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.ids import MovieId, movie_id
from domain.movies import MovieFacts
from domain.search import compact, key

MAX_CANDIDATES = 10
"""Films that are offered where none or several fit."""

YEAR_DRIFT = 1
"""Years by which a year of release may differ: services take it from festivals, or from a country."""


@dataclass(frozen=True, slots=True)
class Film:
    """What is compared of a film: its titles, folded, and its year of release."""

    id: MovieId
    keys: frozenset[str]
    year: int | None

    @classmethod
    def of(cls, facts: MovieFacts) -> "Film":
        """The film that a source describes."""
        titles = (facts.title, facts.original_title)
        year = facts.release_date.year if facts.release_date else None
        return cls(movie_id(facts.tmdb_id), frozenset(map(title_key, titles)), year)


@dataclass(frozen=True, slots=True)
class Matched:
    """The film of a row or, without one, those that might be meant.

    `exact` is set if title and year are equal, `several` if more than one film fits.
    """

    movie: MovieId | None = None
    candidates: tuple[MovieId, ...] = ()
    exact: bool = False
    several: bool = False


def title_key(title: str) -> str:
    """A title without case, accents, signs and spaces."""
    return compact(key(title))


def match(titles: Iterable[str | None], year: int | None, films: Iterable[Film]) -> Matched:
    """The one film that has one of these titles and was released in that year.

    If none was, a film of the year before or after will do if it is the only one. Never the first of several:
    then, and where the row has no year, all that have the title are offered, the nearest years first.
    """
    wanted = {title_key(title) for title in titles if title}
    same = sorted(
        {film for film in films if film.keys & wanted}, key=lambda film: (_distance(film, year), film.id)
    )
    offered = tuple(film.id for film in same[:MAX_CANDIDATES])
    near = [film for film in same if _distance(film, year) <= YEAR_DRIFT] if year else []
    exact = [film for film in near if film.year == year]
    fitting = exact or near
    if len(fitting) == 1:
        return Matched(fitting[0].id, exact=bool(exact))
    if fitting:
        candidates = tuple(film.id for film in fitting[:MAX_CANDIDATES])
        return Matched(candidates=candidates, exact=bool(exact), several=True)
    return Matched(candidates=offered, several=not year and len(offered) > 1)


def _distance(film: Film, year: int | None) -> int:
    return abs(film.year - year) if film.year and year else 1000
