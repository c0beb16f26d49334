"""Use cases of API tokens."""

from dataclasses import dataclass
from datetime import timedelta

from application.accounts import hash_secret
from domain.api_tokens import ApiToken, Scope, validate_name
from domain.ids import ApiTokenId, NewId
from domain.pagination import Page, Window, page_of
from domain.ports import ApiTokenRepository, ApiTokenTexts, CacheInvalidation, Clock
from domain.users import Caller, TokenRevoked, User


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApiToken:
    """Create an API token for oneself."""

    api_tokens: ApiTokenRepository
    texts: ApiTokenTexts
    clock: Clock
    new_id: NewId

    def __call__(
        self, *, caller: Caller, name: str, scope: Scope, valid_for: timedelta | None = None
    ) -> tuple[ApiToken, str]:
        """The token, and its text, which is not stored and cannot be shown again. Without `valid_for` it is
        valid until it is ended.

        Raises SessionRequired, InvalidText, TooManyApiTokens; TokenRevoked if the session ends meanwhile.
        """
        session, text, now = caller.required_session(), self.texts.issue(), self.clock()
        token = ApiToken(
            id=ApiTokenId(self.new_id()),
            user=caller.user.id,
            name=validate_name(name),
            scope=scope,
            token_hash=hash_secret(text),
            created_at=now,
            expires_at=now + valid_for if valid_for is not None else None,
        )
        if not self.api_tokens.add(token, session=session):
            raise TokenRevoked
        return token, text


@dataclass(frozen=True, slots=True, kw_only=True)
class ListApiTokens:
    """Show one's own API tokens, the newest first."""

    api_tokens: ApiTokenRepository

    def __call__(self, *, user: User, window: Window) -> Page[ApiToken]:
        """One page of tokens, expired ones included."""
        found = self.api_tokens.of_user(user.id, window.fetch_size, window.skip, after=window.cursor)
        return page_of(found, window, self.api_tokens.count(user.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndApiToken:
    """End one of one's own API tokens: it stops working at once."""

    api_tokens: ApiTokenRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: User, token: ApiTokenId) -> None:
        """Raises ApiTokenNotFound."""
        with self.invalidation.session(token):
            self.api_tokens.remove(token, user.id)
