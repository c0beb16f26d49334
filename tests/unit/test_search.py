"""The rules of search."""

import string
import unicodedata
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import assume, example, given
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


def find(probe: Probe, limit: int) -> list[Candidate]:
    """What a store answers."""
    return [candidate for candidate in CANDIDATES if brings(probe, TERMS[candidate.id])]


def brings(probe: Probe, filed: frozenset[str]) -> bool:
    """Whether a probe brings a movie that is filed under these terms."""
    return all(not clause.isdisjoint(filed) for clause in probe)


def accepts(typed: str, title: str) -> bool:
    """Whether a title matches by the rules of ranking alone."""
    query, candidate = Query(typed), Candidate(movie_id(1), (title,), (key(title),), None)
    return not query.empty and rank(query, candidate) is not None


def reaches(typed: str, title: str) -> bool:
    """Whether the index brings a title for what was typed."""
    query = Query(typed)
    probes = (*query.strict_probes(), *query.lenient_probes(()))
    return any(brings(probe, terms([title])) for probe in probes)


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


def test_a_last_year_leaves_films_of_that_year() -> None:
    assert found("the matrix 2003") == ["The Matrix Reloaded"]
    assert found("her 2013") == ["Her"]
    assert found("2001 1968") == ["2001"]


def test_a_year_that_a_title_holds_is_part_of_the_title() -> None:
    dated = Candidate(movie_id(1), ("Blade Runner 2049",), ("blade runner 2049",), 1.0)
    other = Candidate(movie_id(2), ("Blade Runner",), ("blade runner",), 9.0)
    filed = {dated.id: terms(dated.titles, year=2017), other.id: terms(other.titles, year=2049)}

    def both(probe: Probe, limit: int) -> list[Candidate]:
        return [candidate for candidate in (dated, other) if brings(probe, filed[candidate.id])]

    assert [match.id for match in search(Query("blade runner 2049"), both)] == [dated.id]


def test_a_year_in_which_nothing_matches_is_taken_as_typed() -> None:
    assert found("the matrix 1950") == found("the matrix 1951") == []
    assert found("aliens 1979") == ["Alien"]


@pytest.mark.parametrize("typed", ["1999", "(1999)", "matrix 1869", "matrix 2101", "matrix 199", "the1999"])
def test_no_other_word_is_a_year(typed: str) -> None:
    assert Query(typed).dated is None


@pytest.mark.parametrize("year", [1870, 2100])
def test_the_first_and_the_last_year_are_years(year: int) -> None:
    assert Query(f"matrix {year}").dated == (Query("matrix"), year)


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
def test_an_id_or_an_address_finds_its_film_alone(typed: str) -> None:
    assert found(typed) == ["The Matrix Reloaded"]


def test_an_address_of_a_film_that_is_not_held_finds_nothing() -> None:
    assert found("https://www.imdb.com/title/tt9999999/") == found("themoviedb.org/movie/999") == []


def test_an_exact_number_comes_before_one_written_in_another_way() -> None:
    candidates = [
        Candidate(movie_id(n), (name,), (key(name),), float(n))
        for n, name in enumerate(("Rocky 2", "ROCKY 2!", "Rocky II", "Rocky 2 Returns", "Rocky 20"), 1)
    ]
    ranked = [rank(Query("Rocky 2"), candidate) for candidate in candidates]
    assert [match.tier for match in ranked if match] == [*[Tier.EXACT] * 3, *[Tier.PREFIX] * 2]
    assert ranked[:4] == sorted(match for match in ranked[:4] if match)


def test_a_number_is_no_slip_of_another() -> None:
    film = Candidate(movie_id(1), ("The Godfather Part III",), ("the godfather part iii",), 1.0)
    assert rank(Query("godfather 2"), film) is None
    assert rank(Query("godfather two"), film) is None


def test_a_title_is_found_by_its_hundredth_word() -> None:
    title = " ".join(f"word{letter}{other}" for letter in "abcdefghij" for other in "klmnopqrst")
    assert reaches("wordjt", title)
    assert accepts("wordjt", title)


def test_hiragana_and_katakana_are_one() -> None:
    assert key("ガンダム") == key("がんだむ") == key("ｶﾞﾝﾀﾞﾑ")
    assert key("ヴ") == key("ゔ")


@pytest.mark.parametrize("title", ["20世紀少年", "機動戦士ガンダムIII", "3月のライオン", "AKIRAアキラ"])
def test_every_letter_of_an_unspaced_script_finds_its_title(title: str) -> None:
    for typed in (*(char for char in title if ord(char) > 0x3000), title, title[-2:]):
        assert reaches(typed, title), typed
        assert accepts(typed, title), typed


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


@pytest.mark.parametrize(
    "text", ["xylophone", "matrix xylophone", "xylophone matrix", "matirx xylophone", "the xylophone matrix"]
)
def test_what_matches_in_a_word_or_none_is_no_match(text: str) -> None:
    assert rank(Query(text), CANDIDATES[0]) is None


def test_slips_of_all_words_together_decide_among_near_words() -> None:
    ranked = [
        rank(
            Query(text),
            Candidate(movie_id(1), ("Alien Resurrection Story",), ("alien resurrection story",), 1),
        )
        for text in ("resurrection alien", "resurection alien", "resurection alein", "resurectoin alein")
    ]
    assert [(match.tier, match.slips) for match in ranked if match] == [
        (Tier.WORDS, 0),
        (Tier.NEAR_WORDS, 1),
        (Tier.NEAR_WORDS, 2),
        (Tier.NEAR_WORDS, 3),
    ]


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


@pytest.mark.parametrize(
    "title",
    [
        "Interstellar",  # 12 letters: the least that forgive two
        "Stalker Rising",  # 13
        "The Godfathers",  # 13, in two words
        "Reconnaissance",  # 14, letters repeated
        "La Vita e Bella",  # in words too short to be spelt wrong
        "Matrix Reloaded",  # 14, in two words
        "The Matrix Reloaded",
        "Independence Day",  # a word that forgives two beside one that forgives one
    ],
)
def test_every_pair_of_typing_errors_in_a_long_title_is_forgiven(title: str) -> None:
    whole, filed = compact(key(title)), terms([title])
    for typed in {twice for once in all_mistyped(title) for twice in all_mistyped(once)}:
        query = Query(typed)
        if forgiven(max(len(query.compact), len(whole))) == 2:
            # Words that are all common are not looked up: only the whole title can bring it then.
            probes = (*query.strict_probes(), *query.lenient_probes(query.runs))
            assert accepts(typed, title), typed
            assert any(brings(probe, filed) for probe in probes), typed


@pytest.mark.parametrize("length", range(10, 18))
def test_every_pair_of_typing_errors_in_a_long_word_is_forgiven(length: int) -> None:
    word = string.ascii_lowercase[:length]
    filed = terms([f"{word} and others"])
    for typed in {twice for once in all_mistyped(word) for twice in all_mistyped(once)}:
        if forgiven(max(len(typed), length)) == 2:
            # The words are looked up last, all of them near.
            *_, near_words = Query(f"others {typed}").lenient_probes(())
            assert brings(near_words, filed), typed


@pytest.mark.parametrize("title", [title for title in TITLES if len(compact(key(title))) > 2])
def test_every_single_typing_error_is_forgiven(title: str) -> None:
    for typed in all_mistyped(key(title)):
        assert accepts(typed, title), typed
        assert reaches(typed, title), typed


def all_mistyped(text: str) -> Iterator[str]:
    """A text with one typing error, at every place, of all four kinds; added letters are strange to the text,
    or equal to its first.
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


titles = st.lists(st.text("abcd", min_size=1, max_size=14), min_size=1, max_size=4).map(" ".join)


@given(titles, titles)
@example("ab", "a b")
@example("a b", "abcde")
@example("abcd ab", "abc")
def test_whatever_ranking_would_accept_is_brought_by_the_index(typed: str, title: str) -> None:
    assert not accepts(typed, title) or reaches(typed, title)


@given(titles, st.data())
def test_a_title_typed_in_part_and_with_errors_is_brought_if_ranking_would_accept_it(
    title: str, data: st.DataObject
) -> None:
    part = data.draw(st.lists(st.sampled_from(title.split()), min_size=1).map(" ".join))
    typed = data.draw(mistyped(part))
    if any(char.isalnum() for char in typed):
        typed = data.draw(mistyped(typed))
    assert not accepts(typed, title) or reaches(typed, title)


def test_slips_of_all_short_texts_are_counted_as_the_textbook_does() -> None:
    texts = ["".join(letters) for length in range(5) for letters in product("abc", repeat=length)]
    for one, other in product(texts, texts):
        _counted_as_the_textbook_does(one, other)


@given(few_letters, few_letters)
@example("tmrix", "matrix")
@example("ca", "abc")
@example("abc", "ca")
def test_slips_are_counted_as_the_textbook_does(one: str, other: str) -> None:
    _counted_as_the_textbook_does(one, other)


def _counted_as_the_textbook_does(one: str, other: str) -> None:
    distance = _distance(one, other)
    for forgiving in (0, 1, 2):
        assert slips(one, other, forgiving) == (distance if distance <= forgiving else None), (one, other)


def _distance(one: str, other: str) -> int:
    """The unrestricted distance of Damerau and Levenshtein: the table of R. Lowrance and R. A. Wagner, "An
    extension of the string-to-string correction problem", 1975.
    """
    far = len(one) + len(other)
    table = {(-1, j): far for j in range(-1, len(other) + 1)}
    table |= {(i, -1): far for i in range(-1, len(one) + 1)}
    table |= {(0, j): j for j in range(len(other) + 1)} | {(i, 0): i for i in range(len(one) + 1)}
    seen: dict[str, int] = {}
    for i, char in enumerate(one, 1):
        equal = 0
        for j, opposite in enumerate(other, 1):
            k, m = seen.get(opposite, 0), equal
            swapped = table[k - 1, m - 1] + (i - k - 1) + 1 + (j - m - 1) if k and m else far
            table[i, j] = min(
                table[i - 1, j - 1] + (char != opposite), table[i, j - 1] + 1, table[i - 1, j] + 1, swapped
            )
            equal = j if char == opposite else equal
        seen[char] = i
    return table[len(one), len(other)]


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
    assert words("20世紀少") == ("20世紀少", "20", "世紀", "紀少", "世", "紀", "少")


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
