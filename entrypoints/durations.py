"""Durations as operators and clients write them: `15m`, `12h`, `7d`."""

import re
from datetime import timedelta

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(0|[1-9][0-9]{0,7})([smhd])")


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `15m`. Raises ValueError."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return timedelta(seconds=int(match[1]) * SECONDS[match[2]])
