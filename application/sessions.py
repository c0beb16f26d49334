"""Use cases of the list of one's own sessions."""

from dataclasses import dataclass

from domain.ids import SessionId
from domain.pagination import Page, Window, page_of
from domain.ports import CacheInvalidation, Clock, SessionRepository
from domain.sessions import Session
from domain.users import Caller, User


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions:
    """Show one's own sessions, the newest first."""

    sessions: SessionRepository
    clock: Clock

    def __call__(self, *, user: User, window: Window) -> Page[Session]:
        """One page of sessions that have not expired."""
        now = self.clock()
        found = self.sessions.of_user(user.id, now, window.fetch_size, window.skip, after=window.cursor)
        return page_of(found, window, self.sessions.count(user.id, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """End one of one's own sessions: its tokens stop working at once."""

    sessions: SessionRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: User, session: SessionId) -> None:
        """Raises SessionNotFound."""
        with self.invalidation.session(session):
            self.sessions.remove_of(user.id, session)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOtherSessions:
    """End all of one's own sessions except the one that does this."""

    sessions: SessionRepository
    invalidation: CacheInvalidation

    def __call__(self, *, caller: Caller) -> None:
        """API tokens go on. Raises SessionRequired."""
        session = caller.required_session()
        with self.invalidation.user(caller.user.id):
            self.sessions.remove_others(caller.user.id, session)
