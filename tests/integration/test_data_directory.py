"""The data directory: an error is one line that names DATA_DIR and how to correct it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from entrypoints import data_directory
from entrypoints.data_directory import DataDirectoryUnusable


def test_a_missing_directory_is_created_with_private_permissions(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    assert not data_directory.exists(directory)
    assert data_directory.prepare(directory) == directory
    assert data_directory.exists(directory)
    assert directory.stat().st_mode & 0o077 == 0
    assert list(directory.iterdir()) == []
    assert data_directory.prepare(directory) == directory


def test_a_link_to_a_directory_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert data_directory.prepare(tmp_path / "link") == tmp_path / "real"


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (Path.touch, "is not a directory"),
        (lambda path: path.symlink_to("nowhere"), "is a link that leads nowhere"),
        (loop, "is a link that leads to itself"),
    ],
)
def test_a_file_instead_of_the_directory_is_reported(
    tmp_path: Path, make: Callable[[Path], None], fault: str
) -> None:
    directory = tmp_path / "data"
    make(directory)
    for look in (data_directory.exists, data_directory.prepare):
        with pytest.raises(DataDirectoryUnusable) as refused:
            look(directory)
        assert str(refused.value).startswith(f"DATA_DIR {directory} {fault}: ")
        assert "--data-dir" in str(refused.value)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (errno.ENOSPC, "the disk is full: make room"),
        (errno.EDQUOT, "the disk quota is used up: make room"),
        (errno.EROFS, "is on a read-only file system: choose another"),
        (errno.EACCES, r"may not be used by the user that runs matinee \(.+\): give it to that user"),
        (errno.EPERM, "may not be used by the user that runs matinee"),
        (errno.EIO, "the disk is broken"),
        (errno.ESTALE, "cannot be used"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_refused_operation_is_reported_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fault: str, there: bool
) -> None:
    def refuse(**_: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    directory = tmp_path / "data"
    if there:
        directory.mkdir()
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(DataDirectoryUnusable, match=fault) as refused:
        data_directory.prepare(directory)
    assert str(refused.value).startswith(f"DATA_DIR {directory} ")
    assert "\n" not in str(refused.value)
    assert directory.exists() == there  # no file is left behind


def test_a_user_without_a_name_is_shown_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 987654)
    with pytest.raises(DataDirectoryUnusable, match=r"matinee \(987654\)"):
        data_directory.prepare(tmp_path)
