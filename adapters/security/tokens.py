"""Signed tokens: access tokens, which are JSON Web Tokens (RFC 7519, RFC 8725), refresh tokens and API
tokens.
"""

import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest, digest
from typing import Annotated

import jwt
import msgspec

from adapters.security.secrets import WeakSecret, new_secret, require_strong
from domain.api_tokens import PREFIX
from domain.ids import OWN_ID, SessionId, UserId, is_id
from domain.ports import Clock
from domain.sessions import AccessClaims, RefreshClaims
from domain.users import TokenExpired, TokenRejected

ALGORITHM = "HS256"
"""The only algorithm accepted, whatever a token's header says."""

ISSUER, AUDIENCE = "matinee", "matinee-api"

MAX_TOKEN_LENGTH = 4096
"""Characters. Tokens of Matinee have about 330; longer ones are rejected without parsing."""

SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""Three base64url parts without padding, so that each token has exactly one form."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MILLISECOND = timedelta(milliseconds=1)

MAX_SECONDS = 250_000_000_000
"""Seconds since 1970 in the last year of which there are dates."""

Id = Annotated[str, msgspec.Meta(pattern=rf"^{OWN_ID.pattern}\Z")]

Seconds = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of an access token; times are whole seconds since 1970, `sid` is the session."""

    iss: str
    aud: str
    sub: Id
    sid: Id
    jti: Annotated[str, msgspec.Meta(min_length=1)]
    iat: Seconds
    exp: Seconds
    nbf: Seconds = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtAccessTokens:
    """Access tokens signed with HMAC-SHA-256. Raises WeakSecret if the secret is not strong enough."""

    secret: bytes = field(repr=False)
    lifetime: timedelta
    clock: Clock

    def __post_init__(self) -> None:
        require_strong(self.secret, "JWT_SECRET")
        try:
            jwt.encode({}, self.secret, ALGORITHM)
        except jwt.InvalidKeyError as error:
            raise WeakSecret("JWT_SECRET", "must not be a public or private key") from error

    def issue(self, user: UserId, session: SessionId) -> str:
        now = int(self.clock().timestamp())
        claims = Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=user,
            sid=session,
            jti=secrets.token_hex(12),
            iat=now,
            exp=now + int(self.lifetime.total_seconds()),
        )
        return jwt.encode(msgspec.to_builtins(claims), self.secret, ALGORITHM)

    def read(self, token: str) -> AccessClaims:
        claims = self._claims(token)
        now = self.clock().timestamp()
        if now < max(claims.iat, claims.nbf):
            raise TokenRejected
        if now >= claims.exp:
            raise TokenExpired
        expires_at = EPOCH + timedelta(seconds=min(claims.exp, MAX_SECONDS))
        return AccessClaims(session=SessionId(claims.sid), expires_at=expires_at)

    def _claims(self, token: str) -> Claims:
        """The claims of a validly signed token, at whatever time. Raises TokenRejected."""
        if len(token) > MAX_TOKEN_LENGTH or not SHAPE.fullmatch(token):
            raise TokenRejected
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": ["iss", "aud", "sub", "sid", "jti", "iat", "exp"],
                    "strict_aud": True,
                    # Times are compared with `clock`.
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_exp": False,
                },
            )
            return msgspec.convert(claims, Claims)
        except (jwt.PyJWTError, msgspec.ValidationError) as error:
            raise TokenRejected from error


@dataclass(frozen=True, slots=True)
class SignedRefreshTokens:
    """Refresh tokens `session.end.nonce.signature`: the end in milliseconds since 1970, a nonce of 256 bits,
    and the HMAC-SHA-256 of the text before it.

    Older tokens, `session.nonce`, are not signed: they are read, without an end.
    """

    secret: bytes = field(repr=False)

    def issue(self, session: SessionId, expires_at: datetime) -> str:
        unsigned = f"{session}.{(expires_at - EPOCH) // MILLISECOND}.{new_secret()}"
        return f"{unsigned}.{self._signature(unsigned)}"

    def read(self, token: str) -> RefreshClaims:
        session, *rest = token.split(".") if len(token) <= MAX_TOKEN_LENGTH and token.isascii() else ("",)
        if not is_id(session) or len(rest) not in {1, 3}:
            raise TokenRejected
        unsigned, _, signature = token.rpartition(".")
        expected = self._signature(unsigned)
        if len(rest) == 3 and compare_digest(signature, expected):
            return RefreshClaims(session=SessionId(session), expires_at=EPOCH + int(rest[0]) * MILLISECOND)
        return RefreshClaims(session=SessionId(session))

    def _signature(self, unsigned: str) -> str:
        # The prefix separates these signatures from those of access tokens.
        return _signature(self.secret, "refresh token", unsigned)


@dataclass(frozen=True, slots=True)
class SignedApiTokens:
    """API tokens `matinee_nonce.signature`: a nonce of 256 bits, and the HMAC-SHA-256 of what precedes it."""

    secret: bytes = field(repr=False)

    def issue(self) -> str:
        unsigned = f"{PREFIX}{new_secret()}"
        return f"{unsigned}.{_signature(self.secret, 'API token', unsigned)}"

    def issued(self, text: str) -> bool:
        if len(text) > MAX_TOKEN_LENGTH or not text.isascii():
            return False
        unsigned, _, signature = text.rpartition(".")
        return compare_digest(signature, _signature(self.secret, "API token", unsigned))


@dataclass(frozen=True, slots=True)
class HmacFingerprint:
    """Fingerprints of requests: HMAC-SHA-256, since a request may contain a password."""

    secret: bytes = field(repr=False)

    def __call__(self, content: bytes) -> str:
        return digest(self.secret, b"request\0" + content, "sha256").hex()


def _signature(secret: bytes, kind: str, unsigned: str) -> str:
    """The signature of a token of some kind; those of different kinds differ."""
    mac = digest(secret, f"{kind}\0{unsigned}".encode(), "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode()
