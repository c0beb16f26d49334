"""The contract of ApiTokenRepository, and of the events that end API tokens."""

from functools import partial
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    add_session,
    add_user,
    fresh_id,
    noon,
    read_pages,
    run_concurrently,
)
from domain import api_tokens
from domain.api_tokens import ApiToken, ApiTokenNotFound, Scope, TooManyApiTokens
from domain.ids import ApiTokenId, UserId
from domain.users import Caller, Role, User

NEW = "$argon2id$new"


class ApiTokenRepositoryContract:
    """Storing, listing and ending API tokens."""

    def test_an_api_token_identifies_its_caller(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob", role=Role.ADMIN)
        for user, known in ((ann, {"scope": Scope.READ, "expires_at": noon(9)}), (bob, {"name": "Плеер"})):
            token = add_api_token(store, user, **known)
            assert store.api_tokens.caller(token.token_hash) == Caller(user=user, api_token=token)
        assert store.api_tokens.caller("unknown") is None

    def test_the_caller_of_an_api_token_is_the_current_account(self, store: Store) -> None:
        token = add_api_token(store, add_user(store))
        changed = store.users.change(token.user, lambda user: user.with_changes(noon(2), role=Role.ADMIN))
        assert store.api_tokens.caller(token.token_hash) == Caller(user=changed, api_token=token)

    def test_api_tokens_of_a_user_are_paged_newest_first(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        add_api_token(store, bob)
        made = [add_api_token(store, ann, created_at=noon(1 + number // 3)) for number in range(8)]
        expected = sorted(made, key=lambda each: (-each.created_at.timestamp(), each.id))
        show = partial(store.api_tokens.of_user, ann.id)
        assert read_pages(show, lambda each: each.cursor) == expected
        assert show(4, 3) == expected[3:7]
        assert (store.api_tokens.count(ann.id), store.api_tokens.count(bob.id)) == (8, 1)

    def test_an_ended_api_token_has_no_caller(self, store: Store) -> None:
        ann = add_user(store)
        kept, ended = add_api_token(store, ann), add_api_token(store, ann)
        store.api_tokens.remove(ended.id, ann.id)
        assert store.api_tokens.caller(ended.token_hash) is None
        assert store.api_tokens.of_user(ann.id, 9) == [kept]
        with pytest.raises(ApiTokenNotFound):
            store.api_tokens.remove(ended.id, ann.id)

    def test_nobody_ends_an_api_token_of_another_user(self, store: Store) -> None:
        token, bob = add_api_token(store, add_user(store)), add_user(store, "bob")
        with pytest.raises(ApiTokenNotFound):
            store.api_tokens.remove(token.id, bob.id)
        assert store.api_tokens.caller(token.token_hash)

    def test_the_number_of_api_tokens_is_limited(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        module = f"{type(store.api_tokens).__module__}.MAX_API_TOKENS"
        monkeypatch.setattr(module, 2)
        ann = add_user(store)
        session = add_session(store, ann).id
        wanted = [new_api_token(ann.id) for _ in range(4)]
        answers = run_concurrently([partial(store.api_tokens.add, each, session=session) for each in wanted])
        assert sorted(type(each) is TooManyApiTokens for each in answers) == [False, False, True, True]
        assert store.api_tokens.count(ann.id) == 2
        assert api_tokens.MAX_API_TOKENS > 2

    @pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
    def test_what_ends_all_sessions_ends_all_api_tokens(self, store: Store, what: str) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        session, other = add_session(store, ann).id, add_session(store, bob).id
        token, kept = add_api_token(store, ann), add_api_token(store, bob)
        changes: dict[str, Any] = {
            "another password": {"password_hash": NEW},
            "disabled": {"disabled": True},
        }
        if what == "gone":
            store.users.remove(ann.id)
        else:
            change = partial(User.with_changes, at=noon(2), **changes[what])
            store.users.change(ann.id, change, keeping=session)
        assert store.api_tokens.caller(token.token_hash) is None
        assert store.api_tokens.count(ann.id) == 0
        assert store.api_tokens.caller(kept.token_hash)
        if what == "another password":
            assert store.api_tokens.add(new_api_token(ann.id), session=session)
        else:
            assert store.api_tokens.add(new_api_token(ann.id), session=session) is False
        assert store.api_tokens.add(new_api_token(ann.id), session=other) is False

    def test_no_api_token_survives_a_change_of_the_password_that_it_meets(self, store: Store) -> None:
        for number in range(3):
            ann = add_user(store, f"ann{number}")
            session, token = add_session(store, ann).id, new_api_token(ann.id)
            change = partial(User.with_changes, at=noon(2), password_hash=NEW)
            made, _ = run_concurrently(
                [
                    partial(store.api_tokens.add, token, session=session),
                    partial(store.users.change, ann.id, change),
                ]
            )
            assert made in {True, False}
            assert store.api_tokens.caller(token.token_hash) is None


def new_api_token(user: UserId, **known: Any) -> ApiToken:
    """A token that is not stored; it has no limit in time."""
    identifier = fresh_id()
    return ApiToken(
        **{
            "id": ApiTokenId(identifier),
            "user": user,
            "name": "Player",
            "scope": Scope.WRITE,
            "token_hash": f"hash of {identifier}",
            "created_at": noon(),
            **known,
        }
    )


def add_api_token(store: Store, user: User, **known: Any) -> ApiToken:
    """Store a token of a user, who is signed in for it."""
    token = new_api_token(user.id, **known)
    assert store.api_tokens.add(token, session=add_session(store, user).id)
    return token
