"""The banner of `serve` and `api`: the addresses of the API, the place of the data, and first commands."""

import fcntl
import json
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

from domain.invitations import Registration
from entrypoints.console import command
from entrypoints.http import BASE
from entrypoints.settings import Settings

ROUTE_TARGETS = (
    (socket.AF_INET, ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254")),
    (socket.AF_INET6, ("2001:db8::1", "fd00::1")),
)
"""Addresses whose routes show which addresses this machine has; nothing is sent to them."""

SIOCGIFADDR = 0x8915  # <linux/sockios.h>

VIRTUAL_INTERFACES = ("lo", "docker", "br-", "veth", "virbr", "cni", "podman")
"""Prefixes of the names of interfaces that only this machine can reach."""

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  the operator chooses where to listen


def banner(settings: Settings, listener: socket.socket) -> str:
    """The lines to print when the API answers on a bound socket."""
    host, port = listener.getsockname()[:2]
    local_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    base = _url(local_host, port)
    store = "MongoDB at MONGODB_URI" if settings.mongodb_uri else settings.data_path.resolve()
    lines = [
        *([f"Pages {base}/"] if settings.has_pages else []),
        f"API   {base}{BASE}/movies",
        f"Docs  {base}{BASE}/docs",
        *_lan_lines(host, port, "/" if settings.has_pages else f"{BASE}/docs"),
        f"Data  {store}",
    ]
    lines += _registration_lines(settings, base)
    lines.append(f"Admin {_users_command(settings, 'create')} --admin --email ada@example.org --username ada")
    if settings.catalogue_is_public:
        lines.append(f"Read  curl '{base}{BASE}/movies?limit=3&fields=title,release_date'")
    else:
        lines += [
            f"Read  curl -H 'Authorization: Bearer ACCESS_TOKEN' '{base}{BASE}/movies?limit=3'",
            "      (started with PUBLIC_CATALOGUE=true, movies and genres are read without a token)",
        ]
    return "\n".join([*lines, "Stop  Ctrl-C"])


def _registration_lines(settings: Settings, base: str) -> Iterator[str]:
    """How people make accounts for themselves, if they can."""
    if settings.who_may_register is Registration.CLOSED:
        return
    account = {"username": "ada", "email": "ada@example.org", "password": "..."}
    if settings.who_may_register is Registration.INVITE:
        account["invitation"] = "CODE"
    yield f"Join  curl {base}{BASE}/auth/register -H 'Content-Type: application/json' \\"
    yield f"      -d '{json.dumps(account)}'"
    if "invitation" in account:
        yield f"      (a CODE is made by {_users_command(settings, 'invite')})"


def _users_command(settings: Settings, action: str) -> str:
    """A command that acts on the accounts of the store that is served."""
    return command(f"users {action}", settings.data_path.resolve() if settings.embedded else None)


def lan_addresses() -> list[str]:
    """The addresses at which other machines can reach this one, the most likely first."""
    found = [*_addresses_by_route(), *_addresses_by_interface()]
    return [address for address in dict.fromkeys(found) if not _is_local(address)]


def _lan_lines(host: str, port: int, path: str) -> Iterator[str]:
    """The lines for other machines; none if the socket is bound to loopback. `path` is where people begin."""
    if host in WILDCARDS:
        addresses = [address for address in lan_addresses() if host == "::" or ":" not in address]
        yield from (f"LAN   {_url(address, port)}{path}" for address in addresses)
        if not addresses:
            yield "LAN   this machine has no address in a network at the moment"
    elif not _is_local(host):
        yield f"LAN   {_url(host, port)}{path}"


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _is_local(address: str) -> bool:
    """Whether an address is useless to others: a wildcard, loopback or link-local."""
    return address.startswith(("127.", "169.254.", "fe80:")) or address in {*WILDCARDS, "::1"}


def _addresses_by_route() -> Iterator[str]:
    """The source addresses that the kernel would use for `ROUTE_TARGETS`."""
    for family, targets in ROUTE_TARGETS:
        for target in targets:
            with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as unsent:
                unsent.connect((target, 9))
                yield unsent.getsockname()[0]


def _addresses_by_interface() -> Iterator[str]:
    """The IPv4 addresses of the interfaces (Linux only)."""
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for _, name in socket.if_nameindex():
            if name.startswith(VIRTUAL_INTERFACES):
                continue
            with suppress(OSError):
                answer = fcntl.ioctl(control, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])
