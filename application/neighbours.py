"""Use cases that keep the neighbours of movies up to date, in the background."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from sys import intern

from domain.ids import MovieId, NewId, UserId
from domain.ports import CacheInvalidation, JobQueue, Locks, RecommendationRepository
from domain.recommendations import MAX_RATINGS, RULE, Neighbour, RatingChange, likes_of, neighbours

LOCK = "neighbours"
LOCK_TTL = timedelta(seconds=60)
"""For how long neighbours are not updated after a process was killed that did it."""

MAX_CHANGES = 200
"""The changes of ratings that are handled together."""

MAX_BATCHES = 100
"""The batches of changes of one call; a later call continues."""

BATCH_SIZE = 20
"""The movies whose neighbours are stored with one call."""

MAX_CACHED_USERS = 2000
"""The users whose likes, MAX_RATINGS at most, are in memory: 8 MB of references."""


class LockLost(Exception):  # noqa: N818  the sentence it states
    """This process was suspended until its lock expired; another one may compute neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNeighbours:
    """Compute the neighbours of those movies again that depend on ratings that have changed.

    A change of a user's rating concerns the movie, and all others that the user likes. The result is that of
    a recount, except that the popularity of a neighbour may be older; `RecountNeighbours` repairs that. If
    the rule is another one than the stored neighbours were computed with, all are recounted.
    """

    recommendations: RecommendationRepository
    locks: Locks
    invalidation: CacheInvalidation
    new_id: NewId

    def __call__(self) -> int:
        """The number of movies computed; 0 also if another process is at it."""
        with _exclusively(self.recommendations, self.locks, self.invalidation, self.new_id()) as writer:
            if writer is None:
                return 0
            if self.recommendations.rule() != RULE:
                return writer.recount()
            computed = 0
            for _ in range(MAX_BATCHES):
                changes = self.recommendations.changes(MAX_CHANGES)
                if not changes:
                    break
                computed += writer.compute(sorted(self._concerned(changes)))
                self.recommendations.settle(changes)  # not before: a killed process must find them again
            return computed

    def _concerned(self, changes: Sequence[RatingChange]) -> set[MovieId]:
        """The movies whose neighbours the changes may alter.

        Only the newest ratings of a user count, so a new rating displaces an old one, and vice versa.
        """
        changed = defaultdict[UserId, set[MovieId]](set)
        for each in changes:
            changed[each.user].add(each.movie)
        concerned = set[MovieId]()
        for user, movies in changed.items():
            likes = self.recommendations.likes([user], newest=MAX_RATINGS + len(movies))
            concerned |= movies.union(*likes.values())
        return concerned


@dataclass(frozen=True, slots=True, kw_only=True)
class RecountNeighbours:
    """Compute the neighbours of all movies again."""

    recommendations: RecommendationRepository
    locks: Locks
    invalidation: CacheInvalidation
    new_id: NewId

    def __call__(self) -> int:
        """The number of movies computed; 0 also if another process is at it."""
        with _exclusively(self.recommendations, self.locks, self.invalidation, self.new_id()) as writer:
            return writer.recount() if writer else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUpdate:
    """Enqueue an update of neighbours if there is anything to update."""

    recommendations: RecommendationRepository
    jobs: JobQueue

    def __call__(self) -> bool:
        """Whether there is. Raises QueueUnavailable."""
        if not (self.recommendations.changes(1) or self._is_new_rule()):
            return False
        self.jobs.update_neighbours()
        return True

    def _is_new_rule(self) -> bool:
        if self.recommendations.rule() == RULE:
            return False
        if self.recommendations.movies_after(None, 1):
            return True
        self.recommendations.set_rule(RULE)  # without ratings there is nothing to compute
        return False


@dataclass(frozen=True, slots=True)
class _Lock:
    """The lock of the process that computes neighbours. Two at once would store what is outdated."""

    locks: Locks
    holder: str

    def renew(self) -> None:
        """Hold it for another LOCK_TTL. Raises LockLost."""
        if not self.locks.renew(LOCK, self.holder, LOCK_TTL):
            raise LockLost


@dataclass(frozen=True, slots=True)
class _Writer:
    """Computes and stores neighbours, while it holds the lock."""

    recommendations: RecommendationRepository
    invalidation: CacheInvalidation
    lock: _Lock

    def recount(self) -> int:
        """Compute the neighbours of all movies; return their number."""
        computed, last = 0, None
        while movies := self.recommendations.movies_after(last, MAX_CACHED_USERS):
            computed += self.compute(movies)
            last = movies[-1]
        self.recommendations.set_rule(RULE)
        return computed

    def compute(self, movies: Sequence[MovieId]) -> int:
        """Compute the neighbours of these movies from likes that are read anew; return their number.

        Raises LockLost.
        """
        reader, stored = _Likes(self.recommendations), list[MovieId]()
        with self.invalidation.recommendations(stored):
            for start in range(0, len(movies), BATCH_SIZE):
                part = movies[start : start + BATCH_SIZE]
                before = self.recommendations.neighbours(part)
                found = {movie: reader.neighbours(movie) for movie in part}
                changed = {movie: each for movie, each in found.items() if each != before.get(movie, ())}
                stored += changed
                self.lock.renew()
                self.recommendations.store(changed)
        return len(movies)


@contextmanager
def _exclusively(
    recommendations: RecommendationRepository, locks: Locks, invalidation: CacheInvalidation, holder: str
) -> Iterator[_Writer | None]:
    """A context in which this process alone computes neighbours; None if another one does."""
    if locks.acquire(LOCK, holder, LOCK_TTL):
        yield None
        return
    try:
        yield _Writer(recommendations, invalidation, _Lock(locks, holder))
    finally:
        locks.release(LOCK, holder)


@dataclass(slots=True)
class _Likes:
    """Computes neighbours from likes and tallies, which it reads once if they fit into memory."""

    recommendations: RecommendationRepository
    _likes: dict[UserId, tuple[MovieId, ...]] = field(default_factory=dict)
    _popularity: dict[MovieId, int] = field(default_factory=dict)

    def neighbours(self, movie: MovieId) -> tuple[Neighbour, ...]:
        """The neighbours of a movie."""
        users = self.recommendations.likers(movie)
        if len(users) <= 1:
            return ()
        self._read_likes(users)
        likes = [self._likes[user] for user in users if movie in self._likes[user]]
        self._read_popularity(movie for each in likes for movie in each)
        return neighbours(movie, likes, self._popularity)

    def _read_likes(self, users: Sequence[UserId]) -> None:
        if len(self._likes.keys() | users) > MAX_CACHED_USERS:
            self._likes.clear()
        missing = [user for user in users if user not in self._likes]
        found = self.recommendations.likes(missing, newest=MAX_RATINGS)
        for user in missing:
            # Many users like the same movies: an id is in memory once.
            self._likes[user] = tuple(MovieId(intern(movie)) for movie in found.get(user, ()))

    def _read_popularity(self, movies: Iterable[MovieId]) -> None:
        missing = set(movies) - self._popularity.keys()
        tallies = self.recommendations.tallies(sorted(missing))
        self._popularity |= {movie: likes_of(tallies[movie]) if movie in tallies else 0 for movie in missing}
