"""Translations are read from what TMDB appends to a movie's details."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.tmdb import payloads
from adapters.tmdb.translations import translations
from adapters.tmdb.values import Unreadable
from domain.languages import Language, Translation
from domain.movies import MovieFacts

GERMAN, FRENCH, CANADIAN, ANY_FRENCH = map(Language, ("de-DE", "fr-FR", "fr-CA", "fr"))

RECORDED = Path("../shared/tmdb/rec_tmdblib_2025-12.jsonl.gz")


def entry(language: str, region: str, title: object = "", overview: object = "") -> dict[str, Any]:
    data = {"homepage": "", "overview": overview, "runtime": 0, "tagline": "", "title": title}
    return {"iso_639_1": language, "iso_3166_1": region, "name": "", "english_name": "", "data": data}


def part(*entries: object) -> dict[str, Any]:
    return {"translations": list(entries)}


SENT = part(
    entry("fr", "CA", "", "Un cambrioleur."),
    entry("de", "DE", "Der Dieb", "Ein Dieb."),
    entry("fr", "FR", "Le Voleur", ""),
)


def read(sent: object, *languages: Language) -> dict[str, tuple[str | None, str | None]]:
    return {each.language: (each.title, each.overview) for each in translations(sent, languages)}


def test_only_the_languages_that_are_kept_are_read() -> None:
    assert read(SENT, GERMAN) == {"de-DE": ("Der Dieb", "Ein Dieb.")}
    assert list(read(SENT, FRENCH, GERMAN)) == ["de-DE", "fr-FR"]


def test_an_empty_text_is_unknown_and_no_other_region_takes_its_place() -> None:
    assert read(SENT, FRENCH) == {"fr-FR": ("Le Voleur", None)}
    assert read(SENT, CANADIAN) == {"fr-CA": (None, "Un cambrioleur.")}


def test_a_language_without_a_region_takes_each_text_from_the_first_region_that_has_it() -> None:
    assert read(SENT, ANY_FRENCH) == {"fr": ("Le Voleur", "Un cambrioleur.")}
    titled = part(entry("fr", "CA", "Le Filou"), entry("fr", "FR", "Le Voleur"))
    assert read(titled, ANY_FRENCH) == {"fr": ("Le Voleur", None)}


@pytest.mark.parametrize("sent", [part(), part(entry("de", "DE")), part(entry("it", "IT", "Il ladro")), None])
def test_a_language_without_texts_is_left_out(sent: object) -> None:
    assert read(sent, GERMAN) == {}


def test_entries_of_another_shape_are_left_out() -> None:
    without_texts = {"iso_639_1": "de", "iso_3166_1": "DE", "name": "", "english_name": "German"}
    unnamed = entry("de", "DE", "Der Dieb") | {"iso_639_1": 3}
    assert read(part(without_texts, unnamed), GERMAN) == {}


def test_an_invalid_text_keeps_the_stored_translations() -> None:
    with pytest.raises(Unreadable) as caught:
        translations(part(entry("de", "DE", 7, "Ein Dieb."), entry("it", "IT", 7)), (GERMAN,))
    assert caught.value.instead == (Translation(language=GERMAN, overview="Ein Dieb."),)
    assert read(part(entry("it", "IT", 7)), GERMAN) == {}


MOVIE = {"id": 7, "title": "The Thief", "original_title": "The Thief"}


def details(sent: dict[str, Any], *languages: Language) -> MovieFacts:
    found = payloads.detail(sent, 7, languages)
    assert isinstance(found, MovieFacts)
    return found


def test_details_say_into_which_languages_they_were_translated() -> None:
    both = details({**MOVIE, "translations": SENT}, FRENCH, GERMAN)
    assert [each.title for each in both.translations] == ["Der Dieb", "Le Voleur"]
    assert both.details_version == payloads.details_version((GERMAN, FRENCH))
    assert both.details_version != details(MOVIE, GERMAN).details_version
    assert details(MOVIE).details_version == payloads.DETAILS_VERSION


def test_translations_that_were_not_sent_are_kept_and_those_that_are_not_wanted_removed() -> None:
    assert "translations" in details(MOVIE, GERMAN).omitted
    assert "translations" not in details({**MOVIE, "translations": SENT}).omitted
    assert details({**MOVIE, "translations": SENT}).translations == ()


def test_recorded_translations_are_read() -> None:
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there")
    with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
        exchanges = [json.loads(line) for line in lines]
    (sent,) = (each["body"] for each in exchanges if each["path"] == "/3/movie/47964/translations")
    found = read(sent, GERMAN, Language("en-US"), Language("da"), Language("zh-TW"))
    assert found["de-DE"][0] == "Stirb langsam - Ein guter Tag zum Sterben"
    assert found["en-US"][0] is found["da"][0] is None
    assert all(overview for _, overview in found.values())
    assert len(found) == 4
