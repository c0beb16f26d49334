"""The contract of InvitationRepository, and of UserRepository.add with an invitation."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.samples import error_names, fresh_id, new_account, noon, read_pages, run_concurrently
from domain.ids import InvitationId
from domain.invitations import Invitation, InvitationNotFound, InvitationRejected
from domain.users import EmailTaken, UsernameTaken


class InvitationRepositoryContract:
    """Storing, listing and redeeming invitations."""

    def test_invitations_are_sorted_newest_first(self, store: Store) -> None:
        old = add_invitation(store, created_at=noon(1))
        tied = sorted(
            (add_invitation(store, created_at=noon(2)), add_invitation(store, created_at=noon(2))), key=_by_id
        )
        assert store.invitations.page(10) == [*tied, old]
        assert store.invitations.count() == 3

    def test_invitations_are_paged_by_number_and_by_cursor(self, store: Store) -> None:
        made = [add_invitation(store, created_at=noon(1 + number // 3)) for number in range(9)]
        expected = sorted(made, key=lambda each: (-each.created_at.timestamp(), each.id))
        assert read_pages(store.invitations.page, lambda each: each.cursor) == expected
        assert store.invitations.page(4, 3) == expected[3:7]

    def test_a_deleted_invitation_is_neither_listed_nor_accepted(self, store: Store) -> None:
        kept, deleted = add_invitation(store), add_invitation(store)
        store.invitations.remove(deleted.id)
        assert store.invitations.page(10) == [kept]
        with pytest.raises(InvitationNotFound):
            store.invitations.remove(deleted.id)
        with pytest.raises(InvitationRejected):
            store.users.add(new_account(), invitation=deleted.code_hash)

    def test_expired_invitations_are_deleted(self, store: Store) -> None:
        add_invitation(store, expires_at=noon(3))
        kept = add_invitation(store, expires_at=noon(3) + timedelta(milliseconds=1))
        assert store.invitations.remove_expired(noon(3)) == 1
        assert store.invitations.page(10) == [kept]
        assert store.invitations.remove_expired(noon(3)) == 0

    def test_an_account_consumes_one_use_of_its_invitation(self, store: Store) -> None:
        invitation = add_invitation(store, uses=2)
        other = add_invitation(store)
        store.users.add(new_account("ann"), invitation=invitation.code_hash)
        assert {each.id: each.remaining for each in store.invitations.page(10)} == {
            invitation.id: 1,
            other.id: 1,
        }
        store.users.add(new_account("bob"), invitation=invitation.code_hash)
        with pytest.raises(InvitationRejected):
            store.users.add(new_account("eve"), invitation=invitation.code_hash)
        assert store.users.count() == 2

    def test_an_expired_invitation_is_rejected(self, store: Store) -> None:
        invitation = add_invitation(store, uses=5, expires_at=noon(3))
        just_before = noon(3) - timedelta(milliseconds=1)
        store.users.add(new_account("ann", created_at=just_before), invitation=invitation.code_hash)
        with pytest.raises(InvitationRejected):
            store.users.add(new_account("bob", created_at=noon(3)), invitation=invitation.code_hash)

    def test_an_unknown_invitation_is_rejected_before_names_are_compared(self, store: Store) -> None:
        store.users.add(new_account("ann"))
        with pytest.raises(InvitationRejected):
            store.users.add(new_account("ann"), invitation="unknown")

    def test_a_failed_registration_consumes_no_use(self, store: Store) -> None:
        invitation = add_invitation(store)
        store.users.add(new_account("ann"))
        with pytest.raises(EmailTaken):
            store.users.add(new_account("bob", email="ann@example.com"), invitation=invitation.code_hash)
        with pytest.raises(UsernameTaken):
            store.users.add(new_account("ann", email="other@example.com"), invitation=invitation.code_hash)
        assert store.invitations.page(10) == [invitation]

    def test_concurrent_registrations_succeed_as_often_as_there_are_uses(self, store: Store) -> None:
        invitation = add_invitation(store, uses=3)
        wanted = [new_account(f"user{number}", email=f"{number}@example.com") for number in range(8)]
        answers = run_concurrently(
            [partial(store.users.add, each, invitation=invitation.code_hash) for each in wanted]
        )
        assert error_names(answers) == ["InvitationRejected"] * 5
        assert store.users.count() == 3
        assert [each.remaining for each in store.invitations.page(10)] == [0]


def add_invitation(store: Store, **known: Any) -> Invitation:
    """Store an invitation that was created on 1 January and expires on 31 January."""
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
