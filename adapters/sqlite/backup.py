"""Backup and restore of the embedded store.

A backup is made by SQLite's online backup (sqlite.org/backup.html), which copies one state of the store while
others write. `backup_file` describes the format.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.sqlite import backup_file
from adapters.sqlite.backup_file import BackupSummary
from adapters.sqlite.database import WRITE_TIMEOUT
from adapters.sqlite.files import BACKUP, HARD_LINKS_UNSUPPORTED
from adapters.sqlite.schema import renew_changes_epoch
from domain.errors import Conflict, Invalid, StorageUnavailable, Unavailable
from domain.ports import Clock

STAGING = ".matinee-backup-"
RESTORING = ".restoring"
"""Directories in which a backup and a restored store are made before they are moved to their final paths."""

IGNORED = frozenset({RESTORING, "lost+found"})
"""Entries that an empty directory may have: the rest of a killed restore, and a file system's own."""

LEFT_BY_SERVE = frozenset({"metrics", "queue", "redis.sock", "valkey.pid"})
"""Entries that `serve` leaves in a directory where it refuses to start because a restore was killed."""

DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Primary result codes of SQLite for a damaged database."""


class StoreMissing(Invalid):
    """There is no store to back up."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"there is no store in {self.directory}; --data-dir names the directory of another"


@dataclass(eq=False)
class BackupRefused(Conflict):
    """The target exists, belongs to the store itself, or is not empty."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class BackupFailed(Unavailable):
    """Reading or writing failed. No incomplete file is left."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteBackups:
    """Makes backups of the store at `path`, and restores them. `secret` is the file of the signing secret."""

    path: Path
    secret: Path
    clock: Clock
    version: str

    def write(self, target: Path, *, overwrite: bool = False) -> BackupSummary:
        """Write a backup atomically; only its owner may read it.

        With `overwrite` it replaces an existing file. Raises StoreMissing, BackupRefused if the target exists
        or cannot be written, and BackupFailed.
        """
        if not self.path.is_file():
            raise StoreMissing(self.path.parent)
        self._refuse_target(target, overwrite=overwrite)
        message = f"the backup cannot be written to {target}"
        with _failures(message, reading=self.path), _staging(target.parent) as folder:
            copy = folder / "backup"
            with closing(backup_file.connect(self.path, "mode=rw")) as source:
                _require_space(source, folder)
                with closing(_create(copy)) as connection:
                    source.backup(connection)
                    self._complete(connection)
                    summary = backup_file.summarize(target, connection)
            backup_file.write_checksum(copy)
            _sync(copy)
            _publish(copy, target, overwrite=overwrite)
            return summary

    def examine(self, source: Path) -> BackupSummary:
        """Check a backup and summarize it. Raises InvalidBackup."""
        with backup_file.opened_backup(source) as connection:
            return backup_file.examine(source, connection)

    def restore(self, source: Path) -> BackupSummary:
        """Restore a backup to the store's directory, which must be empty and used by no other process.

        A restore that is killed leaves either the whole store or none; the next one deletes its remains.
        Raises BackupRefused if the directory is not empty, InvalidBackup and BackupFailed.
        """
        directory = self.path.parent
        message = f"the backup cannot be restored to {directory}"
        with _failures(message), backup_file.opened_backup(source) as connection:
            summary = backup_file.examine(source, connection)
            folder = self._cleared(directory)
            _require_space(connection, directory)
            folder.mkdir(mode=0o700)
            try:
                with closing(_create(folder / self.path.name)) as copy:
                    connection.backup(copy)
                    secret = backup_file.remove_metadata(copy)
                    _renew_epoch(copy)
                _sync(folder / self.path.name)
                if secret is not None:
                    _write(folder / self.secret.name, secret)
                    (folder / self.secret.name).replace(self.secret)
                (folder / self.path.name).replace(self.path)
                _sync(directory)
            finally:
                shutil.rmtree(folder)
            return summary

    def _refuse_target(self, target: Path, *, overwrite: bool) -> None:
        """Raises BackupRefused for a target that must not be written."""
        if target.is_dir():
            raise BackupRefused(
                f"{target} is a directory; name a file in it, such as {target / 'matinee.db'}"
            )
        if not target.parent.is_dir():
            raise BackupRefused(f"there is no directory {target.parent}; make it first, or name another file")
        if not os.path.lexists(target):
            return
        own_files = [*self.path.parent.glob(f"{self.path.name}*"), self.secret]
        if any(each.samefile(target) for each in own_files if each.exists() and target.exists()):
            raise BackupRefused(f"{target} belongs to the store itself; name another file")
        if not overwrite:
            raise BackupRefused(f"{target} exists already; name another file, or let --overwrite replace it")
        if not target.is_file():
            raise BackupRefused(f"{target} is no ordinary file; name another one")

    def _complete(self, connection: sqlite3.Connection) -> None:
        """Check a copy, make it a single file, and add the secret and other metadata. Raises BackupFailed."""
        connection.execute("PRAGMA journal_mode = DELETE")
        damage = backup_file.damage_of(connection)
        if damage:
            raise _store_damaged(self.path, damage)
        values = {"made_at": _timestamp(self.clock()), "made_by": self.version}
        with suppress(FileNotFoundError):  # JWT_SECRET is set, or no token was ever signed
            values[backup_file.SECRET_NAME] = self.secret.read_text()
        backup_file.add_metadata(connection, values)

    def _cleared(self, directory: Path) -> Path:
        """The directory in which to restore, which does not exist. Raises BackupRefused if `directory` is not
        empty.
        """
        folder = directory / RESTORING
        present = {each.name for each in directory.iterdir()} - IGNORED
        if folder.exists():  # a restore was killed, perhaps after it moved the secret
            present -= {self.secret.name, *LEFT_BY_SERVE}
        if present:
            reason = f"{directory} is not empty; move it away, or choose another directory by --data-dir"
            raise BackupRefused(reason)
        if folder.exists():
            shutil.rmtree(folder)
        return folder


def refuse_unfinished(path: Path) -> None:
    """Raises StorageUnavailable if a restore was killed: a new store would hide that the data is missing."""
    folder = path.parent / RESTORING
    if folder.exists() and not path.exists():
        reason = f"a restore to {path.parent} was not finished; run it again, or delete {folder}"
        raise StorageUnavailable(reason)


def _renew_epoch(copy: sqlite3.Connection) -> None:
    """Make the marks of clients invalid, which may have read changes that the backup does not have."""
    with copy:
        if copy.execute("SELECT 1 FROM counters WHERE name = 'changes_epoch'").fetchone():
            renew_changes_epoch(copy)


def _create(path: Path) -> sqlite3.Connection:
    """Create a database that only its owner may read. The caller syncs the finished file."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, timeout=WRITE_TIMEOUT)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _require_space(source: sqlite3.Connection, folder: Path) -> None:
    """Raises BackupFailed if the disk has no room for a copy."""
    needed, free = backup_file.size_of(source), shutil.disk_usage(folder).free
    if needed > free:
        raise BackupFailed(f"the disk of {folder} is too full: {needed} bytes are needed, {free} are free")


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    """A temporary directory for a backup in progress; those of killed backups are deleted.

    It is locked with `flock`, so the kernel frees the lock when the process ends.
    """
    for former in parent.glob(f"{STAGING}*"):
        with _locked(former) as abandoned:
            if abandoned:
                shutil.rmtree(former)
    folder = Path(tempfile.mkdtemp(prefix=STAGING, dir=parent))
    with _locked(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Try to lock a directory; yields whether that succeeded."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _publish(copy: Path, target: Path, *, overwrite: bool) -> None:
    """Move a finished backup to its final path. Raises BackupRefused if that exists by now."""
    if overwrite:
        copy.replace(target)
    else:
        try:
            os.link(copy, target)
        except FileExistsError:
            raise BackupRefused(
                f"{target} was made by another program meanwhile; name another file"
            ) from None
        except OSError as error:
            if error.errno not in HARD_LINKS_UNSUPPORTED:
                raise
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            copy.replace(target)
    _sync(target.parent)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Flush a file, or the entries of a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _failures(message: str, *, reading: Path | None = None) -> Iterator[None]:
    """Translate errors of SQLite and of the file system into BackupFailed.

    If the store at `reading` is damaged, the error says so.
    """
    try:
        yield
    except sqlite3.Error as error:
        if reading and getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
            raise _store_damaged(reading, str(error)) from error
        raise BackupFailed(f"{message}: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{message}: {error.strerror or error}") from error


def _store_damaged(store: Path, damage: str) -> BackupFailed:
    return BackupFailed(
        f"the store {store} is damaged, so no backup was made: {damage}; restore an earlier one ({BACKUP})"
    )


def _timestamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
