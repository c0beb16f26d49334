"""The port for idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.idempotency import Attempt, KeptResponse


class IdempotencyRepository(Protocol):
    """Idempotency keys of users, with the responses to their requests."""

    def begin(self, attempt: Attempt) -> KeptResponse | None:
        """Begin an attempt, or return the response that is kept (`KeyRecord.response_to`).

        Of several calls at once with the same key, one begins. Raises IdempotencyKeyReused,
        IdempotencyKeyInUse.
        """
        ...

    def finish(self, attempt: Attempt, response: KeptResponse) -> None:
        """Keep the response, unless another attempt has begun meanwhile."""
        ...

    def abandon(self, attempt: Attempt) -> None:
        """Forget an attempt that has changed nothing, unless another one has begun meanwhile."""
        ...

    def remove_expired(self, at: datetime) -> int:
        """Delete the keys whose retention is over at that time; return how many."""
        ...
