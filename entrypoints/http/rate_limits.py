"""How many requests a client may send, and what every answer tells of that."""

from hashlib import blake2b
from typing import Any, Protocol

from litestar.connection import ASGIConnection

from domain.emails import composed, folded
from domain.users import User
from entrypoints.http.addresses import address_key
from entrypoints.http.errors import TooManyRequests
from entrypoints.http.responses import Header

Connection = ASGIConnection[Any, Any, Any, Any]


class Counter(Protocol):
    """Counts requests for all processes."""

    async def __call__(self, rate: str, who: str) -> tuple[bool, int, int]:
        """Count one: whether it may pass, how many more may, and in how many seconds more of them may."""
        ...


class Limiting:
    """Counts each request once; the tighter rate counts registrations and whatever checks a password, too."""

    def __init__(self, counter: Counter, *, rate: str, auth_rate: str) -> None:
        self._counter = counter
        self._rate = rate
        self._auth_rate = auth_rate

    async def request(self, connection: Connection, user: User | None) -> None:
        """Count a request of a user, or of an address where nobody is signed in. Raises TooManyRequests."""
        await self._count(connection, self._rate, f"user:{user.id}" if user else address(connection))

    async def attempt(self, connection: Connection, email: str) -> None:
        """Count a call that checks a password or makes an account: for its address, and for the account of
        that e-mail address, wherever it comes from.

        Raises TooManyRequests.
        """
        account = blake2b(folded(composed(email)).encode(), digest_size=12).hexdigest()
        await self._count(connection, self._auth_rate, f"auth:{address(connection)}")
        await self._count(connection, self._auth_rate, f"auth:account:{account}")

    async def _count(self, connection: Connection, rate: str, who: str) -> None:
        passed, remaining, reset = await self._counter(rate, who)
        limit, _, _ = rate.partition("/")
        standing: list[Header] = [
            (b"ratelimit-limit", limit.encode()),
            (b"ratelimit-remaining", b"%d" % remaining),
            (b"ratelimit-reset", b"%d" % reset),
        ]
        connection.scope["state"]["limit_headers"] = standing
        if not passed:
            raise TooManyRequests(retry_after=reset)


def address(connection: Connection) -> str:
    """Where a request comes from: an IPv4 address, or the household of an IPv6 one.

    The server has put what a trusted proxy forwards in the place of the proxy's own address.
    """
    return address_key(connection.client.host if connection.client else "unknown")
