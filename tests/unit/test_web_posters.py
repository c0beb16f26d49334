"""Generated posters are readable, and hold any title."""

from datetime import date
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.samples import facts, noon
from domain.ids import genre_id
from domain.movies import Genre, GenreFacts, Movie
from entrypoints.web.posters import LINE_WIDTH, MAX_LINES, PALETTE, movie_poster, poster, wrapped

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  our own


def luminance(colour: str) -> float:
    """The relative luminance, by the formula of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("pair", PALETTE)
def test_texts_have_a_contrast_of_7_or_more(pair: tuple[str, str]) -> None:
    dark, light = sorted(map(luminance, pair))
    assert (light + 0.05) / (dark + 0.05) >= 7


def test_a_poster_has_the_title_the_year_and_the_first_genre() -> None:
    drama = Genre.from_facts(GenreFacts(tmdb_id=18, name="Drama"), noon())
    movie = Movie.from_facts(
        facts(1, title="A Title", release_date=date(1999, 3, 30), genres=(genre_id(99), drama.id)), noon()
    )
    texts = "".join(parsed(movie_poster(movie, {drama.id: drama})).itertext())
    assert texts == "A Title1999 · Drama"


def test_what_is_not_known_is_left_out() -> None:
    movie = Movie.from_facts(facts(1, title="A Title", release_date=None, genres=()), noon())
    assert "".join(parsed(movie_poster(movie, {})).itertext()) == "A Title"


def test_the_same_title_has_the_same_poster() -> None:
    assert poster("Heat") == poster("Heat") != poster("Ronin")


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        ("Heat", ["Heat"]),
        ("", [""]),
        ("The Godfather Part II", ["The", "Godfather", "Part II"]),
        ("Koyaanisqatsi", ["Koyaanisqats", "i"]),
        ("千と千尋の神隠し", ["千と千尋の神", "隠し"]),
        ("evil \u202egnp.exe", ["evil gnp.exe"]),
        ("a\x00b", ["ab"]),
    ],
)
def test_a_title_is_wrapped_into_lines(title: str, lines: list[str]) -> None:
    assert wrapped(title) == lines


def test_a_very_long_title_is_cut() -> None:
    lines = wrapped("word " * 400)
    assert len(lines) == MAX_LINES
    assert lines[-1].endswith("…")


def test_a_long_line_below_is_cut() -> None:
    below = "".join(parsed(poster("", "1999 · A genre with a very long name")).itertext())
    assert below == "1999 · A genre with a v…"


@given(st.text(max_size=200), st.text(max_size=60))
def test_every_title_makes_a_well_formed_poster(title: str, below: str) -> None:
    root = parsed(poster(title, below))
    assert root.tag == f"{SVG}svg"
    assert {each.tag for each in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg", "rect", "g", "circle", "text", "tspan")
    }
    assert len(wrapped(title)) <= MAX_LINES
    assert all(len(line) <= LINE_WIDTH for line in wrapped(title))
