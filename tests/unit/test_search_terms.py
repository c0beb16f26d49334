"""Index terms of movies, and the term queries of a query."""

import string
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.ids import movie_id
from domain.search import Candidate, Match, Query, TermQuery, Tier, key, rank, terms
from tests.unit.searching import accepts, finds, index_finds

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
def test_a_title_has_these_terms_and_no_others(title: str, filed: str) -> None:
    assert terms([title]) == frozenset(filed.split())


def test_a_movie_has_terms_of_both_titles_its_year_and_its_ids() -> None:
    filed = terms(["Ran", "M"], year=1985, tmdb_id=11645, imdb_id="tt0089881")
    assert filed == terms(["Ran"]) | terms(["M"]) | {"@1985", "!11645", "!tt0089881"}


@pytest.mark.parametrize(("length", "end"), [(9, 8), (10, 10), (23, 23), (24, 24), (26, 24)])
def test_letters_9_to_24_of_ten_or_more_are_the_suffix(length: int, end: int) -> None:
    rest = string.ascii_lowercase[8:end]
    filed = {term for term in terms([string.ascii_lowercase[:length]]) if term[0] in "$%"}
    assert filed == ({f"${rest}", f"%{rest}"} if rest else set())


@pytest.mark.parametrize(
    ("length", "starts"), [(9, []), (10, [6]), (11, [6, 7]), (12, range(6, 11)), (26, range(6, 11))]
)
def test_a_suffix_is_looked_up_at_all_positions_to_which_two_errors_can_move_it(
    length: int, starts: Sequence[int]
) -> None:
    typed = string.ascii_lowercase[:length]
    looked_up = {
        term
        for term_query in Query(typed).lenient_term_queries(())
        for clause in term_query
        for term in clause
    }
    rests = {typed[start : start + 16] for start in starts}
    assert {term for term in looked_up if term[0] in "$%"} == {
        f"{mark}{rest}" for mark in "$%" for rest in rests
    }


def clauses(term_query: TermQuery) -> list[set[str]]:
    return list(map(set, term_query))


def test_strict_term_queries_are_the_exact_title_and_all_words_the_rarest_first() -> None:
    exact, held = Query("the matrix relo").strict_term_queries()
    assert clauses(exact) == [{"=thematrixrelo"}]
    assert clauses(held) == [{"matrix"}, {"relo"}, {"the"}]
    _, held = Query("the resurrections").strict_term_queries()
    assert clauses(held) == [{"resurrections", "resur"}, {"the"}]


def test_a_number_is_looked_up_as_typed_and_normalized() -> None:
    exact, held, read = Query("the interstellar 2").strict_term_queries()
    assert clauses(exact) == [{"=theinterstellar2", "=theinterstellar#2#"}]
    assert clauses(held) == [{"interstellar"}, {"the"}, {"2"}]
    assert clauses(read) == [{"interstellar"}, {"the"}, {"#2"}]


def test_typing_errors_are_looked_up_in_the_title_and_in_words_of_three_letters_or_more() -> None:
    near_title, near_words = Query("of ran star").lenient_term_queries(())
    assert clauses(near_title) == [
        {"^ofranst", "^franst", "^oranst", "^ofanst", "^ofrnst", "^ofrast", "^ofrant", "^ofrans"}
    ]
    assert clauses(near_words) == [{"star", "~star", "~tar", "~sar", "~str", "~sta"}, {"ran", "~ran"}, {"of"}]


def test_up_to_five_letters_may_be_the_prefix_of_a_title_with_other_spaces() -> None:
    assert {"<starw", "starw"} <= Query("star w").lenient_term_queries(())[0][0]
    assert not {"<starwa", "starwa"} & Query("star wa").lenient_term_queries(())[0][0]


def test_a_common_last_word_may_still_be_the_prefix_of_another() -> None:
    *_, near_words = Query("matirx american").lenient_term_queries({"american"})
    assert finds(near_words, terms(["The Matrix Americana"]))
    assert accepts("matirx american", "The Matrix Americana")


def test_only_the_last_word_may_be_a_prefix() -> None:
    *_, near_words = Query("american matirx").lenient_term_queries({"american"})
    assert not finds(near_words, terms(["The Americana Matrix"]))
    assert finds(near_words, terms(["The American Matrix"]))


def test_words_that_are_all_common_are_looked_up_once() -> None:
    query = Query("star wars")
    assert len(query.lenient_term_queries({"star", "wars"})) == len(query.lenient_term_queries({"star"})) - 1


def test_a_title_is_found_by_its_hundredth_word() -> None:
    title = " ".join(f"word{letter}{other}" for letter in "abcdefghij" for other in "klmnopqrst")
    assert index_finds("wordjt", title)
    assert accepts("wordjt", title)


@pytest.mark.parametrize("title", ["20世紀少年", "機動戦士ガンダムIII", "3月のライオン", "AKIRAアキラ"])
def test_every_letter_of_an_unspaced_script_finds_its_title(title: str) -> None:
    for typed in (*(char for char in title if ord(char) > 0x3000), title, title[-2:]):
        assert index_finds(typed, title), typed
        assert accepts(typed, title), typed


@given(st.text(min_size=1))
def test_every_title_that_is_not_blank_finds_itself(title: str) -> None:
    query = Query(title)
    assume(not query.empty)
    assert all(not clause.isdisjoint(terms([title])) for clause in query.strict_term_queries()[0])
    match = rank(query, Candidate(movie_id(1), (title,), (key(title),), None))
    assert match == Match(Tier.EXACT, 0, float("inf"), movie_id(1))


@given(letters, letters)
def test_a_query_of_words_of_a_title_finds_it_by_every_strict_term_query(one: str, two: str) -> None:
    title = f"{one} {two}"
    for typed in (title, f"{two} {one}", f"{one} {two[: len(two) // 2 + 1]}"):
        term_query = Query(typed).strict_term_queries()[1]
        assert all(not clause.isdisjoint(terms([title])) for clause in term_query), typed
