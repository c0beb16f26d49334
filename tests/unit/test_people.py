"""Movies are found by their directors and cast, after those that match by title."""

from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.ids import MovieId, movie_id
from domain.people import BEGINNING, name_keys, name_terms, search_with_people
from domain.search import Candidate, Query, TermQuery, Tier, key, terms
from tests.unit.searching import finds

FILMS: dict[str, tuple[int, float | None, tuple[str, ...]]] = {
    "Inception": (2010, 9.0, ("Christopher Nolan", "Leonardo DiCaprio", "Tom Hardy")),
    "Dunkirk": (2017, 8.0, ("Christopher Nolan", "Tom Hardy")),
    "Nolan": (2001, 1.0, ("Ann Christopher",)),
    "Collateral": (2004, 7.0, ("Tom Cruise", "Jamie Foxx")),
    "Vanilla Sky": (2001, None, ("Cameron Crowe", "Tom Cruise", "Penélope Cruz")),
    "Blow": (2001, 5.0, ("Ted Demme", "Penelope Cruz", "Tom Hanks", "Cruise Moore")),
    "Spirited Away": (2001, 6.0, ("宮崎駿", "Rumi Hiiragi")),
    "Delicatessen": (1991, 3.0, ("Jean-Pierre Jeunet", "Sinéad O'Connor", "Samuel L. Jackson")),
    "Her": (2013, 2.0, ()),
    "Roma": (2018, 0.5, ("Guillermo Ruiz Gómez Paz", "Alejandro Ruiz Gómez Paz Vega")),
}
CANDIDATES = {
    title: Candidate(movie_id(number), (title,), (key(title),), popularity, name_keys(people))
    for number, (title, (_, popularity, people)) in enumerate(FILMS.items(), 1)
}
BY_POPULARITY = sorted(CANDIDATES.values(), key=lambda each: -(each.popularity or 0))


@cache
def index() -> dict[MovieId, frozenset[str]]:
    """The index terms of each film."""
    return {
        CANDIDATES[title].id: terms([title], year=year) | name_terms(people)
        for title, (year, _, people) in FILMS.items()
    }


def find_people(query: TermQuery, limit: int) -> list[Candidate]:
    """Find candidates as a store does."""
    return [each for each in BY_POPULARITY if finds(query, index()[each.id])][:limit]


def find(query: TermQuery, limit: int) -> list[Candidate]:
    return [each._replace(people=()) for each in find_people(query, limit)]


def found(text: str) -> list[str]:
    titles = {candidate.id: title for title, candidate in CANDIDATES.items()}
    return [titles[match.id] for match in search_with_people(Query(text), find, find_people)]


@pytest.mark.parametrize(
    ("typed", "titles"),
    [
        ("nolan", ["Nolan", "Inception", "Dunkirk"]),
        ("christopher nolan", ["Inception", "Dunkirk"]),
        ("Nolan Christopher", ["Inception", "Dunkirk"]),
        ("christopher", ["Inception", "Dunkirk", "Nolan"]),
        ("christoph", ["Inception", "Dunkirk", "Nolan"]),
        ("tom cruise", ["Collateral", "Vanilla Sky"]),
        ("penelope cruz", ["Blow", "Vanilla Sky"]),
        ("PENÉLOPE", ["Blow", "Vanilla Sky"]),
        ("cruise", ["Collateral", "Blow", "Vanilla Sky"]),
        ("cruis", ["Collateral", "Blow", "Vanilla Sky"]),
        ("nolan 2010", ["Inception"]),
        ("cruz (2001)", ["Blow", "Vanilla Sky"]),
        ("nolan 1999", []),
        ("宮崎駿", ["Spirited Away"]),
        ("宮崎", ["Spirited Away"]),
        ("崎駿", ["Spirited Away"]),
        ("駿", []),
        ("jean pierre jeunet", ["Delicatessen"]),
        ("jeanpierre", ["Delicatessen"]),
        ("o'connor", ["Delicatessen"]),
        ("oconnor", ["Delicatessen"]),
        ("samuel jackson", ["Delicatessen"]),
        ("sam", []),
        ("samu", ["Delicatessen"]),
        ("samuel l", ["Delicatessen"]),
        ("jackson samuels", ["Delicatessen"]),
        ("jackson solomon", []),
        ("cristopher nolan", ["Inception", "Dunkirk"]),
        ("christopher nolam", ["Inception", "Dunkirk"]),
        ("christoper nolann", ["Inception", "Dunkirk"]),
        ("cristofer nolan", []),
        ("christopher mnola", []),
        ("penelpoe", ["Blow", "Vanilla Sky"]),
        ("pnelope", []),
        ("pnelope cruz", ["Blow", "Vanilla Sky"]),
        ("tim cruise", []),
        ("tom c", []),
        ("tom cru", []),
        ("tom cruize", ["Collateral", "Vanilla Sky"]),
        ("sinead oconor", ["Delicatessen"]),
        ("jean pierre jeunett", ["Delicatessen"]),
        ("jean pierre jeunett christopher nolan", []),
        ("her", ["Her"]),
        ("h", ["Her"]),
        ("tt0000001", []),
    ],
)
def test_people_are_found_by_all_words_of_a_name_after_titles(typed: str, titles: list[str]) -> None:
    assert found(typed) == titles


@pytest.mark.parametrize(
    ("typed", "titles"),
    [
        ("guilermo ruiz gomez paz", ["Roma"]),
        ("alejandro ruiz gomez paz vega", ["Roma"]),
        ("alejandro ruiz gomez paz bega", []),
    ],
)
def test_errors_are_forgiven_in_names_of_up_to_four_words(typed: str, titles: list[str]) -> None:
    assert found(typed) == titles


def test_matches_by_people_rank_by_how_much_of_a_name_was_typed() -> None:
    matches = search_with_people(Query("christopher"), find, find_people)
    assert {match.tier for match in matches} == {Tier.PERSON}
    one = Candidate(movie_id(1), ("A",), ("a",), 1.0, ("cher",))
    two = Candidate(movie_id(2), ("B",), ("b",), 9.0, ("cher wang", "cheryl"))
    three = Candidate(movie_id(3), ("C",), ("c",), 99.0, ("cheryl",))
    ranked = search_with_people(Query("cher"), lambda *_: [], lambda *_: [three, two, one])
    assert [(match.id, match.distance) for match in ranked] == [
        (movie_id(number), number - 1) for number in (1, 2, 3)
    ]


def test_beginnings_of_names_are_searched_only_if_nothing_else_matches() -> None:
    queries: list[TermQuery] = []
    titled = CANDIDATES["Her"]

    def find_nobody(query: TermQuery, _: int) -> list[Candidate]:
        queries.append(query)
        return []

    assert search_with_people(Query("ann herz"), lambda *_: [], find_nobody) == []
    assert queries[:2] == [(frozenset({"&ann"}), frozenset({last})) for last in ("&herz", "*herz")]
    queries.clear()
    assert len(search_with_people(Query("her"), lambda *_: [titled], find_nobody)) == 1
    assert search_with_people(Query("herzog"), lambda *_: [titled], find_nobody) == []
    assert queries[:3] == [(frozenset({last}),) for last in ("&her", "&herzog", "*herz")]


def test_names_with_errors_are_searched_only_if_no_title_and_no_name_has_all_words() -> None:
    queries: list[TermQuery] = []

    def find_nobody(query: TermQuery, _: int) -> list[Candidate]:
        queries.append(query)
        return []

    titled = Candidate(movie_id(1), ("Tarkovsky",), ("tarkovsky",), 1.0)
    assert len(search_with_people(Query("tarkovsky"), lambda *_: [titled], find_nobody)) == 1
    assert queries == [(frozenset({"&tarkovsky"}),)]
    queries.clear()
    assert len(search_with_people(Query("tarkovski"), lambda *_: [titled], find_nobody)) == 1
    assert queries == [(frozenset({"&tarkovski"}),), (frozenset({"&tarkovski", "*tark"}),)]
    queries.clear()
    assert search_with_people(Query("ann herz"), lambda *_: [], find_nobody) == []
    assert queries[2:] == [
        (frozenset({"&ann"}), frozenset({"&herz", "*herz"})),
        (frozenset({"&herz"}),),
        (frozenset({"&ann"}),),
    ]


def test_names_rank_by_their_errors_and_a_movie_is_found_once() -> None:
    one = Candidate(movie_id(1), ("A",), ("a",), 1.0, ("akyra kurosava", "akira kurosava"))
    two = Candidate(movie_id(2), ("B",), ("b",), 9.0, ("akyra kurosava", "akira"))
    other = Candidate(movie_id(3), ("C",), ("c",), 9.0, ("akira kurosavva",))
    ranked = search_with_people(Query("akira kurosawa"), lambda *_: [], lambda *_: [two, one, other, two])
    assert [(match.id, match.tier, match.distance) for match in ranked] == [
        (movie_id(1), Tier.PERSON, BEGINNING + 1),
        (movie_id(2), Tier.PERSON, BEGINNING + 2),
    ]


def test_a_name_is_indexed_under_its_words_and_the_beginnings_of_those_with_more_than_four_letters() -> None:
    assert name_terms(["Penélope Cruz", "Tom"]) == {"&penelope", "*pene", "&cruz", "&tom"}


names = st.lists(st.text(st.sampled_from("abAÉ 宮崎-'."), min_size=1, max_size=9), min_size=1, max_size=3)


@given(names, st.data())
@example(["Penélope Cruz"], None)
def test_every_name_finds_its_movie(people: list[str], data: st.DataObject | None) -> None:
    name = data.draw(st.sampled_from(people)) if data else people[0]
    query = Query(name)
    if query.empty or len(query.compact) < 2:
        return
    filed = name_terms(people)
    movie = Candidate(movie_id(1), ("X",), ("x",), None, name_keys(people))

    def store(term_query: TermQuery, _: int) -> list[Candidate]:
        return [movie] if finds(term_query, filed) else []

    matches = search_with_people(query, lambda *_: [], store)
    assert [(match.id, match.tier, match.distance) for match in matches] == [(movie.id, Tier.PERSON, 0)]
