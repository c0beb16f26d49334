"""What `serve` and `api` tell a person when their port answers: the addresses, and how to begin."""

import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from shlex import quote
from typing import TextIO

import click

from entrypoints.http import BASE
from entrypoints.settings import Settings

PROBED = (
    (socket.AF_INET, ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254")),
    (socket.AF_INET6, ("2001:db8::1", "fd00::1")),
)
"""Addresses to which this machine's routes are looked up; nothing is sent there."""

SIOCGIFADDR = 0x8915  # <linux/sockios.h>

VIRTUAL = ("lo", "docker", "br-", "veth", "virbr", "cni", "podman")
"""How interfaces begin that lead to nothing but this machine."""

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  what is listened on is the owner's choice


def banner(settings: Settings, listener: socket.socket) -> str:
    """The addresses of the API, where the data is, and how to begin."""
    host, port = listener.getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    base = _url(here, port)
    store = "MongoDB at MONGODB_URI" if settings.mongodb_uri else settings.data_path.resolve()
    lines = [f"API   {base}{BASE}/movies", f"Docs  {base}{BASE}/docs", *_lan(host, port), f"Data  {store}"]
    account = """{"username": "ada", "email": "ada@example.org", "password": "..."}"""
    lines += [
        f"Join  curl {base}{BASE}/auth/register -H 'Content-Type: application/json' \\",
        f"      -d '{account}'",
        f"Admin {_creating_an_admin(settings)}",
    ]
    if settings.catalogue_is_public:
        lines.append(f"Read  curl '{base}{BASE}/movies?limit=3&fields=title,release_date'")
    else:
        lines += [
            f"Read  curl -H 'Authorization: Bearer ACCESS_TOKEN' '{base}{BASE}/movies?limit=3'",
            "      (started with PUBLIC_CATALOGUE=true, movies and genres are read without a token)",
        ]
    return "\n".join([*lines, "Stop  Ctrl-C"])


def _creating_an_admin(settings: Settings) -> str:
    """How to make an admin in the very store that is served."""
    there = f" --data-dir {quote(str(settings.data_path.resolve()))}" if settings.embedded else ""
    return f"matinee users create{there} --admin --email ada@example.org --username ada"


def say(text: str, *, err: bool = False) -> None:
    """Print something for people, with `err` on standard error. That nobody reads it, as after `| head -1`,
    ends neither a service nor a sync.
    """
    try:
        click.echo(text, err=err)
    except OSError:
        discard(sys.stderr if err else sys.stdout)


def discard(stream: TextIO) -> None:
    """Lead a stream to nowhere, so that what it still holds is not complained about when the process ends."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def lan_addresses() -> list[str]:
    """The addresses by which others in the network reach this machine, the most likely first."""
    found = [*_by_routes(), *_by_interfaces()]
    return [each for each in dict.fromkeys(found) if not _only_here(each)]


def _lan(host: str, port: int) -> Iterator[str]:
    """Lines for what listens beyond this machine."""
    if host in WILDCARDS:
        addresses = [each for each in lan_addresses() if host == "::" or ":" not in each]
        yield from (f"LAN   {_url(each, port)}{BASE}/docs" for each in addresses)
        if not addresses:
            yield "LAN   this machine has no address in a network at the moment"
    elif not _only_here(host):
        yield f"LAN   {_url(host, port)}{BASE}/docs"


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _only_here(address: str) -> bool:
    """Whether an address leads nowhere but to this machine, or wants an interface named with it."""
    return address.startswith(("127.", "169.254.", "fe80:")) or address in {*WILDCARDS, "::1"}


def _by_routes() -> Iterator[str]:
    for family, destinations in PROBED:
        for destination in destinations:
            with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((destination, 9))
                yield probe.getsockname()[0]


def _by_interfaces() -> Iterator[str]:
    """The IPv4 addresses of the interfaces, where the kernel tells (Linux)."""
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            if name.startswith(VIRTUAL):
                continue
            with suppress(OSError):
                answer = fcntl.ioctl(asking, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])
