"""Ids and references to movies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import (
    ImdbId,
    TmdbNumber,
    film_ref,
    genre_id,
    is_id,
    movie_address,
    movie_id,
    movie_ref,
    tmdb_number,
)

numbers = st.integers(1, 2**31 - 1)


@given(numbers)
def test_a_derived_id_is_24_lower_case_hex_digits_and_constant(number: int) -> None:
    assert is_id(movie_id(number))
    assert movie_id(number) == movie_id(number)
    assert str(movie_id(number)) != str(genre_id(number))


def test_ids_are_the_same_in_every_version() -> None:
    assert movie_id(603) == "cc4609538a1537f6d0f2d3c0"
    assert genre_id(18) == "859fee1fb5abd25d9e18812e"


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("0603", 603), ("2147483647", 2**31 - 1)])
def test_a_tmdb_number_is_positive_and_has_at_most_31_bits(text: str, number: int) -> None:
    assert tmdb_number(text) == number


@given(numbers, numbers)
def test_different_movies_have_different_ids(one: int, other: int) -> None:
    assert (movie_id(one) == movie_id(other)) == (one == other)


@given(numbers)
def test_a_movie_has_three_kinds_of_references(number: int) -> None:
    assert movie_ref(str(number)) == TmdbNumber(number)
    assert movie_ref(movie_id(number)) == movie_id(number)
    assert movie_ref(f"tt{number:07}") == ImdbId(f"tt{number:07}")


@given(st.text())
def test_any_other_text_is_no_reference_to_a_movie(text: str) -> None:
    ref = movie_ref(text)
    if isinstance(ref, TmdbNumber):
        assert ref.value == int(text)
    elif isinstance(ref, ImdbId):
        assert text.startswith("tt")
    else:
        assert ref is None or is_id(text)


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+5", "1.0", " 1", "²", "١", "2147483648", "9" * 5000, "tt1", "TT0133093"]
)
def test_unusual_digits_are_no_tmdb_number(text: str) -> None:
    assert tmdb_number(text) is None
    assert movie_ref(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("tt0133093", ImdbId("tt0133093")),
        (" TT0133093\n", ImdbId("tt0133093")),
        ("http://imdb.com/title/tt0133093", ImdbId("tt0133093")),
        ("https://www.imdb.com/title/tt0133093/reviews/?ref_=tt_ov", ImdbId("tt0133093")),
        ("HTTPS://M.IMDB.COM/es-mx/title/TT0133093#cast", ImdbId("tt0133093")),
        ("https://www.themoviedb.org/movie/603", TmdbNumber(603)),
        ("https://www.themoviedb.org/movie/603-the-matrix/cast?language=de-DE", TmdbNumber(603)),
        ("themoviedb.org/movie/603/", TmdbNumber(603)),
    ],
)
def test_an_address_copied_from_a_browser_is_parsed(text: str, number: object) -> None:
    assert movie_address(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "603",
        "tt1",
        "tt01330931234",
        "tt0133093x",
        "https://example.org/title/tt0133093",
        "https://www.imdb.com/name/nm0000206/",
        "https://www.themoviedb.org/tv/1399",
        "https://www.themoviedb.org/movie/0",
        "https://www.themoviedb.org/movie/99999999999",
        "https://notthemoviedb.org/movie/603",
        "the matrix tt0133093",
        "imdb.com/title/",
    ],
)
def test_other_texts_are_no_address_of_a_movie(text: str) -> None:
    assert movie_address(text) is None


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        (" 603\n", TmdbNumber(603)),
        ("tt0133093", ImdbId("tt0133093")),
        ("TT0133093", ImdbId("tt0133093")),
        ("themoviedb.org/movie/603-the-matrix", TmdbNumber(603)),
        (movie_id(603), movie_id(603)),
        ("the matrix", None),
        ("https://www.imdb.com/name/nm0000206/", None),
        ("", None),
    ],
)
def test_a_film_is_named_in_any_form_that_people_have_at_hand(text: str, ref: object) -> None:
    assert film_ref(text) == ref
