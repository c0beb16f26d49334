"""The exchange of refresh tokens within a session."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.ids import SessionId, UserId
from domain.sessions import MAX_TOKENS, RefreshClaims, RefreshResult, RefreshToken, Session

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
GRACE = timedelta(seconds=10)
LASTS = timedelta(days=30)
MOMENT = timedelta(milliseconds=1)


def token(name: str, at: datetime = START) -> RefreshToken:
    return RefreshToken(hash=name, expires_at=at + LASTS)


SESSION = Session(
    id=SessionId("a" * 24),
    user=UserId("b" * 24),
    tokens=(token("first"),),
    created_at=START,
    expires_at=START + LASTS,
)


def test_the_time_of_the_last_refresh_is_known() -> None:
    assert SESSION.refreshed_at == START
    session = renewed(SESSION, "first", "second", timedelta(days=1))
    assert session.refreshed_at == START + timedelta(days=1)
    session = renewed(session, "second", "third", timedelta(days=3))
    assert session.refreshed_at == START + timedelta(days=3)
    again = renewed(session, "second", "fourth", timedelta(days=3) + MOMENT)
    assert again.refreshed_at == START + timedelta(days=3)


def exchange(
    session: Session | None,
    presented: str,
    successor: str,
    after: timedelta = timedelta(0),
    *,
    grace: timedelta = GRACE,
    proven: bool = True,
) -> tuple[Session | None, RefreshResult]:
    assert session is not None
    at = START + after
    return session.exchange(presented, token(successor, at), at=at, grace=grace, proven=proven)


def renewed(session: Session | None, presented: str, successor: str, after: timedelta) -> Session:
    after_it, use = exchange(session, presented, successor, after)
    assert use is RefreshResult.RENEWED
    assert after_it is not None
    return after_it


def hashes(session: Session) -> set[str]:
    return {each.hash for each in session.tokens}


@pytest.mark.parametrize("proven", [True, False])
def test_an_unused_token_is_exchanged_and_extends_the_session(*, proven: bool) -> None:
    later = timedelta(days=1)
    session, use = exchange(SESSION, "first", "second", later, proven=proven)
    assert use is RefreshResult.RENEWED
    assert session is not None
    assert session.expires_at == START + later + LASTS
    assert (session.id, session.user, session.created_at) == (SESSION.id, SESSION.user, SESSION.created_at)
    assert token("second", START + later) in session.tokens


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize(
    ("after", "use"),
    [
        (timedelta(0), RefreshResult.RENEWED),
        (GRACE - MOMENT, RefreshResult.RENEWED),
        (GRACE, RefreshResult.REUSED),
        (GRACE + MOMENT, RefreshResult.REUSED),
        (timedelta(days=29), RefreshResult.REUSED),
        (-MOMENT, RefreshResult.RENEWED),  # the clock of another host
    ],
)
def test_a_used_token_works_again_within_the_grace_period_only(
    after: timedelta, use: RefreshResult, *, proven: bool
) -> None:
    session, _ = exchange(SESSION, "first", "second", proven=proven)
    again, found = exchange(session, "first", "third", after, proven=proven)
    assert found is use
    assert (again is None) is (use is RefreshResult.REUSED)


def test_the_grace_period_counts_from_the_first_use() -> None:
    session = renewed(SESSION, "first", "second", timedelta(0))
    session = renewed(session, "first", "third", GRACE - MOMENT)
    assert exchange(session, "first", "fourth", GRACE) == (None, RefreshResult.REUSED)


def test_all_successors_of_one_token_stay_valid() -> None:
    session = renewed(SESSION, "first", "second", timedelta(0))
    session = renewed(session, "first", "third", MOMENT)
    session = renewed(session, "second", "fourth", timedelta(days=1))
    session = renewed(session, "third", "fifth", timedelta(days=2))
    assert exchange(session, "fourth", "sixth", timedelta(days=3))[1] is RefreshResult.RENEWED


def test_without_a_grace_period_a_token_works_once() -> None:
    session, _ = exchange(SESSION, "first", "second", grace=timedelta(0))
    assert exchange(session, "first", "third", grace=timedelta(0)) == (None, RefreshResult.REUSED)


def test_a_proven_token_that_is_not_stored_was_used_and_ends_the_session() -> None:
    assert exchange(SESSION, "long ago", "second") == (None, RefreshResult.REUSED)


def test_a_token_neither_stored_nor_proven_changes_nothing() -> None:
    assert exchange(SESSION, "forged", "second", proven=False) == (SESSION, RefreshResult.UNKNOWN)


@pytest.mark.parametrize("proven", [True, False])
def test_an_expired_unused_token_does_not_end_the_session(*, proven: bool) -> None:
    assert exchange(SESSION, "first", "second", LASTS - MOMENT, proven=proven)[1] is RefreshResult.RENEWED
    assert exchange(SESSION, "first", "second", LASTS, proven=proven) == (SESSION, RefreshResult.EXPIRED)


def test_a_used_signed_token_is_deleted_after_the_grace_period() -> None:
    session = renewed(SESSION, "first", "second", timedelta(0))
    session = renewed(session, "second", "third", GRACE - MOMENT)
    assert hashes(session) == {"first", "second", "third"}
    session = renewed(session, "third", "fourth", GRACE)
    assert hashes(session) == {"second", "third", "fourth"}


def test_a_used_unsigned_token_is_kept_until_it_expires() -> None:
    session, _ = exchange(SESSION, "first", "second", proven=False)
    for day in range(1, 29):
        session, _ = exchange(session, ["second", *map(str, range(1, 29))][day - 1], str(day), day * GRACE)
    assert exchange(session, "first", "last", timedelta(days=29), proven=False) == (
        None,
        RefreshResult.REUSED,
    )


def test_expired_tokens_are_deleted_and_the_last_unused_one_sets_the_expiry() -> None:
    session = renewed(SESSION, "first", "second", timedelta(days=1))
    session = renewed(session, "first", "third", timedelta(days=1) + MOMENT)
    assert session.expires_at == START + timedelta(days=31) + MOMENT
    session = renewed(session, "third", "fourth", timedelta(days=31))
    assert hashes(session) == {"third", "fourth"}
    assert session.expires_at == START + timedelta(days=61)


def test_a_shorter_lifetime_of_new_tokens_does_not_shorten_that_of_old_ones() -> None:
    session = renewed(SESSION, "first", "second", timedelta(0))
    short = RefreshToken(hash="third", expires_at=START + timedelta(days=1))
    after, _ = session.exchange("first", short, at=START, grace=GRACE, proven=True)
    assert after is not None
    assert after.expires_at == START + LASTS


def test_the_tokens_of_a_session_are_bounded_and_the_oldest_are_replaced() -> None:
    assert MAX_TOKENS == 32
    session = SESSION
    for number in range(3 * MAX_TOKENS):
        session = renewed(session, "first", f"child{number}", timedelta(0))
    unused = [each.hash for each in session.tokens if each.used_at is None]
    assert unused == [f"child{number}" for number in range(2 * MAX_TOKENS, 3 * MAX_TOKENS)]
    for number in range(2 * MAX_TOKENS, 3 * MAX_TOKENS):
        session = renewed(session, f"child{number}", f"grandchild{number}", MOMENT)
    used = [each.hash for each in session.tokens if each.used_at is not None]
    assert used == unused
    assert len(session.tokens) == 2 * MAX_TOKENS


def test_a_longer_grace_period_applies_to_tokens_used_before() -> None:
    session = renewed(SESSION, "first", "second", timedelta(0))
    later = exchange(session, "first", "third", 2 * GRACE, grace=3 * GRACE)
    assert later[1] is RefreshResult.RENEWED


def test_a_refresh_token_is_proven_if_its_expiry_is_signed() -> None:
    assert not RefreshClaims(session=SESSION.id).proven
    assert RefreshClaims(session=SESSION.id, expires_at=START).proven
