"""What keeps secrets out of the log: texts and fields are blackened before they are written, whoever logs
them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import isfinite
from urllib.parse import quote_plus, unquote

from entrypoints.settings import Settings

BLACK = "***"

SHORT = 8
"""Letters: a shorter secret is looked for as a word of its own, lest it blacken half of every word."""

DEEPEST = 5
"""Levels of lists and mappings in a field; what lies deeper is written as Python shows it."""

LOOKS_SECRET = re.compile(
    r"""
      (?P<scheme>\bbearer\s{1,9})[^\s"',;]+
    | (?P<header>\b(?:proxy-)?authorization["']?\s{0,9}[:=,]\s{0,9}b?["']?)[^"'\r\n]+
    | (?P<named>(?:passw(?:or)?d|passphrase|secret|token|api_?key|credential)[\w-]{0,20}["']?
        \s{0,9}[:=]\s{0,9}b?["']?)[^\s"'&,;)}\]]+
    | (?P<user>://)[^/\s"']+@
    | \beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?
    | \b[0-9a-f]{24}\.[\w-]{20,}
    | \$argon2\w*\$[^\s"']+
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Headers, fields and parameters by their names, user and password of an address, access and refresh tokens,
hashes of passwords. Whatever repeats before a match is bounded, so that no input makes this slow.
"""

HINTS = (
    ".",
    "://",
    "bearer",
    "author",
    "passw",
    "passphr",
    "secret",
    "token",
    "key",
    "credential",
    "$argon2",
)
"""One of these is in every text that `LOOKS_SECRET` finds something in; most texts have none."""

SECRET_NAME = re.compile(r"passw|secret|token|authorization|cookie|api_?key|credential", re.IGNORECASE)

UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that could move the cursor, fake a line, or are none."""


class Mask:
    """Blackens what is known to be secret, and what looks like it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelt = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        longest_first = sorted(spelt, key=lambda secret: (-len(secret), secret))
        self._known = re.compile("|".join(map(_sought, longest_first))) if spelt else None

    def text(self, text: str) -> str:
        """A text that shows no secret."""
        if self._known:
            text = self._known.sub(BLACK, text)
        small = text.lower()
        return LOOKS_SECRET.sub(_blackened, text) if any(hint in small for hint in HINTS) else text

    def value(self, value: object, depth: int = 0) -> object:
        """A field's value, made of texts, numbers, lists and mappings only, that shows no secret."""
        match value:
            case str():
                return self.text(_readable(value))
            case None | bool() | int():
                return value
            case float() if isfinite(value):
                return value
            case Mapping() if depth < DEEPEST:
                return {self.name(key): self.field(str(key), each, depth + 1) for key, each in value.items()}
            case list() | tuple() | set() | frozenset() if depth < DEEPEST:
                return [self.value(each, depth + 1) for each in value]
            case _:
                return self.text(_readable(str(value) if isinstance(value, BaseException) else repr(value)))

    def name(self, key: object) -> str:
        """The name of a field."""
        return self.text(_readable(str(key)))

    def field(self, name: str, value: object, depth: int = 0) -> object:
        """The value of a field of that name; of some names it shows nothing at all."""
        return BLACK if value and _is_secret(name) else self.value(value, depth)


def secrets_of(settings: Settings) -> list[str]:
    """The values that nobody may see: the settings that are secrets, and the passwords in addresses."""
    whole = (settings.jwt_secret, settings.tmdb_access_token, settings.tmdb_api_key)
    addresses = (settings.mongodb_uri, settings.redis_url, settings.queue_url)
    found = [each.strip() for each in whole if each]
    return [*found, *(password for address in addresses if address for password in _passwords(address))]


def _passwords(address: str) -> Iterator[str]:
    """The password that stands before the last @ of an address, as it is written and as it is meant."""
    password = address.rpartition("@")[0].partition("//")[2].partition(":")[2]
    if password:
        yield password
        yield unquote(password)


def _spellings(secret: str) -> Iterator[str]:
    """How a secret may come to stand in a text."""
    yield from (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote_plus(secret))


def _sought(secret: str) -> str:
    escaped = re.escape(secret)
    return rf"(?<!\w){escaped}(?!\w)" if len(secret) < SHORT else escaped


def _blackened(found: re.Match[str]) -> str:
    group = found.lastgroup
    if group is None:
        return BLACK
    return f"{found[group]}{BLACK}@" if group == "user" else f"{found[group]}{BLACK}"


def _readable(text: str) -> str:
    """A text of which each line is one, and that says in letters what could not be shown."""
    if text.isprintable():
        return text
    return UNREADABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@lru_cache(maxsize=512)
def _is_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None
