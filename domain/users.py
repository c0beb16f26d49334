"""Accounts: their rules, roles and errors."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from domain.api_tokens import ApiToken, ReadOnlyToken, Scope, SessionRequired
from domain.emails import folded
from domain.errors import Conflict, Fault, FaultCode, Forbidden, InvalidText, NotFound, Unauthenticated
from domain.ids import SessionId, UserId
from domain.pagination import Cursor, time_value
from domain.texts import UNCHANGED, Unchanged, validate_text

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 128

USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,30}")


class Role(StrEnum):
    """What an account may do."""

    USER = "user"
    ADMIN = "admin"


class PageLanguage(StrEnum):
    """The languages of the pages for people. The first is the default."""

    ENGLISH = "en"
    GERMAN = "de"


@dataclass(eq=False)
class EmailTaken(Conflict):
    """Another account has that e-mail address, whatever its case."""

    code: ClassVar[str] = "email_taken"
    faults = (Fault("email", FaultCode.TAKEN, "is taken"),)

    def __str__(self) -> str:
        return "email is taken"


@dataclass(eq=False)
class UsernameTaken(Conflict):
    """Another account has that user name, whatever its case."""

    code: ClassVar[str] = "username_taken"
    faults = (Fault("username", FaultCode.TAKEN, "is taken"),)

    def __str__(self) -> str:
        return "username is taken"


@dataclass(eq=False)
class EmailAndUsernameTaken(Conflict):
    """Other accounts have that e-mail address and that user name."""

    code: ClassVar[str] = "email_and_username_taken"
    faults = (*EmailTaken.faults, *UsernameTaken.faults)

    def __str__(self) -> str:
        return "email and username are taken"


@dataclass(eq=False)
class LastAdmin(Conflict):
    """At least one active admin must remain."""

    code: ClassVar[str] = "last_admin"

    def __str__(self) -> str:
        return "The last admin can be neither demoted, disabled nor deleted"


@dataclass(eq=False)
class UserNotFound(NotFound):
    """No account has that id or e-mail address."""

    code: ClassVar[str] = "user_not_found"

    def __str__(self) -> str:
        return "There is no such user"


@dataclass(eq=False)
class InvalidCredentials(Unauthenticated):
    """The e-mail address is unknown or the password is wrong. The message does not reveal which."""

    code: ClassVar[str] = "invalid_credentials"

    def __str__(self) -> str:
        return "E-mail or password is wrong"


@dataclass(eq=False)
class WrongPassword(Forbidden):
    """The caller is signed in, but gave a wrong password to confirm a change."""

    code: ClassVar[str] = "wrong_password"

    def __str__(self) -> str:
        return "The password is wrong"


@dataclass(eq=False)
class TokenRejected(Unauthenticated):
    """The token is missing, malformed, or not signed by us."""

    code: ClassVar[str] = "token_rejected"

    def __str__(self) -> str:
        return "The token is not accepted"


@dataclass(eq=False)
class TokenExpired(TokenRejected):
    """The token is valid except that it has expired."""

    code: ClassVar[str] = "token_expired"

    def __str__(self) -> str:
        return "The token has expired"


@dataclass(eq=False)
class TokenRevoked(TokenRejected):
    """The token's session, or the API token, has ended.

    A session ends by logout, when the account is disabled or deleted or gets another password, and when a
    refresh token is reused. An API token ends when its owner ends it, and with all sessions.
    """

    code: ClassVar[str] = "token_revoked"

    def __str__(self) -> str:
        return "The session of this token has ended; log in again"


@dataclass(eq=False)
class AdminsOnly(Forbidden):
    """Only admins may do this."""

    code: ClassVar[str] = "admins_only"

    def __str__(self) -> str:
        return "This is for admins only"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account. `password_hash` is a PHC string, which is never shown. `language` is that of the pages;
    None if each browser's own is preferred.
    """

    id: UserId
    username: str
    email: str
    password_hash: str
    role: Role = Role.USER
    disabled: bool = False
    language: PageLanguage | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def folded_email(self) -> str:
        """The e-mail address in the form that is compared."""
        return folded(self.email)

    @property
    def folded_username(self) -> str:
        """The user name in the form that is compared."""
        return folded(self.username)

    @property
    def is_active_admin(self) -> bool:
        """Whether this is an admin whose account is not disabled."""
        return self.role is Role.ADMIN and not self.disabled

    @property
    def cursor(self) -> Cursor:
        """The position of this account in the list of all, which is sorted by creation time."""
        return Cursor(time_value(self.created_at), self.id)

    def with_changes(
        self,
        at: datetime,
        *,
        username: str | None = None,
        email: str | None = None,
        password_hash: str | None = None,
        role: Role | None = None,
        disabled: bool | None = None,
        language: PageLanguage | Unchanged | None = UNCHANGED,
    ) -> "User":
        """This account with the given fields changed."""
        return replace(
            self,
            username=username if username is not None else self.username,
            email=email if email is not None else self.email,
            password_hash=password_hash if password_hash is not None else self.password_hash,
            role=role if role is not None else self.role,
            disabled=disabled if disabled is not None else self.disabled,
            language=self.language if isinstance(language, Unchanged) else language,
            updated_at=at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user who makes a request, with the session of the access token, or with the API token."""

    user: User
    session: SessionId | None = None
    api_token: ApiToken | None = None

    def require_scope(self, *, writes: bool) -> None:
        """Check whether the caller may make a request, which `writes` or only reads. Raises ReadOnlyToken."""
        if writes and self.api_token and self.api_token.scope is Scope.READ:
            raise ReadOnlyToken

    def required_session(self) -> SessionId:
        """The session of the caller. Raises SessionRequired for an API token."""
        if self.session is None:
            raise SessionRequired
        return self.session


def taken(*, email: bool, username: bool) -> Conflict | None:
    """The error for an e-mail address or a user name that another account has; None if both are free."""
    if email and username:
        return EmailAndUsernameTaken()
    if email:
        return EmailTaken()
    return UsernameTaken() if username else None


def validate_username(text: str) -> str:
    """Return a valid user name. Raises InvalidText."""
    if not USERNAME.fullmatch(text):
        raise InvalidText("username", "must be 3 to 30 letters, digits, _ . or -")
    return text


def validate_password(text: str, *, common: bool, field: str = "password") -> str:
    """Return a valid new password. Raises InvalidText, also if it is `common`."""
    if not MIN_PASSWORD_LENGTH <= len(text) <= MAX_PASSWORD_LENGTH:
        code = FaultCode.TOO_SHORT if len(text) < MIN_PASSWORD_LENGTH else FaultCode.TOO_LONG
        raise InvalidText(field, f"must be {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters", code)
    validate_text(field, text, 2 * MAX_PASSWORD_LENGTH)
    if common:
        raise InvalidText(field, "must not be one of the most common passwords", FaultCode.TOO_COMMON)
    return text
