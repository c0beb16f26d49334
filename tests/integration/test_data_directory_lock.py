"""A data directory is used by one `serve` at a time."""

import os
import sys
from pathlib import Path

import pytest

from domain.errors import StorageUnavailable
from entrypoints.data_directory import DataDirectoryUnusable
from entrypoints.processes import data_directory_lock
from entrypoints.processes.data_directory_lock import DataDirectoryTaken, locked


def test_the_second_process_in_a_directory_gets_the_id_of_the_first(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    with locked(directory):
        with pytest.raises(DataDirectoryTaken) as caught, locked(directory):
            pass
        assert str(directory) in str(caught.value)
        assert caught.value.pid == (os.getpid() if sys.platform == "linux" else None)
    with locked(directory):
        assert list(directory.iterdir()) == []


@pytest.mark.parametrize("locks", [None, "", "1: POSIX  ADVISORY  WRITE 1 00:00:1 0 EOF\n"])
def test_without_a_known_process_the_message_names_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: str | None
) -> None:
    table = tmp_path / "locks"
    if locks is not None:
        table.write_text(locks)
    monkeypatch.setattr(data_directory_lock, "LOCK_TABLE", table)
    with (
        locked(tmp_path),
        pytest.raises(DataDirectoryTaken, match="another matinee serve uses"),
        locked(tmp_path),
    ):
        pass


def test_a_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="is not a directory"), locked(tmp_path / "file"):
        pass


def test_a_directory_that_cannot_be_locked_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StorageUnavailable, match="cannot be locked: No locks"), locked(tmp_path):
        pass
