"""Everything that can go wrong, by kind. Each concrete error stands beside the rule that it belongs to.

    MatineeError
    ├── Invalid          the input breaks a rule; the message names the field and the rule
    ├── NotFound         there is no such thing
    ├── Conflict         the wish is sound, but not in the present state of things
    ├── Forbidden        known caller, not theirs to do
    ├── Unauthenticated  the caller is not known
    └── Unavailable      something outside the core is away, slow or broken

`code` is a stable word for machines; `str(error)` is one sentence for people. Borders translate by kind, so a
new concrete error needs no change outside the file that declares it.
"""

from dataclasses import dataclass
from typing import ClassVar


class MatineeError(Exception):
    """The root: nothing else is raised on purpose by the core."""

    code: ClassVar[str] = "error"


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
class TextUnfit(Invalid):
    """A text breaks the rule of its field."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


@dataclass(eq=False)
class StorageUnavailable(Unavailable):
    """The storage does not answer, or refuses to work.

    `reason` is for the log, never for a client.
    """

    code: ClassVar[str] = "storage_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"The storage is not available: {self.reason}"
