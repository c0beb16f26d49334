"""Client addresses as keys for counting requests and connections."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

IPV6_PREFIX_BITS = 64
"""Addresses of the same IPv6 network count as one client, which can choose the remaining bits."""

MAX_HOST_LENGTH = 64
"""Characters of a forwarded host; the rest is cut off."""


def address_key(host: str) -> str:
    """The key of an address: an IPv4 address, an IPv6 network, or the text itself if it is neither."""
    return _key(host[:MAX_HOST_LENGTH])


@lru_cache(maxsize=4096)
def _key(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return f"address:{host}"
    if not isinstance(address, IPv6Address):
        return f"address:{address}"
    if address.ipv4_mapped:
        return f"address:{address.ipv4_mapped}"
    host_bits = 128 - IPV6_PREFIX_BITS
    return f"address:{IPv6Address(int(address) >> host_bits << host_bits)}/{IPV6_PREFIX_BITS}"


class TrustedProxies:
    """The proxies whose `X-Forwarded-For` is trusted, by the rules of uvicorn's middleware."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._hosts = ProxyHeadersMiddleware(_unused, list(networks)).trusted_hosts

    def __contains__(self, host: str) -> bool:
        return host in self._hosts

    def forwarded(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The key of the address in the `X-Forwarded-For` headers; None if there is none."""
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        if not values:
            return None
        host, _ = self._hosts.get_trusted_client_address(b", ".join(values).decode("latin-1"))
        return address_key(host) if host and host not in self._hosts else None


async def _unused(scope: object, receive: object, send: object) -> None:
    """The application that uvicorn's middleware requires."""
