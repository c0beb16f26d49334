"""Stores of earlier versions are brought forward with all that is in them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters import system
from adapters.sqlite.database import MIGRATIONS, apply_migrations
from adapters.sqlite.rows import Cell, insert, rating_row, run_row, user_row
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import account, noon, verdict
from domain.ids import RunId, UserId, movie_id
from domain.ratings import RatingOrder
from domain.sync import Entity, SourceName, SyncRun
from domain.users import LastAdmin, Role

ANN = UserId("a" * 24)


def earlier(path: Path, version: int) -> sqlite3.Connection:
    """A store as that version left it, without any rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    apply_migrations(connection, MIGRATIONS[:version])
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


def run_row_of_version_2(run: SyncRun) -> dict[str, Cell]:
    """A run as versions before the fifth kept it."""
    return {
        name: value
        for name, value in run_row(run).items()
        if name not in ("source", "problems_dropped", "unread")
    }


@pytest.mark.parametrize("by", RatingOrder)
def test_ratings_and_runs_of_version_2_can_be_walked_in_every_order(tmp_path: Path, by: RatingOrder) -> None:
    ratings = [verdict(ANN, movie_id(number), 1 + number % 5, 1 + number % 7) for number in range(1, 30)]
    runs = [
        SyncRun(
            id=RunId(f"{number:024x}"),
            entity=Entity.GENRES,
            started_at=noon(1 + number // 3),
            source=SourceName.DEMO,
        ).finished(noon(20))
        for number in range(9)
    ]
    with closing(earlier(tmp_path / "matinee.db", 2)) as connection:
        for table, row in (
            *(("ratings", rating_row(rating)) for rating in ratings),
            *(("synclogs", run_row_of_version_2(run)) for run in runs),
        ):
            connection.execute(insert(table, row), row)
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    assert store.inspect().missing == ()
    for descending in (True, False):
        ordered = sorted(ratings, key=lambda rating: rating.id)
        ordered.sort(key=lambda rating: rating.cursor(by).value, reverse=descending)  # type: ignore[arg-type,return-value]
        assert store.ratings.of_user(ANN, by, descending=descending, limit=50) == ordered
    assert store.runs.recent(20) == sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    store.close()


def test_the_last_active_admin_of_version_8_is_still_known_as_one(tmp_path: Path) -> None:
    ann, bob = account("ann", role=Role.ADMIN), account("bob", role=Role.ADMIN, disabled=True)
    with closing(earlier(tmp_path / "matinee.db", 8)) as connection:
        for row in map(user_row, (ann, bob)):
            row["runs_the_place"] = row.pop("is_active_admin")
            connection.execute(insert("users", row), row)
        connection.execute("UPDATE counters SET value = 2 WHERE name = 'users'")
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    assert store.inspect().missing == ()
    assert {user.id: user for user in store.users.page(9)} == {ann.id: ann, bob.id: bob}
    with pytest.raises(LastAdmin):
        store.users.remove(ann.id)
    store.users.remove(bob.id)
    store.prepare()
    assert store.users.count() == 1
    store.close()
