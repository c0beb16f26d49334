"""Sessions of signed-in clients, and the rotation of their refresh tokens."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import ClassVar

from domain.errors import NotFound
from domain.ids import SessionId, UserId
from domain.pagination import Cursor, time_value

MAX_TOKENS = 32
"""The largest number of unused refresh tokens of a session, and of those used within the grace period. A
further token replaces the oldest.
"""


@dataclass(eq=False)
class SessionNotFound(NotFound):
    """The user has no session with that id."""

    code: ClassVar[str] = "session_not_found"

    def __str__(self) -> str:
        return "There is no such session"


class RefreshResult(Enum):
    """The result of presenting a refresh token."""

    RENEWED = auto()
    """The token is exchanged for a new one."""
    EXPIRED = auto()
    """The token expired unused."""
    REUSED = auto()
    """The token was used before, and the grace period is over: the session ends."""
    UNKNOWN = auto()
    """It is not known whether the token was issued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token of a session, stored as a hash, and deleted after `expires_at`.

    `used_at` is the time of its first use; None until then.
    """

    hash: str
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What a valid access token says: its session, and the time from which it is no longer valid."""

    session: SessionId
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """The contents of a refresh token. `expires_at` is None if the token has no valid signature of ours."""

    session: SessionId
    expires_at: datetime | None = None

    @property
    def proven(self) -> bool:
        """Whether the token was issued by us."""
        return self.expires_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in client: all refresh tokens that descend from one login (a token family).

    `tokens` are the unused ones, and those used within the grace period, which may be presented again; the
    oldest first. `expires_at` is that of the last unused token. `client` names the program that logged in, as
    far as it said: enough for its owner to tell one session from another.
    """

    id: SessionId
    user: UserId
    tokens: tuple[RefreshToken, ...]
    created_at: datetime
    expires_at: datetime
    client: str | None = None

    @property
    def refreshed_at(self) -> datetime:
        """When an unused refresh token was last exchanged; before that, when the session began."""
        # The token that was used last is stored until the next one is used.
        return max((each.used_at for each in self.tokens if each.used_at), default=self.created_at)

    @property
    def cursor(self) -> Cursor:
        """The position of this session in the list of a user's, which is sorted by creation time."""
        return Cursor(time_value(self.created_at), self.id)

    def exchange(
        self, presented: str, successor: RefreshToken, *, at: datetime, grace: timedelta, proven: bool
    ) -> tuple["Session | None", RefreshResult]:
        """Exchange a presented refresh token, given by its hash, for its successor.

        Return the session as it is afterwards, None if it ends, and the result. `proven` is whether the
        token's signature proves that it was issued for this session. Because of that, used tokens need not be
        stored: one that is proven but not stored was used before.
        """
        token = next((each for each in self.tokens if each.hash == presented), None)
        if token is None:
            return (None, RefreshResult.REUSED) if proven else (self, RefreshResult.UNKNOWN)
        if token.used_at is not None and at - token.used_at >= grace:
            return None, RefreshResult.REUSED
        if token.used_at is None and token.expires_at <= at:
            return self, RefreshResult.EXPIRED
        used_at = token.used_at or at
        # Without a signature, only this record shows later that the token was used.
        used = replace(token, used_at=used_at, expires_at=used_at + grace if proven else token.expires_at)
        valid = [each for each in self.tokens if each.hash != presented and each.expires_at > at]
        unused = [each for each in valid if each.used_at is None]
        used_before = [each for each in valid if each.used_at is not None]
        tokens = (*[*used_before, used][-MAX_TOKENS:], *[*unused, successor][-MAX_TOKENS:])
        last = max(each.expires_at for each in tokens if each.used_at is None)
        return replace(self, tokens=tokens, expires_at=last), RefreshResult.RENEWED
