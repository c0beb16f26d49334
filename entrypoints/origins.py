"""Origins as browsers send them (RFC 6454, section 6.2; Fetch standard): scheme, host, and a port other than
the scheme's default.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

ANY = "*"

DEFAULT_PORTS = {"http": 80, "https": 443}

APP_SCHEMES = frozenset(
    {"capacitor", "chrome-extension", "ionic", "moz-extension", "safari-web-extension", "tauri"}
)
"""Schemes of pages in apps and browser extensions."""

HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")

NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""The last part of a host that browsers take for an IPv4 address (the URL standard, 3.5)."""

EXAMPLE = "such as https://films.example"


class InvalidOrigins(ValueError):  # noqa: N818  the sentence that it states
    """The text is not a list of origins; the message continues after the name of a setting."""


def parse_origins(text: str) -> list[str]:
    """Parse a comma-separated list of origins; each is returned once, in the form that browsers send.

    `*` is any origin, and `https://*.films.example` any host below that domain. Raises InvalidOrigins for
    text that no browser sends as an origin.
    """
    parts = [part.strip() for part in text.split(",")]
    found = [_parse_origin(part) for part in parts if part]
    if text and not found:
        raise InvalidOrigins(f"must name origins {EXAMPLE}, with commas between them")
    return list(dict.fromkeys(found))


def _parse_origin(text: str) -> str:
    if "@" in text:  # not repeated in the message: it may contain a password
        raise InvalidOrigins("must hold origins without user and password")
    if text == ANY:
        return ANY
    if text.lower() == "null":
        raise InvalidOrigins("must not hold null, which is the origin of any page that hides its own")
    parts, port = _split(text)
    if parts.scheme not in {*DEFAULT_PORTS, *APP_SCHEMES} or not parts.netloc:
        raise InvalidOrigins(f"must hold origins with a scheme {EXAMPLE}, not {text!r}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or text[-1] in "?#":
        raise InvalidOrigins(
            f"must hold origins without a path, a query or a fragment {EXAMPLE}, not {text!r}"
        )
    host = _host(parts.hostname or "", text)
    shown_port = "" if port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidOrigins(f"must hold origins {EXAMPLE}, not {text!r}") from None
    if port == 0 or parts.netloc.endswith(":"):
        raise InvalidOrigins(f"must hold origins whose port is from 1 to 65535, not {text!r}")
    return parts, port


def _host(host: str, text: str) -> str:
    """The host in lower case and ASCII (IDNA), as browsers send it. Raises InvalidOrigins."""
    try:
        if ":" in host:
            return f"[{IPv6Address(host).compressed}]"
        plain = host.removeprefix("*.")
        ascii_name = ".".join(label.encode("idna").decode() for label in plain.lower().split("."))
        if NUMBER.fullmatch(ascii_name.rpartition(".")[2]):
            return str(IPv4Address(host))
    except (AddressValueError, UnicodeError):
        raise InvalidOrigins(f"must hold origins with a host {EXAMPLE}, not {text!r}") from None
    if not HOST.fullmatch(ascii_name) or (plain != host and "." not in ascii_name):
        raise InvalidOrigins(
            f"must hold origins with a host {EXAMPLE}; * may stand alone, or for the first part of a host"
            f" of three or more; not {text!r}"
        )
    return f"*.{ascii_name}" if plain != host else ascii_name
