"""Use cases of scrobbling: films that players report as watched become viewings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from application.additions import FindHeld
from domain.errors import MatineeError
from domain.ids import MovieId, NewId, ViewingId
from domain.imports.holdings import Holding, Holdings
from domain.movies import MovieNotFound
from domain.ports import Clock, HoldingRepository, PlaybackReader
from domain.scrobbles import Playback, same_play
from domain.users import User
from domain.viewings import MAX_VIEWINGS, DiaryFull, Viewing


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a player reports, and the film that it is about, if the catalogue has it."""

    playback: Playback
    movie: MovieId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindPlayed:
    """Understand the report of a player, and look for its film in the catalogue."""

    read_playback: PlaybackReader
    find_held: FindHeld

    def __call__(self, *, payload: Mapping[str, object]) -> Played:
        """The film is looked for only if it was watched to the end. Raises UnknownPayload."""
        playback = self.read_playback(payload)
        for ref in () if playback.skipped else playback.refs:
            if held := self.find_held(ref=ref):
                return Played(playback=playback, movie=held.movie.id)
        return Played(playback=playback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A viewing, and whether this report has created it."""

    viewing: Viewing
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlay:
    """Record that a user has watched a film. A report that comes again, or late, records nothing twice."""

    holdings: HoldingRepository
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, movie: MovieId, playback: Playback) -> Recorded:
        """The new viewing, or the one that is there for the same play. It is a rewatch if the user has seen
        the film before.

        Raises MovieNotFound, DiaryFull, UserNotFound.
        """
        now = self.clock()
        day = playback.day(now)
        viewing = Viewing(
            id=ViewingId(self.new_id()),
            user=user.id,
            movie=movie,
            watched_on=day,
            created_at=now,
            updated_at=now,
        )
        result: Recorded | MatineeError = MovieNotFound(movie)

        def change(stored: Holdings) -> Mapping[MovieId, Holding]:
            nonlocal result
            result = MovieNotFound(movie)
            held = stored.films.get(movie)
            if held is None:
                return {}
            if before := same_play(held.viewings, day, now):
                result = Recorded(viewing=before, created=False)
                return {}
            if stored.seen >= MAX_VIEWINGS:
                result = DiaryFull()
                return {}
            added = replace(viewing, rewatch=bool(held.viewings))
            result = Recorded(viewing=added, created=True)
            return {movie: replace(held, viewings=held.viewings | {added})}

        self.holdings.change(user.id, [movie], change)
        if isinstance(result, MatineeError):
            raise result
        return result
