"""The contract of IdempotencyRepository."""

from functools import partial
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.samples import add_user, duration, error_names, fresh_id, noon, run_concurrently
from domain.idempotency import (
    ATTEMPT_TIMEOUT,
    RETENTION,
    Attempt,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    KeptResponse,
)
from domain.ids import UserId


class IdempotencyRepositoryContract:
    """Beginning, finishing and abandoning attempts."""

    def test_a_response_is_kept_as_it_was(self, store: Store) -> None:
        for number, kept in enumerate((KeptResponse(b"\x00bytes"), KeptResponse(None))):
            attempt = new_attempt(key=f"key {number}")
            assert store.idempotency.begin(attempt) is None
            store.idempotency.finish(attempt, kept)
            assert store.idempotency.begin(new_attempt(key=attempt.key)) == kept
            assert store.idempotency.begin(new_attempt(key=attempt.key, user=UserId("b" * 24))) is None

    def test_a_key_is_for_one_request(self, store: Store) -> None:
        store.idempotency.begin(new_attempt())
        with pytest.raises(IdempotencyKeyReused):
            store.idempotency.begin(new_attempt(fingerprint="other"))

    def test_an_attempt_is_in_progress_until_it_counts_as_abandoned(self, store: Store) -> None:
        first = new_attempt()
        store.idempotency.begin(first)
        with pytest.raises(IdempotencyKeyInUse):
            store.idempotency.begin(new_attempt(at=first.at + ATTEMPT_TIMEOUT - duration(0.001)))
        later = new_attempt(at=first.at + ATTEMPT_TIMEOUT)
        assert store.idempotency.begin(later) is None
        store.idempotency.finish(first, KeptResponse(b"late"))
        store.idempotency.abandon(first)
        with pytest.raises(IdempotencyKeyInUse):
            store.idempotency.begin(new_attempt(at=later.at))

    def test_an_abandoned_attempt_can_be_repeated_at_once(self, store: Store) -> None:
        first = new_attempt()
        store.idempotency.begin(first)
        store.idempotency.abandon(first)
        assert store.idempotency.begin(new_attempt()) is None

    def test_of_concurrent_attempts_one_begins(self, store: Store) -> None:
        answers = run_concurrently([partial(store.idempotency.begin, new_attempt()) for _ in range(4)])
        assert error_names(answers) == ["IdempotencyKeyInUse"] * 3

    def test_keys_are_deleted_after_their_retention_and_with_their_user(self, store: Store) -> None:
        ann = add_user(store)
        attempt = new_attempt(user=ann.id)
        store.idempotency.begin(attempt)
        assert store.idempotency.remove_expired(attempt.at + RETENTION - duration(0.001)) == 0
        assert store.idempotency.remove_expired(attempt.at + RETENTION) == 1
        store.idempotency.begin(attempt)
        store.users.remove(ann.id)
        assert store.idempotency.remove_expired(attempt.at + RETENTION) == 0


def new_attempt(**known: Any) -> Attempt:
    """An attempt of some user with some key."""
    return Attempt(
        **{
            "id": fresh_id(),
            "user": UserId("a" * 24),
            "key": "key",
            "fingerprint": "request",
            "at": noon(),
            **known,
        }
    )
