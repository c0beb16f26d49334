"""Marks of the change feed: how long they are valid, and where they go on."""

from dataclasses import replace

import pytest

from adapters.testkit.samples import duration, noon
from domain.changes import RETENTION, Change, ChangeBatch, Kind, Mark, Removal, next_mark
from domain.ids import MovieId

REMOVAL = Removal(kind=Kind.RATING, id="a" * 24, movie=MovieId("b" * 24))
BATCH = ChangeBatch(changes=(Change(7, REMOVAL),), last=9, latest=9, epoch=1)
PART = replace(BATCH, last=7)
MARK = Mark(epoch=1, number=3, at=noon(2))


def test_a_mark_expires_when_removals_after_it_may_be_gone() -> None:
    assert not MARK.expired(MARK.at + RETENTION - duration(0.001))
    assert MARK.expired(MARK.at + RETENTION)


@pytest.mark.parametrize(
    ("mark", "precedes"),
    [
        (MARK, True),
        (replace(MARK, number=9), True),
        (replace(MARK, number=10), False),
        (replace(MARK, epoch=2), False),
    ],
)
def test_a_mark_is_a_position_in_one_history(mark: Mark, *, precedes: bool) -> None:
    assert mark.precedes(BATCH) is precedes


def test_a_reading_that_goes_on_keeps_the_time_and_the_beginning_of_its_mark() -> None:
    since = replace(MARK, began=2)
    assert next_mark(since, PART, noon(9)) == replace(since, number=7)
    first = next_mark(None, PART, noon(9))
    assert first == Mark(epoch=1, number=7, at=noon(9), began=9)


def test_a_reading_that_ends_has_a_mark_of_now() -> None:
    assert next_mark(replace(MARK, began=2), BATCH, noon(9)) == Mark(epoch=1, number=9, at=noon(9), began=0)


def test_a_mark_is_renewed_once_a_day_if_nothing_changes() -> None:
    since = replace(MARK, number=9)
    later = since.at + duration(24 * 60 * 60)
    assert next_mark(since, BATCH, later - duration(0.001)) is since
    assert next_mark(since, BATCH, later) == replace(since, at=later)


def test_a_batch_is_complete_up_to_its_last_number() -> None:
    others = [replace(REMOVAL, id=f"{number:024x}") for number in range(4)]
    found = [Change(number, each) for number, each in zip((9, 2, 5, 7), others, strict=True)]
    part = ChangeBatch.of(found, 3, latest=12, epoch=1)
    assert [change.number for change in part.changes] == [2, 5, 7]
    assert (part.last, part.more) == (7, True)
    whole = ChangeBatch.of(found, 5, latest=12, epoch=1)
    assert (len(whole.changes), whole.last, whole.more) == (4, 12, False)


def test_an_entry_that_was_removed_and_stored_again_is_listed_once() -> None:
    batch = ChangeBatch.of([Change(3, REMOVAL), Change(8, REMOVAL)], 2, latest=8, epoch=1)
    assert (batch.changes, batch.last, batch.more) == ((Change(8, REMOVAL),), 8, False)
