"""Search by people: directors and cast, whose movies are found after those that match by title.

Names are folded and divided into words like titles (`domain.search`). A movie is indexed under the words of
the names of its people, and under the beginning of long words. A name matches if it has all words of a query,
in any order. If nothing else matches, the last word may be the beginning of one.

If no title has all words either, typing errors are forgiven as in titles, but only where the terms find the
movie: after the fourth letter of long words, or in one word of a name whose other words are right. Terms for
errors anywhere, as titles have, would multiply the index, since a movie has a dozen names.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

from domain.ids import MovieId
from domain.search import (
    KEPT,
    NEAR_TITLE,
    PERSON,
    Candidate,
    CountMovies,
    FindCandidates,
    Match,
    Query,
    TermQuery,
    compact,
    has_words,
    key,
    search,
    to_match,
    words,
    words_distance,
    year_term,
)

MAX_CANDIDATES = 200
"""Movies that each term query returns at most: those of one person, or of many with a frequent name."""

MAX_NEAR_CANDIDATES = 100
"""The same for names with typing errors, which take longer to compare."""

MAX_NEAR_WORDS = 4
"""Words of the longest text in which a name with typing errors is searched."""

MIN_LENGTH = 2
"""Letters of the shortest text for which people are searched."""

PREFIX_LENGTH = 4
"""Letters of the beginnings of words that are terms."""

WHOLE_NAME, WHOLE_WORDS, BEGINNING = range(3)
"""How much of a name was typed, best first: the `distance` of a match. It is greater by the edit distance if
there are typing errors.
"""


def search_with_people(
    query: Query,
    find: FindCandidates,
    find_people: FindCandidates,
    count_movies: CountMovies | None = None,
) -> list[Match]:
    """All matches by title, best first (`domain.search.search`), then those by people: whole names before
    others, then by popularity.

    `find_people` returns candidates with `people`; for `count_movies` see `search`. An id or an address finds
    its film only. If nobody's name has all words, and the last one can be a year, people are searched in the
    films of that year.
    """
    titles = search(query, find, count_movies)
    if query.address or len(query.compact) < MIN_LENGTH:
        return titles
    found = {match.id for match in titles}
    people = _by_people(query, find_people, found)
    if not people and query.with_year:
        undated, year = query.with_year
        clause = frozenset({year_term(year)})
        people = _by_people(undated, lambda names, limit: find_people((*names, clause), limit), found)
    if not people and all(match.tier >= NEAR_TITLE for match in titles):
        people = _nearly_by_people(query, find_people, found)
    return titles + people


def name_keys(names: Iterable[str]) -> tuple[str, ...]:
    """The keys of names, each once, by which a candidate is ranked."""
    return tuple(dict.fromkeys(filter(None, map(key, names))))


def name_terms(names: Iterable[str]) -> frozenset[str]:
    """The index terms of a movie for the names of its people."""
    return frozenset(term for name in name_keys(names) for term in _terms_of_name(name))


@lru_cache(maxsize=KEPT)
def _terms_of_name(name: str) -> tuple[str, ...]:
    name_words = words(name)
    return (*map(_word_term, name_words), *(_prefix_term(word) for word in name_words if _is_long(word)))


def _by_people(query: Query, find: FindCandidates, found: Collection[MovieId]) -> list[Match]:
    """The matches by people, best first, without the movies that were found before."""
    *complete, last = query.words
    clauses = [frozenset({_word_term(word)}) for word in complete]
    matches = _ranked(query, find((*clauses, frozenset({_word_term(last)})), MAX_CANDIDATES), found)
    if matches or found or len(last) < PREFIX_LENGTH:
        return matches
    return _ranked(query, find((*clauses, frozenset({_prefix_term(last)})), MAX_CANDIDATES), found)


def _nearly_by_people(query: Query, find: FindCandidates, found: Collection[MovieId]) -> list[Match]:
    """The matches by people with typing errors, best first, without the movies that were found before."""
    for term_queries in _near_term_queries(query.typed_words):
        candidates = {
            candidate.id: candidate
            for term_query in term_queries
            for candidate in find(term_query, MAX_NEAR_CANDIDATES)
            if candidate.id not in found
        }
        ranked = (_near_match(query, candidate) for candidate in candidates.values())
        if matches := sorted(match for match in ranked if match):
            return matches
    return []


def _near_term_queries(typed: Sequence[str]) -> Iterator[Sequence[TermQuery]]:
    """The term queries for names near these words: first for those with the beginnings of all words, and if
    none of them matches, for those with all words but one.
    """
    if len(typed) > MAX_NEAR_WORDS:
        return
    if any(len(word) >= PREFIX_LENGTH for word in typed):
        yield [tuple(map(_beginning_clause, typed))]
    exact = [frozenset({_word_term(word)}) for word in typed]
    if len(typed) > 1:
        yield [(*exact[:place], *exact[place + 1 :]) for place in range(len(exact))]


def _beginning_clause(word: str) -> frozenset[str]:
    return frozenset({_word_term(word), *([_prefix_term(word)] if len(word) >= PREFIX_LENGTH else [])})


def _near_match(query: Query, candidate: Candidate) -> Match | None:
    """How a movie matches, by the name that is nearest; None if none of them is near.

    A name without errors is not near: only the beginning of its last word was typed, and that is too short.
    """
    distances = (words_distance(query.typed_words, words(name), query.distances) for name in candidate.people)
    best = min(filter(None, distances), default=None)
    return None if best is None else to_match(PERSON, BEGINNING + best, candidate)


def _ranked(query: Query, candidates: Iterable[Candidate], found: Collection[MovieId]) -> list[Match]:
    ranked = (_match(query, candidate) for candidate in candidates if candidate.id not in found)
    return sorted(match for match in ranked if match)


def _match(query: Query, candidate: Candidate) -> Match | None:
    """How a movie matches, by the best of its people; None if none of them does."""
    first = query.words[0]
    names = (name for name in candidate.people if first in name or "-" in name)  # which excludes most names
    distances = [distance for name in names if (distance := _distance(query, name)) is not None]
    return to_match(PERSON, min(distances), candidate) if distances else None


def _distance(query: Query, name: str) -> int | None:
    """How much of a name was typed; None if it does not have all words."""
    if compact(name) == query.compact:
        return WHOLE_NAME
    if not has_words(query, name, ()):
        return None
    return WHOLE_WORDS if query.words[-1] in words(name) else BEGINNING


def _is_long(word: str) -> bool:
    return len(word) > PREFIX_LENGTH


def _word_term(word: str) -> str:
    return f"&{word}"


def _prefix_term(word: str) -> str:
    return f"*{word[:PREFIX_LENGTH]}"
