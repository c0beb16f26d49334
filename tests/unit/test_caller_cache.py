"""The copies of callers that a process keeps."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.redis.local_cache import Lease, LocalCache
from application.accounts import Authenticated
from domain.ids import SessionId, UserId
from domain.users import Caller, User
from entrypoints.http.auth import CallerCache

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = User(
    id=UserId("a" * 24),
    username="ada",
    email="ada@example.org",
    password_hash="hash",
    created_at=NOW,
    updated_at=NOW,
)


class Copies:
    """Copies under a lease that is held only while they are in use."""

    def __init__(self) -> None:
        self.lease = Lease()
        self.callers: LocalCache[Any] = self.lease.cache(10)
        self.responses: LocalCache[Any] = self.lease.cache(10)
        self.used = 0

    def use(self) -> None:
        self.used += 1
        self.lease.renew(self.lease.now() + 600)


def test_requests_that_only_write_keep_the_copies_in_use() -> None:
    copies, found = Copies(), list[str]()

    def authenticate(*, access_token: str) -> Authenticated:
        found.append(access_token)
        return Authenticated(
            caller=Caller(user=ADA, session=SessionId("b" * 24)), valid_for=timedelta(minutes=1)
        )

    find: Any = authenticate
    cache = CallerCache(find, copies)

    async def work() -> list[Caller]:
        return [await cache(["Bearer token"]) for _ in range(3)]

    assert {caller.user for caller in asyncio.run(work())} == {ADA}
    assert (found, copies.used) == (["token"], 3)
