"""What needs no technology: the machine's own time and chance, and copies that nobody keeps."""

import secrets
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from domain.ids import MovieId, UserId


def now() -> datetime:
    """Clock: UTC, in whole milliseconds."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def fresh_id() -> str:
    """NewId: four bytes of time, so that later ids sort later, and eight of chance, as ObjectIds are made."""
    return f"{int(datetime.now(UTC).timestamp()):08x}{secrets.token_hex(8)}"


class NoCopies:
    """Changes where nobody keeps copies."""

    def ratings(self, movies: Collection[MovieId]) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def watchlist(self, user: UserId) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def everything(self) -> AbstractContextManager[None]:
        return nullcontext()
