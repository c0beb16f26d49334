"""Idempotency keys: a request that a client repeats under the same key is carried out once."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from domain.errors import Conflict
from domain.ids import UserId

RETENTION = timedelta(hours=24)
"""How long a key and the response to its request are kept."""

ATTEMPT_TIMEOUT = timedelta(minutes=1)
"""The time after which an attempt counts as abandoned, because its process has died."""

MAX_KEY_LENGTH = 200
"""Characters of a key."""


@dataclass(eq=False)
class IdempotencyKeyReused(Conflict):
    """The idempotency key was sent with another request."""

    code: ClassVar[str] = "idempotency_key_reused"

    def __str__(self) -> str:
        return "This Idempotency-Key was sent with another request; use a new one for each"


@dataclass(eq=False)
class IdempotencyKeyInUse(Conflict):
    """The request with this idempotency key is being carried out."""

    code: ClassVar[str] = "idempotency_key_in_use"

    def __str__(self) -> str:
        return "The request with this Idempotency-Key is being carried out; try again in a second"


@dataclass(eq=False)
class ResponseNotKept(Conflict):
    """The request was carried out, and its response, which contained a secret, was not kept."""

    code: ClassVar[str] = "response_not_kept"

    def __str__(self) -> str:
        return "This request was carried out already; its response contained a secret, and was not kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to carry out a request of a user. `fingerprint` tells requests apart, `id` attempts."""

    id: str
    user: UserId
    key: str
    fingerprint: str
    at: datetime

    @property
    def created_id(self) -> str:
        """The id of what the request creates, 24 hex digits: the same however often it is carried out, so
        that what an attempt has stored before its process died is recognized.
        """
        request = f"{self.user} {self.key} {self.fingerprint}"
        return hashlib.sha256(request.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """The response to a request, as bytes; None if it was not kept."""

    packed: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is stored of a key: the last attempt, and the response once there is one."""

    attempt: Attempt
    response: KeptResponse | None = None

    def response_to(self, repeated: Attempt) -> KeptResponse | None:
        """The response to a repeated request; None if it must be carried out.

        Raises IdempotencyKeyReused, IdempotencyKeyInUse.
        """
        age = repeated.at - self.attempt.at
        if age >= RETENTION:
            return None
        if self.attempt.fingerprint != repeated.fingerprint:
            raise IdempotencyKeyReused
        if self.response is None and age < ATTEMPT_TIMEOUT:
            raise IdempotencyKeyInUse
        return self.response
