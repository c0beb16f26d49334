"""Invitations: codes for registration, if that is not open to everybody."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.errors import Forbidden, NotFound
from domain.ids import InvitationId
from domain.pagination import Cursor, time_value

MAX_USES = 1000
"""The largest number of accounts that can be created with one invitation."""

MIN_VALIDITY, MAX_VALIDITY = timedelta(minutes=1), timedelta(days=365)


class Registration(StrEnum):
    """Who may register: everybody, people with an invitation, or nobody."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


@dataclass(eq=False)
class RegistrationClosed(Forbidden):
    """Nobody may register."""

    code: ClassVar[str] = "registration_closed"

    def __str__(self) -> str:
        return "Registration is closed; an administrator can create an account"


@dataclass(eq=False)
class InvitationRequired(Forbidden):
    """Registration requires an invitation, and none was given."""

    code: ClassVar[str] = "invitation_required"

    def __str__(self) -> str:
        return "Registration needs an invitation; an administrator can give one"


@dataclass(eq=False)
class InvitationRejected(Forbidden):
    """There is no such invitation, or it has expired or is used up."""

    code: ClassVar[str] = "invitation_rejected"

    def __str__(self) -> str:
        return "The invitation is unknown, has expired or is used up"


@dataclass(eq=False)
class InvitationNotFound(NotFound):
    """No invitation has that id."""

    code: ClassVar[str] = "invitation_not_found"

    def __str__(self) -> str:
        return "There is no such invitation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A code with which `uses` accounts can be created until it expires. Only its hash is stored."""

    id: InvitationId
    code_hash: str
    uses: int
    remaining: int
    created_at: datetime
    expires_at: datetime

    @property
    def cursor(self) -> Cursor:
        """The position of this invitation in the list of all, which is sorted by creation time."""
        return Cursor(time_value(self.created_at), self.id)


def required_code(registration: Registration, given: str | None) -> str | None:
    """The invitation code that a registration must use; None if it needs none.

    Raises RegistrationClosed, InvitationRequired.
    """
    if registration is Registration.CLOSED:
        raise RegistrationClosed
    if registration is Registration.OPEN:
        return None
    if not given:
        raise InvitationRequired
    return given
