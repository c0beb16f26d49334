"""The contract of SessionRepository, and of the events that end sessions."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.api_tokens import add_api_token
from adapters.testkit.samples import (
    add_session,
    add_user,
    duration,
    fresh_id,
    new_account,
    noon,
    read_pages,
    run_concurrently,
    valid_sessions,
)
from domain.errors import StorageUnavailable
from domain.ids import SessionId, UserId
from domain.sessions import RefreshToken, Session, SessionNotFound
from domain.users import Caller, Role, User

NO_SESSION = SessionId("0" * 24)
NEW, RENEWED = "$argon2id$new", "$argon2id$renewed"

InsertSession = Callable[[Session], None]
"""Stores a session as it is, whatever its user may do."""

FailingDeletes = Callable[[], AbstractContextManager[None]]
"""Within it, the store fails whenever it is to delete a session."""

ROUNDS = 5
"""How often calls meet where the outcome depends on who is first."""


class SessionRepositoryContract:
    """Storing, changing and removing sessions."""

    def test_a_session_is_read_as_it_was_stored(self, store: Store) -> None:
        tokens = (
            RefreshToken(hash="old", expires_at=noon(2), used_at=noon(1)),
            RefreshToken(hash="first", expires_at=noon(4)),
        )
        session = add_session(store, add_user(store), tokens=tokens)
        assert _read(store, session.id) == session

    def test_a_session_identifies_its_caller(self, store: Store) -> None:
        ann, bob = add_user(store, role=Role.ADMIN), add_user(store, "bob")
        for user in (ann, bob):
            session = add_session(store, user)
            assert store.sessions.caller(session.id, noon(2)) == Caller(user=user, session=session.id)

    def test_a_missing_session_has_no_caller(self, store: Store) -> None:
        add_session(store, add_user(store))
        assert store.sessions.caller(NO_SESSION, noon(2)) is None

    def test_a_session_is_valid_until_it_expires(self, store: Store) -> None:
        session = add_session(store, add_user(store))
        assert store.sessions.caller(session.id, noon(4) - duration(0.001))
        assert store.sessions.caller(session.id, noon(4)) is None

    def test_the_caller_is_the_current_account(self, store: Store) -> None:
        ann = add_user(store)
        session = add_session(store, ann)
        changed = store.users.change(ann.id, lambda user: user.with_changes(noon(2), role=Role.ADMIN))
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=changed, session=session.id)

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_no_session_is_added_after_an_event_that_ends_all_sessions(self, store: Store, what: str) -> None:
        ann = add_user(store)
        _end(store, ann, what)
        begun = _fresh(ann)
        assert store.sessions.add(begun, verified=ann.password_hash) is False
        assert store.sessions.add(begun, verified=ann.password_hash, renewed=RENEWED) is False
        assert _read(store, begun.id) is None
        if what != "gone":
            assert store.users.get(ann.id).password_hash != RENEWED

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_no_login_survives_a_concurrent_end_of_all_sessions(self, store: Store, what: str) -> None:
        for number in range(ROUNDS):
            ann = add_user(store, f"ann{number}")
            begun = [_fresh(ann) for _ in range(4)]
            logins = [partial(store.sessions.add, each, verified=ann.password_hash) for each in begun]
            run_concurrently([*logins, partial(_end, store, ann, what)])
            assert valid_sessions(store, *(each.id for each in begun)) == []
            assert [each.id for each in begun if _read(store, each.id)] == []

    def test_a_login_renews_the_hash_of_its_password_and_ends_no_session(self, store: Store) -> None:
        ann = add_user(store)
        before, begun = add_session(store, ann), _fresh(ann)
        assert store.sessions.add(begun, verified=ann.password_hash, renewed=RENEWED) is True
        assert store.users.get(ann.id) == replace(ann, password_hash=RENEWED)
        assert valid_sessions(store, before.id, begun.id) == [before.id, begun.id]

    def test_of_concurrent_logins_that_renew_a_hash_one_succeeds(self, store: Store) -> None:
        ann = add_user(store)
        answers = run_concurrently([
            partial(store.sessions.add, _fresh(ann), verified=ann.password_hash, renewed=f"$renewed{number}")
            for number in range(6)
        ])  # fmt: skip
        assert sorted(answers) == [False] * 5 + [True]
        assert store.users.get(ann.id).password_hash == f"$renewed{answers.index(True)}"

    def test_concurrent_logins_all_succeed(self, store: Store) -> None:
        ann = add_user(store)
        begun = [_fresh(ann) for _ in range(6)]
        answers = run_concurrently(
            [partial(store.sessions.add, each, verified=ann.password_hash) for each in begun]
        )
        assert answers == [True] * 6
        assert len(valid_sessions(store, *(each.id for each in begun))) == 6

    def test_a_changed_session_is_stored_and_the_result_returned(self, store: Store) -> None:
        ann = add_user(store)
        session, other = add_session(store, ann), add_session(store, ann)
        used = RefreshToken(hash="first", expires_at=noon(3), used_at=noon(2) + duration(0.001))
        changed = replace(
            session, tokens=(used, RefreshToken(hash="second", expires_at=noon(6))), expires_at=noon(6)
        )
        assert store.sessions.change(session.id, lambda _: (changed, "answer")) == "answer"
        assert _read(store, session.id) == changed
        assert store.sessions.caller(session.id, noon(6) - duration(0.001))
        assert store.sessions.caller(session.id, noon(6)) is None
        assert _read(store, other.id) == other

    def test_a_change_can_keep_a_session_or_delete_it(self, store: Store) -> None:
        ann = add_user(store)
        session, other = add_session(store, ann), add_session(store, ann)
        assert store.sessions.change(session.id, lambda session: (session, 1)) == 1
        assert _read(store, session.id) == session
        assert store.sessions.change(session.id, lambda _: (None, 2)) == 2
        assert store.sessions.change(session.id, lambda session: (session, 3)) is None
        assert valid_sessions(store, session.id, other.id) == [other.id]

    def test_a_missing_session_is_not_changed(self, store: Store) -> None:
        add_session(store, add_user(store))
        assert store.sessions.change(NO_SESSION, lambda session: (session, "answer")) is None

    def test_a_failed_change_does_not_alter_the_session(self, store: Store) -> None:
        session = add_session(store, add_user(store))
        with pytest.raises(ZeroDivisionError):
            store.sessions.change(session.id, lambda _: (None, 1 // 0))
        assert _read(store, session.id) == session

    def test_concurrent_changes_of_a_session_are_applied_one_after_another(self, store: Store) -> None:
        session = add_session(store, add_user(store))

        def use(session: Session, name: str) -> tuple[Session, int]:
            token = RefreshToken(hash=name, expires_at=noon(5))
            return replace(session, tokens=(*session.tokens, token)), len(session.tokens)

        answers = run_concurrently([
            partial(store.sessions.change, session.id, partial(use, name=f"hash{number}"))
            for number in range(8)
        ])  # fmt: skip
        assert sorted(answers) == list(range(1, 9))
        stored = _read(store, session.id)
        assert stored is not None
        assert {each.hash for each in stored.tokens} == {"first", *(f"hash{number}" for number in range(8))}

    def test_a_removed_session_has_no_caller(self, store: Store) -> None:
        ann = add_user(store)
        session, other = add_session(store, ann), add_session(store, ann)
        store.sessions.remove(session.id)
        store.sessions.remove(session.id)
        assert store.sessions.caller(session.id, noon(2)) is None
        assert _read(store, session.id) is None
        assert store.sessions.caller(other.id, noon(2))

    def test_the_program_that_logged_in_is_stored(self, store: Store) -> None:
        session = add_session(store, add_user(store), client="Firefox (Linux)")
        assert _read(store, session.id) == session

    def test_sessions_of_a_user_are_paged_newest_first(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        add_session(store, bob)
        begun = [add_session(store, ann, created_at=noon(1 + number // 3)) for number in range(8)]
        expected = sorted(begun, key=lambda each: (-each.created_at.timestamp(), each.id))
        show = partial(store.sessions.of_user, ann.id, noon(2))
        assert read_pages(show, lambda each: each.cursor) == expected
        assert show(4, 3) == expected[3:7]
        counts = [store.sessions.count(user.id, noon(2)) for user in (ann, bob)]
        assert counts == [8, 1]

    def test_expired_sessions_are_neither_listed_nor_counted(self, store: Store) -> None:
        ann = add_user(store)
        add_session(store, ann, expires_at=noon(2))
        lasting = add_session(store, ann, expires_at=noon(3))
        assert store.sessions.of_user(ann.id, noon(2), 9) == [lasting]
        assert store.sessions.count(ann.id, noon(2)) == 1

    def test_a_user_ends_one_session(self, store: Store) -> None:
        ann = add_user(store)
        kept, ended = add_session(store, ann), add_session(store, ann)
        store.sessions.remove_of(ann.id, ended.id)
        assert valid_sessions(store, kept.id, ended.id) == [kept.id]
        with pytest.raises(SessionNotFound):
            store.sessions.remove_of(ann.id, ended.id)

    def test_nobody_ends_a_session_of_another_user(self, store: Store) -> None:
        session, bob = add_session(store, add_user(store)), add_user(store, "bob")
        with pytest.raises(SessionNotFound):
            store.sessions.remove_of(bob.id, session.id)
        assert valid_sessions(store, session.id) == [session.id]

    def test_a_user_ends_all_other_sessions(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        ended, kept, other = (add_session(store, user) for user in (ann, ann, bob))
        token = add_api_token(store, ann)
        store.sessions.remove_others(ann.id, kept.id)
        assert valid_sessions(store, ended.id, kept.id, other.id) == [kept.id, other.id]
        assert store.api_tokens.caller(token.token_hash)

    def test_a_session_removed_during_a_change_stays_removed(self, store: Store) -> None:
        for number in range(ROUNDS):
            session = add_session(store, add_user(store, f"ann{number}"))
            longer = replace(session, expires_at=noon(9))
            ends = (
                partial(store.sessions.remove, session.id),
                partial(store.sessions.remove_of, session.user, session.id),
                partial(store.sessions.remove_others, session.user, NO_SESSION),
            )
            run_concurrently([
                partial(store.sessions.change, session.id, partial(_becomes, longer)),
                ends[number % 3],
            ])  # fmt: skip
            assert _read(store, session.id) is None

    def test_expired_sessions_are_removed(self, store: Store) -> None:
        ann = add_user(store)
        ends = (2, 3, 3, 4)
        sessions = [add_session(store, ann, expires_at=noon(day)) for day in ends]
        assert store.sessions.remove_expired(noon(1)) == 0
        assert store.sessions.remove_expired(noon(3)) == 3
        assert store.sessions.remove_expired(noon(3)) == 0
        assert valid_sessions(store, *(session.id for session in sessions), day=1) == [sessions[3].id]

    def test_a_user_with_valid_sessions_is_counted_once_as_active(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        assert store.sessions.active_users(noon(1)) == 0
        for user, day in ((ann, 2), (ann, 4), (bob, 3)):
            add_session(store, user, expires_at=noon(day))
        assert [store.sessions.active_users(noon(day)) for day in (1, 2, 3, 4)] == [2, 2, 1, 0]


class EndingSessionsContract:
    """Sessions that should not exist, and failing deletions, which no port can bring about.

    It needs two more fixtures, `insert_session` and `failing_deletes`.
    """

    def test_a_session_of_a_disabled_user_has_no_caller(
        self, store: Store, insert_session: InsertSession
    ) -> None:
        inserted = _fresh(add_user(store, disabled=True))
        insert_session(inserted)
        assert _read(store, inserted.id) == inserted
        assert store.sessions.caller(inserted.id, noon(2)) is None

    def test_a_session_without_its_user_has_no_caller(
        self, store: Store, insert_session: InsertSession
    ) -> None:
        inserted = _fresh(new_account("nobody"))
        insert_session(inserted)
        assert store.sessions.caller(inserted.id, noon(2)) is None

    def test_disabling_a_disabled_account_removes_its_sessions(
        self, store: Store, insert_session: InsertSession
    ) -> None:
        ann = add_user(store)
        disabled = store.users.change(ann.id, _disabled)
        inserted = _fresh(disabled)
        insert_session(inserted)
        store.users.change(ann.id, _disabled)
        assert _read(store, inserted.id) is None

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_an_account_and_its_sessions_change_atomically(
        self, store: Store, failing_deletes: FailingDeletes, what: str
    ) -> None:
        ann = add_user(store)
        session = add_session(store, ann)
        with failing_deletes(), pytest.raises(StorageUnavailable):
            _end(store, ann, what)
        assert store.users.get(ann.id) == ann
        assert valid_sessions(store, session.id) == [session.id]


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
    """Change or remove an account so that all its sessions end."""
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
