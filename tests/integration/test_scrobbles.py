"""Recording of films that players report, on SQLite in memory."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.system import new_id
from adapters.testkit.samples import new_account, new_viewing
from application import scrobbles
from application.scrobbles import RecordPlay
from domain.ids import MovieId, movie_id
from domain.movies import MovieNotFound
from domain.scrobbles import Playback, Player
from domain.users import User
from domain.viewings import DiaryFull
from tests.integration.http_service import THE_MATRIX, filled_store, now

MATRIX = movie_id(603)
REPORT = Playback(player=Player.PLEX, ended=True, is_movie=True, completed=True, tmdb_number=603)


@pytest.fixture
def store() -> SqliteStore:
    return filled_store([THE_MATRIX])


@pytest.fixture
def ann(store: SqliteStore) -> User:
    account = new_account()
    store.users.add(account)
    return account


@pytest.fixture
def record(store: SqliteStore) -> RecordPlay:
    return RecordPlay(holdings=store.holdings, clock=now, new_id=new_id)


def test_reports_of_a_film_at_once_record_one_viewing(
    store: SqliteStore, ann: User, record: RecordPlay
) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: record(user=ann, movie=MATRIX, playback=REPORT), range(8)))
    assert sum(each.created for each in done) == 1
    assert len({each.viewing.id for each in done}) == 1
    assert store.viewings.of_user(ann.id, limit=10) == [done[0].viewing]


def test_a_film_that_is_gone_is_not_recorded(ann: User, record: RecordPlay) -> None:
    with pytest.raises(MovieNotFound):
        record(user=ann, movie=MovieId("f" * 24), playback=REPORT)


def test_a_full_diary_takes_no_report(
    store: SqliteStore, ann: User, record: RecordPlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrobbles, "MAX_VIEWINGS", 1)
    store.viewings.add(new_viewing(ann.id, MATRIX))
    with pytest.raises(DiaryFull):
        record(user=ann, movie=MATRIX, playback=REPORT)
    assert store.viewings.count(ann.id) == 1
