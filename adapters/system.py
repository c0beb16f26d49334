"""The machine's own time and chance."""

import secrets
from datetime import UTC, datetime


def now() -> datetime:
    """Clock: UTC, in whole milliseconds."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def fresh_id() -> str:
    """NewId: four bytes of time, so that later ids sort later, and eight of chance, as ObjectIds are made."""
    return f"{int(datetime.now(UTC).timestamp()):08x}{secrets.token_hex(8)}"
