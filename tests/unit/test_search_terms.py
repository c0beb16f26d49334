"""The index: the terms under which a movie is filed, and what a query asks for."""

import string
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.ids import movie_id
from domain.search import Candidate, Match, Probe, Query, Tier, key, rank, terms
from tests.unit.searching import accepts, brings, reaches

letters = st.text(string.ascii_lowercase, min_size=1, max_size=16)


@pytest.mark.parametrize(
    ("title", "filed"),
    [
        ("", ""),
        ("---", ""),
        ("M", "=m <m ^m m"),
        ("Ran", "=ran <ran ^ran ^an ^rn ^ra r ra ran ~ran"),
        (
            "Am Ende",
            (
                "=amende <ame <amen <amend ^amende ^mende ^aende ^amnde ^amede ^amene ^amend"
                " a am e en end ende ~ende ~nde ~ede ~ene ~end"
            ),
        ),
        (
            "Interstellar",
            (
                "=interstellar ^interst ^nterst ^iterst ^inerst ^intrst ^intest ^intert ^inters $llar i in"
                " int inte inter interstellar ~interst ~nterst ~iterst ~inerst ~intrst ~intest ~intert"
                " ~inters %llar"
            ),
        ),
        ("It 2", "=it2 <it2 ^it2 ^t2 ^i2 ^it i it 2 =it#2# #2"),
    ],
)
def test_a_title_is_filed_under_its_terms_and_nothing_else(title: str, filed: str) -> None:
    assert terms([title]) == frozenset(filed.split())


def test_a_movie_is_filed_under_both_titles_its_year_and_its_ids() -> None:
    filed = terms(["Ran", "M"], year=1985, tmdb_id=11645, imdb_id="tt0089881")
    assert filed == terms(["Ran"]) | terms(["M"]) | {"@1985", "!11645", "!tt0089881"}


@pytest.mark.parametrize(("length", "end"), [(9, 8), (10, 10), (23, 23), (24, 24), (26, 24)])
def test_letters_9_to_24_of_ten_or_more_find_what_has_two_slips_before_them(length: int, end: int) -> None:
    rest = string.ascii_lowercase[8:end]
    filed = {term for term in terms([string.ascii_lowercase[:length]]) if term[0] in "$%"}
    assert filed == ({f"${rest}", f"%{rest}"} if rest else set())


@pytest.mark.parametrize(
    ("length", "starts"), [(9, []), (10, [6]), (11, [6, 7]), (12, range(6, 11)), (26, range(6, 11))]
)
def test_a_rest_is_looked_up_at_all_places_where_two_slips_can_have_moved_it(
    length: int, starts: Sequence[int]
) -> None:
    typed = string.ascii_lowercase[:length]
    asked = {term for probe in Query(typed).lenient_probes(()) for clause in probe for term in clause}
    rests = {typed[start : start + 16] for start in starts}
    assert {term for term in asked if term[0] in "$%"} == {f"{mark}{rest}" for mark in "$%" for rest in rests}


def clauses(probe: Probe) -> list[set[str]]:
    return list(map(set, probe))


def test_strict_probes_are_the_exact_title_and_all_words_the_rarest_first() -> None:
    exact, held = Query("the matrix relo").strict_probes()
    assert clauses(exact) == [{"=thematrixrelo"}]
    assert clauses(held) == [{"matrix"}, {"relo"}, {"the"}]
    _, held = Query("the resurrections").strict_probes()
    assert clauses(held) == [{"resurrections", "resur"}, {"the"}]


def test_a_number_is_asked_for_as_typed_and_as_read() -> None:
    exact, held, read = Query("the interstellar 2").strict_probes()
    assert clauses(exact) == [{"=theinterstellar2", "=theinterstellar#2#"}]
    assert clauses(held) == [{"interstellar"}, {"the"}, {"2"}]
    assert clauses(read) == [{"interstellar"}, {"the"}, {"#2"}]


def test_slips_are_looked_for_in_the_whole_title_and_in_words_of_three_letters_or_more() -> None:
    near_title, near_words = Query("of ran star").lenient_probes(())
    assert clauses(near_title) == [
        {"^ofranst", "^franst", "^oranst", "^ofanst", "^ofrnst", "^ofrast", "^ofrant", "^ofrans"}
    ]
    assert clauses(near_words) == [{"star", "~star", "~tar", "~sar", "~str", "~sta"}, {"ran", "~ran"}, {"of"}]


def test_up_to_five_letters_may_be_the_beginning_of_a_title_parted_in_another_way() -> None:
    assert {"<starw", "starw"} <= Query("star w").lenient_probes(())[0][0]
    assert not {"<starwa", "starwa"} & Query("star wa").lenient_probes(())[0][0]


def test_a_common_last_word_may_still_be_the_beginning_of_another() -> None:
    *_, near_words = Query("matirx american").lenient_probes({"american"})
    assert brings(near_words, terms(["The Matrix Americana"]))
    assert accepts("matirx american", "The Matrix Americana")


def test_only_a_last_word_may_be_a_beginning() -> None:
    *_, near_words = Query("american matirx").lenient_probes({"american"})
    assert not brings(near_words, terms(["The Americana Matrix"]))
    assert brings(near_words, terms(["The American Matrix"]))


def test_words_that_are_all_common_are_not_asked_for_again() -> None:
    query = Query("star wars")
    assert len(query.lenient_probes({"star", "wars"})) == len(query.lenient_probes({"star"})) - 1


def test_a_title_is_found_by_its_hundredth_word() -> None:
    title = " ".join(f"word{letter}{other}" for letter in "abcdefghij" for other in "klmnopqrst")
    assert reaches("wordjt", title)
    assert accepts("wordjt", title)


@pytest.mark.parametrize("title", ["20世紀少年", "機動戦士ガンダムIII", "3月のライオン", "AKIRAアキラ"])
def test_every_letter_of_an_unspaced_script_finds_its_title(title: str) -> None:
    for typed in (*(char for char in title if ord(char) > 0x3000), title, title[-2:]):
        assert reaches(typed, title), typed
        assert accepts(typed, title), typed


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
