"""Everything that can go wrong, by kind. Each concrete error stands beside the rule that it belongs to.

    MatineeError
    ├── Invalid          the input breaks a rule
    ├── NotFound         there is no such thing
    ├── Conflict         the wish is sound, but not in the present state of things
    ├── Forbidden        known caller, not theirs to do
    ├── Unauthenticated  the caller is not known
    └── Unavailable      something outside the core is away, slow or broken

`code` is a stable word for machines; `str(error)` is one sentence for people. Where fields of an input are to
blame, `faults` names each of them. Borders translate by kind, so a new concrete error needs no change outside
the file that declares it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class FaultCode(StrEnum):
    """What is wrong with a field."""

    REQUIRED = "required"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    WRONG_TYPE = "wrong_type"
    MALFORMED = "malformed"
    NOT_ALLOWED = "not_allowed"
    OUT_OF_RANGE = "out_of_range"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    FORBIDDEN_CHARACTERS = "forbidden_characters"
    TOO_COMMON = "too_common"
    CONFLICTING = "conflicting"
    NOT_FOUND = "not_found"
    TAKEN = "taken"
    ALREADY_EXISTS = "already_exists"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of an input; `message` goes on where the field's name stops.

    `subject` is what a sentence calls the field where that is not its name.
    """

    field: str
    code: FaultCode
    message: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.subject or self.field} {self.message}".strip()


class MatineeError(Exception):
    """The root: nothing else is raised on purpose by the core."""

    code: ClassVar[str] = "error"
    faults: Sequence[Fault] = ()

    @property
    def sentences(self) -> list[str]:
        """What it says: a sentence for each fault, else the one that it is."""
        return [str(fault) for fault in self.faults] or [str(self)]


class Invalid(MatineeError):  # noqa: N818  the kinds read as the words they are
    """The input breaks a rule."""

    code: ClassVar[str] = "validation_failed"


class NotFound(MatineeError):  # noqa: N818
    """There is no such thing."""

    code: ClassVar[str] = "not_found"


class Conflict(MatineeError):  # noqa: N818
    """The present state of things does not allow it."""

    code: ClassVar[str] = "conflict"


class Forbidden(MatineeError):  # noqa: N818
    """The caller is known, but this is not theirs to do."""

    code: ClassVar[str] = "forbidden"


class Unauthenticated(MatineeError):  # noqa: N818
    """The caller is not known."""

    code: ClassVar[str] = "token_rejected"


class Unavailable(MatineeError):  # noqa: N818
    """Something outside the core is away, slow or broken."""

    code: ClassVar[str] = "unavailable"


@dataclass(eq=False)
class InvalidFields(Invalid):
    """Fields of the input break rules."""

    faults: Sequence[Fault]

    def __str__(self) -> str:
        return "; ".join(map(str, self.faults))


@dataclass(eq=False)
class InvalidText(Invalid):
    """A text breaks the rule of its field."""

    field: str
    rule: str
    fault: FaultCode = FaultCode.MALFORMED

    def __post_init__(self) -> None:
        self.faults = (Fault(self.field, self.fault, self.rule),)

    def __str__(self) -> str:
        return str(self.faults[0])


def check_all(*rules: Callable[[], object]) -> None:
    """Apply all rules. Raises InvalidFields with the faults of all that are broken."""
    faults: list[Fault] = []
    for rule in rules:
        try:
            rule()
        except Invalid as error:
            faults += error.faults
    if faults:
        raise InvalidFields(faults)


@dataclass(eq=False)
class StorageUnavailable(Unavailable):
    """The storage does not answer, or refuses to work.

    `reason` is for the log, never for a client.
    """

    code: ClassVar[str] = "storage_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"The storage is not available: {self.reason}"
