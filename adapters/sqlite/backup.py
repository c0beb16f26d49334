"""Backups of the embedded store: one SQLite file that holds all of it, and the secret that signs tokens.

A backup is a database of the same schema with one more table, so any SQLite can look into it. It is made by
SQLite's online backup (sqlite.org/backup.html), which reads one state of the store while others write.

A checksum in that table finds damage that leaves the structure of the database whole. It is computed over the
file with zeros in the checksum's place.
"""

import errno
import fcntl
import gzip
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from adapters.sqlite.database import WRITE_TIMEOUT
from adapters.sqlite.files import BACKUP
from adapters.sqlite.inspection import NEWEST, parts, parts_of
from domain.errors import Conflict, Invalid, StorageUnavailable, Unavailable
from domain.ports import Clock

EXTRA = "matinee_backup"
"""The table that only a backup has: names and values."""

SECRET_NAME = "jwt-secret"  # noqa: S105  the name of a value
COUNTED = {
    "movies": ("movie", "movies"),
    "users": ("user", "users"),
    "ratings": ("rating", "ratings"),
    "watchlists": ("watchlist entry", "watchlist entries"),
}
"""Tables whose rows are told, with the words for one and for several."""

CHECKSUM = "sha256"
BLANK = b"0" * 64
"""The name of the checksum, and what stands in its place while it is computed: 64 hexadecimal digits."""

STAGING = ".matinee-backup-"
RESTORING = ".restoring"
"""Directories in which a backup, and a restored store, are made before they get their names."""

IGNORED = frozenset({RESTORING, "lost+found"})
"""What a directory may hold and still count as empty: the rest of a killed restore, and a disk's own."""

LEFT_BY_SERVE = frozenset({"metrics", "queue", "redis.sock", "valkey.pid"})
"""What `serve` leaves where it has found that a restore was killed."""

DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""How SQLite says that a database is damaged, by primary codes."""

SQLITE_BEGINS = b"SQLite format 3\0"
LINKLESS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How a file system says that it has no hard links."""


class StoreMissing(Invalid):
    """There is nothing to be backed up."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"there is no store in {self.directory}; --data-dir names the directory of another"


@dataclass(eq=False)
class BackupRefused(Conflict):
    """The file or the directory to be written is not to be written over."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class BackupUnfit(Conflict):
    """The file to be restored is no whole backup that this version can use."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be restored: {self.reason}"


@dataclass(eq=False)
class BackupFailed(Unavailable):
    """Reading or writing failed; nothing half-written is left."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """What a backup holds: its schema's version, rows by table, and when and by which Matinee it was made, if
    it tells.
    """

    path: Path
    size: int
    version: int
    rows: dict[str, int]
    with_secret: bool
    made_at: str | None = None
    made_by: str | None = None

    @property
    def content(self) -> str:
        """What is in it, in words."""
        counts = [f"{count} {COUNTED[table][count != 1]}" for table, count in self.rows.items()]
        return ", ".join([f"{self.size / 1e6:.1f} MB", *counts])


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteBackups:
    """Makes backups of the store at `path`, and restores one to there. `secret` is the secret's file."""

    path: Path
    secret: Path
    clock: Clock
    version: str

    def write(self, target: Path, *, overwrite: bool = False) -> BackupSummary:
        """Write a backup, whole or not at all; only its owner may read it.

        With `overwrite` it takes the place of a file of that name in one step. Raises StoreMissing,
        BackupRefused if the file exists or cannot be one, and BackupFailed.
        """
        if not self.path.is_file():
            raise StoreMissing(self.path.parent)
        self._refuse_target(target, overwrite=overwrite)
        cannot = f"the backup cannot be written to {target}"
        with _failures(cannot, reading=self.path), _staging(target.parent) as folder:
            copy = folder / "backup"
            with closing(_open(self.path, "mode=rw")) as source:
                _need_space(source, folder)
                with closing(_new(copy)) as connection:
                    source.backup(connection)
                    self._complete(connection)
                    summary = _summary(target, connection)
            _seal(copy)
            _sync(copy)
            _publish(copy, target, overwrite=overwrite)
            return summary

    def examine(self, source: Path) -> BackupSummary:
        """What a file to be restored holds. Raises BackupUnfit if it is no whole backup."""
        with _readable(source) as connection:
            return _examined(source, connection)

    def restore(self, source: Path) -> BackupSummary:
        """Make the store of a backup, in a directory that is empty and that nobody else uses meanwhile.

        Killed at any moment it leaves either the whole store or none; the rest of it is cleared away by the
        next restore. Raises BackupRefused if the directory is not empty, BackupUnfit and BackupFailed.
        """
        directory = self.path.parent
        with _failures(f"the backup cannot be restored to {directory}"), _readable(source) as connection:
            summary = _examined(source, connection)
            folder = self._cleared(directory)
            _need_space(connection, directory)
            folder.mkdir(mode=0o700)
            try:
                with closing(_new(folder / self.path.name)) as copy:
                    connection.backup(copy)
                    secret = _separated(copy)
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
        if target.is_dir():
            raise BackupRefused(
                f"{target} is a directory; name a file in it, such as {target / 'matinee.db'}"
            )
        if not target.parent.is_dir():
            raise BackupRefused(f"there is no directory {target.parent}; make it first, or name another file")
        if not os.path.lexists(target):
            return
        ours = [each for each in self.path.parent.glob(f"{self.path.name}*") if each.exists()]
        if any(each.samefile(target) for each in (*ours, self.secret) if each.exists() and target.exists()):
            raise BackupRefused(f"{target} belongs to the store itself; name another file")
        if not overwrite:
            raise BackupRefused(f"{target} exists already; name another file, or let --overwrite replace it")
        if not target.is_file():
            raise BackupRefused(f"{target} is no ordinary file; name another one")

    def _complete(self, connection: sqlite3.Connection) -> None:
        """Make one file of the copy, check it, and add what the store alone does not hold."""
        connection.execute("PRAGMA journal_mode = DELETE")
        damage = _damage(connection)
        if damage:
            raise _store_damaged(self.path, damage)
        facts = {"made_at": _moment(self.clock()), "made_by": self.version, CHECKSUM: BLANK.decode()}
        with suppress(FileNotFoundError):  # JWT_SECRET is set, or no process ever signed a token
            facts[SECRET_NAME] = self.secret.read_text()
        with connection:
            connection.execute(
                f"CREATE TABLE {EXTRA} (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
            )
            connection.executemany(f"INSERT INTO {EXTRA} VALUES (?, ?)", facts.items())

    def _cleared(self, directory: Path) -> Path:
        """Where to make the store. Raises BackupRefused if the directory is not empty."""
        folder = directory / RESTORING
        there = {each.name for each in directory.iterdir()} - IGNORED
        if folder.exists():  # a restore was killed, perhaps after the secret had its name
            there -= {self.secret.name, *LEFT_BY_SERVE}
        if there:
            reason = f"{directory} is not empty; move it away, or choose another directory by --data-dir"
            raise BackupRefused(reason)
        if folder.exists():
            shutil.rmtree(folder)
        return folder


def refuse_unfinished(path: Path) -> None:
    """Raise StorageUnavailable where a restore was killed: a new store there would look like the old one."""
    rest = path.parent / RESTORING
    if rest.exists() and not path.exists():
        reason = f"a restore to {path.parent} was not finished; run it again, or delete {rest}"
        raise StorageUnavailable(reason)


def _open(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=WRITE_TIMEOUT)


def _new(path: Path) -> sqlite3.Connection:
    """A new database that only its owner may read; it is synced as a whole when it is done."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, timeout=WRITE_TIMEOUT)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


@contextmanager
def _readable(source: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a backup by which it is not changed, nor any file made beside it.

    Raises BackupUnfit for what cannot be one.
    """
    if not source.is_file():
        reason = "it is a directory" if source.is_dir() else "there is no such file"
        raise BackupUnfit(
            source, reason if not source.exists() or source.is_dir() else "it is no ordinary file"
        )
    try:
        with source.open("rb") as file:
            begins = file.read(len(SQLITE_BEGINS))
    except OSError as error:
        raise BackupUnfit(source, error.strerror or str(error)) from error
    if begins[:2] == gzip.compress(b"")[:2]:
        raise BackupUnfit(source, "it is compressed; unpack it first, with gunzip or tar")
    if begins != SQLITE_BEGINS:
        raise BackupUnfit(source, "it is no backup of Matinee")
    beside = source.with_name(f"{source.name}-wal")  # a copy of a store as it was, with its log
    with closing(_open(source, "mode=ro" if beside.exists() else "mode=ro&immutable=1")) as connection:
        yield connection


def _examined(source: Path, connection: sqlite3.Connection) -> BackupSummary:
    """What a backup holds. Raises BackupUnfit if it is not whole, or not one that we can use."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        there = parts(connection)
        if not version or "movies" not in there:
            raise BackupUnfit(source, "it is no backup of Matinee")
        if version > NEWEST:
            reason = (
                f"its schema has version {version}, this Matinee knows up to {NEWEST}: install a newer one"
            )
            raise BackupUnfit(source, reason)
        damage = _damage(connection) or ", ".join(sorted(parts_of(version) - there))
        if damage:
            raise BackupUnfit(source, f"it is damaged ({damage}); take another backup")
        if not _sealed(source, _facts(connection, there).get(CHECKSUM)):
            raise BackupUnfit(source, "it was damaged or changed after it was made; take another backup")
        return _summary(source, connection)
    except sqlite3.DatabaseError as error:
        raise BackupUnfit(source, f"it is damaged ({error}); take another backup") from error


def _damage(connection: sqlite3.Connection) -> str:
    """What SQLite finds wrong with a whole database; empty if all is well."""
    found = [line for (line,) in connection.execute("PRAGMA quick_check(3)")]
    return "" if found == ["ok"] else "; ".join(line.replace("\n", " ") for line in found)


def _summary(path: Path, connection: sqlite3.Connection) -> BackupSummary:
    there = parts(connection)
    facts = _facts(connection, there)
    rows = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in COUNTED
        if table in there
    }
    return BackupSummary(
        path=path,
        size=_size(connection),
        version=connection.execute("PRAGMA user_version").fetchone()[0],
        rows=rows,
        with_secret=SECRET_NAME in facts,
        made_at=facts.get("made_at"),
        made_by=facts.get("made_by"),
    )


def _facts(connection: sqlite3.Connection, there: set[str]) -> dict[str, str]:
    """What the table that only a backup has tells; nothing of a store that was copied otherwise."""
    return dict(connection.execute(f"SELECT name, value FROM {EXTRA}")) if EXTRA in there else {}


def _seal(path: Path) -> None:
    """Write the checksum of a file into its place."""
    with path.open("r+b") as file, mmap(file.fileno(), 0) as content:
        place = content.find(CHECKSUM.encode() + BLANK) + len(CHECKSUM)
        content[place : place + len(BLANK)] = _digest(content, place)


def _sealed(path: Path, checksum: str | None) -> bool:
    """Whether a file is as it was when it was sealed; one that never was counts as such."""
    if checksum is None:
        return True
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        place = content.find((CHECKSUM + checksum).encode())
        return place >= 0 and _digest(content, place + len(CHECKSUM)) == checksum.encode()


def _digest(content: mmap, place: int) -> bytes:
    """The SHA-256 of a file, with zeros in the place of the checksum."""
    digest = sha256()
    with memoryview(content) as view:
        digest.update(view[:place])
        digest.update(BLANK)
        digest.update(view[place + len(BLANK) :])
    return digest.hexdigest().encode()


def _separated(copy: sqlite3.Connection) -> str | None:
    """Make a store of a copied backup, and return the secret that it held, of which no trace is left."""
    copy.execute("PRAGMA journal_mode = DELETE")
    if EXTRA not in parts(copy):
        return None
    found = copy.execute(f"SELECT value FROM {EXTRA} WHERE name = ?", (SECRET_NAME,)).fetchone()
    copy.execute("PRAGMA secure_delete = ON")
    with copy:
        copy.execute(f"DROP TABLE {EXTRA}")
    return str(found[0]) if found else None


def _size(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(size)


def _need_space(source: sqlite3.Connection, folder: Path) -> None:
    """Raise BackupFailed if a copy cannot fit, before anything is written."""
    needed, free = _size(source), shutil.disk_usage(folder).free
    if needed > free:
        raise BackupFailed(f"the disk of {folder} is too full: {needed} bytes are needed, {free} are free")


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    """A directory of our own for what is being made; it is gone at the end, and so is what killed ones left.

    The lock on it is the kernel's: it ends with the process.
    """
    for left in parent.glob(f"{STAGING}*"):
        with _locked(left) as abandoned:
            if abandoned:
                shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=STAGING, dir=parent))
    with _locked(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock on a directory; yields whether it was to be had."""
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
    """Give a finished backup its name, in one step. Raises BackupRefused if another has it meanwhile."""
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
            if error.errno not in LINKLESS:
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
    """Have a file, or the names in a directory, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _failures(what: str, *, reading: Path | None = None) -> Iterator[None]:
    """Turn what SQLite and the file system can raise into BackupFailed; damage is that of the store which is
    read, if one is.
    """
    try:
        yield
    except sqlite3.Error as error:
        if reading and getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
            raise _store_damaged(reading, str(error)) from error
        raise BackupFailed(f"{what}: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{what}: {error.strerror or error}") from error


def _store_damaged(store: Path, damage: str) -> BackupFailed:
    return BackupFailed(
        f"the store {store} is damaged, so no backup was made: {damage}; restore an earlier one ({BACKUP})"
    )


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
