"""Requests with idempotency keys."""

from collections.abc import Callable
from dataclasses import dataclass

from domain.idempotency import Attempt, KeptResponse, ResponseNotKept
from domain.ids import NewId
from domain.ports import Clock, IdempotencyRepository
from domain.users import User

Fingerprint = Callable[[bytes], str]
"""A keyed hash of the content of a request, from which it cannot be guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepResponses:
    """Keeps the responses to requests with idempotency keys, and returns them to repeated ones."""

    keys: IdempotencyRepository
    fingerprint: Fingerprint
    clock: Clock
    new_id: NewId

    def begin(self, *, user: User, key: str, content: bytes) -> Attempt | bytes:
        """The attempt to carry out a request, or the response to it if it was carried out before.

        Raises IdempotencyKeyReused, IdempotencyKeyInUse, ResponseNotKept.
        """
        attempt = Attempt(
            id=self.new_id(),
            user=user.id,
            key=key,
            fingerprint=self.fingerprint(content),
            at=self.clock(),
        )
        kept = self.keys.begin(attempt)
        if kept is None:
            return attempt
        if kept.packed is None:
            raise ResponseNotKept
        return kept.packed

    def finish(self, attempt: Attempt, packed: bytes | None) -> None:
        """Keep the response to an attempt; None if it contains a secret."""
        self.keys.finish(attempt, KeptResponse(packed))

    def abandon(self, attempt: Attempt) -> None:
        """Forget an attempt that has failed, so that the request can be repeated."""
        self.keys.abandon(attempt)
