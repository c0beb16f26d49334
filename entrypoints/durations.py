"""Durations as operators and clients write them: `15m`, `12h`, `7d`."""

import re
from datetime import timedelta

from domain.invitations import MAX_VALIDITY, MIN_VALIDITY

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(0|[1-9][0-9]{0,7})([smhd])")

VALIDITY_RULE = "must be 60 to 31536000 seconds, or a duration up to a year such as 15m, 12h or 7d"


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `15m`. Raises ValueError."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return timedelta(seconds=int(match[1]) * SECONDS[match[2]])


def parse_validity(given: int | str) -> timedelta:
    """Parse how long an invitation is valid: a number of seconds, or a duration. Raises ValueError with the
    rule that it breaks.
    """
    try:
        seconds = parse_duration(given).total_seconds() if isinstance(given, str) else given
    except ValueError:
        raise ValueError(VALIDITY_RULE) from None
    if not MIN_VALIDITY.total_seconds() <= seconds <= MAX_VALIDITY.total_seconds():
        raise ValueError(VALIDITY_RULE)
    return timedelta(seconds=seconds)
