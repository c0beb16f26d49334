"""What a worker stores of an import, and how far it says that it is, over the embedded store in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, cast

import pytest

from adapters import system
from adapters.testkit.samples import facts, new_item, new_viewing, noon, store_page
from application import import_runner
from domain import recommendations, viewings, watchlist
from domain.ids import movie_id
from domain.imports.imports import Import, ImportRow, ImportState
from domain.imports.rows import Reason, RowClass
from domain.ports import ImportRepository
from domain.ratings import Score
from tests.integration.import_use_cases import ImportUseCases
from tests.stores import store_in_memory

TABLE = "tmdb_id,rating\n"
LETTERBOXD = "Date,Name,Year,Letterboxd URI"
LISTED_AND_SEEN = {
    "watchlist.csv": f"{LETTERBOXD}\n2024-01-02,Heat,1995,u\n",
    "diary.csv": f"{LETTERBOXD},Rating,Rewatch,Tags,Watched Date\n2024-01-02,Heat,1995,u,,,,2024-01-01\n",
}
HIDDEN = '{"hidden": [{"tmdb_id": 1, "hidden_at": "2024-01-02T12:00:00Z"}]}'


@pytest.fixture
def use_cases() -> Iterator[ImportUseCases]:
    store = store_in_memory(system.now)
    store_page(
        store,
        *(
            facts(number, title=title, original_title=title, release_date=date(1995, 5, 5))
            for number, title in enumerate(("Heat", "Ran", "Dune"), 1)
        ),
    )
    yield ImportUseCases(store)
    store.close()


def score(use_cases: ImportUseCases, number: int) -> Score | None:
    rating = use_cases.store.ratings.of(use_cases.user.id, movie_id(number))
    return rating.score if rating else None


def progress(use_cases: ImportUseCases, imported: Import) -> list[tuple[ImportState, int, int]]:
    """Run an import's job; return its state, and how much is done of how much, after each change."""
    seen: list[tuple[ImportState, int, int]] = []
    use_cases.run(imported=imported.id, on_progress=lambda now: seen.append((now.state, now.done, now.total)))
    return seen


class Killed(BaseException):
    """The process of a worker was killed."""


def test_reading_begins_anew_after_an_interruption(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "ROWS_AT_ONCE", 1)
    imported = use_cases.upload(f"{TABLE}1,4\n2,5\n")

    def kill(now: Import) -> None:
        if now.done:
            raise Killed

    with pytest.raises(Killed):
        use_cases.run(imported=imported.id, on_progress=kill)
    assert progress(use_cases, imported)[:3] == [(ImportState.READING, done, 0) for done in (0, 1, 2)]


def test_rows_of_an_earlier_reading_are_deleted(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match("title,year,mine,rating\nHeat,1995,9,2\n")
    (row,) = use_cases.all_rows(ready)
    reading = use_cases.change(imported=ready.id, user=use_cases.user.id, columns={"rating": "mine"}).imported
    reading = reading.next(system.now())
    use_cases.store.imports.save(reading, [replace(row, number=2)])
    assert [each.number for each in use_cases.all_rows(use_cases.run_job(reading))] == [1]


def test_the_headers_of_a_table_are_kept(use_cases: ImportUseCases) -> None:
    assert use_cases.upload_and_match("title,year,mine\nHeat,1995,9\n").headers == ("title", "year", "mine")


class Saved:
    """Imports, and how many rows were stored at a time."""

    def __init__(self, imports: ImportRepository) -> None:
        self.imports = imports
        self.sizes: list[int] = []

    def save(self, imported: Import, rows: Sequence[ImportRow] = (), *, restart: bool = False) -> None:
        self.sizes.append(len(rows))
        self.imports.save(imported, rows, restart=restart)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.imports, name)


def test_classes_are_stored_in_batches(use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS_AT_ONCE", "MATCHED_AT_ONCE"):
        monkeypatch.setattr(import_runner, name, 2)
    saved = Saved(use_cases.store.imports)
    imported = use_cases.upload(f"{TABLE}1,4\n2,5\n3,3\n1,x\n2,x\n77,5\n")
    replace(use_cases.run, imports=cast("Any", saved))(imported=imported.id)
    assert max(saved.sizes) == 2
    assert [row.row_class for row in use_cases.all_rows(imported)] == [
        *(RowClass.NEW, RowClass.NEW, RowClass.NEW),
        *(RowClass.UNREADABLE, RowClass.UNREADABLE, RowClass.UNMATCHED),
    ]


def test_an_import_tells_how_many_films_are_applied_and_undone(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "APPLY_BATCH", 1)
    ready = use_cases.upload_and_match(f"{TABLE}1,4\n2,5\n77,5\n")
    applying = use_cases.apply_import(imported=ready.id, user=use_cases.user.id).imported
    assert (applying.done, applying.total) == (0, 0)
    applied = [(ImportState.APPLYING, done, 2) for done in range(3)]
    assert progress(use_cases, applying) == [*applied, (ImportState.DONE, 2, 2)]
    undoing = use_cases.undo_import(imported=ready.id, user=use_cases.user.id).imported
    assert (undoing.done, undoing.total, undoing.not_undone) == (0, 2, 0)
    assert progress(use_cases, undoing) == [*applied[1:], (ImportState.UNDONE, 2, 2)]


@pytest.fixture
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchlist, a diary and the list of hidden films hold one film."""
    monkeypatch.setattr(watchlist, "MAX_ITEMS", 1)
    monkeypatch.setattr(viewings, "MAX_VIEWINGS", 1)
    monkeypatch.setattr(recommendations, "MAX_HIDDEN", 1)


def fill_up(use_cases: ImportUseCases) -> None:
    """Put another film on the watchlist and into the diary, and hide it."""
    use_cases.store.watchlists.add(new_item(use_cases.user.id, movie_id(2)))
    use_cases.store.viewings.add(new_viewing(use_cases.user.id, movie_id(2)))
    use_cases.store.recommendations.hide(use_cases.user.id, movie_id(2), noon())


@pytest.mark.parametrize(
    ("content", "name", "rows"), [(LISTED_AND_SEEN, "export.zip", 2), (HIDDEN, "export.json", 1)]
)
@pytest.mark.usefixtures("room_for_one")
def test_limits_hold_for_what_was_added_after_the_review(
    use_cases: ImportUseCases, content: Any, name: str, rows: int
) -> None:
    ready = use_cases.upload_and_match(content, name)
    assert ready.counts == {RowClass.NEW: rows}
    fill_up(use_cases)
    assert use_cases.apply(ready).counts == {RowClass.NO_PLACE: rows}
    assert (
        use_cases.store.watchlists.count(use_cases.user.id)
        == use_cases.store.viewings.count(use_cases.user.id)
        == 1
    )


@pytest.mark.parametrize(
    ("content", "name", "rows"), [(LISTED_AND_SEEN, "export.zip", 2), (HIDDEN, "export.json", 1)]
)
@pytest.mark.usefixtures("room_for_one")
def test_the_review_says_what_will_not_fit(
    use_cases: ImportUseCases, content: Any, name: str, rows: int
) -> None:
    fill_up(use_cases)
    assert use_cases.upload_and_match(content, name).counts == {RowClass.NO_PLACE: rows}


def test_a_review_is_complete_with_all_rows(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}1,4\n2,5\n77,5\n")
    assert (ready.done, ready.total) == (3, 3)


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_all_films_but_one_that_vanished_are_applied(use_cases: ImportUseCases, gone: int) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}1,4\n2,5\n3,3\n")
    store_page(use_cases.store, gone=(gone,), day=2)
    assert use_cases.apply(ready).counts == {RowClass.NEW: 2, RowClass.UNMATCHED: 1}
    assert {number for number in (1, 2, 3) if not score(use_cases, number)} == {gone}


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, Score.of(8)), ({"ratings.csv": f"{LETTERBOXD},Rating\n2024-01-02,Ran,1995,u,5\n"}, None)],
)
def test_ratings_of_viewings_count_only_without_ratings_of_films(
    use_cases: ImportUseCases, more: Mapping[str, str], expected: Score | None
) -> None:
    diary = f"{LETTERBOXD},Rating,Rewatch,Tags,Watched Date\n2024-01-02,Heat,1995,u,4,,,2024-01-01\n"
    use_cases.apply(use_cases.upload_and_match({"diary.csv": diary, **more}, "export.zip"))
    assert score(use_cases, 1) == expected


def test_rows_beyond_those_of_a_film_that_are_planned_are_named(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "MAX_ROWS_OF_A_FILM", 2)
    ready = use_cases.upload_and_match(f"{TABLE}1,4\n1,5\n1,6\n2,7\n1,x\n")
    for imported in (ready, use_cases.apply(ready)):
        excess = [(row.row.line, row.reason) for row in use_cases.all_rows(imported, RowClass.NO_PLACE)]
        assert excess == [(4, Reason.TOO_MANY_OF_FILM), (6, Reason.TOO_MANY_OF_FILM)]
        assert sum(imported.counts.values()) == 5
    assert (score(use_cases, 1), score(use_cases, 2)) == (Score.of(5), Score.of(7))


@pytest.mark.parametrize(
    ("table", "steps"),
    [("1,4\n2,5\n3,6\n", [0, 2, 3]), ("1,4\n1,4\n2,5\n2,5\n3,6\n3,6\n3,6\n", [0, 1, 2, 3])],
    ids=["few rows", "many rows"],
)
def test_films_with_many_rows_are_changed_in_smaller_steps(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch, table: str, steps: list[int]
) -> None:
    monkeypatch.setattr(import_runner, "ROWS_IN_MEMORY", 2)
    ready = use_cases.upload_and_match(TABLE + table)
    applying = use_cases.apply_import(imported=ready.id, user=use_cases.user.id).imported
    done = [done for state, done, _ in progress(use_cases, applying) if state is ImportState.APPLYING]
    assert done == steps
