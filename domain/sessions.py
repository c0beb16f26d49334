"""Sessions of signed-in clients, and the rotation of their refresh tokens."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from domain.ids import SessionId, UserId

MAX_TOKENS = 32
"""Unused refresh tokens that one family may have at a time, and as many that were used within the grace
period. A further one takes the place of the oldest.
"""


class Use(Enum):
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
    """One refresh token of a family, known by its hash; forgotten when `expires_at` has come.

    `used_at` is the time of its first use; None until then.
    """

    hash: str
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """What a refresh token says about itself. `expires_at` is None if no signature of ours proves it."""

    session: SessionId
    expires_at: datetime | None = None

    @property
    def proven(self) -> bool:
        """Whether the token was issued by us."""
        return self.expires_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in client: the family of all refresh tokens that descend from one login.

    `tokens` are those that are unused, and those that were used so recently that they may be presented
    again; the oldest first. `expires_at` is the end of the last unused one.
    """

    id: SessionId
    user: UserId
    tokens: tuple[RefreshToken, ...]
    created_at: datetime
    expires_at: datetime

    def exchange(
        self, presented: str, successor: RefreshToken, *, at: datetime, grace: timedelta, proven: bool
    ) -> tuple["Session | None", Use]:
        """The session after a refresh token was presented by its hash, None if that ends it; and why.

        `proven` says that the token was issued for this session, which its signature shows. So those that
        were used long ago need not be remembered: what is proven and not known was used.
        """
        token = next((each for each in self.tokens if each.hash == presented), None)
        if token is None:
            return (None, Use.REUSED) if proven else (self, Use.UNKNOWN)
        if token.used_at is not None and at - token.used_at >= grace:
            return None, Use.REUSED
        if token.used_at is None and token.expires_at <= at:
            return self, Use.EXPIRED
        used_at = token.used_at or at
        # Without a signature, only our memory can tell later that it was used.
        used = replace(token, used_at=used_at, expires_at=used_at + grace if proven else token.expires_at)
        living = [each for each in self.tokens if each.hash != presented and each.expires_at > at]
        unused = [each for each in living if each.used_at is None]
        before = [each for each in living if each.used_at is not None]
        tokens = (*[*before, used][-MAX_TOKENS:], *[*unused, successor][-MAX_TOKENS:])
        last = max(each.expires_at for each in tokens if each.used_at is None)
        return replace(self, tokens=tokens, expires_at=last), Use.RENEWED
