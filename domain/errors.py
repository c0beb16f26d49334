"""The kinds of errors. Each concrete error is declared beside the rule that it belongs to.

    MatineeError
    ├── Invalid          the input breaks a rule
    ├── NotFound         the requested object does not exist
    ├── Conflict         the request is valid, but conflicts with the stored data
    ├── Forbidden        the caller is known, but has no permission
    ├── Unauthenticated  the caller is not known
    └── Unavailable      an external service cannot be reached, is too slow or fails

`code` is a stable identifier for programs; `str(error)` is one sentence for people. `faults` names the
invalid fields of an input. HTTP and the command line handle errors by kind, so a new concrete error needs no
change outside the file that declares it.
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
    """What is wrong with one field of an input. The field's name and `message` form a sentence.

    `subject` takes the place of the name in that sentence, if it is given.
    """

    field: str
    code: FaultCode
    message: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.subject or self.field} {self.message}".strip()


class MatineeError(Exception):
    """The root of all errors that the core raises on purpose."""

    code: ClassVar[str] = "error"
    faults: Sequence[Fault] = ()

    @property
    def sentences(self) -> list[str]:
        """One sentence for each fault, or the message of an error without faults."""
        return [str(fault) for fault in self.faults] or [str(self)]


class Invalid(MatineeError):  # noqa: N818  the kinds are words of their own, as in HTTP
    """The input breaks a rule."""

    code: ClassVar[str] = "validation_failed"


class NotFound(MatineeError):  # noqa: N818
    """The requested object does not exist."""

    code: ClassVar[str] = "not_found"


class Conflict(MatineeError):  # noqa: N818
    """The request is valid, but conflicts with the stored data."""

    code: ClassVar[str] = "conflict"


class Forbidden(MatineeError):  # noqa: N818
    """The caller is known, but has no permission."""

    code: ClassVar[str] = "forbidden"


class Unauthenticated(MatineeError):  # noqa: N818
    """The caller is not known."""

    code: ClassVar[str] = "token_rejected"


class Unavailable(MatineeError):  # noqa: N818
    """An external service cannot be reached, is too slow or fails."""

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
    """Call all rules. Raises InvalidFields with the faults of every rule that raised Invalid."""
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
    """The storage does not respond, or fails.

    `reason` is for the log, and is never shown to a client.
    """

    code: ClassVar[str] = "storage_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"The storage is not available: {self.reason}"
