"""Ports for imports: the formats of files, and the imports that are stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from domain.ids import ImportId, MovieId, UserId
    from domain.imports.holdings import Effect, Holding, Holdings
    from domain.imports.imports import Import, ImportRow
    from domain.imports.rows import ImportedRow, RowClass, SourceFormat
    from domain.pagination import Cursor


UPLOAD_PIECE = 2**18
"""Bytes of a piece of an upload."""

APPLY_BATCH = 100
"""Films that change in one step: few, so that other writers hardly wait."""

Columns = Mapping[str, str]
"""Which column of a file has which value: names of columns by `title`, `year`, `rating` and the like."""


class ImportFile(Protocol):
    """One file of an upload. It never changes, and can be the key of what was read of it."""

    def __hash__(self) -> int: ...

    @property
    def path(self) -> str:
        """Its path within an archive, else its name; segments are separated by slashes."""
        ...

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Its content from the beginning, as often as needed. Reading raises UploadTooLarge after the bytes
        that one upload may have, unpacked.
        """
        ...


class UploadReader(Protocol):
    """Reads the rows of an upload: a single file, or an archive of files."""

    def __call__(
        self, upload: BinaryIO, name: str, wanted: SourceFormat | None, columns: Columns
    ) -> UploadReading:
        """Begin to read an upload, of a format or, without `wanted`, of the one that its content has. If
        CSV is wanted, any table will do, also if no column of it is recognized.

        Raises UploadRefused for what is no file of a known format, and for what is damaged or too large.
        """
        ...


class UploadReading(Protocol):
    """An upload that is being read."""

    @property
    def format(self) -> SourceFormat:
        """The format, of the first file that has one."""
        ...

    @property
    def scale(self) -> int | None:
        """The largest rating of the format; None if it differs from file to file."""
        ...

    @property
    def columns_found(self) -> Columns:
        """The columns that were recognized in a table without a known format, by our names."""
        ...

    @property
    def headers(self) -> Sequence[str]:
        """The headers of a table without a known format, in their order."""
        ...

    def rows(self) -> Iterator[ImportedRow]:
        """The rows of all files. Raises UploadRefused."""
        ...


class ImportSource(Protocol):
    """A format in which a service exports what a user has kept there.

    Memory does not grow with the file. Columns are found by name; a file that was saved again by a
    spreadsheet is read too.
    """

    @property
    def format(self) -> SourceFormat:
        """The name of the format."""
        ...

    @property
    def scale(self) -> int | None:
        """The largest rating; None if it differs from file to file."""
        ...

    def recognizes(self, file: ImportFile) -> bool:
        """Whether a file has this format, by its content. Names only tell apart what has the same content."""
        ...

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        """The rows of a recognized file in their order. A row that cannot be read is refused, and does not
        stop those after it. Blank rows are left out, and so is what the user has removed there, and what
        does not concern films.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A step of an import: the import, the rows that are stored with it, and the holdings afterwards.

    `effects` are added, or `undone` ones, named by film, removed.
    """

    imported: Import
    rows: Sequence[ImportRow] = ()
    after: Mapping[MovieId, Holding]
    effects: Sequence[Effect] = ()
    undone: Collection[MovieId] = ()


class ImportRepository(Protocol):
    """Imports, their uploads and rows, and what they did.

    Methods that store an import raise ImportChanged, storing nothing, unless its revision follows the stored
    one, and ImportNotFound if it was deleted.
    """

    def add(self, imported: Import, upload: Iterable[bytes]) -> None:
        """Store a new import and its upload, in pieces of at most `UPLOAD_PIECE` bytes. The import appears
        when all of it is stored. Raises TooManyImports, UserNotFound.
        """
        ...

    def upload(self, imported: ImportId) -> Iterator[bytes]:
        """The pieces of an upload. Raises ImportNotFound if it is no longer kept."""
        ...

    def get(self, imported: ImportId, user: UserId) -> Import:
        """A user's import. Raises ImportNotFound, also for another user's."""
        ...

    def find(self, imported: ImportId) -> Import:
        """The import with that id, whoever's it is. Raises ImportNotFound."""
        ...

    def of_user(
        self, user: UserId, *, limit: int, skip: int = 0, after: Cursor | None = None
    ) -> list[Import]:
        """Up to `limit` of a user's imports, the newest first; ties by id. They are those after the cursor
        `after` (`Import.cursor`) if it is given, else those after the first `skip`.
        """
        ...

    def count(self, user: UserId) -> int:
        """The number of a user's imports."""
        ...

    def save(self, imported: Import, rows: Sequence[ImportRow] = (), *, restart: bool = False) -> None:
        """Store an import and these rows of it, all or nothing; rows replace those with their numbers. With
        `restart` all earlier rows are deleted. The upload is deleted when the import is done or has failed.
        """
        ...

    def rows(
        self,
        imported: ImportId,
        row_class: RowClass | None = None,
        *,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[ImportRow]:
        """Up to `limit` rows of an import by number; `row_class` selects those of a class.

        They are those after the cursor `after`, whose value is a number of a row, if it is given, else those
        after the first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def rows_of(self, imported: ImportId, numbers: Collection[int]) -> list[ImportRow]:
        """The rows with these numbers, by number; numbers without a row are left out."""
        ...

    def holdings(self, user: UserId, movies: Collection[MovieId]) -> Holdings:
        """What a user has of each of these films, also if that is nothing. Films that are not held are left
        out.
        """
        ...

    def apply(
        self, user: UserId, movies: Sequence[MovieId], change: Callable[[Holdings], Application]
    ) -> Application:
        """Change what a user has of these films, at most `APPLY_BATCH`, and store the import, its rows and
        the effects, all or nothing; return what was stored. Tallies follow the ratings.

        The function is called with the present holdings, perhaps more than once. Raises UserNotFound.
        """
        ...

    def effects(self, imported: ImportId, *, limit: int, skip: int = 0) -> list[Effect]:
        """Up to `limit` of an import's effects that were not undone, by the id of the film, after `skip`."""
        ...

    def remove(self, imported: ImportId, user: UserId) -> None:
        """Delete an import with its rows, not what it did.

        Raises ImportNotFound, also for another user's, and ImportNotReady while it is applied.
        """
        ...
