"""Use cases of accounts: registration, login, sessions, changes and deletion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

from domain import emails, users
from domain.api_tokens import PREFIX
from domain.errors import Fault, FaultCode, Invalid, InvalidText, check_all
from domain.ids import NewId, SessionId, UserId
from domain.invitations import Registration, required_code
from domain.pagination import Page, Window, page_of
from domain.ports import (
    AccessTokens,
    ApiTokenRepository,
    ApiTokenTexts,
    CacheInvalidation,
    Clock,
    PasswordHasher,
    RefreshTokens,
    SessionRepository,
    UserRepository,
)
from domain.sessions import RefreshResult, RefreshToken, Session
from domain.texts import UNCHANGED, Unchanged
from domain.users import (
    AdminsOnly,
    Caller,
    InvalidCredentials,
    PageLanguage,
    Role,
    TokenExpired,
    TokenRejected,
    TokenRevoked,
    User,
    UserNotFound,
    WrongPassword,
)

T = TypeVar("T")

NewSecret = Callable[[], str]
"""Returns a random text of at least 256 bits, without a dot."""

IsCommon = Callable[[str], bool]
"""Whether a password is on a list of common ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The tokens of a signed-in client. The refresh token can be used once."""

    user: User
    access_token: str
    refresh_token: str
    lifetime: timedelta


REFUSALS: dict[RefreshResult, type[TokenRejected]] = {
    RefreshResult.EXPIRED: TokenExpired,
    RefreshResult.REUSED: TokenRevoked,
    RefreshResult.UNKNOWN: TokenRejected,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionIssuer:
    """Starts sessions and exchanges refresh tokens, of which only hashes are stored."""

    sessions: SessionRepository
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId
    refresh_ttl: timedelta
    refresh_grace: timedelta

    def begin(self, user: User, *, client: str | None = None, renewed: str | None = None) -> SignedIn | None:
        """Start a new session of a client, and replace the password hash of the user by `renewed` if that is
        given.

        Return None, changing nothing, if the account was deleted or disabled, or its password hash changed,
        since `user` was read.
        """
        session, now = SessionId(self.new_id()), self.clock()
        text, token = self._issue(session, now)
        begun = self.sessions.add(
            Session(
                id=session,
                user=user.id,
                tokens=(token,),
                created_at=now,
                expires_at=token.expires_at,
                client=client,
            ),
            verified=user.password_hash,
            renewed=renewed,
        )
        return self._signed_in(user, session, text) if begun else None

    def refresh(self, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for the next. One that was used before ends its session, unless that was
        within the grace period. Raises TokenExpired, TokenRevoked, TokenRejected.
        """
        now, claims = self.clock(), self.refresh_tokens.read(refresh_token)
        if claims.expires_at is not None and claims.expires_at <= now:
            raise TokenExpired
        text, successor = self._issue(claims.session, now)
        with self.invalidation.session(claims.session):
            use = self.sessions.change(
                claims.session,
                lambda session: session.exchange(
                    hash_secret(refresh_token),
                    successor,
                    at=now,
                    grace=self.refresh_grace,
                    proven=claims.proven,
                ),
            )
        if use is None:
            raise TokenRevoked if claims.proven else TokenRejected
        if use in REFUSALS:
            raise REFUSALS[use]
        caller = self.sessions.caller(claims.session, now)
        if caller is None:
            raise TokenRevoked
        return self._signed_in(caller.user, claims.session, text)

    def _issue(self, session: SessionId, now: datetime) -> tuple[str, RefreshToken]:
        """A refresh token, and its record to store."""
        expires_at = now + self.refresh_ttl
        text = self.refresh_tokens.issue(session, expires_at)
        return text, RefreshToken(hash=hash_secret(text), expires_at=expires_at)

    def _signed_in(self, user: User, session: SessionId, refresh_token: str) -> SignedIn:
        return SignedIn(
            user=user,
            access_token=self.tokens.issue(user.id, session),
            refresh_token=refresh_token,
            lifetime=self.tokens.lifetime,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """Create an account."""

    users: UserRepository
    hasher: PasswordHasher
    is_common: IsCommon
    clock: Clock
    new_id: NewId

    def __call__(
        self,
        *,
        username: str,
        email: str,
        password: str,
        role: Role = Role.USER,
        code: str | None = None,
    ) -> User:
        """Create the account; this uses the invitation with that code once, if one is given.

        Raises InvalidFields with all faults at once; InvitationRejected, EmailTaken, UsernameTaken,
        EmailAndUsernameTaken.
        """
        common = self.is_common(password)
        check_all(
            partial(users.validate_username, username),
            partial(emails.validate_email, email),
            partial(users.validate_password, password, common=common),
        )
        now = self.clock()
        user = User(
            id=UserId(self.new_id()),
            username=users.validate_username(username),
            email=emails.validate_email(email),
            password_hash=self.hasher.hash(password),
            role=role,
            created_at=now,
            updated_at=now,
        )
        self.users.add(user, invitation=hash_secret(code) if code is not None else None)
        return user

    def faults(self, given: Mapping[str, object]) -> Sequence[Fault]:
        """The faults that only this use case finds in fields that are valid by themselves."""
        return faults_of_password(given, "password", self.is_common)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Create an account and sign it in, if registration is open to the client."""

    create_user: CreateUser
    session_issuer: SessionIssuer
    registration: Registration

    def __call__(
        self,
        *,
        username: str,
        email: str,
        password: str,
        invitation: str | None = None,
        client: str | None = None,
    ) -> SignedIn:
        """Raises RegistrationClosed, InvitationRequired, InvitationRejected, InvalidText, EmailTaken,
        UsernameTaken; InvalidCredentials if an admin disables or deletes the account meanwhile.
        """
        code = required_code(self.registration, invitation)
        user = self.create_user(username=username, email=email, password=password, code=code)
        signed_in = self.session_issuer.begin(user, client=client)
        if signed_in is None:
            raise InvalidCredentials
        return signed_in

    def faults(self, given: Mapping[str, object]) -> Sequence[Fault]:
        """The faults that only this use case finds in fields that are valid by themselves."""
        return self.create_user.faults(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Sign in by e-mail address and password."""

    users: UserRepository
    hasher: PasswordHasher
    session_issuer: SessionIssuer
    decoy_hash: str

    def __call__(self, *, email: str, password: str, client: str | None = None) -> SignedIn:
        """Raises InvalidCredentials, after the same work whether or not there is such an account."""
        while True:
            user = self.users.by_email(emails.normalized(email))
            right = self.hasher.verify(user.password_hash if user else self.decoy_hash, password)
            if user is None or not right or user.disabled:
                raise InvalidCredentials
            outdated = self.hasher.outdated(user.password_hash)
            signed_in = self.session_issuer.begin(
                user, client=client, renewed=self.hasher.hash(password) if outdated else None
            )
            if signed_in:
                return signed_in
            # The account changed while the password was verified: try again with the new record.


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Exchange a refresh token for new tokens."""

    session_issuer: SessionIssuer

    def __call__(self, *, refresh_token: str) -> SignedIn:
        """Raises TokenExpired, TokenRevoked, TokenRejected; a token that was used before ends its session,
        unless that was within the grace period.
        """
        return self.session_issuer.refresh(refresh_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Who has sent a token, and for how long the token is valid from now on."""

    caller: Caller
    valid_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Find the user of an access token, with its session, or of an API token."""

    tokens: AccessTokens
    sessions: SessionRepository
    api_tokens: ApiTokenRepository
    api_token_texts: ApiTokenTexts
    clock: Clock

    def __call__(self, *, access_token: str) -> Authenticated:
        """Raises TokenExpired, TokenRejected; TokenRevoked if the session of a valid token, or an API token,
        has ended.
        """
        if access_token.startswith(PREFIX):
            return self._by_api_token(access_token)
        claims, now = self.tokens.read(access_token), self.clock()
        caller = self.sessions.caller(claims.session, now)
        if caller is None:
            raise TokenRevoked
        return Authenticated(caller=caller, valid_for=claims.expires_at - now)

    def _by_api_token(self, text: str) -> Authenticated:
        caller, now = self.api_tokens.caller(hash_secret(text)), self.clock()
        if caller is None or caller.api_token is None:
            raise TokenRevoked if self.api_token_texts.issued(text) else TokenRejected
        token = caller.api_token
        if token.expired(now):
            raise TokenExpired
        return Authenticated(
            caller=caller, valid_for=token.expires_at - now if token.expires_at else timedelta.max
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOut:
    """End a session: its access tokens and its refresh token stop working at once."""

    sessions: SessionRepository
    invalidation: CacheInvalidation

    def __call__(self, *, caller: Caller) -> None:
        """End the caller's own session. Raises SessionRequired."""
        session = caller.required_session()
        with self.invalidation.session(session):
            self.sessions.remove(session)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPassword:
    """Do something only if the password of the account is right."""

    users: UserRepository
    hasher: PasswordHasher

    def __call__(self, user: User, password: str, act: Callable[[str], T | None]) -> T:
        """Verify the password, and return the result of `act`, which is called with the verified hash.

        `act` returns None, changing nothing, if that hash is no longer stored; then the password is verified
        again. Raises WrongPassword.
        """
        while True:
            if not self.hasher.verify(user.password_hash, password):
                raise WrongPassword
            done = act(user.password_hash)
            if done is not None:
                return done
            user = self.users.get(user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProfile:
    """Change one's own name, e-mail address, or language of the pages."""

    users: UserRepository
    confirm_password: ConfirmPassword
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(
        self,
        *,
        caller: Caller,
        username: str | None = None,
        email: str | None = None,
        password: str | None = None,
        language: PageLanguage | Unchanged | None = UNCHANGED,
    ) -> User:
        """None leaves a field as it is, but means that no language is preferred. Another e-mail address needs
        the password, which is verified whenever it is given.

        Raises InvalidText, WrongPassword, EmailTaken, UsernameTaken.
        """
        name = users.validate_username(username) if username is not None else None
        address = emails.validate_email(email) if email is not None else None
        if address == caller.user.email:
            address = None
        if password is None:
            if address is not None:
                raise _password_required()
            now = self.clock()
            with self.invalidation.user(caller.user.id):
                return self.users.change(
                    caller.user.id,
                    lambda stored: stored.with_changes(now, username=name, language=language),
                )
        return self.confirm_password(
            caller.user,
            password,
            lambda verified: self._change(caller.user, name, address, language, verified),
        )

    def _change(
        self,
        user: User,
        name: str | None,
        address: str | None,
        language: PageLanguage | Unchanged | None,
        verified: str,
    ) -> User | None:
        now = self.clock()

        def changed(stored: User) -> User:
            if stored.password_hash != verified:
                return stored
            return stored.with_changes(now, username=name, email=address, language=language)

        with self.invalidation.user(user.id):
            after = self.users.change(user.id, changed)
        return after if after.password_hash == verified else None

    def faults(self, caller: Caller, given: Mapping[str, object]) -> Sequence[Fault]:
        """The faults that only this use case finds in fields that are valid by themselves."""
        email = given.get("email")
        moves = isinstance(email, str) and emails.validate_email(email) != caller.user.email
        return _password_required().faults if moves and "current_password" not in given else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword:
    """Change the password, and end all other sessions and all API tokens."""

    users: UserRepository
    confirm_password: ConfirmPassword
    hasher: PasswordHasher
    is_common: IsCommon
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(self, *, caller: Caller, current: str, new: str) -> None:
        """Raises InvalidText, WrongPassword."""
        chosen = users.validate_password(new, common=self.is_common(new), field="new_password")
        self.confirm_password(caller.user, current, lambda verified: self._change(caller, chosen, verified))

    def _change(self, caller: Caller, chosen: str, verified: str) -> User | None:
        now, password_hash = self.clock(), self.hasher.hash(chosen)

        def changed(stored: User) -> User:
            if stored.password_hash != verified:
                return stored
            return stored.with_changes(now, password_hash=password_hash)

        with self.invalidation.user(caller.user.id):
            after = self.users.change(caller.user.id, changed, keeping=caller.session)
        return after if after.password_hash == password_hash else None

    def faults(self, given: Mapping[str, object]) -> Sequence[Fault]:
        """The faults that only this use case finds in fields that are valid by themselves."""
        return faults_of_password(given, "new_password", self.is_common)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount:
    """Delete one's own account with all that belongs to it, and update the tallies."""

    users: UserRepository
    confirm_password: ConfirmPassword
    invalidation: CacheInvalidation

    def __call__(self, *, caller: Caller, password: str) -> None:
        """Raises WrongPassword, LastAdmin."""
        self.confirm_password(caller.user, password, lambda verified: self._remove(caller.user.id, verified))

    def _remove(self, user: UserId, verified: str) -> bool | None:
        # All the movies that the account had rated, and the lists of raters.
        with self.invalidation.all(), self.invalidation.user(user):
            return self.users.remove(user, verified=verified) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUsers:
    """Show all accounts to an admin, the oldest first."""

    users: UserRepository

    def __call__(self, *, window: Window) -> Page[User]:
        """One page of accounts."""
        found = self.users.page(window.fetch_size, window.skip, after=window.cursor)
        return page_of(found, window, self.users.count())


@dataclass(frozen=True, slots=True, kw_only=True)
class FindUser:
    """Find an account by its e-mail address."""

    users: UserRepository

    def __call__(self, *, email: str) -> User:
        """Raises UserNotFound."""
        user = self.users.by_email(emails.normalized(email))
        if user is None:
            raise UserNotFound
        return user


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """Change the role or the password of an account, or disable or enable it."""

    users: UserRepository
    hasher: PasswordHasher
    is_common: IsCommon
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(
        self,
        *,
        user: UserId,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
    ) -> User:
        """None leaves a field as it is. All sessions and API tokens end with another password, or
        when disabled.

        Raises InvalidText, UserNotFound, LastAdmin.
        """
        password_hash = None
        if password is not None:
            password_hash = self.hasher.hash(
                users.validate_password(password, common=self.is_common(password))
            )
        now = self.clock()
        with self.invalidation.user(user):
            return self.users.change(
                user,
                lambda stored: stored.with_changes(
                    now, role=role, disabled=disabled, password_hash=password_hash
                ),
            )

    def faults(self, given: Mapping[str, object]) -> Sequence[Fault]:
        """The faults that only this use case finds in fields that are valid by themselves."""
        return faults_of_password(given, "password", self.is_common)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Delete another account with all that belongs to it, and update the tallies."""

    users: UserRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: UserId) -> None:
        """Raises UserNotFound, LastAdmin."""
        # All the movies that the account had rated, and the lists of raters.
        with self.invalidation.all(), self.invalidation.user(user):
            self.users.remove(user)


def faults_of_password(given: Mapping[str, object], field: str, is_common: IsCommon) -> Sequence[Fault]:
    """The faults of a new password, if one is given."""
    chosen = given.get(field)
    if not isinstance(chosen, str):
        return ()
    try:
        users.validate_password(chosen, common=is_common(chosen), field=field)
    except Invalid as error:
        return error.faults
    return ()


def _password_required() -> Invalid:
    words = "is required to change the e-mail address"
    return InvalidText("current_password", words, FaultCode.REQUIRED)


def require_admin(caller: Caller) -> Caller:
    """Return the caller if it is an admin. Raises AdminsOnly."""
    if caller.user.role is not Role.ADMIN:
        raise AdminsOnly
    return caller


def hash_secret(token: str) -> str:
    """The hash to store of a random secret. Unlike passwords these cannot be guessed, so it may be fast."""
    return sha256(token.encode()).hexdigest()
