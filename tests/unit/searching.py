"""A small catalogue for tests of search, and mistyped titles."""

import string
from collections.abc import Iterator

from hypothesis import strategies as st

from domain.ids import movie_id
from domain.search import Candidate, Match, Query, TermQuery, key, rank, search, terms

TITLES = (
    "The Matrix",
    "The Matrix Reloaded",
    "Amélie",
    "8½",
    "WALL·E",
    "Ocean's Eleven",
    "Spider-Man",
    "Her",
    "It",
    "M",
    "千と千尋の神隠し",
    "기생충",
    "Se7en",
    "(500) Days of Summer",
    "Fast & Furious",
    "Alien",
    "Aliens",
    "Ran",
    "Rán",
    "The Lord of the Rings: The Fellowship of the Ring",
    "La Dolce Vita",
    "Død snø",
    "İstanbul",
    "الأرض",
    "Москва",
    "?",
    "Star Wars",
    "The Shawshank Redemption",
    "Interstellar",
    "The Godfather",
    "The Godfather Part II",
    "2001",
)

CANDIDATES = [
    Candidate(movie_id(number), (title, title), (key(title), key(title)), float(number))
    for number, title in enumerate(TITLES, 1)
]
YEARS = {"The Matrix": 1999, "The Matrix Reloaded": 2003, "Her": 2013, "2001": 1968, "Alien": 1979}
TERMS = {
    candidate.id: terms(
        candidate.titles,
        year=YEARS.get(candidate.titles[0]),
        tmdb_id=number,
        imdb_id=f"tt{number:07}",
    )
    for number, candidate in enumerate(CANDIDATES, 1)
}


def find(query: TermQuery, limit: int) -> list[Candidate]:
    """Find candidates as a store does."""
    return [candidate for candidate in CANDIDATES if finds(query, TERMS[candidate.id])]


def finds(query: TermQuery, filed: frozenset[str]) -> bool:
    """Whether a term query finds a movie with these terms."""
    return all(not clause.isdisjoint(filed) for clause in query)


def matched(typed: str, *titles: str) -> Match | None:
    """How a movie with these titles matches, by ranking alone."""
    return rank(Query(typed), Candidate(movie_id(1), titles, tuple(map(key, titles)), None))


def accepts(typed: str, title: str) -> bool:
    """Whether ranking accepts a title for a typed text."""
    return not Query(typed).empty and matched(typed, title) is not None


def index_finds(typed: str, title: str) -> bool:
    """Whether some term query finds a title for a typed text."""
    query = Query(typed)
    term_queries = (*query.strict_term_queries(), *query.lenient_term_queries(()))
    return any(finds(query, terms([title])) for query in term_queries)


def found(text: str) -> list[str]:
    """The titles that a search in the catalogue finds, best first."""
    by_id = {candidate.id: candidate.titles[0] for candidate in CANDIDATES}
    return [by_id[match.id] for match in search(Query(text), find)]


@st.composite
def mistyped(draw: st.DrawFn, text: str) -> str:
    """A text with one letter deleted, inserted, substituted or transposed."""
    places = [place for place, char in enumerate(text) if char.isalnum()]
    place = draw(st.sampled_from(places))
    other = draw(st.sampled_from(string.ascii_lowercase))
    kind = draw(st.sampled_from(["drop", "add", "exchange", "swap"]))
    if kind == "drop":
        return text[:place] + text[place + 1 :]
    if kind == "add":
        return text[:place] + other + text[place:]
    if kind == "swap" and place + 1 < len(text) and text[place + 1].isalnum():
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + other + text[place + 1 :]


def all_mistyped(text: str) -> Iterator[str]:
    """All variants of a text with one typing error, at every position and of all four kinds. Added letters
    are not in the text, or equal to its first.
    """
    for place in range(len(text) + 1):
        before, after = text[:place], text[place:]
        for other in {"z", text[:1].lower()}:
            yield before + other + after
            if after[:1].isalnum():
                yield before + other + after[1:]
        if after[:1].isalnum():
            yield before + after[1:]
        if len(after) > 1 and after[:2].isalnum():
            yield before + after[1] + after[0] + after[2:]
