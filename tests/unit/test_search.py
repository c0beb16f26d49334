"""The results of searches in a small catalogue."""

import pytest

from domain.ids import movie_id
from domain.search import Candidate, Match, Query, TermQuery, Tier, key, search, terms
from tests.unit.searching import CANDIDATES, TITLES, find, finds, found


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
        ("the tmrix reloaded", "The Matrix Reloaded"),
        ("hte mtarix reloaded", "The Matrix Reloaded"),
        ("the matrix relaoedd", "The Matrix Reloaded"),
        ("intrestlelar", "Interstellar"),
        ("ladlocevita", "La Dolce Vita"),
        ("star w", "Star Wars"),
        ("starw", "Star Wars"),
        ("thema", "The Matrix"),
        ("godfather 2", "The Godfather Part II"),
        ("the godfather part two", "The Godfather Part II"),
        ("godfahter 2", "The Godfather Part II"),
        ("oceans 11", "Ocean's Eleven"),
        ("oceans11", "Ocean's Eleven"),
        ("five hundred days", "(500) Days of Summer"),
        ("two thousand one", "2001"),
        ("ト千尋ノ", "千と千尋の神隠し"),
        ("ト", "千と千尋の神隠し"),
        ("し", "千と千尋の神隠し"),
        ("神", "千と千尋の神隠し"),
        ("尋 神", "千と千尋の神隠し"),
        ("the matrix 1999", "The Matrix"),
        ("The Matrix (1999)", "The Matrix"),
        ("matrxi reloaded 2003", "The Matrix Reloaded"),
        ("matrix【２００３】", "The Matrix Reloaded"),
    ],
)
def test_a_film_is_found_by_what_people_type(typed: str, title: str) -> None:
    assert title in found(typed)[:3]


@pytest.mark.parametrize("title", TITLES)
def test_an_exact_title_comes_first(title: str) -> None:
    assert found(title)[0] == title
    assert found(title.upper())[0] in (title, title.upper().title(), *TITLES)


def test_a_year_as_the_last_word_selects_films_of_that_year() -> None:
    assert found("the matrix 2003") == ["The Matrix Reloaded"]
    assert found("her 2013") == ["Her"]
    assert found("2001 1968") == ["2001"]


def test_a_year_in_a_title_is_part_of_the_title() -> None:
    dated = Candidate(movie_id(1), ("Blade Runner 2049",), ("blade runner 2049",), 1.0)
    other = Candidate(movie_id(2), ("Blade Runner",), ("blade runner",), 9.0)
    filed = {dated.id: terms(dated.titles, year=2017), other.id: terms(other.titles, year=2049)}

    def both(term_query: TermQuery, limit: int) -> list[Candidate]:
        return [candidate for candidate in (dated, other) if finds(term_query, filed[candidate.id])]

    assert [match.id for match in search(Query("blade runner 2049"), both)] == [dated.id]


def test_the_film_of_that_year_comes_before_titles_that_have_the_year_among_their_words() -> None:
    dated = {"The Godfather": 1972, "The Godfather Trilogy: 1972-1990": 1992, "The Godfather Part II": 1972}
    candidates = [
        Candidate(movie_id(number), (title,), (key(title),), float(number))
        for number, title in enumerate(dated, 1)
    ]
    filed = {each.id: terms(each.titles, year=dated[each.titles[0]]) for each in candidates}
    film, trilogy, _ = (each.id for each in candidates)

    def find(term_query: TermQuery, limit: int) -> list[Candidate]:
        return [each for each in candidates if finds(term_query, filed[each.id])]

    for typed in ("the godfather 1972", "The Godfather (1972)"):
        assert [match.id for match in search(Query(typed), find)] == [film, trilogy]
    assert [match.id for match in search(Query("the godfather trilogy 1972"), find)] == [trilogy]


def test_a_year_in_which_nothing_matches_is_an_ordinary_word() -> None:
    assert found("the matrix 1950") == found("the matrix 1951") == []
    assert found("aliens 1979") == ["Alien"]


@pytest.mark.parametrize("typed", ["1999", "(1999)", "matrix 1869", "matrix 2101", "matrix 199", "the1999"])
def test_no_other_word_is_a_year(typed: str) -> None:
    assert Query(typed).with_year is None


@pytest.mark.parametrize("year", [1870, 2100])
def test_the_first_and_the_last_year_are_years(year: int) -> None:
    assert Query(f"matrix {year}").with_year == (Query("matrix"), year)


@pytest.mark.parametrize(
    "typed",
    [
        "tt0000002",
        " TT0000002 ",
        "https://www.imdb.com/title/tt0000002/?ref_=nv_sr_1",
        "https://www.imdb.com/de/title/tt0000002/",
        "m.imdb.com/title/tt0000002",
        "https://www.themoviedb.org/movie/2-the-matrix-reloaded?language=de",
        "themoviedb.org/movie/2",
    ],
)
def test_an_id_or_an_address_finds_only_its_film(typed: str) -> None:
    assert search(Query(typed), find) == [Match(Tier.EXACT, 0, -2.0, movie_id(2))]


def test_an_address_of_an_unknown_film_finds_nothing() -> None:
    assert found("https://www.imdb.com/title/tt9999999/") == found("themoviedb.org/movie/999") == []


def test_among_titles_with_equal_keys_the_one_typed_comes_first() -> None:
    assert found("Rán")[0] == "Rán"
    assert found("Ran")[0] == "Ran"


@pytest.mark.parametrize("text", ["", " ", "\t \n", "\u200b"])
def test_an_empty_query_finds_nothing(text: str) -> None:
    assert found(text) == []


def test_a_term_query_returns_up_to_500_movies_and_a_word_is_common_with_100() -> None:
    calls: list[tuple[TermQuery, int]] = []

    def nothing(term_query: TermQuery, limit: int) -> list[Candidate]:
        calls.append((term_query, limit))
        return []

    search(Query("gigolo"), nothing)
    assert {limit for term_query, limit in calls if term_query != (frozenset({"gigolo"}),)} == {500}
    assert {limit for term_query, limit in calls if term_query == (frozenset({"gigolo"}),)} == {100}
    search(Query("tt0080365"), nothing)
    assert calls[-1] == ((frozenset({"!tt0080365"}),), 500)


@pytest.mark.parametrize(("count", "exactly"), [(99, False), (100, True)])
def test_words_are_common_in_the_whole_catalogue(count: int, *, exactly: bool) -> None:
    calls: list[TermQuery] = []
    counted: list[tuple[str, int]] = []

    def find(term_query: TermQuery, _: int) -> list[Candidate]:
        calls.append(term_query)
        return []

    def count_movies(term: str, limit: int) -> int:
        counted.append((term, limit))
        return count

    search(Query("gigolo"), find, count_movies)
    assert counted == [("gigolo", 100)]
    assert any("~gigolo" in clause for term_query in calls for clause in term_query) is not exactly


@pytest.mark.parametrize("count", [19, 20])
def test_typing_errors_are_considered_while_fewer_than_20_movies_match(count: int) -> None:
    calls: list[TermQuery] = []

    def many(term_query: TermQuery, limit: int) -> list[Candidate]:
        calls.append(term_query)
        return [Candidate(movie_id(number), ("love",), ("love",), 1.0) for number in range(1, count + 1)]

    query = Query("love")
    assert len(search(query, many)) == count
    assert (tuple(calls) == query.strict_term_queries()) is (count == 20)


@pytest.mark.parametrize("count", [99, 100])
@pytest.mark.parametrize("typed", ["american gigolo", "american gigolo 1980"])
def test_a_word_that_100_movies_have_is_matched_exactly(typed: str, count: int) -> None:
    calls: list[TermQuery] = []

    def find_common(term_query: TermQuery, limit: int) -> list[Candidate]:
        calls.append(term_query)
        return [CANDIDATES[0]] * count if term_query == (frozenset({"american"}),) else []

    search(Query(typed), find_common)
    near_words = [
        clause for term_query in calls for clause in term_query if "~gigolo" in clause and len(term_query) > 1
    ]
    assert near_words
    as_typed = [
        term_query
        for term_query in calls
        if frozenset({"american"}) in term_query and near_words[0] in term_query
    ]
    assert bool(as_typed) is (count == 100)
