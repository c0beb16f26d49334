"""What InvitationRepository promises, and UserRepository.add of accounts that are made by invitation."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.samples import account, at_once, fresh_id, kinds, noon, walked
from domain.ids import InvitationId
from domain.invitations import Invitation, InvitationNotFound, InvitationRejected
from domain.users import EmailTaken, UsernameTaken


class InvitationRepositoryContract:
    """Invitations, and what redeeming one does."""

    def test_invitations_come_back_the_newest_first(self, store: Store) -> None:
        old = invite(store, created_at=noon(1))
        tied = sorted((invite(store, created_at=noon(2)), invite(store, created_at=noon(2))), key=_by_id)
        assert store.invitations.page(10) == [*tied, old]
        assert store.invitations.count() == 3

    def test_invitations_are_walked_by_page_and_by_cursor(self, store: Store) -> None:
        made = [invite(store, created_at=noon(1 + number // 3)) for number in range(9)]
        expected = sorted(made, key=lambda each: (-each.created_at.timestamp(), each.id))
        assert walked(store.invitations.page, lambda each: each.cursor) == expected
        assert store.invitations.page(4, 3) == expected[3:7]

    def test_a_deleted_invitation_is_gone(self, store: Store) -> None:
        kept, deleted = invite(store), invite(store)
        store.invitations.remove(deleted.id)
        assert store.invitations.page(10) == [kept]
        with pytest.raises(InvitationNotFound):
            store.invitations.remove(deleted.id)
        with pytest.raises(InvitationRejected):
            store.users.add(account(), invitation=deleted.code_hash)

    def test_expired_invitations_are_deleted(self, store: Store) -> None:
        invite(store, expires_at=noon(3))
        kept = invite(store, expires_at=noon(3) + timedelta(milliseconds=1))
        assert store.invitations.remove_expired(noon(3)) == 1
        assert store.invitations.page(10) == [kept]
        assert store.invitations.remove_expired(noon(3)) == 0

    def test_an_account_uses_up_one_use(self, store: Store) -> None:
        invitation = invite(store, uses=2)
        other = invite(store)
        store.users.add(account("ann"), invitation=invitation.code_hash)
        assert {each.id: each.remaining for each in store.invitations.page(10)} == {
            invitation.id: 1,
            other.id: 1,
        }
        store.users.add(account("bob"), invitation=invitation.code_hash)
        with pytest.raises(InvitationRejected):
            store.users.add(account("eve"), invitation=invitation.code_hash)
        assert store.users.count() == 2

    def test_an_invitation_ends_when_it_expires(self, store: Store) -> None:
        invitation = invite(store, uses=5, expires_at=noon(3))
        just_before = noon(3) - timedelta(milliseconds=1)
        store.users.add(account("ann", created_at=just_before), invitation=invitation.code_hash)
        with pytest.raises(InvitationRejected):
            store.users.add(account("bob", created_at=noon(3)), invitation=invitation.code_hash)

    def test_an_unknown_invitation_says_nothing_of_names(self, store: Store) -> None:
        store.users.add(account("ann"))
        with pytest.raises(InvitationRejected):
            store.users.add(account("ann"), invitation="unknown")

    def test_an_account_that_cannot_be_made_uses_nothing_up(self, store: Store) -> None:
        invitation = invite(store)
        store.users.add(account("ann"))
        with pytest.raises(EmailTaken):
            store.users.add(account("bob", email="ann@example.com"), invitation=invitation.code_hash)
        with pytest.raises(UsernameTaken):
            store.users.add(account("ann", email="other@example.com"), invitation=invitation.code_hash)
        assert store.invitations.page(10) == [invitation]

    def test_of_several_at_once_as_many_are_admitted_as_there_are_uses(self, store: Store) -> None:
        invitation = invite(store, uses=3)
        wanted = [account(f"user{number}", email=f"{number}@example.com") for number in range(8)]
        answers = at_once(
            [partial(store.users.add, each, invitation=invitation.code_hash) for each in wanted]
        )
        assert kinds(answers) == ["InvitationRejected"] * 5
        assert store.users.count() == 3
        assert [each.remaining for each in store.invitations.page(10)] == [0]


def invite(store: Store, **known: Any) -> Invitation:
    """Store an invitation, made on the 1st, that holds for the rest of the month."""
    identifier = fresh_id()
    uses = known.get("uses", 1)
    invitation = Invitation(
        **{
            "id": InvitationId(identifier),
            "code_hash": f"hash of {identifier}",
            "uses": uses,
            "remaining": uses,
            "created_at": noon(),
            "expires_at": noon(31),
            **known,
        }
    )
    store.invitations.add(invitation)
    return invitation


def _by_id(invitation: Invitation) -> str:
    return invitation.id
