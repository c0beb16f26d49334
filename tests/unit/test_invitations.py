"""Registration and invitations."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.ids import InvitationId
from domain.invitations import (
    MAX_USES,
    MAX_VALIDITY,
    MIN_VALIDITY,
    Invitation,
    InvitationRequired,
    Registration,
    RegistrationClosed,
    required_code,
)
from domain.pagination import Cursor, time_value


@pytest.mark.parametrize("given", [None, "", "code"])
def test_closed_registration_is_refused(given: str | None) -> None:
    with pytest.raises(RegistrationClosed):
        required_code(Registration.CLOSED, given)


@pytest.mark.parametrize("given", [None, "", "code"])
def test_open_registration_needs_no_code(given: str | None) -> None:
    assert required_code(Registration.OPEN, given) is None


@pytest.mark.parametrize("given", [None, ""])
def test_registration_by_invitation_needs_a_code(given: str | None) -> None:
    assert required_code(Registration.INVITE, "code") == "code"
    with pytest.raises(InvitationRequired):
        required_code(Registration.INVITE, given)


def test_an_invitation_has_bounded_uses_and_validity() -> None:
    assert MAX_USES == 1000
    assert (timedelta(minutes=1), timedelta(days=365)) == (MIN_VALIDITY, MAX_VALIDITY)


def test_invitations_are_sorted_by_creation_time() -> None:
    made = datetime(2026, 1, 5, tzinfo=UTC)
    invitation = Invitation(
        id=InvitationId("a" * 24),
        code_hash="hash",
        uses=1,
        remaining=1,
        created_at=made,
        expires_at=made + timedelta(days=7),
    )
    assert invitation.cursor == Cursor(time_value(made), invitation.id)
