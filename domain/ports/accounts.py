"""Ports for accounts: users, invitations, sessions, password hashes and tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from domain.api_tokens import ApiToken
    from domain.ids import ApiTokenId, InvitationId, SessionId, UserId
    from domain.invitations import Invitation
    from domain.pagination import Cursor
    from domain.sessions import AccessClaims, RefreshClaims, Session
    from domain.users import Caller, User


T = TypeVar("T")


class UserRepository(Protocol):
    """Accounts. The folded forms of e-mail addresses and of user names are unique (`User.folded_email`)."""

    def add(self, user: User, *, invitation: str | None = None) -> None:
        """Store a new account.

        Raises EmailTaken, UsernameTaken or EmailAndUsernameTaken. Of several calls at once with the same
        address or name, all but one raise.

        `invitation` is the hash of an invitation's code, of which one use is consumed in the same step. If
        there is no such invitation that is valid at the account's creation and has a use left,
        InvitationRejected is raised, also if the address or the name is taken.
        """
        ...

    def get(self, user: UserId) -> User:
        """The account with that id. Raises UserNotFound."""
        ...

    def by_email(self, email: str) -> User | None:
        """The account with that e-mail address, whatever its case; None if there is none."""
        ...

    def by_ids(self, users: Collection[UserId]) -> dict[UserId, User]:
        """The accounts with these ids, by id. Unknown ids are left out."""
        ...

    def change(
        self, user: UserId, change: Callable[[User], User], *, keeping: SessionId | None = None
    ) -> User:
        """Apply a function to the stored account, store the result, and return it.

        This is atomic, so no concurrent change is lost. The function may be called more than once. In the
        same step sessions and API tokens of the user end: all of them if the result is disabled, all except
        the session `keeping` if its password hash has changed. Raises UserNotFound, EmailTaken,
        UsernameTaken, EmailAndUsernameTaken, and LastAdmin if the change would disable or demote the last
        active admin (`User.is_active_admin`).
        """
        ...

    def remove(self, user: UserId, *, verified: str | None = None) -> bool:
        """Delete an account with its ratings, watchlist, sessions and API tokens, all or nothing.

        Its scores are removed from the tallies in the same step. False, deleting nothing, if `verified` is
        given and differs from the stored password hash. Raises UserNotFound, LastAdmin.
        """
        ...

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[User]:
        """Up to `limit` accounts, the oldest first; ties by id. They are those after the cursor `after`
        (`User.cursor`) if it is given, else those after the first `skip`. The cost does not grow with the
        depth of a cursor.
        """
        ...

    def count(self) -> int:
        """The number of accounts."""
        ...


class InvitationRepository(Protocol):
    """Invitations to create accounts."""

    def add(self, invitation: Invitation) -> None:
        """Store a new invitation."""
        ...

    def remove(self, invitation: InvitationId) -> None:
        """Delete an invitation. Raises InvitationNotFound."""
        ...

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[Invitation]:
        """Up to `limit` invitations, the newest first; ties by id. They are those after the cursor `after`
        (`Invitation.cursor`) if it is given, else those after the first `skip`.
        """
        ...

    def count(self) -> int:
        """The number of invitations."""
        ...

    def remove_expired(self, at: datetime) -> int:
        """Delete the invitations that have expired at that time; return how many."""
        ...


class SessionRepository(Protocol):
    """Sessions of signed-in clients."""

    def add(self, session: Session, *, verified: str, renewed: str | None = None) -> bool:
        """Store a new session of a user whose password was verified against the hash `verified`.

        In the same step, `renewed` replaces that hash if it is given. False, storing nothing, if the stored
        hash is a different one by now, or the user is disabled or deleted: a change that ends all sessions
        also prevents logins that were being verified meanwhile.
        """
        ...

    def caller(self, session: SessionId, at: datetime) -> Caller | None:
        """The user of a session, as a caller; None if the session does not exist or has expired at that time,
        or if the user is disabled.
        """
        ...

    def change(self, session: SessionId, change: Callable[[Session], tuple[Session | None, T]]) -> T | None:
        """Apply a function to the stored session. It returns the session to store, None to end it, and a
        value, which this method returns. None if there is no such session.

        This is atomic: of several calls at once, each sees the result of the previous one. The function may
        be called more than once. An unchanged session is not written.
        """
        ...

    def remove(self, session: SessionId) -> None:
        """End a session. Nothing happens if it does not exist."""
        ...

    def remove_of(self, user: UserId, session: SessionId) -> None:
        """End a session of a user. Raises SessionNotFound, also if it is another user's."""
        ...

    def remove_others(self, user: UserId, keeping: SessionId) -> None:
        """End all sessions of a user except one."""
        ...

    def of_user(
        self, user: UserId, at: datetime, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Session]:
        """Up to `limit` of a user's sessions that have not expired at that time, the newest first; ties by
        id. They are those after the cursor `after` (`Session.cursor`) if it is given, else those after the
        first `skip`.
        """
        ...

    def count(self, user: UserId, at: datetime) -> int:
        """The number of a user's sessions that have not expired at that time."""
        ...

    def active_users(self, at: datetime) -> int:
        """The number of users with a session that has not expired at that time."""
        ...

    def remove_expired(self, at: datetime) -> int:
        """Delete the sessions that have expired at that time; return how many."""
        ...


class ApiTokenRepository(Protocol):
    """API tokens. The hashes of their texts are unique."""

    def add(self, token: ApiToken, *, session: SessionId) -> bool:
        """Store a new token of a user who is signed in with a session.

        False, storing nothing, if that session has ended: what ends all tokens also prevents one that is
        being made meanwhile. Raises TooManyApiTokens.
        """
        ...

    def caller(self, token_hash: str) -> Caller | None:
        """The user of the token with that hash, as a caller, whether or not the token has expired; None if
        there is no such token, or if the user is disabled.
        """
        ...

    def remove(self, token: ApiTokenId, user: UserId) -> None:
        """End a user's token. Raises ApiTokenNotFound, also if it is another user's."""
        ...

    def of_user(
        self, user: UserId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[ApiToken]:
        """Up to `limit` of a user's tokens, the newest first; ties by id. They are those after the cursor
        `after` (`ApiToken.cursor`) if it is given, else those after the first `skip`.
        """
        ...

    def count(self, user: UserId) -> int:
        """The number of a user's tokens, expired ones included."""
        ...


class PasswordHasher(Protocol):
    """Slow, salted hashing of passwords."""

    def hash(self, password: str) -> str:
        """The hash of a password with its parameters and a random salt, as a PHC string."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether a hash is that of the password."""
        ...

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than the present ones."""
        ...


class AccessTokens(Protocol):
    """Access tokens: signed texts that name a user and a session for a limited time."""

    def issue(self, user: UserId, session: SessionId) -> str:
        """A new token, which is valid from now on."""
        ...

    def read(self, token: str) -> AccessClaims:
        """The claims of a valid token. Raises TokenExpired if its lifetime is over, and TokenRejected for
        anything that is not a token of ours.
        """
        ...

    @property
    def lifetime(self) -> timedelta:
        """How long a token is valid."""
        ...


class RefreshTokens(Protocol):
    """Refresh tokens: signed texts that name a session and cannot be guessed."""

    def issue(self, session: SessionId, expires_at: datetime) -> str:
        """A new token."""
        ...

    def read(self, token: str) -> RefreshClaims:
        """The claims of a token. They are not proven if the token is forged, or was issued by an earlier
        version or with another secret. Raises TokenRejected if the text does not have the form of a token.
        """
        ...


class ApiTokenTexts(Protocol):
    """The texts of API tokens, which cannot be guessed."""

    def issue(self) -> str:
        """A new text, which begins with `domain.api_tokens.PREFIX`."""
        ...

    def issued(self, text: str) -> bool:
        """Whether a text was certainly issued by us. False if it is forged, or issued with another secret."""
        ...
