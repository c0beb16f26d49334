"""Redaction: replaces secrets in texts and fields by `***` before they are logged or printed."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import isfinite
from urllib.parse import quote_plus, unquote

from entrypoints.settings import Settings

REDACTED = "***"

MIN_SUBSTRING_LENGTH = 8
"""The length from which a secret is redacted even inside a word; a shorter one only as a whole word."""

MAX_DEPTH = 5
"""The depth to which lists and mappings are logged as such; anything deeper is logged as its `repr`."""

SECRET_PATTERN = re.compile(
    r"""
      (?P<scheme>\bbearer\s{1,9})[^\s"',;]+
    | (?P<header>\b(?:proxy-)?authorization["']?\s{0,9}[:=,]\s{0,9}b?["']?)[^"'\r\n]+
    | (?P<named>(?:passw(?:or)?d|passphrase|secret|token|api_?key|credential)[\w-]{0,20}["']?
        \s{0,9}[:=]\s{0,9}b?["']?)[^\s"'&,;)}\]]+
    | (?P<user>://)[^/\s"']+@
    | \beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?
    | \b[0-9a-f]{24}\.[\w-]{20,}
    | \bmatinee_[\w-]{40,}(?:\.[\w-]*)?
    | \$argon2\w*\$[^\s"']+
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Headers, fields and parameters by their names; user and password of a URL; access, refresh and API
tokens; password hashes. Every repetition before a match is bounded, so the time is linear in the length of a
text.
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
    "matinee_",
)
"""Every text that `SECRET_PATTERN` matches contains one of these; most texts contain none."""

SECRET_NAME = re.compile(r"passw|secret|token|authorization|cookie|api_?key|credential", re.IGNORECASE)

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that could move the cursor or begin a new line, and surrogates."""


class Redactor:
    """Redacts known secrets, and whatever looks like a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        self._spellings = tuple(spellings)
        longest_first = sorted(spellings, key=lambda secret: (-len(secret), secret))
        self._known = re.compile("|".join(map(_pattern, longest_first))) if spellings else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known:
            text = self._known.sub(REDACTED, text)
        lowered = text.lower()
        return SECRET_PATTERN.sub(_redact, text) if any(hint in lowered for hint in HINTS) else text

    def keeps(self, texts: Iterable[str]) -> bool:
        """Whether `value` certainly returns each of these texts as it is. False may be wrong.

        The texts are searched together for substrings that every secret contains, which costs little.
        """
        joined = " ".join(texts)
        lowered = joined.lower()
        return (
            joined.isprintable()
            and not any(spelling in joined for spelling in self._spellings)
            and not any(hint in lowered for hint in HINTS)
        )

    def keeps_names(self, names: Iterable[str]) -> bool:
        """Whether no name is that of a secret."""
        return not any(map(_is_secret, names))

    def value(self, value: object, depth: int = 0) -> object:
        """The value of a field without secrets, made of strings, numbers, lists and mappings only."""
        match value:
            case str():
                return self.text(_escape(value))
            case None | bool() | int():
                return value
            case float() if isfinite(value):
                return value
            case Mapping() if depth < MAX_DEPTH:
                return {self.name(key): self.field(str(key), each, depth + 1) for key, each in value.items()}
            case list() | tuple() | set() | frozenset() if depth < MAX_DEPTH:
                return [self.value(each, depth + 1) for each in value]
            case _:
                return self.text(_escape(str(value) if isinstance(value, BaseException) else repr(value)))

    def name(self, key: object) -> str:
        """The name of a field without secrets."""
        return self.text(_escape(str(key)))

    def field(self, name: str, value: object, depth: int = 0) -> object:
        """The value of the field of that name, without secrets; `***` if the name is that of a secret."""
        return REDACTED if value and _is_secret(name) else self.value(value, depth)


def secrets_of(settings: Settings) -> list[str]:
    """The secrets among the settings, and the passwords in their URLs."""
    whole = (settings.jwt_secret, settings.tmdb_access_token, settings.tmdb_api_key)
    urls = (settings.mongodb_uri, settings.redis_url, settings.queue_url)
    found = [each.strip() for each in whole if each]
    return [*found, *(password for url in urls if url for password in _passwords(url))]


def _passwords(url: str) -> Iterator[str]:
    """The password in a URL, before its last @: as it is written, and decoded."""
    password = url.rpartition("@")[0].partition("//")[2].partition(":")[2]
    if password:
        yield password
        yield unquote(password)


def _spellings(secret: str) -> Iterator[str]:
    """The forms in which a secret may appear in a text."""
    yield from (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote_plus(secret))


def _pattern(secret: str) -> str:
    escaped = re.escape(secret)
    return rf"(?<!\w){escaped}(?!\w)" if len(secret) < MIN_SUBSTRING_LENGTH else escaped


def _redact(found: re.Match[str]) -> str:
    group = found.lastgroup
    if group is None:
        return REDACTED
    return f"{found[group]}{REDACTED}@" if group == "user" else f"{found[group]}{REDACTED}"


def _escape(text: str) -> str:
    """The text with control characters spelt out."""
    if text.isprintable():
        return text
    return CONTROL_CHARACTERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@lru_cache(maxsize=512)
def _is_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None
