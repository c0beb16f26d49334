"""The words that stores keep, clients send and answers hold: they stay what they are."""

from datetime import timedelta
from enum import StrEnum

import pytest

from application.operations import Condition, Part
from domain import sync
from domain.browsing import MoviePage, SortBy, SortOrder
from domain.errors import FaultCode
from domain.invitations import Registration
from domain.movies import Outcome
from domain.pagination import Window
from domain.ratings import RatingOrder
from domain.sync import Entity, SourceName, Status
from domain.users import Role


@pytest.mark.parametrize(
    ("words", "promised"),
    [
        (Role, "user admin"),
        (Registration, "open invite closed"),
        (RatingOrder, "created_at updated_at rating"),
        (SortBy, "popularity release_date title vote_average average_rating weighted_rating ratings_count"),
        (SortOrder, "desc asc"),
        (Outcome, "inserted updated unchanged"),
        (Entity, "genres movies changes"),
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
def test_words_that_programs_rely_on_stay_the_same(words: type[StrEnum], promised: str) -> None:
    assert {str(word) for word in words} == set(promised.split())


def test_terms_of_tmdb_are_kept_to() -> None:
    assert timedelta(days=14) == sync.MAX_CHANGES_PERIOD
    assert timedelta(days=180) == sync.TEXT_RETENTION
    assert timedelta() < sync.REFRESH_AFTER < sync.TEXT_RETENTION
    assert sync.MAX_PAGES == 500


def test_a_part_of_a_list_is_its_first_twenty_unless_another_is_asked_for() -> None:
    assert (Window().limit, Window().skip, Window().cursor) == (20, 0, None)
    assert Window(limit=5).fetch_size == 6
    assert (MoviePage().movies, MoviePage().more) == ((), False)
