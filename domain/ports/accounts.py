"""Ports for accounts: users, invitations, sessions, password hashes and tokens."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from domain.ids import InvitationId, SessionId, UserId
from domain.invitations import Invitation
from domain.pagination import Cursor
from domain.sessions import RefreshClaims, Session
from domain.users import Caller, User

T = TypeVar("T")


class UserRepository(Protocol):
    """Accounts. E-mail addresses and names are unique by their folded form (`User.folded_email`)."""

    def add(self, user: User, *, invitation: str | None = None) -> None:
        """Store a new account.

        Raises EmailTaken, UsernameTaken or EmailAndUsernameTaken, of several at once for all but one.

        `invitation` is the hash of an invitation's code: in the same step the account uses up one of its
        uses. Raises InvitationRejected, before anything is said of names, if at the account's creation no
        such invitation was valid and had a use left.
        """
        ...

    def get(self, user: UserId) -> User:
        """The account of that id. Raises UserNotFound."""
        ...

    def by_email(self, email: str) -> User | None:
        """The account with that e-mail address in any case; None if there is none."""
        ...

    def by_ids(self, users: Collection[UserId]) -> dict[UserId, User]:
        """Those of the accounts with these ids that exist."""
        ...

    def change(
        self, user: UserId, change: Callable[[User], User], *, keeping: SessionId | None = None
    ) -> User:
        """Apply a change to an account as it is stored, and store the result; return it.

        What the function sees is what is replaced: no change of another is lost. It may be called more than
        once. In the same step, if the result is disabled, all sessions of the user end; if its password hash
        is another than before, all but `keeping`. Raises UserNotFound, EmailTaken, UsernameTaken,
        EmailAndUsernameTaken; LastAdmin if no active admin would be left (`User.is_active_admin`)
        though somebody did before.
        """
        ...

    def remove(self, user: UserId, *, verified: str | None = None) -> bool:
        """Delete an account with its ratings, watchlist and sessions, all or nothing.

        The tallies of the rated movies lose its scores in the same step. False, deleting nothing, if
        `verified` is given and is not the password hash that is stored. Raises UserNotFound, LastAdmin.
        """
        ...

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[User]:
        """Accounts, the oldest first; ties by id. They follow `after` (`User.cursor`) if that is given, else
        the first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def count(self) -> int:
        """How many accounts there are."""
        ...


class InvitationRepository(Protocol):
    """Invitations to make accounts."""

    def add(self, invitation: Invitation) -> None:
        """Store a new invitation."""
        ...

    def remove(self, invitation: InvitationId) -> None:
        """Delete an invitation. Raises InvitationNotFound."""
        ...

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[Invitation]:
        """Invitations, the newest first; ties by id. They follow `after` (`Invitation.cursor`) if that is
        given, else the first `skip`.
        """
        ...

    def count(self) -> int:
        """How many invitations there are."""
        ...

    def remove_expired(self, at: datetime) -> int:
        """Delete the invitations that have expired at that time; how many."""
        ...


class SessionRepository(Protocol):
    """Signed-in clients."""

    def add(self, session: Session, *, verified: str, renewed: str | None = None) -> bool:
        """Store a new session of a user whose password was verified against the hash `verified`.

        In the same step, `renewed` takes the place of that hash if it is given. False, storing nothing, if
        the hash that is stored is another by now, or the user is disabled or does not exist: a login never
        outlives what ended all sessions while it was verified.
        """
        ...

    def caller(self, session: SessionId, at: datetime) -> Caller | None:
        """Who calls by this session; None if it does not exist, has expired at that time, or its user is
        disabled.
        """
        ...

    def change(self, session: SessionId, change: Callable[[Session], tuple[Session | None, T]]) -> T | None:
        """Store what a function makes of a session as it is stored, or end it for None; return what the
        function says besides. None if there is no such session.

        What the function sees is what is replaced: of several at once, each sees what the one before it
        stored. It may be called more than once. An unchanged session is not written.
        """
        ...

    def remove(self, session: SessionId) -> None:
        """End a session; nothing happens if it has ended."""
        ...

    def active_users(self, at: datetime) -> int:
        """How many users have a session that has not expired at that time."""
        ...

    def remove_expired(self, at: datetime) -> int:
        """Delete sessions that have expired at that time; return how many."""
        ...


class PasswordHasher(Protocol):
    """Slow, salted hashing of passwords."""

    def hash(self, password: str) -> str:
        """The hash of a password, with its parameters and a salt of its own, as a PHC string."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether this is the hash of this password."""
        ...

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than would be used now."""
        ...


class AccessTokens(Protocol):
    """Signed tokens that name a user and a session for a while."""

    def issue(self, user: UserId, session: SessionId) -> str:
        """A token that holds from now on."""
        ...

    def read(self, token: str) -> SessionId:
        """The session of a token that is ours and sound. Raises TokenExpired from the very moment that its
        time is over, TokenRejected for whatever is no token of ours.
        """
        ...

    @property
    def lifetime(self) -> timedelta:
        """How long a token holds."""
        ...


class RefreshTokens(Protocol):
    """Texts that nobody can guess, each of which names a session and proves that we issued it."""

    def issue(self, session: SessionId, expires_at: datetime) -> str:
        """A fresh token."""
        ...

    def read(self, token: str) -> RefreshClaims:
        """What a token says; nothing is proven if it was issued by an earlier version or under another
        secret, or is made up. Raises TokenRejected for what has no form of a token.
        """
        ...
