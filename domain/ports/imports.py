"""Ports for imports: the formats of files."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from domain.imports.rows import ImportedRow, SourceFormat

Columns = Mapping[str, str]
"""Which column of a file has which value: names of columns by `title`, `year`, `rating` and the like."""


class ImportFile(Protocol):
    """One file of an upload."""

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
    ) -> "UploadReading":
        """Begin to read an upload, of a format or, without `wanted`, of the one that its content has.

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
