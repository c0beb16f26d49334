"""API tokens: named secrets with which scripts and players use the API in the name of an account."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict, FaultCode, Forbidden, InvalidText, NotFound
from domain.ids import ApiTokenId, UserId
from domain.pagination import Cursor, time_value
from domain.texts import validate_text

PREFIX = "matinee_"
"""What the text of every API token begins with, so that people and secret scanners recognize it."""

MAX_NAME_LENGTH = 100
"""Characters of the name of a token."""

MAX_API_TOKENS = 50
"""The largest number of API tokens of a user."""


class Scope(StrEnum):
    """What an API token may do: only read, or also write."""

    READ = "read"
    WRITE = "write"


@dataclass(eq=False)
class TooManyApiTokens(Conflict):
    """The user has the maximum number of API tokens."""

    code: ClassVar[str] = "too_many_api_tokens"

    def __str__(self) -> str:
        return f"An account has at most {MAX_API_TOKENS} API tokens; end one first"


@dataclass(eq=False)
class ApiTokenNotFound(NotFound):
    """The user has no API token with that id."""

    code: ClassVar[str] = "api_token_not_found"

    def __str__(self) -> str:
        return "There is no such API token"


@dataclass(eq=False)
class ReadOnlyToken(Forbidden):
    """The API token may only read."""

    code: ClassVar[str] = "read_only_token"

    def __str__(self) -> str:
        return "This API token may only read; make one with the scope write"


@dataclass(eq=False)
class SessionRequired(Forbidden):
    """API tokens may not do this, only people who are signed in."""

    code: ClassVar[str] = "session_required"

    def __str__(self) -> str:
        return "API tokens may not do this; sign in instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """An API token of a user, of whose text only the hash is stored. It is valid until `expires_at`, or until
    it is ended if that is None.
    """

    id: ApiTokenId
    user: UserId
    name: str
    scope: Scope
    token_hash: str
    created_at: datetime
    expires_at: datetime | None = None

    def expired(self, at: datetime) -> bool:
        """Whether the token is no longer valid at that time."""
        return self.expires_at is not None and self.expires_at <= at

    @property
    def cursor(self) -> Cursor:
        """The position of this token in the list of a user's, which is sorted by creation time."""
        return Cursor(time_value(self.created_at), self.id)


def validate_name(text: str) -> str:
    """Return the name of a token without outer white space. Raises InvalidText."""
    name = validate_text("name", text, MAX_NAME_LENGTH).strip()
    if not name:
        raise InvalidText("name", "must not be empty", FaultCode.TOO_SHORT)
    return name
