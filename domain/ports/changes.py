"""The port of the change feed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.changes import Activity, ChangeBatch
    from domain.ids import UserId


class ChangeRepository(Protocol):
    """What has changed of users' ratings, watchlists and viewings."""

    def since(self, user: UserId, number: int, limit: int, *, removals_since: int = 0) -> ChangeBatch:
        """Up to `limit` of a user's changes after that with this number, in the order of their numbers.

        Each entry appears at most once, with its last change. Removals up to `removals_since` are left out.
        The batch has everything up to `ChangeBatch.last`; what is stored later has a number above
        `ChangeBatch.latest`. Raises UserNotFound.
        """
        ...

    def activity(self, user: UserId) -> Activity:
        """When the entries of a user last changed. Raises UserNotFound."""
        ...

    def remove_before(self, at: datetime) -> int:
        """Delete the records of entries that were removed before that time; return how many."""
        ...
