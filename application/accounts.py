"""Accounts: becoming somebody, proving it, changing it, leaving."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from domain import users
from domain.ids import NewId, SessionId, UserId, is_id
from domain.pagination import Page, Window, page_of
from domain.ports import AccessTokens, Changes, Clock, PasswordHasher, SessionRepository, UserRepository
from domain.users import (
    AdminsOnly,
    Caller,
    InvalidCredentials,
    Role,
    Session,
    TokenRejected,
    User,
    UserNotFound,
    WrongPassword,
)

NewSecret = Callable[[], str]
"""Makes a text that nobody can guess, at least 256 bits of it, without a dot."""

IsCommon = Callable[[str], bool]
"""Whether a password is on a list of common ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a client gets that has proved who it is. The refresh token works once."""

    user: User
    access_token: str
    refresh_token: str
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Begins sessions and hands on their refresh tokens, `session.secret`; only a hash of one is stored."""

    sessions: SessionRepository
    tokens: AccessTokens
    clock: Clock
    new_id: NewId
    new_secret: NewSecret
    refresh_lasts: timedelta

    def begin(self, user: User) -> SignedIn:
        """A session of its own for each login."""
        session, now = SessionId(self.new_id()), self.clock()
        refresh_token = f"{session}.{self.new_secret()}"
        self.sessions.add(
            Session(
                id=session,
                user=user.id,
                refresh_hash=_hashed(refresh_token),
                created_at=now,
                expires_at=now + self.refresh_lasts,
            )
        )
        return self._signed_in(user, session, refresh_token)

    def refresh(self, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for the next; one used before ends its session. Raises TokenRejected."""
        session, now = SessionId(refresh_token.partition(".")[0]), self.clock()
        caller = self.sessions.caller(session, now) if is_id(session) else None
        if caller is None:
            raise TokenRejected
        successor = f"{session}.{self.new_secret()}"
        old, new = _hashed(refresh_token), _hashed(successor)
        if not self.sessions.rotate(session, old, new, now, now + self.refresh_lasts):
            self.sessions.remove(session)
            raise TokenRejected
        return self._signed_in(caller.user, session, successor)

    def _signed_in(self, user: User, session: SessionId, refresh_token: str) -> SignedIn:
        return SignedIn(
            user=user,
            access_token=self.tokens.issue(user.id, session),
            refresh_token=refresh_token,
            lasts=self.tokens.lasts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """Make an account without signing it in."""

    users: UserRepository
    hasher: PasswordHasher
    is_common: IsCommon
    clock: Clock
    new_id: NewId

    def __call__(self, *, username: str, email: str, password: str, role: Role = Role.USER) -> User:
        """Raises TextUnfit, EmailTaken, UsernameTaken."""
        now = self.clock()
        user = User(
            id=UserId(self.new_id()),
            username=users.username(username),
            email=users.email(email),
            password_hash=self.hasher.hash(users.password(password, common=self.is_common(password))),
            role=role,
            created_at=now,
            updated_at=now,
        )
        self.users.add(user)
        return user


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Make an account and sign it in."""

    create_user: CreateUser
    sessions: Sessions

    def __call__(self, *, username: str, email: str, password: str) -> SignedIn:
        """Raises TextUnfit, EmailTaken, UsernameTaken."""
        return self.sessions.begin(self.create_user(username=username, email=email, password=password))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Sign in by e-mail address and password."""

    users: UserRepository
    hasher: PasswordHasher
    sessions: Sessions
    clock: Clock
    decoy_hash: str

    def __call__(self, *, email: str, password: str) -> SignedIn:
        """Raises InvalidCredentials, after the same work whether or not there is such an account."""
        user = self.users.by_email(email.strip())
        right = self.hasher.verify(user.password_hash if user else self.decoy_hash, password)
        if user is None or not right or user.disabled:
            raise InvalidCredentials
        if self.hasher.outdated(user.password_hash):
            now, renewed = self.clock(), self.hasher.hash(password)
            user = self.users.change(user.id, lambda user: user.told(now, password_hash=renewed))
        return self.sessions.begin(user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Go on with a session whose access token has ended."""

    sessions: Sessions

    def __call__(self, *, refresh_token: str) -> SignedIn:
        """Raises TokenRejected; a token that was used before ends its session."""
        return self.sessions.refresh(refresh_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Find out who calls."""

    tokens: AccessTokens
    sessions: SessionRepository
    clock: Clock

    def __call__(self, *, access_token: str) -> Caller:
        """Raises TokenRejected for whatever is not the token of a living session of an enabled user."""
        caller = self.sessions.caller(self.tokens.read(access_token), self.clock())
        if caller is None:
            raise TokenRejected
        return caller


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOut:
    """End a session: its access tokens and its refresh token stop working at once."""

    sessions: SessionRepository

    def __call__(self, *, caller: Caller) -> None:
        """End the caller's own session."""
        self.sessions.remove(caller.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProfile:
    """Change one's own name or e-mail address."""

    users: UserRepository
    clock: Clock

    def __call__(self, *, caller: Caller, username: str | None = None, email: str | None = None) -> User:
        """None leaves a field as it is. Raises TextUnfit, EmailTaken, UsernameTaken."""
        name = users.username(username) if username is not None else None
        address = users.email(email) if email is not None else None
        now = self.clock()
        return self.users.change(caller.user.id, lambda user: user.told(now, username=name, email=address))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword:
    """Choose another password; every other session ends."""

    users: UserRepository
    sessions: SessionRepository
    hasher: PasswordHasher
    is_common: IsCommon
    clock: Clock

    def __call__(self, *, caller: Caller, current: str, new: str) -> None:
        """Raises TextUnfit, WrongPassword."""
        chosen = users.password(new, common=self.is_common(new), field="new_password")
        confirm(self.hasher, caller, current)
        now, password_hash = self.clock(), self.hasher.hash(chosen)
        self.users.change(caller.user.id, lambda user: user.told(now, password_hash=password_hash))
        self.sessions.remove_others(caller.user.id, but=caller.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount:
    """Leave: the account, its ratings, its watchlist and its sessions are gone, and tallies follow."""

    users: UserRepository
    hasher: PasswordHasher
    changes: Changes

    def __call__(self, *, caller: Caller, password: str) -> None:
        """Raises WrongPassword, LastAdmin."""
        confirm(self.hasher, caller, password)
        with self.changes.everything():  # all the movies that the account had rated, and the lists of raters
            self.users.remove(caller.user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUsers:
    """Show all accounts to an admin, the oldest first."""

    users: UserRepository

    def __call__(self, *, window: Window) -> Page[User]:
        """A part of them."""
        found = self.users.page(window.limit + 1, window.skip, after=window.cursor)
        return page_of(found, window, self.users.count())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """Give an account another role, or disable or enable it."""

    users: UserRepository
    clock: Clock

    def __call__(self, *, user: UserId, role: Role | None = None, disabled: bool | None = None) -> User:
        """None leaves a field as it is. Raises UserNotFound, LastAdmin."""
        now = self.clock()
        return self.users.change(user, lambda user: user.told(now, role=role, disabled=disabled))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteUser:
    """Make the account with an e-mail address an admin."""

    users: UserRepository
    change_user: ChangeUser

    def __call__(self, *, email: str) -> User:
        """Raises UserNotFound."""
        user = self.users.by_email(email)
        if user is None:
            raise UserNotFound
        return self.change_user(user=user.id, role=Role.ADMIN)


def admin(caller: Caller) -> Caller:
    """The caller, if it is an admin. Raises AdminsOnly."""
    if caller.user.role is not Role.ADMIN:
        raise AdminsOnly
    return caller


def confirm(hasher: PasswordHasher, caller: Caller, password: str) -> None:
    """Let go on only who knows the account's password. Raises WrongPassword."""
    if not hasher.verify(caller.user.password_hash, password):
        raise WrongPassword


def _hashed(token: str) -> str:
    """Enough for a secret that cannot be guessed; a slow hash is for passwords, which can."""
    return sha256(token.encode()).hexdigest()
