"""Removes secrets from the messages of libraries, before they become part of our errors.

The log redacts all lines once more (`entrypoints.observability.redaction`), but an error is also printed by
commands and stored with a sync.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote, unquote_plus

REDACTED = "***"

MIN_SUBSTRING_LENGTH = 8
"""Characters of a secret that is redacted also inside a word; a shorter one only as a whole word."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced by `***`, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        pattern = re.escape(secret)
        whole_word = rf"(?<!\w){pattern}(?!\w)"
        text = re.sub(whole_word if len(secret) < MIN_SUBSTRING_LENGTH else pattern, REDACTED, text)
    return text


def credentials_in(url: str) -> set[str]:
    """The user name and the password in a URL, as they are written and decoded, and parts of them.

    Everything between `//` and the last @ counts, because a password may contain unescaped delimiters.
    """
    login = url.rpartition("@")[0].partition("//")[2]
    parts = {login.partition(":")[2], *re.split(r"[/:@?#,]+", login)}
    return {spelling for part in parts for spelling in (part, unquote(part), unquote_plus(part)) if spelling}
