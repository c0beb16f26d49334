"""Rate limits by user and by address, and the `RateLimit` headers."""

from collections.abc import Awaitable, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from litestar.connection import ASGIConnection

from domain.emails import folded, normalized
from domain.users import User
from entrypoints.http.addresses import address_key
from entrypoints.http.exceptions import TooManyRequests
from entrypoints.http.responses import Header, header_lines

Connection = ASGIConnection[Any, Any, Any, Any]

Peer = tuple[str, int]
"""The address and the port of a client."""

LIMIT, REMAINING, RESET = b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset"


ADDITION_RATE = "200/day"
"""Movies that a user can add to the catalogue."""


class Counter(Protocol):
    """Counts requests of all processes."""

    async def __call__(self, rate: str, client: str) -> tuple[bool, int, int]:
        """Count a request; return whether it is allowed, how many remain, and the seconds until more are."""
        ...

    async def count_all(self, rate: str, clients: Sequence[str]) -> tuple[bool, int, int]:
        """Count a request of several clients, up to the first that is refused: the result for that one."""
        ...

    def take(self, rate: str, client: str) -> tuple[int, int] | None:
        """Count a request that is allowed for certain, and return how many remain, and the seconds until more
        are. None, counting nothing, if the other processes must be asked.
        """
        ...


class RateLimits:
    """Counts each request against `rate`. Registrations and password checks count against `auth_rate` too.

    A rate is a number and a unit: `100/minute`.
    """

    def __init__(self, counter: Counter, *, rate: str, auth_rate: str) -> None:
        self._counter = counter
        self._rate = rate
        self._auth_rate = auth_rate
        self._lines = header_lines([(LIMIT, _limit(rate)), (REMAINING, b"%d"), (RESET, b"%d")])

    async def count_request(self, connection: Connection, user: User | None) -> None:
        """Count a request of a user, or of an address if there is no user. Raises TooManyRequests."""
        await self._count(
            connection, self._rate, self._counter(self._rate, _who(user, connection.scope["client"]))
        )

    def take(self, user: User | None, peer: Peer | None) -> bytes | None:
        """Count a request that is allowed for certain, and return the lines of its headers; None if that is
        not known.
        """
        taken = self._counter.take(self._rate, _who(user, peer))
        return None if taken is None else self._lines % taken

    async def count_attempt(self, connection: Connection, email: str) -> None:
        """Count a registration or a password check, by address and by account. Raises TooManyRequests.

        The account is named by its e-mail address, so guesses from many addresses are counted together.
        """
        account = blake2b(folded(normalized(email)).encode(), digest_size=12).hexdigest()
        clients = f"auth:{_client(connection.scope['client'])}", f"auth:account:{account}"
        await self._count(connection, self._auth_rate, self._counter.count_all(self._auth_rate, clients))

    async def count_addition(self, connection: Connection, user: User) -> None:
        """Count a movie that a user adds to the catalogue. Raises TooManyRequests."""
        await self._count(connection, ADDITION_RATE, self._counter(ADDITION_RATE, f"additions:{user.id}"))

    async def _count(
        self, connection: Connection, rate: str, counted: Awaitable[tuple[bool, int, int]]
    ) -> None:
        allowed, remaining, reset = await counted
        connection.scope["state"]["limit_headers"] = _headers(rate, remaining, reset)
        if not allowed:
            raise TooManyRequests(retry_after=reset)


def _headers(rate: str, remaining: int, reset: int) -> list[Header]:
    return [(LIMIT, _limit(rate)), (REMAINING, b"%d" % remaining), (RESET, b"%d" % reset)]


def _limit(rate: str) -> bytes:
    return rate.partition("/")[0].encode()


def _who(user: User | None, peer: Peer | None) -> str:
    return f"user:{user.id}" if user else _client(peer)


def _client(peer: Peer | None) -> str:
    """The key of the client's address. The server has replaced a trusted proxy's by the forwarded one."""
    return address_key(peer[0] if peer else "unknown")
