"""Imports: what has become of an upload, from reading it to applying it and, if wanted, undoing it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict, Fault, FaultCode, Invalid, NotFound
from domain.ids import ImportId, MovieId, UserId
from domain.imports.deciding import Prefer
from domain.imports.rows import ImportedRow, Reason, RowClass, SourceFormat
from domain.imports.uploads import Refusal
from domain.pagination import Cursor, time_value

MAX_IMPORTS = 20
"""Imports that are kept of a user."""

MAX_NAME_LENGTH = 200
"""Characters of the name of an upload."""

MAX_EXAMPLES = 3
"""Rows that are shown as they were and as they will be."""


class ImportState(StrEnum):
    """How far an import is."""

    READING = "reading"
    MATCHING = "matching"
    READY = "ready"
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


WORKING = frozenset({ImportState.READING, ImportState.MATCHING, ImportState.APPLYING})
"""The states in which a worker has something to do."""


@dataclass(eq=False)
class ImportNotFound(NotFound):
    """No import of the user has that id."""

    code: ClassVar[str] = "import_not_found"

    def __str__(self) -> str:
        return "There is no such import"


@dataclass(eq=False)
class TooManyImports(Conflict):
    """The user has the maximum number of imports."""

    code: ClassVar[str] = "too_many_imports"

    def __str__(self) -> str:
        return f"At most {MAX_IMPORTS} imports are kept: delete one that you do not want to undo any more"


@dataclass(eq=False)
class ImportNotReady(Conflict):
    """The import is in a state in which this cannot be done."""

    code: ClassVar[str] = "import_not_ready"
    state: ImportState

    def __str__(self) -> str:
        return f"The import is {self.state}; this cannot be done now"


@dataclass(eq=False)
class ImportChanged(Conflict):
    """Somebody else has changed the import meanwhile."""

    code: ClassVar[str] = "import_changed"

    def __str__(self) -> str:
        return "The import was changed meanwhile: look at it again"


@dataclass(eq=False)
class NoSuchRows(Invalid):
    """Choices name rows that the import does not have, or films that are not held."""

    rows: tuple[int, ...]

    def __post_init__(self) -> None:
        shown = ", ".join(map(str, self.rows[:10]))
        self.faults = (
            Fault("choices", FaultCode.NOT_FOUND, f"must name rows and films that there are, unlike {shown}"),
        )

    def __str__(self) -> str:
        return str(self.faults[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """A row of an import: its number, counted from 1, and what becomes of it.

    `movie` is its film; `candidates` are those that might be meant. `chosen` is set if the user has chosen
    the film. `row_class` is None until it is decided.
    """

    number: int
    row: ImportedRow
    movie: MovieId | None = None
    candidates: tuple[MovieId, ...] = ()
    chosen: bool = False
    row_class: RowClass | None = None
    reason: Reason | None = None
    remarks: tuple[Reason, ...] = ()

    def decided(
        self, row_class: RowClass, reason: Reason | None, remarks: tuple[Reason, ...] = ()
    ) -> "ImportRow":
        """This row, in a class."""
        return replace(
            self,
            row_class=row_class,
            reason=reason,
            remarks=tuple(dict.fromkeys(self.row.remarks + remarks)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One upload, and how far it is.

    `revision` grows with every change that is stored, which detects that two processes work on one import.
    `wanted` is the format that the user named, `columns` are the columns that the user chose, and `scale` is
    the largest rating, recognized or chosen. `headers` are those of a table without a known format.
    `done` of `total` rows, or films, of the present step are done. `undoing` tells which way an import is
    applied. `not_undone` films were changed since.
    """

    id: ImportId
    user: UserId
    name: str
    state: ImportState = ImportState.READING
    wanted: SourceFormat | None = None
    format: SourceFormat | None = None
    scale: int | None = None
    scale_chosen: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    columns_found: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    prefer: Prefer = Prefer.NEWER
    created_at: datetime
    updated_at: datetime
    done: int = 0
    total: int = 0
    counts: Mapping[RowClass, int] = field(default_factory=dict)
    examples: tuple[int, ...] = ()
    error: Refusal | None = None
    undoing: bool = False
    not_undone: int = 0
    revision: int = 0

    @property
    def rows(self) -> int:
        """The number of rows that have a class."""
        return sum(self.counts.values())

    @property
    def cursor(self) -> Cursor:
        """The position of this import in a user's list, the newest first."""
        return Cursor(time_value(self.created_at), self.id)

    def entry_id(self, row: int, nth: int) -> str:
        """The id of the `nth` entry that a row makes, counted from 1. Ids are in the order of the rows:
        entries of the same time are listed by id, and so as the file has them.

        The first eight bytes are those of the import's id: its time and half of what is random in it.
        """
        return f"{self.id[:16]}{row:05x}{nth:03x}"

    def next(self, at: datetime, **changes: object) -> "Import":
        """This import with changes, to be stored as its next revision."""
        return replace(self, **changes, updated_at=at, revision=self.revision + 1)  # type: ignore[arg-type]

    def require(self, *states: ImportState) -> None:
        """Raises ImportNotReady if the import is in none of these states."""
        if self.state not in states:
            raise ImportNotReady(self.state)
