"""Where requests come from, in the form in which they are counted."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

HOME = 64
"""Bits of an IPv6 address that name a household; the rest it gives out as it likes."""


LONGEST_HOST = 64
"""Letters of what a proxy may forward in place of an address; the rest is cut off."""


def address_key(host: str) -> str:
    """What stands for all addresses of the same client: an IPv4 address, or the household of an IPv6 one."""
    return _key(host[:LONGEST_HOST])


@lru_cache(maxsize=4096)
def _key(host: str) -> str:
    try:
        parsed = ip_address(host)
    except ValueError:
        return f"address:{host}"
    if not isinstance(parsed, IPv6Address):
        return f"address:{parsed}"
    if parsed.ipv4_mapped:
        return f"address:{parsed.ipv4_mapped}"
    return f"address:{IPv6Address(int(parsed) >> (128 - HOME) << (128 - HOME))}/{HOME}"


class TrustedProxies:
    """The proxies whose `X-Forwarded-For` is believed, by the same rule as in uvicorn's middleware."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._hosts = ProxyHeadersMiddleware(_nothing, list(networks)).trusted_hosts

    def __contains__(self, host: str) -> bool:
        return host in self._hosts

    def forwarded(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The key of the address that a proxy forwards in these headers; None if it forwards none."""
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        if not values:
            return None
        host, _ = self._hosts.get_trusted_client_address(b", ".join(values).decode("latin-1"))
        return address_key(host) if host and host not in self._hosts else None


async def _nothing(scope: object, receive: object, send: object) -> None:
    """Stand in for the application that uvicorn's middleware wraps."""
