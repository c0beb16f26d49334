"""What becomes of a user's holding of a film, and the class of each row that says something about it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from domain import recommendations, viewings, watchlist
from domain.ids import ItemId, MovieId, RatingId, UserId, ViewingId
from domain.imports.holdings import Holding
from domain.imports.planning import (
    FilmPlan,
    PlannedHiding,
    PlannedItem,
    PlannedRating,
    PlannedViewing,
    moment,
)
from domain.imports.rows import Reason, RowClass, When
from domain.ratings import Rating
from domain.viewings import EARLIEST_DAY, LATEST_OFFSET, Viewing
from domain.watchlist import WatchlistItem


class Prefer(StrEnum):
    """Which side wins where both have a value and they differ."""

    THEIRS = "theirs"
    MINE = "mine"
    NEWER = "newer"


EntryId = Callable[[int, int], str]
"""The id of an entry that a row makes, the first or a later one of it: `Import.entry_id`."""

Verdict = tuple[RowClass, Reason | None]

RANKS = (RowClass.CHANGED, RowClass.NEW, RowClass.NO_PLACE, RowClass.KEPT, RowClass.UNCHANGED)
"""Of the verdicts about what one row says, the first of these is that of the row."""

UNCHANGED: Verdict = (RowClass.UNCHANGED, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The holding afterwards, and the class and reason of each row."""

    after: Holding
    verdicts: Mapping[int, Verdict]


@dataclass(slots=True, kw_only=True)
class Decider:
    """Decides about one film after another.

    `listed`, `seen` and `hidden` count what the user has of all films.
    """

    user: UserId
    prefer: Prefer
    now: datetime
    entry_id: EntryId
    listed: int = 0
    seen: int = 0
    hidden: int = 0
    _entries: Counter[int] = field(default_factory=Counter)
    _verdicts: dict[int, Verdict] = field(default_factory=dict)

    def __call__(self, movie: MovieId, plan: FilmPlan, present: Holding) -> Decision:
        """Decide about one film."""
        self._verdicts = dict.fromkeys(plan.merged, (RowClass.UNCHANGED, Reason.MERGED))
        rating = self._rating(movie, plan.rating, present.rating) if plan.rating else present.rating
        item = self._item(movie, plan.item, present.item) if plan.item else present.item
        seen = present.viewings | set(self._viewings(movie, plan, present))
        hidden_at = self._hidden_at(plan.hiding, present.hidden_at) if plan.hiding else present.hidden_at
        after = Holding(rating=rating, item=item, viewings=frozenset(seen), hidden_at=hidden_at)
        return Decision(after=after, verdicts=self._verdicts)

    def _note(self, rows: frozenset[int], verdict: Verdict) -> None:
        for number in rows:
            known = self._verdicts.get(number, UNCHANGED)
            self._verdicts[number] = min(known, verdict, key=lambda each: RANKS.index(each[0]))

    def _rating(self, movie: MovieId, planned: PlannedRating, ours: Rating | None) -> Rating:
        at = self._moment(planned.rated_at)
        if ours is None:
            self._note(planned.rows, (RowClass.NEW, None))
            return Rating(
                id=RatingId(self._new_id(planned.rows)),
                user=self.user,
                movie=movie,
                score=planned.score,
                review=planned.review,
                created_at=at,
                updated_at=max(at, self._moment(planned.updated_at or at)),
            )
        review = planned.review or ours.review
        if (planned.score, review) == (ours.score, ours.review):
            self._note(planned.rows, UNCHANGED)
            return ours
        fills = planned.score == ours.score and ours.review is None
        kept = None if fills else self._kept(planned.updated_at or planned.rated_at, ours.updated_at)
        if kept:
            self._note(planned.rows, (RowClass.KEPT, kept))
            return ours
        self._note(planned.rows, (RowClass.CHANGED, None))
        updated = self._moment(planned.updated_at or at)
        return replace(
            ours,
            score=planned.score,
            review=review,
            updated_at=updated if updated > ours.updated_at else self.now,
        )

    def _item(self, movie: MovieId, planned: PlannedItem, ours: WatchlistItem | None) -> WatchlistItem | None:
        at = self._moment(planned.added_at)
        if ours is None:
            if self.listed >= watchlist.MAX_ITEMS:
                self._note(planned.rows, (RowClass.NO_PLACE, Reason.WATCHLIST_FULL))
                return None
            self.listed += 1
            self._note(planned.rows, (RowClass.NEW, None))
            return WatchlistItem(
                id=ItemId(self._new_id(planned.rows)),
                user=self.user,
                movie=movie,
                is_favorite=planned.favorite,
                note=planned.note,
                added_at=at,
                updated_at=max(at, self._moment(planned.updated_at or at)),
            )
        favorite, note = ours.is_favorite or planned.favorite, planned.note or ours.note
        if ours.note and note != ours.note:
            kept = self._kept(planned.updated_at or planned.added_at, ours.updated_at)
            note = ours.note if kept else note
            if kept:
                self._note(planned.rows, (RowClass.KEPT, kept))
        if (favorite, note) == (ours.is_favorite, ours.note):
            self._note(planned.rows, UNCHANGED)
            return ours
        self._note(planned.rows, (RowClass.CHANGED, None))
        return ours.changed(self.now, is_favorite=favorite, note=note)

    def _hidden_at(self, planned: PlannedHiding, ours: datetime | None) -> datetime | None:
        if ours:
            self._note(planned.rows, UNCHANGED)
            return ours
        if self.hidden >= recommendations.MAX_HIDDEN:
            self._note(planned.rows, (RowClass.NO_PLACE, Reason.HIDDEN_FULL))
            return None
        self.hidden += 1
        self._note(planned.rows, (RowClass.NEW, None))
        return self._moment(planned.hidden_at)

    def _viewings(self, movie: MovieId, plan: FilmPlan, present: Holding) -> Iterator[Viewing]:
        """The viewings to add. Those that are there already, on the same days as often, are not."""
        days = [viewing.watched_on for viewing in present.viewings]
        first = {viewing.watched_on for viewing in present.viewings if not viewing.rewatch}
        for planned in plan.viewings:
            on = planned.seen.on
            if on and not EARLIEST_DAY <= on <= (self.now + LATEST_OFFSET).date():
                self._note(planned.rows, (RowClass.NO_PLACE, Reason.UNREADABLE_DATE))
            elif days.count(on) >= planned.nth or (planned.any_day and days):
                self._note(planned.rows, UNCHANGED)
            elif self.seen >= viewings.MAX_VIEWINGS:
                self._note(planned.rows, (RowClass.NO_PLACE, Reason.DIARY_FULL))
            else:
                self.seen += 1
                self._note(planned.rows, (RowClass.NEW, None))
                viewing = self._viewing(movie, planned, days, first)
                days.append(on)
                if not viewing.rewatch:
                    first.add(on)
                yield viewing

    def _viewing(
        self, movie: MovieId, planned: PlannedViewing, days: list[date | None], first: set[date | None]
    ) -> Viewing:
        seen = planned.seen
        # Of the viewings on one day all but one are rewatches. Where a file does not tell, so is every
        # viewing after an earlier one.
        again = seen.rewatch
        if again is None:
            again = any(day is None or seen.on is None or day <= seen.on for day in days)
        return Viewing(
            id=ViewingId(self._new_id(planned.rows)),
            user=self.user,
            movie=movie,
            watched_on=seen.on,
            rewatch=again or seen.on in first,
            note=seen.note,
            created_at=self._moment(seen.created_at),
            updated_at=self._moment(seen.updated_at or seen.created_at),
        )

    def _new_id(self, rows: frozenset[int]) -> str:
        """An id for what these rows say."""
        row = min(rows)
        self._entries[row] += 1
        return self.entry_id(row, self._entries[row])

    def _moment(self, when: When | None) -> datetime:
        """The moment of a value, at most now; now if it has none."""
        return min(moment(when) or self.now, self.now)

    def _kept(self, theirs: When | None, ours: datetime) -> Reason | None:
        """Why our value is kept although theirs differs; None if theirs wins."""
        if self.prefer is Prefer.THEIRS:
            return None
        if self.prefer is Prefer.MINE:
            return Reason.OURS_PREFERRED
        # A day without a time is newer than our moment only if it is a later day.
        mine = ours if isinstance(theirs, datetime) else ours.date()
        return None if theirs is not None and theirs > mine else Reason.OURS_IS_NEWER
