"""What a repeated request under an idempotency key gets."""

from datetime import datetime

import pytest

from adapters.testkit.idempotency import new_attempt
from adapters.testkit.samples import duration, noon
from domain.idempotency import (
    ATTEMPT_TIMEOUT,
    RETENTION,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    KeptResponse,
    KeyRecord,
)

FIRST = new_attempt(at=noon())
MOMENT = duration(0.001)
ANSWERED = KeyRecord(attempt=FIRST, response=KeptResponse(b"201"))
UNANSWERED = KeyRecord(attempt=FIRST)


def repeated(record: KeyRecord, at: datetime, fingerprint: str = FIRST.fingerprint) -> KeptResponse | None:
    return record.response_to(new_attempt(at=at, fingerprint=fingerprint))


def test_a_response_is_repeated_until_it_is_no_longer_kept() -> None:
    assert repeated(ANSWERED, FIRST.at) == ANSWERED.response
    assert repeated(ANSWERED, FIRST.at + RETENTION - MOMENT) == ANSWERED.response
    assert repeated(ANSWERED, FIRST.at + RETENTION) is None


def test_a_key_is_bound_to_its_request_for_as_long() -> None:
    with pytest.raises(IdempotencyKeyReused):
        repeated(ANSWERED, FIRST.at + RETENTION - MOMENT, "another request")
    assert repeated(ANSWERED, FIRST.at + RETENTION, "another request") is None


def test_a_request_that_is_being_carried_out_holds_its_key_until_it_counts_as_abandoned() -> None:
    with pytest.raises(IdempotencyKeyInUse):
        repeated(UNANSWERED, FIRST.at + ATTEMPT_TIMEOUT - MOMENT)
    assert repeated(UNANSWERED, FIRST.at + ATTEMPT_TIMEOUT) is None
