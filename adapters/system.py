"""The machine's clock and random ids, and null objects for the cache and the job queue."""

import secrets
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import NoReturn

from domain.ids import ApiTokenId, ImportId, MovieId, RunId, SessionId, UserId
from domain.ports import QueueUnavailable
from domain.sync import Entity


def now() -> datetime:
    """Clock: UTC, in whole milliseconds."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def new_id() -> str:
    """NewId: four bytes of time, so that later ids sort later, and eight random bytes, like an ObjectId."""
    return f"{int(datetime.now(UTC).timestamp()):08x}{secrets.token_hex(8)}"


class NoCache:
    """CacheInvalidation where there is no cache."""

    def movies(self, movies: Collection[MovieId]) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def recommendations(self, movies: Collection[MovieId]) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def watchlist(self, user: UserId) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def user(self, user: UserId) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def session(self, session: SessionId | ApiTokenId) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def all(self) -> AbstractContextManager[None]:
        return nullcontext()


class NoJobQueue:
    """JobQueue where there is no job queue."""

    def sync(self, entity: Entity, run: RunId) -> None:  # noqa: ARG002
        self._refuse()

    def run_import(self, imported: ImportId, revision: int) -> None:  # noqa: ARG002
        self._refuse()

    def is_pending(self, run: RunId) -> bool:  # noqa: ARG002
        self._refuse()

    def update_neighbours(self) -> None:
        self._refuse()

    def waiting(self) -> int:
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise QueueUnavailable("none is configured")
