"""The format of backups, and checks of a file before it is restored.

A backup is a database of the same schema with one more table, so any SQLite can read it. That table holds the
secret that signs tokens, and a checksum: it detects damage that leaves the structure of the database intact.
The checksum is computed over the whole file, with zeros in place of the checksum itself.
"""

import gzip
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from adapters.sqlite.database import WRITE_TIMEOUT
from adapters.sqlite.files import HEADER
from adapters.sqlite.inspection import NEWEST, parts, parts_of
from domain.errors import Conflict

METADATA_TABLE = "matinee_backup"
"""The table that only a backup has, with the columns `name` and `value`."""

SECRET_NAME = "jwt-secret"  # noqa: S105  the name of a value

CHECKSUM = "sha256"
"""The name of the checksum in the table."""

ZEROS = b"0" * 64
"""The checksum's value while it is computed: as many hexadecimal digits."""

COUNTED_TABLES = {
    "movies": ("movie", "movies"),
    "users": ("user", "users"),
    "ratings": ("rating", "ratings"),
    "watchlists": ("watchlist entry", "watchlist entries"),
    "viewings": ("viewing", "viewings"),
}
"""Tables whose rows a summary counts, with the singular and the plural of their contents."""


@dataclass(eq=False)
class InvalidBackup(Conflict):
    """The file is damaged, no backup, or of a version that this program does not know."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be restored: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """The contents of a backup.

    `size` is in bytes, `version` that of the schema, `rows` the number of rows by table. `made_at`, a text in
    RFC 3339, and `made_by`, the version of Matinee, are None for a copy that `matinee backup` did not make.
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
        """The size and the numbers of rows as text: `1.2 MB, 1 movie, 2 users, ...`."""
        counts = [f"{count} {COUNTED_TABLES[table][count != 1]}" for table, count in self.rows.items()]
        return ", ".join([f"{self.size / 1e6:.1f} MB", *counts])


def connect(path: Path, options: str) -> sqlite3.Connection:
    """Open an existing database with options of SQLite's URI, such as `mode=ro`."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=WRITE_TIMEOUT)


@contextmanager
def opened_backup(source: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a backup that changes nothing and creates no file beside it.

    Raises InvalidBackup for a file that is no database.
    """
    if not source.exists():
        raise InvalidBackup(source, "there is no such file")
    if not source.is_file():
        raise InvalidBackup(source, "it is a directory" if source.is_dir() else "it is no ordinary file")
    try:
        with source.open("rb") as file:
            header = file.read(len(HEADER))
    except OSError as error:
        raise InvalidBackup(source, error.strerror or str(error)) from error
    if header[:2] == gzip.compress(b"")[:2]:
        raise InvalidBackup(source, "it is compressed; unpack it first, with gunzip or tar")
    if header != HEADER:
        raise InvalidBackup(source, "it is no backup of Matinee")
    log = source.with_name(f"{source.name}-wal")  # of a store that was copied together with its log
    with closing(connect(source, "mode=ro" if log.exists() else "mode=ro&immutable=1")) as connection:
        yield connection


def examine(source: Path, connection: sqlite3.Connection) -> BackupSummary:
    """Check a backup and summarize it. Raises InvalidBackup."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        present = parts(connection)
        if not version or "movies" not in present:
            raise InvalidBackup(source, "it is no backup of Matinee")
        if version > NEWEST:
            reason = (
                f"its schema has version {version}, this Matinee knows up to {NEWEST}: install a newer one"
            )
            raise InvalidBackup(source, reason)
        damage = damage_of(connection) or ", ".join(sorted(parts_of(version) - present))
        if damage:
            raise InvalidBackup(source, f"it is damaged ({damage}); try another backup")
        if not _checksum_matches(source, metadata(connection, present).get(CHECKSUM)):
            raise InvalidBackup(source, "it was damaged or changed after it was made; try another backup")
        return summarize(source, connection)
    except sqlite3.DatabaseError as error:
        raise InvalidBackup(source, f"it is damaged ({error}); try another backup") from error


def summarize(path: Path, connection: sqlite3.Connection) -> BackupSummary:
    """The summary of a backup at a path, without checking it."""
    present = parts(connection)
    values = metadata(connection, present)
    rows = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in COUNTED_TABLES
        if table in present
    }
    return BackupSummary(
        path=path,
        size=size_of(connection),
        version=connection.execute("PRAGMA user_version").fetchone()[0],
        rows=rows,
        with_secret=SECRET_NAME in values,
        made_at=values.get("made_at"),
        made_by=values.get("made_by"),
    )


def damage_of(connection: sqlite3.Connection) -> str:
    """The findings of SQLite's quick check; empty for an intact database."""
    findings = [line for (line,) in connection.execute("PRAGMA quick_check(3)")]
    return "" if findings == ["ok"] else "; ".join(line.replace("\n", " ") for line in findings)


def size_of(connection: sqlite3.Connection) -> int:
    """The size of a database in bytes."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page_size)


def metadata(connection: sqlite3.Connection, present: set[str]) -> dict[str, str]:
    """The values of the metadata table; empty if it is not among the tables that are present."""
    if METADATA_TABLE not in present:
        return {}
    return dict(connection.execute(f"SELECT name, value FROM {METADATA_TABLE}"))


def add_metadata(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Create the metadata table with these values, and zeros as the checksum."""
    rows = {**values, CHECKSUM: ZEROS.decode()}
    with connection:
        connection.execute(
            f"CREATE TABLE {METADATA_TABLE} (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )
        connection.executemany(f"INSERT INTO {METADATA_TABLE} VALUES (?, ?)", rows.items())


def remove_metadata(copy: sqlite3.Connection) -> str | None:
    """Delete the metadata from a copied backup, without leaving traces; return the secret, if it had one."""
    copy.execute("PRAGMA journal_mode = DELETE")
    if METADATA_TABLE not in parts(copy):
        return None
    statement = f"SELECT value FROM {METADATA_TABLE} WHERE name = ?"
    found = copy.execute(statement, (SECRET_NAME,)).fetchone()
    copy.execute("PRAGMA secure_delete = ON")
    with copy:
        copy.execute(f"DROP TABLE {METADATA_TABLE}")
    return str(found[0]) if found else None


def write_checksum(path: Path) -> None:
    """Compute the checksum of a file, and write it in place of the zeros."""
    with path.open("r+b") as file, mmap(file.fileno(), 0) as content:
        offset = content.find(CHECKSUM.encode() + ZEROS) + len(CHECKSUM)
        content[offset : offset + len(ZEROS)] = _digest(content, offset)


def _checksum_matches(path: Path, checksum: str | None) -> bool:
    """Whether a file has this checksum; a file without one matches."""
    if checksum is None:
        return True
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        offset = content.find((CHECKSUM + checksum).encode())
        return offset >= 0 and _digest(content, offset + len(CHECKSUM)) == checksum.encode()


def _digest(content: mmap, offset: int) -> bytes:
    """The SHA-256 of a file as hexadecimal digits, with zeros in place of the checksum at an offset."""
    digest = sha256()
    with memoryview(content) as view:
        digest.update(view[:offset])
        digest.update(ZEROS)
        digest.update(view[offset + len(ZEROS) :])
    return digest.hexdigest().encode()
