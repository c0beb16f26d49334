"""Stable identifiers in stores, requests and responses; and words that names may not contain."""

import io
import re
import tokenize
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from adapters.tmdb.source import TEXT_RETENTION, TmdbMovieSource
from application.operations import Condition, Part
from domain.api_tokens import Scope
from domain.browsing import Mine, MoviePage, SortBy, SortOrder
from domain.changes import Kind
from domain.errors import FaultCode
from domain.imports.deciding import Prefer
from domain.imports.imports import ImportState
from domain.imports.rows import Reason, RowClass, RowKind, SourceFormat
from domain.imports.uploads import Refusal
from domain.invitations import Registration
from domain.movies import Outcome
from domain.pagination import Window
from domain.ratings import RatingOrder
from domain.scrobbles import Player, Skipped
from domain.sync import REFRESH_AFTER, Entity, SourceName, Status
from domain.users import PageLanguage, Role
from domain.watchlist import WatchlistOrder


@pytest.mark.parametrize(
    ("words", "promised"),
    [
        (Role, "user admin"),
        (Registration, "open invite closed"),
        (Scope, "read write"),
        (Kind, "rating watchlist viewing"),
        (PageLanguage, "en de"),
        (
            SourceFormat,
            """letterboxd imdb trakt tmdb movary yamtrack simkl ryot criticker movielens csv
            matinee""",
        ),
        (Prefer, "theirs mine newer"),
        (ImportState, "reading matching ready applying done failed undone"),
        (
            RowClass,
            "new changed unchanged kept not_a_film unmatched ambiguous unreadable no_place",
        ),
        (RowKind, "rating viewing watched review watchlist favorite hidden entry list"),
        (
            Reason,
            """series other_title entered_by_hand personal_list collection unclear_list nothing_to_keep
            unreadable_rating malformed_row row_too_long too_many_rows too_many_of_film no_title
            not_found source_unavailable several_films ours_is_newer ours_preferred watchlist_full
            diary_full hidden_full changed_meanwhile raised_to_one rounded unreadable_date unclear_date
            text_cut days_unknown unrated_review merged""",
        ),
        (
            Refusal,
            "unknown_format other_format empty damaged too_large too_many_files encrypted",
        ),
        (Player, "jellyfin plex emby kodi"),
        (Skipped, "other_event another_user not_a_movie not_finished no_id already_recorded"),
        (RatingOrder, "created_at updated_at rating"),
        (
            SortBy,
            """popularity release_date title vote_average vote_count runtime created_at average_rating
            weighted_rating ratings_count""",
        ),
        (WatchlistOrder, "added_at title release_date runtime weighted_rating"),
        (Mine, "rated listed favorite seen"),
        (SortOrder, "desc asc"),
        (Outcome, "inserted updated unchanged"),
        (Entity, "genres movies changes discover"),
        (Status, "in-progress success partial failed cancelled"),
        (SourceName, "demo tmdb"),
        (Part, "database redis tmdb sync"),
        (Condition, "ok degraded down not_configured"),
        (
            FaultCode,
            (
                "required unknown duplicate wrong_type malformed not_allowed out_of_range too_short too_long"
                " forbidden_characters too_common conflicting not_found taken already_exists"
            ),
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_identifiers_that_clients_rely_on_are_stable(words: type[StrEnum], promised: str) -> None:
    assert {str(word) for word in words} == set(promised.split())


def test_the_terms_of_tmdb_are_observed() -> None:
    assert TmdbMovieSource.changes_window == timedelta(days=14)
    assert TmdbMovieSource.max_pages == 500
    assert timedelta(days=180) == TEXT_RETENTION
    assert timedelta() < REFRESH_AFTER < TEXT_RETENTION


def test_a_window_is_the_first_20_rows_by_default() -> None:
    assert (Window().limit, Window().skip, Window().cursor) == (20, 0, None)
    assert Window(limit=5).fetch_size == 6
    assert (MoviePage().movies, MoviePage().more) == ((), False)


PRIVATE_WORDS = {
    "asked", "asking", "basket", "glance", "goodbye", "harvest", "heard", "hopeless", "journal", "longest",
    "mend", "mended", "most", "patience", "relocking", "said", "shortest", "slip", "slips", "stir", "stumps",
    "told", "unfit", "unpopularity", "no_progress", "watching", "whoever",
}  # fmt: skip
"""Former names that readers could not guess. There is a standard term for each."""

CORE = [
    path
    for package in ("domain", "application")
    for path in sorted((Path(__file__).parents[2] / package).rglob("*.py"))
]


@pytest.mark.parametrize("path", CORE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_names_in_the_core_contain_no_private_words(path: Path) -> None:
    assert names_with(PRIVATE_WORDS, path) == set()


TOOLING_WORDS = PRIVATE_WORDS | {
    "answer", "answers", "away", "crowd", "desk", "diarist", "healed", "misbehave", "played", "shelf",
    "spent", "spoil", "strike", "strikes", "struck", "visitor", "visitors",
}  # fmt: skip
"""The same for modules that tests share. Production code uses some of these words with other meanings."""

TESTS = Path(__file__).parents[1]
TOOLING = [
    path
    for path in sorted(TESTS.rglob("*.py"))
    if not path.name.startswith("test_") and path.relative_to(TESTS).parts[0] != "clients"
]


@pytest.mark.parametrize("path", TOOLING, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_names_in_the_tooling_of_the_tests_contain_no_private_words(path: Path) -> None:
    assert names_with(TOOLING_WORDS, path) == set()


def names_with(words: set[str], path: Path) -> set[str]:
    """The names in a module, and its own name, if they contain one of the words."""
    names = {
        token.string
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.NAME
    }
    return {name for name in {*names, path.stem} if words & words_of(name)}


def words_of(name: str) -> set[str]:
    """The words of a name in snake case or camel case, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_a_name_is_split_into_its_words() -> None:
    assert words_of("_first_heard") == {"first", "heard"}
    assert words_of("LastWordTold") == {"last", "word", "told"}
    assert words_of("LONGEST_WAIT") == {"longest", "wait"}
