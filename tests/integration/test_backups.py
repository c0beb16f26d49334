"""Backups of the embedded store: writing, restoring, refusals and damaged files."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite import backup as backups
from adapters.sqlite.backup import (
    RESTORING,
    STAGING,
    BackupFailed,
    BackupRefused,
    SqliteBackups,
    StoreMissing,
)
from adapters.sqlite.backup_file import METADATA_TABLE, InvalidBackup
from adapters.sqlite.schema import MIGRATIONS, apply_migrations
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, noon
from domain.errors import StorageUnavailable

Files = dict[str, bytes]

SECRET = "a-secret-of-48-bytes-that-signs-the-access-tokens\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with an open store, part of which is in the WAL."""
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "jwt-secret").write_text(SECRET)
    return directory


@pytest.fixture(autouse=True)
def store(source: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path=source / "matinee.db", clock=noon)
    opened.prepare()
    with opened.database.writing() as connection:
        connection.execute("INSERT INTO genres VALUES ('a', 1, 'Drama', '', '')")
    yield opened
    opened.close()


@pytest.fixture
def backup(tmp_path: Path, source: Path) -> Path:
    path = tmp_path / "backup.db"
    of(source).write(path)
    return path


def of(directory: Path) -> SqliteBackups:
    return SqliteBackups(
        path=directory / "matinee.db", secret=directory / "jwt-secret", clock=noon, version="1.2.3"
    )


def genres(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM genres")]


def files(directory: Path) -> Files:
    return {
        str(each.relative_to(directory)): each.read_bytes() for each in directory.rglob("*") if each.is_file()
    }


def test_a_backup_is_one_private_sqlite_file(tmp_path: Path, source: Path) -> None:
    before = os.umask(0)
    try:
        written = of(source).write(tmp_path / "backup.db")
    finally:
        os.umask(before)
    assert {each.name for each in tmp_path.iterdir()} == {"source", "backup.db"}
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
    assert genres(tmp_path / "backup.db") == ["Drama"]
    assert {each.name for each in tmp_path.iterdir()} == {"source", "backup.db"}  # also no WAL beside it
    assert (written.version, written.with_secret, written.made_by) == (len(MIGRATIONS), True, "1.2.3")
    assert written.content.endswith("0 movies, 0 users, 0 ratings, 0 watchlist entries, 0 viewings")


def test_a_restored_store_equals_the_backed_up_one(tmp_path: Path, backup: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    restored = of(target).restore(backup)
    assert {each.name for each in target.iterdir()} == {"matinee.db", "jwt-secret"}
    assert all(each.stat().st_mode & 0o077 == 0 for each in target.iterdir())
    assert (target / "jwt-secret").read_text() == SECRET
    assert SECRET.strip().encode() not in (target / "matinee.db").read_bytes()
    assert METADATA_TABLE.encode() not in (target / "matinee.db").read_bytes()
    assert restored.made_at == "2026-01-01T12:00:00Z"
    reopened = SqliteStore(path=target / "matinee.db", clock=noon)
    reopened.prepare()
    reopened.close()
    assert genres(target / "matinee.db") == ["Drama"]
    again = tmp_path / "again.db"
    assert of(target).write(again).with_secret  # a restored store can be backed up again


def test_files_are_synced_before_they_are_named(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are recognized by inode, which a rename keeps; syncing a directory makes its names durable."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))

    def numbers(*paths: Path) -> list[int]:
        return [path.stat().st_ino for path in paths]

    of(source).write(tmp_path / "backup.db")
    assert synced == numbers(tmp_path / "backup.db", tmp_path)
    synced.clear()
    target = tmp_path / "target"
    target.mkdir()
    of(target).restore(tmp_path / "backup.db")
    assert synced == numbers(target / "matinee.db", target / "jwt-secret", target)


def test_a_store_without_a_secret_is_restored_without_one(tmp_path: Path, source: Path) -> None:
    (source / "jwt-secret").unlink()
    assert not of(source).write(tmp_path / "backup.db").with_secret
    target = tmp_path / "elsewhere"
    target.mkdir()
    assert not of(target).restore(tmp_path / "backup.db").with_secret
    assert [each.name for each in target.iterdir()] == ["matinee.db"]


def test_a_copied_store_with_its_wal_can_be_restored(tmp_path: Path, source: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    for each in source.iterdir():
        (taken / each.name).write_bytes(each.read_bytes())
    assert (taken / "matinee.db-wal").stat().st_size > 0
    target = tmp_path / "elsewhere"
    target.mkdir()
    of(target).restore(taken / "matinee.db")
    assert genres(target / "matinee.db") == ["Drama"]


def test_a_file_is_overwritten_only_on_request_and_a_store_never(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "backup.db"
    target.write_text("mine")
    with pytest.raises(BackupRefused, match="exists already; name another file, or let --overwrite"):
        of(source).write(target)
    assert target.read_text() == "mine"
    of(source).write(target, overwrite=True)
    assert genres(target) == ["Drama"]

    before = files(source)
    (tmp_path / "link").symlink_to(source / "matinee.db")
    for place in (source / "matinee.db", source / "jwt-secret", source / "matinee.db-wal", tmp_path / "link"):
        with pytest.raises(BackupRefused, match="belongs to the store itself"):
            of(source).write(place, overwrite=True)
    (tmp_path / "dead").symlink_to(tmp_path / "nothing")
    with pytest.raises(BackupRefused, match="no ordinary file"):
        of(source).write(tmp_path / "dead", overwrite=True)
    assert files(source) == before


def test_an_impossible_target_is_refused_with_advice(tmp_path: Path, source: Path) -> None:
    with pytest.raises(BackupRefused, match=f"{tmp_path} is a directory; name a file in it, such as"):
        of(source).write(tmp_path)
    with pytest.raises(BackupRefused, match=r"there is no directory .*/none; make it first"):
        of(source).write(tmp_path / "none" / "backup.db")
    with pytest.raises(StoreMissing, match=f"there is no store in {tmp_path}"):
        of(tmp_path).write(tmp_path / "backup.db")
    assert [each.name for each in tmp_path.iterdir()] == ["source"]


def test_two_concurrent_backups_to_one_file_do_not_interfere(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, sync = tmp_path / "backup.db", backups._sync

    def meanwhile(path: Path) -> None:
        if not target.exists():
            target.write_text("another's")
        sync(path)

    monkeypatch.setattr(backups, "_sync", meanwhile)
    with pytest.raises(BackupRefused, match="was made by another program meanwhile"):
        of(source).write(target)
    assert target.read_text() == "another's"
    assert not list(tmp_path.glob(f"{STAGING}*"))


def test_a_file_system_without_hard_links_is_supported(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def linkless(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", linkless)
    of(source).write(tmp_path / "backup.db")
    assert genres(tmp_path / "backup.db") == ["Drama"]
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600


def test_the_rest_of_a_killed_backup_is_removed_but_not_that_of_a_running_one(
    tmp_path: Path, source: Path
) -> None:
    (tmp_path / f"{STAGING}dead").mkdir()
    (tmp_path / f"{STAGING}dead" / "backup").write_bytes(b"half")
    at_work = tmp_path / f"{STAGING}alive"
    at_work.mkdir()
    with backups._locked(at_work):
        of(source).write(tmp_path / "backup.db")
    assert list(tmp_path.glob(f"{STAGING}*")) == [at_work]


@pytest.mark.parametrize("entry", ["matinee.db", "note.txt", ".hidden", "jwt-secret", "queue/x"])
def test_a_restore_to_a_directory_that_is_not_empty_is_refused(
    tmp_path: Path, backup: Path, entry: str
) -> None:
    target = tmp_path / "elsewhere"
    (target / entry).parent.mkdir(parents=True)
    (target / entry).write_text("mine")
    with pytest.raises(BackupRefused, match=r"is not empty; move it away, or choose another .*--data-dir"):
        of(target).restore(backup)
    assert files(target) == {entry: b"mine"}


def test_a_directory_with_only_lost_and_found_is_empty(tmp_path: Path, backup: Path) -> None:
    target = tmp_path / "elsewhere"
    (target / "lost+found").mkdir(parents=True)
    of(target).restore(backup)
    assert (target / "matinee.db").exists()


def test_a_killed_restore_is_reported_and_can_be_repeated(tmp_path: Path, backup: Path) -> None:
    target = tmp_path / "elsewhere"
    (target / RESTORING).mkdir(parents=True)
    (target / RESTORING / "matinee.db").write_bytes(b"half")
    (target / "jwt-secret").write_text("of the killed one")
    with pytest.raises(StorageUnavailable, match=r"was not finished; run it again, or delete"):
        SqliteStore(path=target / "matinee.db", clock=noon).prepare()
    of(target).restore(backup)
    assert (target / "jwt-secret").read_text() == SECRET
    assert {each.name for each in target.iterdir()} == {"matinee.db", "jwt-secret"}


def damaged(path: Path, at: float) -> None:
    """Overwrite two kilobytes of a file after its first page."""
    content = bytearray(path.read_bytes())
    place = 4096 + int((len(content) - 8192) * at)
    content[place : place + 2048] = b"\xaa" * 2048
    path.write_bytes(content)


@pytest.mark.parametrize("at", [0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_a_damaged_backup_is_refused(tmp_path: Path, backup: Path, at: float) -> None:
    damaged(backup, at)
    target = tmp_path / "elsewhere"
    target.mkdir()
    for act in (of(target).examine, of(target).restore):
        with pytest.raises(InvalidBackup, match=r"damaged .*try another backup"):
            act(backup)
    assert not list(target.iterdir())


def test_a_changed_bit_of_a_text_is_detected(tmp_path: Path, backup: Path) -> None:
    content = backup.read_bytes()
    assert content.count(b"Drama") > 0
    backup.write_bytes(content.replace(b"Drama", b"Erama"))
    with pytest.raises(InvalidBackup, match="it was damaged or changed after it was made"):
        of(tmp_path).examine(backup)


def test_a_backup_that_was_opened_by_sqlite_is_still_valid(tmp_path: Path, backup: Path) -> None:
    assert genres(backup) == ["Drama"]
    of(tmp_path).examine(backup)


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_an_index(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX users_by_created_at")


def of_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def anothers(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE films (name); PRAGMA user_version = 1")


def as_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (shortened, "it is damaged"),
        (without_an_index, r"it is damaged \(users.users_by_created_at\)"),
        (of_the_future, "this Matinee knows up to .*: install a newer one"),
        (anothers, "it is no backup of Matinee"),
        (lambda path: path.write_bytes(b""), "it is no backup of Matinee"),
        (lambda path: path.write_text("hello"), "it is no backup of Matinee"),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08 and so on"), "it is compressed; unpack it first"),
        (Path.unlink, "there is no such file"),
        (as_a_directory, "it is a directory"),
        (as_a_pipe, "it is no ordinary file"),
    ],
)
def test_a_file_that_is_not_a_backup_is_refused_with_the_reason(
    tmp_path: Path, backup: Path, spoil: Any, reason: str
) -> None:
    spoil(backup)
    target = tmp_path / "elsewhere"
    target.mkdir()
    with pytest.raises(InvalidBackup, match=reason):
        of(target).restore(backup)
    assert not list(target.iterdir())


def test_marks_from_before_a_restore_are_of_another_history(
    tmp_path: Path, store: SqliteStore, backup: Path
) -> None:
    user, target = add_user(store).id, tmp_path / "elsewhere"
    of(tmp_path / "source").write(backup, overwrite=True)
    target.mkdir()
    of(target).restore(backup)
    restored = SqliteStore(path=target / "matinee.db", clock=noon)
    assert restored.changes.since(user, 0, 9).epoch != store.changes.since(user, 0, 9).epoch
    restored.close()


def test_a_backup_of_an_older_schema_is_migrated_when_it_is_opened(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    with closing(sqlite3.connect(old / "matinee.db")) as connection:
        apply_migrations(connection, MIGRATIONS[:1])
        connection.execute("INSERT INTO genres VALUES ('a', 1, 'Drama', '', '')")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    assert of(old).write(tmp_path / "old.db").version == 1  # a backup does not migrate it
    target = tmp_path / "elsewhere"
    target.mkdir()
    assert of(target).restore(tmp_path / "old.db").rows == {"movies": 0}
    store = SqliteStore(path=target / "matinee.db", clock=noon)
    store.prepare()
    assert store.inspect().version == len(MIGRATIONS)
    store.close()
    assert genres(target / "matinee.db") == ["Drama"]


def test_a_damaged_store_is_not_backed_up(tmp_path: Path, store: SqliteStore, source: Path) -> None:
    with store.database.writing() as connection:
        connection.executemany(
            "INSERT INTO movie_terms VALUES (?, 1.0, 1)", [(f"{number:0500}",) for number in range(500)]
        )
    store.close()
    damaged(source / "matinee.db", 0.9)
    target = tmp_path / "backup.db"
    said = rf"the store {source}/matinee\.db is damaged, so no backup was made: .*; restore an earlier one"
    with pytest.raises(BackupFailed, match=said):
        of(source).write(target)
    os.truncate(source / "matinee.db", (source / "matinee.db").stat().st_size // 2)
    with pytest.raises(BackupFailed, match=said):
        of(source).write(target)
    assert {each.name for each in tmp_path.iterdir()} == {"source"}


def test_a_full_disk_is_reported_before_anything_is_written(
    tmp_path: Path, source: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(BackupFailed, match=r"is too full: [0-9]+ bytes are needed, 1000 are free"):
        of(source).write(tmp_path / "another.db")
    target = tmp_path / "elsewhere"
    target.mkdir()
    with pytest.raises(BackupFailed, match="is too full"):
        of(target).restore(backup)
    assert not list(target.iterdir())
    assert {each.name for each in tmp_path.iterdir()} == {"source", "backup.db", "elsewhere"}
