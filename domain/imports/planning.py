"""What the rows of an import say about each film together, whatever a user has already."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from domain.ids import MovieId
from domain.imports.rows import ImportedRow, Reason, RowKind, SeenOn, When
from domain.imports.scales import Conversion, UnreadableRating, converted
from domain.ratings import Score

NOON = time(12, tzinfo=UTC)
"""The time of a day that has none: in nearly all zones it is the same day then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRating:
    """The rating of a film, and the rows that say so."""

    score: Score
    rated_at: When | None
    updated_at: datetime | None
    review: str | None
    rows: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedItem:
    """A place on the watchlist, and the rows that say so."""

    favorite: bool
    note: str | None
    added_at: When | None
    updated_at: datetime | None
    rows: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedViewing:
    """A viewing: the `nth` of the film on that day, counted from 1, or with an unknown day.

    `any_day` is set if the rows only say that the film was seen at some time.
    """

    seen: SeenOn
    nth: int
    rows: frozenset[int]
    any_day: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHiding:
    """Hiding a film from recommendations, and the rows that say so."""

    hidden_at: datetime
    rows: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmPlan:
    """What an import says about a film. `merged` are rows that say nothing that others do not say."""

    rating: PlannedRating | None
    item: PlannedItem | None
    viewings: tuple[PlannedViewing, ...]
    hiding: PlannedHiding | None
    merged: frozenset[int]
    remarks: Mapping[int, tuple[Reason, ...]]

    @property
    def rows(self) -> frozenset[int]:
        """All rows about the film."""
        parts = (self.rating, self.item, *self.viewings, self.hiding)
        return frozenset().union(self.merged, *(part.rows for part in parts if part))


def moment(when: When | None) -> datetime | None:
    """A moment, at noon of a day without one."""
    if when is None or isinstance(when, datetime):
        return when
    return datetime.combine(when, NOON)


def score_of(row: ImportedRow, scale: int) -> Conversion | None:
    """The score of a row on a scale; None if it is unrated. Raises UnreadableRating."""
    return converted(row.rating, scale) if row.rating else None


def says_something(row: ImportedRow, scale: int) -> Reason | None:
    """Why a row has nothing that can be kept; None if it has something."""
    try:
        rated = score_of(row, scale) is not None
    except UnreadableRating:
        return None if row.listed or row.viewings else Reason.UNREADABLE_RATING
    kept = rated or row.listed or row.viewings or row.review or row.hidden_at
    return None if kept else Reason.NOTHING_TO_KEEP


def rates_a_film(row: ImportedRow) -> bool:
    """Whether a row has the rating of a film, and not of one viewing."""
    return bool(row.rating) and not row.of_viewing


def plans(
    rows: Iterable[tuple[int, MovieId, ImportedRow]], scale: int, *, overall: bool
) -> dict[MovieId, FilmPlan]:
    """The plan of each film, from all rows that are about one, with their numbers.

    `overall` is whether the import has ratings of films: then those of single viewings do not count.
    """
    by_film = defaultdict[MovieId, list[tuple[int, ImportedRow]]](list)
    for number, movie, row in rows:
        by_film[movie].append((number, row))
    return {movie: _plan(about, scale, overall=overall) for movie, about in by_film.items()}


def _plan(about: list[tuple[int, ImportedRow]], scale: int, *, overall: bool) -> FilmPlan:
    remarks = defaultdict[int, tuple[Reason, ...]](tuple)
    rating = _rating(about, scale, remarks, overall=overall)
    viewings = _viewings(about)
    item = _item(about)
    if rating is None:
        viewings = _with_reviews(viewings, about, remarks)
    hiding = _hiding(about)
    parts = (rating, item, *viewings, hiding)
    saying = frozenset[int]().union(*(part.rows for part in parts if part))
    return FilmPlan(
        rating=rating,
        item=item,
        viewings=viewings,
        hiding=hiding,
        merged=frozenset(number for number, _ in about) - saying,
        remarks=dict(remarks),
    )


def _rating(
    about: list[tuple[int, ImportedRow]], scale: int, remarks: dict[int, tuple[Reason, ...]], *, overall: bool
) -> PlannedRating | None:
    """The rating of the film: the latest of those that are not of a viewing only, with the latest review.

    Where an import has ratings of films, those of viewings do not count: they may be older, or withdrawn.
    """
    rated = []
    for number, row in about:
        try:
            conversion = score_of(row, scale)
        except UnreadableRating:
            remarks[number] += (Reason.UNREADABLE_RATING,)
            continue
        if conversion and not (overall and row.of_viewing):
            rated.append((_time(row.rated_at), number, row, conversion))
    if not rated:
        return None
    _, number, row, conversion = max(rated)
    if conversion.raised:
        remarks[number] += (Reason.RAISED_TO_ONE,)
    if conversion.rounded:
        remarks[number] += (Reason.ROUNDED,)
    reviews = [(_time(each.rated_at), at, each.review) for at, each in about if each.review]
    _, reviewed, review = max(reviews, default=(0.0, number, None))
    return PlannedRating(
        score=conversion.score,
        rated_at=row.rated_at,
        updated_at=row.updated_at,
        review=review,
        rows=frozenset({number, reviewed}),
    )


def _item(about: list[tuple[int, ImportedRow]]) -> PlannedItem | None:
    """The place on the watchlist: since the first of the rows, a favourite if any says so."""
    listed = [(number, row) for number, row in about if row.listed]
    if not listed:
        return None
    _, first = min(listed, key=lambda each: _time(each[1].added_at) or float("inf"))
    return PlannedItem(
        favorite=any(row.favorite for _, row in listed),
        note=next((row.note for _, row in listed if row.note), None),
        added_at=first.added_at,
        updated_at=first.listed_updated_at,
        rows=frozenset(number for number, _ in listed),
    )


def _hiding(about: list[tuple[int, ImportedRow]]) -> PlannedHiding | None:
    """Hiding the film, since the first of the rows."""
    hidden = {number: row.hidden_at for number, row in about if row.hidden_at}
    return PlannedHiding(hidden_at=min(hidden.values()), rows=frozenset(hidden)) if hidden else None


def _viewings(about: list[tuple[int, ImportedRow]]) -> tuple[PlannedViewing, ...]:
    """The viewings of the film. Rows that only repeat others make none: a review of a viewing in the diary, a
    mark that the film was seen, the same play in another file.
    """
    diary = [each for each in about if each[1].kind not in {RowKind.WATCHED, RowKind.REVIEW}]
    found = _counted(diary)
    days = {planned.seen.on for planned in found}
    for number, row in about:
        if row.kind is RowKind.REVIEW:
            for seen in row.viewings:
                if seen.on not in days:
                    days.add(seen.on)
                    found.append(PlannedViewing(seen=seen, nth=1, rows=frozenset({number})))
    if not found:
        marks = [(number, seen) for number, row in about for seen in row.viewings]
        if marks:
            number, seen = min(marks, key=lambda each: (each[1].on is None, each[0]))
            found = [PlannedViewing(seen=seen, nth=1, rows=frozenset({number}), any_day=seen.on is None)]
    return tuple(sorted(found, key=lambda planned: (planned.seen.on or date.min, planned.nth)))


def _counted(diary: list[tuple[int, ImportedRow]]) -> list[PlannedViewing]:
    """A viewing for each play. A play that several files have is one; pages of a file are one file."""
    plays = Counter[tuple[str, date | None]]()
    found: dict[tuple[date | None, int], PlannedViewing] = {}
    for number, row in diary:
        pages = re.sub(r"\d+", "", row.file)
        for seen in row.viewings:
            plays[pages, seen.on] += 1
            nth = plays[pages, seen.on]
            known = found.get((seen.on, nth))
            found[seen.on, nth] = (
                replace(known, rows=known.rows | {number})
                if known
                else PlannedViewing(seen=seen, nth=nth, rows=frozenset({number}))
            )
    return list(found.values())


def _with_reviews(
    viewings: tuple[PlannedViewing, ...],
    about: list[tuple[int, ImportedRow]],
    remarks: dict[int, tuple[Reason, ...]],
) -> tuple[PlannedViewing, ...]:
    """The viewings with reviews of a film without a rating as their notes: by the day, else the last one."""
    noted = list(viewings)
    for number, row in about:
        if not row.review:
            continue
        remarks[number] += (Reason.UNRATED_REVIEW,)
        day = row.viewings[0].on if row.viewings else None
        if not noted:
            noted.append(PlannedViewing(seen=SeenOn(), nth=1, rows=frozenset(), any_day=True))
        at = next((at for at, planned in enumerate(noted) if planned.seen.on == day), len(noted) - 1)
        planned = noted[at]
        seen = planned.seen if planned.seen.note else replace(planned.seen, note=row.review)
        noted[at] = replace(planned, seen=seen, rows=planned.rows | {number})
    return tuple(noted)


def _time(when: When | None) -> float:
    at = moment(when)
    return at.timestamp() if at else 0.0
