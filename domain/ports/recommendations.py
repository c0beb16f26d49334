"""The port for recommendations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.ids import MovieId, UserId
    from domain.pagination import Cursor
    from domain.ratings import Tally
    from domain.recommendations import HiddenMovie, Neighbour, RatingChange


class RecommendationRepository(Protocol):
    """The neighbours of movies, what they are computed from, and the movies that users hide.

    Every write of `RatingRepository` that adds, changes or removes a score also stores a `RatingChange`, and
    so does the deletion of an account for each of its ratings: in the same step, both or neither.
    """

    def changes(self, limit: int) -> list[RatingChange]:
        """Up to `limit` changes that were not settled, one for a user and movie."""
        ...

    def settle(self, changes: Sequence[RatingChange]) -> None:
        """Forget these changes. One that has another mark by now is kept."""
        ...

    def likers(self, movie: MovieId) -> list[UserId]:
        """The users who like a movie, of the MAX_RATERS who rated it last (`created_at`, then id)."""
        ...

    def likes(self, users: Collection[UserId], *, newest: int) -> dict[UserId, list[MovieId]]:
        """The movies that each user likes, of the `newest` movies that the user rated last, the last rated
        (`created_at`) first; ties by the id of the rating, ascending. A user without any is left out.
        """
        ...

    def tallies(self, movies: Collection[MovieId]) -> dict[MovieId, Tally]:
        """The tallies of these movies; unknown and unrated movies are left out."""
        ...

    def movies_after(self, movie: MovieId | None, limit: int) -> list[MovieId]:
        """The first `limit` movies by id that have ratings or stored neighbours, after a movie if one is
        given.
        """
        ...

    def store(self, neighbours: Mapping[MovieId, Sequence[Neighbour]]) -> None:
        """Replace the neighbours of these movies, all or nothing."""
        ...

    def neighbours(self, movies: Collection[MovieId]) -> dict[MovieId, tuple[Neighbour, ...]]:
        """The stored neighbours of these movies in the order in which they were stored; movies without any
        are left out.
        """
        ...

    def rule(self) -> int:
        """The version of the rule with which all neighbours were computed; 0 if they never were."""
        ...

    def set_rule(self, rule: int) -> None:
        """Store the version of the rule."""
        ...

    def known(self, user: UserId, movies: Collection[MovieId]) -> set[MovieId]:
        """Those of the movies that the user has rated, has seen or hides."""
        ...

    def hide(self, user: UserId, movie: MovieId, at: datetime) -> None:
        """Hide a movie from a user's recommendations. One that is hidden already stays as it is.

        Raises HiddenListFull, MovieNotFound, UserNotFound.
        """
        ...

    def unhide(self, user: UserId, movie: MovieId) -> None:
        """Show a movie again. Nothing happens if it is not hidden."""
        ...

    def hidden(
        self, user: UserId, *, limit: int, skip: int = 0, after: Cursor | None = None
    ) -> list[HiddenMovie]:
        """Up to `limit` of the movies that a user hides, the last hidden first; ties by id.

        They are those after the cursor `after` (`HiddenMovie.cursor`) if it is given, else those after the
        first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def count_hidden(self, user: UserId) -> int:
        """The number of movies that a user hides."""
        ...

    def is_hidden(self, user: UserId, movie: MovieId) -> bool:
        """Whether a user hides a movie."""
        ...
