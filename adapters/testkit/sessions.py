"""What SessionRepository promises, and how sessions end with what their users had proved."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    account,
    alive,
    at_once,
    fresh_id,
    joined,
    later,
    noon,
    signed_in,
)
from domain.errors import StorageUnavailable
from domain.ids import SessionId, UserId
from domain.sessions import RefreshToken, Session
from domain.users import Caller, Role, User

NO_SESSION = SessionId("0" * 24)
NEW, RENEWED = "$argon2id$new", "$argon2id$renewed"

Plant = Callable[[Session], None]
"""Stores a session as it is, whatever its user may do."""

Jam = Callable[[], AbstractContextManager[None]]
"""Within it, the store fails whenever it is to delete a session."""

ROUNDS = 5
"""How often calls meet where the outcome depends on who is first."""


class SessionRepositoryContract:
    """Signed-in clients."""

    def test_a_session_comes_back_as_it_was_stored(self, store: Store) -> None:
        tokens = (
            RefreshToken(hash="old", expires_at=noon(2), used_at=noon(1)),
            RefreshToken(hash="first", expires_at=noon(4)),
        )
        session = signed_in(store, joined(store), tokens=tokens)
        assert _read(store, session.id) == session

    def test_a_session_tells_who_calls(self, store: Store) -> None:
        ann, bob = joined(store, role=Role.ADMIN), joined(store, "bob")
        for user in (ann, bob):
            session = signed_in(store, user)
            assert store.sessions.caller(session.id, noon(2)) == Caller(user=user, session=session.id)

    def test_nobody_calls_by_a_session_that_there_is_not(self, store: Store) -> None:
        signed_in(store, joined(store))
        assert store.sessions.caller(NO_SESSION, noon(2)) is None

    def test_a_session_lasts_to_its_end(self, store: Store) -> None:
        session = signed_in(store, joined(store))
        assert store.sessions.caller(session.id, noon(4) - later(0.001))
        assert store.sessions.caller(session.id, noon(4)) is None

    def test_the_caller_is_the_account_as_it_is_now(self, store: Store) -> None:
        ann = joined(store)
        session = signed_in(store, ann)
        changed = store.users.change(ann.id, lambda user: user.with_changes(noon(2), role=Role.ADMIN))
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=changed, session=session.id)

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_no_session_begins_after_what_would_have_ended_it(self, store: Store, what: str) -> None:
        ann = joined(store)
        _end(store, ann, what)
        begun = _fresh(ann)
        assert store.sessions.add(begun, verified=ann.password_hash) is False
        assert store.sessions.add(begun, verified=ann.password_hash, renewed=RENEWED) is False
        assert _read(store, begun.id) is None
        if what != "gone":
            assert store.users.get(ann.id).password_hash != RENEWED

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_no_login_outlives_what_ends_all_sessions_at_the_same_time(self, store: Store, what: str) -> None:
        for number in range(ROUNDS):
            ann = joined(store, f"ann{number}")
            begun = [_fresh(ann) for _ in range(4)]
            logins = [partial(store.sessions.add, each, verified=ann.password_hash) for each in begun]
            at_once([*logins, partial(_end, store, ann, what)])
            assert alive(store, *(each.id for each in begun)) == []
            assert [each.id for each in begun if _read(store, each.id)] == []

    def test_a_login_renews_the_hash_of_its_password_and_ends_no_session(self, store: Store) -> None:
        ann = joined(store)
        before, begun = signed_in(store, ann), _fresh(ann)
        assert store.sessions.add(begun, verified=ann.password_hash, renewed=RENEWED) is True
        assert store.users.get(ann.id) == replace(ann, password_hash=RENEWED)
        assert alive(store, before.id, begun.id) == [before.id, begun.id]

    def test_of_several_logins_that_renew_a_hash_at_once_one_does(self, store: Store) -> None:
        ann = joined(store)
        answers = at_once([
            partial(store.sessions.add, _fresh(ann), verified=ann.password_hash, renewed=f"$renewed{number}")
            for number in range(6)
        ])  # fmt: skip
        assert sorted(answers) == [False] * 5 + [True]
        assert store.users.get(ann.id).password_hash == f"$renewed{answers.index(True)}"

    def test_several_logins_at_once_all_begin(self, store: Store) -> None:
        ann = joined(store)
        begun = [_fresh(ann) for _ in range(6)]
        answers = at_once([partial(store.sessions.add, each, verified=ann.password_hash) for each in begun])
        assert answers == [True] * 6
        assert len(alive(store, *(each.id for each in begun))) == 6

    def test_a_changed_session_is_stored_and_the_answer_returned(self, store: Store) -> None:
        ann = joined(store)
        session, other = signed_in(store, ann), signed_in(store, ann)
        used = RefreshToken(hash="first", expires_at=noon(3), used_at=noon(2) + later(0.001))
        changed = replace(
            session, tokens=(used, RefreshToken(hash="second", expires_at=noon(6))), expires_at=noon(6)
        )
        assert store.sessions.change(session.id, lambda _: (changed, "answer")) == "answer"
        assert _read(store, session.id) == changed
        assert store.sessions.caller(session.id, noon(6) - later(0.001))
        assert store.sessions.caller(session.id, noon(6)) is None
        assert _read(store, other.id) == other

    def test_a_change_may_leave_a_session_or_end_it(self, store: Store) -> None:
        ann = joined(store)
        session, other = signed_in(store, ann), signed_in(store, ann)
        assert store.sessions.change(session.id, lambda session: (session, 1)) == 1
        assert _read(store, session.id) == session
        assert store.sessions.change(session.id, lambda _: (None, 2)) == 2
        assert store.sessions.change(session.id, lambda session: (session, 3)) is None
        assert alive(store, session.id, other.id) == [other.id]

    def test_a_session_that_there_is_not_is_not_changed(self, store: Store) -> None:
        signed_in(store, joined(store))
        assert store.sessions.change(NO_SESSION, lambda session: (session, "answer")) is None

    def test_a_change_that_fails_leaves_the_session(self, store: Store) -> None:
        session = signed_in(store, joined(store))
        with pytest.raises(ZeroDivisionError):
            store.sessions.change(session.id, lambda _: (None, 1 // 0))
        assert _read(store, session.id) == session

    def test_of_several_changes_at_once_each_sees_the_one_before(self, store: Store) -> None:
        session = signed_in(store, joined(store))

        def use(session: Session, name: str) -> tuple[Session, int]:
            token = RefreshToken(hash=name, expires_at=noon(5))
            return replace(session, tokens=(*session.tokens, token)), len(session.tokens)

        answers = at_once([
            partial(store.sessions.change, session.id, partial(use, name=f"hash{number}"))
            for number in range(8)
        ])  # fmt: skip
        assert sorted(answers) == list(range(1, 9))
        stored = _read(store, session.id)
        assert stored is not None
        assert {each.hash for each in stored.tokens} == {"first", *(f"hash{number}" for number in range(8))}

    def test_a_session_ends_once_for_all(self, store: Store) -> None:
        ann = joined(store)
        session, other = signed_in(store, ann), signed_in(store, ann)
        store.sessions.remove(session.id)
        store.sessions.remove(session.id)
        assert store.sessions.caller(session.id, noon(2)) is None
        assert _read(store, session.id) is None
        assert store.sessions.caller(other.id, noon(2))

    def test_a_session_that_ends_while_it_is_changed_has_ended(self, store: Store) -> None:
        for number in range(ROUNDS):
            session = signed_in(store, joined(store, f"ann{number}"))
            longer = replace(session, expires_at=noon(9))
            at_once([
                partial(store.sessions.change, session.id, partial(_becomes, longer)),
                partial(store.sessions.remove, session.id),
            ])  # fmt: skip
            assert _read(store, session.id) is None

    def test_expired_sessions_are_cleared_away(self, store: Store) -> None:
        ann = joined(store)
        ends = (2, 3, 3, 4)
        sessions = [signed_in(store, ann, expires_at=noon(day)) for day in ends]
        assert store.sessions.remove_expired(noon(1)) == 0
        assert store.sessions.remove_expired(noon(3)) == 3
        assert store.sessions.remove_expired(noon(3)) == 0
        assert alive(store, *(session.id for session in sessions), day=1) == [sessions[3].id]

    def test_a_user_is_active_once_as_long_as_any_session_lives(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        assert store.sessions.active_users(noon(1)) == 0
        for user, day in ((ann, 2), (ann, 4), (bob, 3)):
            signed_in(store, user, expires_at=noon(day))
        assert [store.sessions.active_users(noon(day)) for day in (1, 2, 3, 4)] == [2, 2, 1, 0]


class EndingSessionsContract:
    """What no other call can bring about: sessions where there should be none, and deletions that fail.

    Beside `store` it wants the fixtures `plant` and `jam`.
    """

    def test_a_session_of_a_disabled_user_admits_nobody(self, store: Store, plant: Plant) -> None:
        planted = _fresh(joined(store, disabled=True))
        plant(planted)
        assert _read(store, planted.id) == planted
        assert store.sessions.caller(planted.id, noon(2)) is None

    def test_a_session_without_its_user_admits_nobody(self, store: Store, plant: Plant) -> None:
        planted = _fresh(account("nobody"))
        plant(planted)
        assert store.sessions.caller(planted.id, noon(2)) is None

    def test_who_is_disabled_again_has_no_session_either(self, store: Store, plant: Plant) -> None:
        ann = joined(store)
        disabled = store.users.change(ann.id, _disabled)
        planted = _fresh(disabled)
        plant(planted)
        store.users.change(ann.id, _disabled)
        assert _read(store, planted.id) is None

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_an_account_changes_together_with_its_sessions_or_not_at_all(
        self, store: Store, jam: Jam, what: str
    ) -> None:
        ann = joined(store)
        session = signed_in(store, ann)
        with jam(), pytest.raises(StorageUnavailable):
            _end(store, ann, what)
        assert store.users.get(ann.id) == ann
        assert alive(store, session.id) == [session.id]


def _fresh(user: User) -> Session:
    return Session(
        id=SessionId(fresh_id()),
        user=UserId(user.id),
        tokens=(RefreshToken(hash="first", expires_at=noon(4)),),
        created_at=noon(1),
        expires_at=noon(4),
    )


def _disabled(user: User) -> User:
    return user.with_changes(noon(2), disabled=True)


def _end(store: Store, user: User, what: str) -> None:
    """Do to an account what ends all its sessions."""
    if what == "gone":
        store.users.remove(user.id)
    elif what == "disabled":
        store.users.change(user.id, _disabled)
    else:
        store.users.change(user.id, lambda user: user.with_changes(noon(2), password_hash=NEW))


def _becomes(after: Session, _: Session) -> tuple[Session, None]:
    return after, None


def _read(store: Store, session: SessionId) -> Session | None:
    return store.sessions.change(session, lambda session: (session, session))
