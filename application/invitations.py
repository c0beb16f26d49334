"""Use cases of invitations."""

from dataclasses import dataclass
from datetime import timedelta

from application.accounts import NewSecret, hash_secret
from domain.ids import InvitationId, NewId
from domain.invitations import Invitation
from domain.pagination import Page, Window, page_of
from domain.ports import Clock, InvitationRepository

DEFAULT_VALIDITY = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateInvitation:
    """Create an invitation."""

    invitations: InvitationRepository
    clock: Clock
    new_id: NewId
    new_secret: NewSecret

    def __call__(self, *, valid_for: timedelta = DEFAULT_VALIDITY, uses: int = 1) -> tuple[Invitation, str]:
        """The invitation and its code, which is not stored and cannot be shown again."""
        code, now = self.new_secret(), self.clock()
        invitation = Invitation(
            id=InvitationId(self.new_id()),
            code_hash=hash_secret(code),
            uses=uses,
            remaining=uses,
            created_at=now,
            expires_at=now + valid_for,
        )
        self.invitations.add(invitation)
        return invitation, code


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInvitations:
    """Show all invitations, the newest first."""

    invitations: InvitationRepository

    def __call__(self, *, window: Window) -> Page[Invitation]:
        """One page of invitations."""
        found = self.invitations.page(window.fetch_size, window.skip, after=window.cursor)
        return page_of(found, window, self.invitations.count())


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveInvitation:
    """Delete an invitation. Accounts created with it stay."""

    invitations: InvitationRepository

    def __call__(self, *, invitation: InvitationId) -> None:
        """Raises InvitationNotFound."""
        self.invitations.remove(invitation)
