"""The texts of the pages are complete in every language, and the language follows the request."""

import re
from pathlib import Path
from string import Formatter

import pytest

from adapters.testkit.samples import noon
from application.operations import Condition, Part
from domain.api_tokens import Scope
from domain.browsing import SortBy, SortOrder
from domain.errors import Fault, FaultCode
from domain.imports.deciding import Prefer
from domain.imports.imports import ImportState
from domain.imports.rows import Reason, RowClass, SourceFormat
from domain.imports.uploads import Refusal
from domain.ratings import RatingOrder
from domain.sync import Entity, Status
from domain.users import Role
from domain.watchlist import WatchlistOrder
from entrypoints.http.resources.imports import COLUMNS
from entrypoints.web import filters
from entrypoints.web.formats import day, decimal, hours, score, whole
from entrypoints.web.languages import LANGUAGES, Texts, preferred_language, texts_in
from entrypoints.web.pages.imports import DATE_ORDER

WEB = Path(__file__).parents[2] / "entrypoints/web"
OF_THE_API = ("errors.", "faults.")
"""What has a text of the API in its place."""


OF_THE_API_ONLY = {
    *("malformed_request", "request_timeout", "head_too_large", "unsupported_content_encoding"),
    *("token_expired", "token_revoked", "token_rejected", "read_only_token", "session_required"),
    *("idempotency_key_reused", "idempotency_key_in_use", "response_not_kept", "unknown_payload"),
    *("email_taken", "username_taken", "email_and_username_taken", "already_viewed"),  # said beside the field
    *("already_rated", "already_listed", "not_your_item", "genre_not_found", "changes_expired"),
    *("too_many_connections", "server_stopping"),
}
"""What no page meets, or what no page shows: connections are closed before there is one."""


def keys(language: str) -> set[str]:
    return {key for key in texts_in(language).all if not key.startswith(OF_THE_API)}


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_texts_with_the_same_placeholders(language: str) -> None:
    english, other = texts_in("en").all, texts_in(language).all
    assert keys(language) == keys("en")
    for key in keys("en"):
        assert placeholders(other[key]) == placeholders(english[key]), key
        assert other[key] == other[key].strip() != ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "code",
    [
        *("storage_unavailable", "redis_unavailable", "source_unavailable", "source_refused"),
        *("source_mismatch", "catalogue_not_filled"),
    ],
)
def test_what_is_wrong_with_a_part_of_the_service_is_said_in_every_language(language: str, code: str) -> None:
    assert f"errors.{code}" in texts_in(language).all


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", ["source_unavailable", "source_refused"])
def test_what_is_wrong_at_tmdb_is_said_in_every_language(language: str, code: str) -> None:
    assert "TMDB" in texts_in(language).error(code, "The service cannot answer")


def test_whatever_can_go_wrong_on_a_page_is_said_in_german() -> None:
    table = (WEB.parents[1] / "docs/api.md").read_text()
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| [345]\d\d \|", table, re.MULTILINE)
    codes = set(re.findall(r"[a-z_]+", " ".join(rows)))
    assert len(codes) > 50
    german = texts_in("de").all
    assert {code for code in codes - OF_THE_API_ONLY if f"errors.{code}" not in german} == set()
    assert {f"faults.{code}" for code in FaultCode} <= set(german)


def test_every_text_that_a_template_names_exists_and_none_is_left_over() -> None:
    files = "\n".join(path.read_text() for path in sorted(WEB.rglob("templates/*.html")))
    literal = set(re.findall(r"'([a-z_]+\.[a-z_0-9]*[a-z0-9])'", files))
    composed = {
        *(f"order.{each}" for each in (*SortBy, *SortOrder, *RatingOrder, *WatchlistOrder)),
        *(f"language.{each}" for each in filters.LANGUAGES),
        *(f"own.{each.replace(',', '_')}" for each in filters.OWN_CHOICES),
        *(f"field.{each}" for each in re.findall(r"\bfield\('(\w+)'", files)),
        *(f"condition.{each}" for each in Condition),
        *(f"part.{each}" for each in Part),
        *(f"entity.{each}" for each in Entity),
        *(f"status.{each}" for each in Status),
        *(f"role.{each}" for each in Role),
        *(f"admin.start_{each}" for each in Entity),
        *(f"account.done_{each}" for each in ("profile", "password", "session", "sessions", "token")),
        *(f"account.scope_{each}" for each in Scope),
        *(f"error.title_{each}" for each in (400, 403, 404, 405, 429, 503)),
        *(key for key in keys("en") if key.endswith("_one") and key.removesuffix("_one") in literal),
        *(f"import.state_{each}" for each in ImportState),
        *(f"import.source_{each}" for each in SourceFormat),
        *(f"import.error_{each}" for each in Refusal),
        *(f"import.prefer_{each}" for each in Prefer),
        *(f"import.class_{each}" for each in RowClass),
        *(f"import.column_{each}" for each in COLUMNS if each != DATE_ORDER),
        *(f"import.date_order_{each}" for each in ("dmy", "mdy")),
        *(f"reason.{each}" for each in Reason),
        "error.title",
        "home.decade_of",
        "home.min_rating_of",
        "home.runtime_max_of",
        "forms.invalid",
    }
    named = {
        each for each in literal if each.partition(".")[0] in {key.partition(".")[0] for key in keys("en")}
    }
    assert named - keys("en") - {"layout.html"} == set()
    assert keys("en") - named - composed == set()
    assert composed <= keys("en")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr", "en"),
        ("de;q=0", "en"),
        ("de;q=x", "en"),
        ("EN;q=0.1, DE;q=0.2", "de"),
        (";;,,=", "en"),
    ],
)
def test_the_language_is_the_one_that_the_client_prefers(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_a_fault_has_the_most_specific_text_or_that_of_the_api() -> None:
    texts = Texts("xx", {"faults.required": "General", "faults.rating.required": "Special"})
    assert texts.fault(Fault("rating", FaultCode.REQUIRED, "is required")) == "Special"
    assert texts.fault(Fault("email", FaultCode.REQUIRED, "is required")) == "General"
    assert texts.fault(Fault("email", FaultCode.MALFORMED, "must be text")) == "Must be text"


def test_an_error_has_its_own_text_or_that_of_the_api() -> None:
    texts = Texts("xx", {"errors.taken": "Own"})
    assert (texts.error("taken", "of the API"), texts.error("other", "of the API")) == ("Own", "of the API")


def test_values_are_written_as_the_language_does() -> None:
    assert (day(noon(), "en"), day(noon(), "de")) == ("1 January 2026", "1. Januar 2026")
    assert (decimal(8.25, "en", 2), decimal(8.0, "de")) == ("8.25", "8,0")
    assert (decimal(1499.66, "en"), decimal(1499.66, "de")) == ("1,499.7", "1.499,7")
    assert (score(8.0, "en"), score(8.5, "de")) == ("8", "8,5")
    assert (whole(25000, "en"), whole(25000, "de")) == ("25,000", "25.000")
    assert (hours(136), hours(59), hours(60)) == ("2 h 16 min", "59 min", "1 h 00 min")


def test_one_thing_has_a_text_of_its_own() -> None:
    assert [texts_in("en").counted("home.count", count) for count in (0, 1, 2000)] == [
        "0 films",
        "1 film",
        "2,000 films",
    ]
