"""The languages that are kept, the negotiation of one, and movies in it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.testkit.samples import facts, noon
from domain.errors import InvalidFields
from domain.languages import Language, Languages, Translation
from domain.movies import Movie
from entrypoints.http.languages import MAX_RANGES, LanguageNegotiation, preferred

GERMAN, FRENCH = Language("de-DE"), Language("fr")
KEPT = Languages(Language("en-US"), (GERMAN, FRENCH))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("de-DE", GERMAN),
        ("DE-de", GERMAN),
        ("de", GERMAN),
        ("en", "en-US"),
        ("fr", FRENCH),
        ("fr-CA", None),
        ("de-AT", None),
        ("it", None),
        ("", None),
    ],
)
def test_a_tag_names_a_kept_language_in_any_case_and_without_its_region(
    wanted: str, found: str | None
) -> None:
    assert KEPT.find(wanted) == found


def test_titles_in_other_languages_are_those_that_differ_each_once() -> None:
    titles = ("The Lives of Others", "Das Leben der Anderen", "La vie des autres", None, "La vie des autres")
    translations = tuple(Translation(language=FRENCH, title=title, overview=None) for title in titles)
    assert movie(translations=translations).facts.other_titles == ("La vie des autres",)


def movie(**known: Any) -> Movie:
    known = {"title": "The Lives of Others", "original_title": "Das Leben der Anderen", **known}
    return Movie.from_facts(facts(582, overview="Berlin, 1984.", **known), noon())


def texts(shown: Movie) -> tuple[str, str | None]:
    return shown.facts.title, shown.facts.overview


def test_a_movie_in_a_language_has_the_texts_of_its_translation() -> None:
    translation = Translation(language=FRENCH, title="La Vie des autres", overview="Berlin-Est.")
    shown = movie().in_language(FRENCH, translation)
    assert texts(shown) == ("La Vie des autres", "Berlin-Est.")
    assert shown.facts.original_title == "Das Leben der Anderen"


def test_a_text_that_is_not_translated_stays_as_it_is() -> None:
    assert texts(movie().in_language(FRENCH, None)) == ("The Lives of Others", "Berlin, 1984.")
    overview_only = Translation(language=FRENCH, overview="Berlin-Est.")
    assert texts(movie().in_language(FRENCH, overview_only)) == ("The Lives of Others", "Berlin-Est.")


def test_a_movie_has_its_original_title_in_its_original_language() -> None:
    german = movie(original_language="de")
    assert texts(german.in_language(GERMAN, None)) == ("Das Leben der Anderen", "Berlin, 1984.")
    assert texts(german.in_language(FRENCH, None))[0] == "The Lives of Others"
    retitled = Translation(language=GERMAN, title="Das Leben der Anderen (2006)")
    assert texts(german.in_language(GERMAN, retitled))[0] == "Das Leben der Anderen (2006)"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("de", "de-DE"),
        ("DE-de", "de-DE"),
        ("de-AT", "de-DE"),
        ("fr-CA, en;q=0.5", "fr"),
        ("it, fr;q=0.4, de;q=0.8", "de-DE"),
        ("fr;q=0.8, de;q=0.8", "fr"),
        ("en;q=0.3, *;q=0.9", "de-DE"),
        ("*", "en-US"),
        ("de;q=0", None),
        ("*, en;q=0, de-DE;q=0", "fr"),
        ("de-AT;q=0, de", "de-DE"),
        ("de-DE;q=0.1, de", "de-DE"),
        ("de;q=1.0, de-DE;q=0.1, fr;q=0.5", "fr"),
        ("it", None),
        ("zh-Hant-TW, de-DE-1996;q=0.1", "de-DE"),
        ("de;q=high, fr;q=0.1", "fr"),
        ("de;q=7, fr;q=nan, en;q=-1", None),
        (" , ;q=1,de ; q=0.5 ", "de-DE"),
        ("it," * MAX_RANGES + "de", None),
    ],
)
def test_the_language_with_the_highest_weight_is_preferred(header: str, language: str | None) -> None:
    assert preferred(header, KEPT.all) == language


def test_a_request_that_accepts_no_kept_language_gets_that_of_the_catalogue() -> None:
    negotiate = LanguageNegotiation(KEPT)
    assert negotiate.accepted(b"it") == negotiate.accepted(b"") == KEPT.main


def scope(*headers: bytes) -> Any:
    return {"headers": [(b"accept-language", header) for header in headers]}


def test_several_headers_count_as_one() -> None:
    assert LanguageNegotiation(KEPT)(scope(b"it, de;q=0.1", b"fr;q=0.9")) == FRENCH


def test_the_parameter_overrides_the_header() -> None:
    assert LanguageNegotiation(KEPT)(scope(b"fr"), "de") == GERMAN


def test_a_parameter_that_names_another_language_is_refused() -> None:
    for languages in (KEPT, Languages(KEPT.main)):
        with pytest.raises(InvalidFields, match=f"language must be one of {', '.join(languages.all)}"):
            LanguageNegotiation(languages)(scope(), "it")


def test_with_one_language_nothing_is_negotiated() -> None:
    negotiate = LanguageNegotiation(Languages(KEPT.main))
    assert (
        negotiate(scope(b"de")) is negotiate(scope(b"de"), "en") is negotiate.of_header(scope(b"de")) is None
    )


@settings(max_examples=60)
@given(st.one_of(st.binary(max_size=300), st.text("deFR-*,;q=.01 ", max_size=80).map(str.encode)))
def test_any_header_is_answered_in_a_kept_language(header: bytes) -> None:
    assert LanguageNegotiation(KEPT).accepted(header) in KEPT.all
