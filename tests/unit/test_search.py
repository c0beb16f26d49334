"""The rules of search."""

import string
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.ids import movie_id
from domain.search import (
    ENOUGH,
    Candidate,
    Match,
    Probe,
    Query,
    Tier,
    compact,
    forgiven,
    key,
    literal,
    rank,
    search,
    slips,
    sortable,
    terms,
    words,
)

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

letters = st.text(string.ascii_lowercase, min_size=1, max_size=16)
few_letters = st.text("abc", max_size=9)
CANDIDATES = [
    Candidate(movie_id(number), (title, title), (key(title), key(title)), float(number))
    for number, title in enumerate(TITLES, 1)
]


def find(probe: Probe, limit: int) -> list[Candidate]:
    """What a store answers."""
    return [
        candidate
        for candidate in CANDIDATES
        if all(not clause.isdisjoint(terms(candidate.titles)) for clause in probe)
    ]


def found(text: str) -> list[str]:
    by_id = {candidate.id: candidate.titles[0] for candidate in CANDIDATES}
    return [by_id[match.id] for match in search(Query(text), find)]


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("amelie", "Amélie"),
        ("8 1/2", "8½"),
        ("8½", "8½"),
        ("wall e", "WALL·E"),
        ("walle", "WALL·E"),
        ("oceans eleven", "Ocean's Eleven"),
        ("spiderman", "Spider-Man"),
        ("ｍatrix reloaded", "The Matrix Reloaded"),
        ("dod sno", "Død snø"),
        ("istanbul", "İstanbul"),
        ("الارض", "الأرض"),
        ("МОСКВА", "Москва"),
        ("千尋", "千と千尋の神隠し"),
        ("fast and furious", "Fast & Furious"),
        ("500 days", "(500) Days of Summer"),
        ("godfather ii", "The Godfather Part II"),
        ("matrix rel", "The Matrix Reloaded"),
        ("lord rings fellow", "The Lord of the Rings: The Fellowship of the Ring"),
        ("interst", "Interstellar"),
        ("?", "?"),
        ("기생", "기생충"),
        ("shawshank", "The Shawshank Redemption"),
        ("matrx", "The Matrix"),
        ("godfahter", "The Godfather"),
        ("hre", "Her"),
        ("starwars", "Star Wars"),
        ("shawshenk redemtion", "The Shawshank Redemption"),
        ("lrod of the rings", "The Lord of the Rings: The Fellowship of the Ring"),
        ("itnerstelalr", "Interstellar"),
        ("the godfther part ii", "The Godfather Part II"),
    ],
)
def test_a_film_is_found_as_people_type_it(typed: str, title: str) -> None:
    assert title in found(typed)[:3]


@pytest.mark.parametrize("title", TITLES)
def test_an_exact_title_comes_first(title: str) -> None:
    assert found(title)[0] == title
    assert found(title.upper())[0] in (title, title.upper().title(), *TITLES)


@given(
    st.sampled_from([title for title in TITLES if len(compact(key(title))) > 2 and "½" not in title]),
    st.data(),
)
def test_one_typing_error_is_forgiven(title: str, data: st.DataObject) -> None:
    typed = data.draw(mistyped(title.lower()))
    assert title in found(typed)


@given(st.sampled_from([title for title in TITLES if len(compact(key(title))) >= 14]), st.data())
def test_two_typing_errors_are_forgiven_in_a_long_title(title: str, data: st.DataObject) -> None:
    typed = data.draw(mistyped(data.draw(mistyped(title.lower()))))
    assert title in found(typed)


@st.composite
def mistyped(draw: st.DrawFn, text: str) -> str:
    """A text with one letter dropped, added, exchanged or swapped with its neighbour."""
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


def test_better_matches_come_first() -> None:
    names = ("alien", "alien nation", "the alien", "alein")
    candidates = [Candidate(movie_id(n), (name,), (key(name),), n) for n, name in enumerate(names, 1)]
    ranked = [rank(Query("alien"), candidate) for candidate in candidates]
    assert [match.tier for match in ranked if match] == [Tier.EXACT, Tier.PREFIX, Tier.WORDS, Tier.NEAR_TITLE]
    assert ranked == sorted(match for match in ranked if match)


def test_popularity_breaks_ties_and_unknown_popularity_loses_them() -> None:
    popular, less, unknown = (
        rank(Query("ran"), Candidate(movie_id(n), ("Ran",), ("ran",), popularity))
        for n, popularity in ((1, 9.0), (2, 1.0), (3, None))
    )
    assert popular
    assert less
    assert unknown
    assert popular < less < unknown


def test_of_titles_that_fold_alike_the_one_typed_comes_first() -> None:
    assert found("Rán")[0] == "Rán"
    assert found("Ran")[0] == "Ran"


def test_a_title_goes_before_an_original_title() -> None:
    own = Candidate(movie_id(1), ("Solaris", "Solyaris"), ("solaris", "solyaris"), 1.0)
    other = Candidate(movie_id(2), ("Sun", "Solaris"), ("sun", "solaris"), 9.0)
    first, second = rank(Query("solaris"), own), rank(Query("solaris"), other)
    assert first
    assert second
    assert first < second


def test_what_matches_in_nothing_is_no_match() -> None:
    assert rank(Query("xylophone"), CANDIDATES[0]) is None


@pytest.mark.parametrize("text", ["", " ", "\t \n", "\u200b"])
def test_nothing_typed_finds_nothing(text: str) -> None:
    assert found(text) == []


def test_slips_are_not_looked_for_where_enough_matches_without() -> None:
    asked: list[Probe] = []

    def many(probe: Probe, limit: int) -> list[Candidate]:
        asked.append(probe)
        return [Candidate(movie_id(n), ("love",), ("love",), 1.0) for n in range(1, ENOUGH + 1)]

    assert len(search(Query("love"), many)) == ENOUGH
    assert len(asked) == len(Query("love").strict_probes())


@given(few_letters, few_letters)
def test_slips_are_counted_as_the_textbook_does(one: str, other: str) -> None:
    assert slips(one, other) == _table(one, other)
    assert slips(one, other) == slips(other, one)


def _table(one: str, other: str) -> int:
    """Optimal string alignment by its recurrence."""
    rows = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            differs = one[i - 1] != other[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + differs)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(st.text())
def test_folding_is_done_once(text: str) -> None:
    assert key(key(text)) == key(text) or not any(char.isalnum() for char in key(text))
    assert literal(literal(text)) == literal(text)


@given(st.text(string.ascii_letters + string.digits + " ", min_size=1))
def test_case_accents_width_and_punctuation_do_not_count(text: str) -> None:
    assume(text.strip())
    accented = "".join(char + "\u0301" if char in "aeiouAEIOU" else char for char in text)
    wide = "".join(chr(ord(char) + 0xFEE0) if char != " " else char for char in text)
    for variant in (
        text.upper(),
        text.lower(),
        accented,
        unicodedata.normalize("NFC", accented),
        wide,
        f"«{text}!»",
    ):
        assert key(variant) == key(text)


@given(st.text(min_size=1))
def test_every_title_that_shows_anything_can_be_found_by_itself(title: str) -> None:
    query = Query(title)
    assume(not query.empty)
    assert all(not clause.isdisjoint(terms([title])) for clause in query.strict_probes()[0])
    match = rank(query, Candidate(movie_id(1), (title,), (key(title),), None))
    assert match == Match(Tier.EXACT, 0, float("inf"), movie_id(1))


@given(letters, letters)
def test_a_query_of_a_titles_words_reaches_it_through_every_probe_it_should(one: str, two: str) -> None:
    title = f"{one} {two}"
    for typed in (title, f"{two} {one}", f"{one} {two[: len(two) // 2 + 1]}"):
        probe = Query(typed).strict_probes()[1]
        assert all(not clause.isdisjoint(terms([title])) for clause in probe), typed


def test_unspaced_scripts_are_found_by_pairs_of_letters() -> None:
    assert "千尋" in words(key("千と千尋の神隠し"))
    assert words("wall-e star") == ("wall", "e", "walle", "star")


def test_forgiveness_grows_with_length() -> None:
    assert [forgiven(length) for length in (1, 2, 3, 11, 12, 90)] == [0, 0, 1, 1, 2, 2]


def test_titles_sort_by_letter_not_by_case_or_accent() -> None:
    assert sorted(["Zulu", "amélie", "Élite", "alien", "Ärger"], key=sortable) == [
        "alien",
        "amélie",
        "Ärger",
        "Élite",
        "Zulu",
    ]
    assert sortable("\u0301") != ""


def test_words_that_are_all_common_are_not_asked_for_again() -> None:
    query = Query("star wars")
    assert len(query.lenient_probes({"star", "wars"})) == len(query.lenient_probes({"star"})) - 1
