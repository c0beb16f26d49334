"""Imports from the upload to the last undo, over the embedded store in memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapters import system
from adapters.testkit.samples import new_rating, store_page
from application import import_matching, import_runner
from application import imports as use_cases
from domain.ids import MovieRef, TmdbNumber, movie_id
from domain.imports.deciding import Prefer
from domain.imports.imports import (
    Import,
    ImportChanged,
    ImportNotFound,
    ImportNotReady,
    ImportState,
    NoSuchRows,
    TooManyImports,
)
from domain.imports.rows import Reason, RowClass
from domain.imports.scales import UnknownScale
from domain.imports.uploads import Refusal
from domain.pagination import Window
from domain.ports import QueueUnavailable
from domain.ratings import Score
from domain.sync import SourceName, SourceRefused
from tests.integration.import_desk import RAN, UNAVAILABLE, Desk, film, store_of_films

TABLE = "tmdb_id,title,year,rating,watched\n"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with store_of_films() as store:
        yield Desk(store)


def classes(desk: Desk, imported: Any) -> list[RowClass | None]:
    return [row.row_class for row in desk.all_rows(imported)]


def score(desk: Desk, number: int = 1) -> Score | None:
    rating = desk.store.ratings.of(desk.user.id, movie_id(number))
    return rating.score if rating else None


def test_an_import_is_reviewed_applied_repeated_and_undone(desk: Desk) -> None:
    text = f"{TABLE}1,,,8.5,2024-01-02\n2,,,,2024-01-03\n,Dune,2021,7,\n77,,,6,\n,,,,2024-01-04\n1,,,99,\n"
    ready = desk.reviewed(text)
    assert (ready.state, ready.scale, ready.total) == (ImportState.READY, 100, 6)
    assert desk.store.ratings.count(desk.user.id) == 0
    ready = desk.change(imported=ready.id, user=desk.user.id, scale=10).imported
    assert classes(desk, ready) == [
        RowClass.NEW,
        RowClass.NEW,
        RowClass.NEW,
        RowClass.UNMATCHED,
        RowClass.UNREADABLE,
        RowClass.UNREADABLE,
    ]
    assert ready.counts == {RowClass.NEW: 3, RowClass.UNMATCHED: 1, RowClass.UNREADABLE: 2}
    done = desk.applied(ready)
    assert (done.state, done.counts) == (ImportState.DONE, ready.counts)
    assert (score(desk), score(desk, 3)) == (Score.of(8.5), Score.of(7))
    assert desk.store.viewings.count(desk.user.id) == 2
    again = desk.change(imported=desk.reviewed(text).id, user=desk.user.id, scale=10).imported
    assert again.counts == {RowClass.UNCHANGED: 3, RowClass.UNMATCHED: 1, RowClass.UNREADABLE: 2}
    desk.store.ratings.put(new_rating(desk.user.id, movie_id(3), 2))
    undone = desk.undone(done)
    assert (undone.state, undone.not_undone) == (ImportState.UNDONE, 1)
    assert (score(desk), score(desk, 3)) == (None, Score.of(2))
    assert desk.store.viewings.count(desk.user.id) == 0
    assert [row.number for row in desk.all_rows(done) if row.reason is Reason.CHANGED_MEANWHILE] == [3]
    assert desk.store.ratings.drifts() == []


def test_the_two_files_of_a_letterboxd_zip_say_one_thing(desk: Desk) -> None:
    header = "Date,Name,Year,Letterboxd URI"
    seen = [f"2024-01-02,{film},u\n" for film in ("Heat,1995", "Dune,1985", "Dune,")]
    ready = desk.reviewed(
        {
            "ratings.csv": f"{header},Rating\n2024-01-02,Heat,1995,u,4.5\n",
            "watched.csv": f"{header}\n{''.join(seen)}",
            "lists/a.csv": "x\nDate,Name,Tags,URL,Description\na,b,c,d,e\n\nPosition,Name,Year\n1,Ran,1985\n",
        },
        "export.zip",
    )
    assert classes(desk, ready) == [
        RowClass.NO_PLACE,
        RowClass.NEW,
        RowClass.NEW,
        RowClass.NEW,
        RowClass.AMBIGUOUS,
    ]
    assert [row.movie for row in desk.all_rows(ready)][3] == movie_id(4)
    desk.applied(ready)
    assert score(desk) == Score.of(9)


def test_a_film_that_is_held_is_found_by_its_imdb_id(desk: Desk) -> None:
    ready = desk.reviewed("Const,Your Rating,Title,Title Type\ntt0000002,8,Other,Movie\n")
    assert [row.movie for row in desk.all_rows(ready)] == [movie_id(2)]
    assert desk.shelf.requested == []


def test_a_row_with_an_unknown_imdb_id_gets_the_film_of_no_other_row(desk: Desk) -> None:
    known, unknown = desk.all_rows(desk.reviewed("tmdb,imdb,rating\n1,,4\n,tt9999999,4\n"))
    assert (known.movie, unknown.movie) == (movie_id(1), None)
    assert unknown.row_class is RowClass.UNMATCHED


def test_films_that_lack_are_fetched_by_their_ids_and_the_only_ones_by_their_titles(desk: Desk) -> None:
    desk.shelf.films = [film(10, "Ten", 2010), film(11, "Eleven", 2011), film(12, "Twelve", 2012)]
    desk.shelf.films += [film(13, "Twice", 2013), film(14, "Twice", 2013), film(15, "Odd", 2015, adult=True)]
    text = (
        "tmdb_id,imdb_id,title,year,rating\n10,,,,8\n,tt0000011,,,8\n,,Twelve,2012,8\n,,Twice,2013,8\n"
        ",,Odd,2015,8\n99,,,,8\n,tt0000099,,,8\n,,Twelve,2012,7\n,tt0000011,,,7\n,,Heat,1996,8\n"
    )
    ready = desk.reviewed(text)
    assert [row.movie for row in desk.all_rows(ready)] == [
        *(movie_id(number) for number in (10, 11, 12)),
        None,
        None,
        None,
        None,
        movie_id(12),
        movie_id(11),
        movie_id(1),
    ]
    assert {row.reason for row in desk.all_rows(ready, RowClass.UNMATCHED)} == {Reason.NOT_FOUND}
    assert desk.shelf.requested.count("Twelve") == 1
    assert desk.store.movies.by_tmdb_ids([10, 11, 12, 13]).keys() == {10, 11, 12}


def test_a_film_that_was_found_by_its_imdb_id_may_be_held_already(desk: Desk) -> None:
    desk.shelf.films = [replace(RAN, imdb_id="tt7777777")]
    ready = desk.reviewed("imdb_id,rating\ntt7777777,8\n")
    assert [row.movie for row in desk.all_rows(ready)] == [movie_id(2)]


def test_a_source_that_fails_stops_nothing_and_is_left_alone_after_a_while(desk: Desk) -> None:
    desk.shelf.failure = UNAVAILABLE
    table = "imdb_id,title,year,rating\n" + "".join(f"tt{each:07},,,8\n" for each in range(50, 58))
    ready = desk.reviewed(f"{table},Heat,1995,8\n,Odd,1999,8\n")
    assert ready.counts == {RowClass.NEW: 1, RowClass.UNMATCHED: 9}
    assert {row.reason for row in desk.all_rows(ready, RowClass.UNMATCHED)} == {Reason.SOURCE_UNAVAILABLE}
    assert len(desk.shelf.requested) == import_matching.MAX_FAILURES


def test_details_that_cannot_be_read_count_as_failures(desk: Desk) -> None:
    desk.shelf.failure = UNAVAILABLE
    ready = desk.reviewed(f"{TABLE}77,,,8,\n")
    assert ready.counts == {RowClass.UNMATCHED: 1}


@pytest.mark.parametrize("refused", [True, False])
def test_a_source_that_refuses_or_is_another_is_not_asked(desk: Desk, refused: bool) -> None:
    desk.shelf.films = [film(10, "Ten", 2010)]
    if refused:
        desk.shelf.failure = SourceRefused("TMDB_ACCESS_TOKEN")
    else:
        desk.shelf.name = SourceName.DEMO
    ready = desk.reviewed("title,year,rating\nTen,2010,8\nNine,2009,8\n")
    assert len(desk.shelf.requested) == refused
    assert {row.reason for row in desk.all_rows(ready)} == {Reason.SOURCE_UNAVAILABLE}


def test_very_many_titles_of_one_query_are_looked_up_one_by_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_matching, "MAX_CANDIDATES", 2)
    ready = desk.reviewed("title,year,rating\nHeat,1995,8\nRan,1985,7\n")
    assert ready.counts == {RowClass.NEW: 2}


def test_an_upload_without_rows_or_without_a_format_fails_with_its_reason(desk: Desk) -> None:
    for text, refusal in (
        ("Date,Name,Year,Letterboxd URI\n", Refusal.EMPTY),
        ("nothing", Refusal.UNKNOWN_FORMAT),
    ):
        failed = desk.reviewed(text, "watched.csv")
        assert (failed.state, failed.error) == (ImportState.FAILED, refusal)


def test_an_upload_without_a_name_is_called_file(desk: Desk) -> None:
    assert desk.upload(f"{TABLE}1,,,4,\n", name="\0 ").name == "file"


def test_what_the_user_chooses_decides(desk: Desk) -> None:
    desk.store.ratings.put(new_rating(desk.user.id, movie_id(1), 3, updated_at=system.now()))
    ready = desk.reviewed("title,year,rating\nHeat,1995,8\nDune,,7\nNowhere,1999,5\n")
    assert classes(desk, ready) == [RowClass.KEPT, RowClass.AMBIGUOUS, RowClass.UNMATCHED]
    choices: dict[int, MovieRef | None] = {2: movie_id(3), 3: TmdbNumber(2)}
    changed = desk.change(
        imported=ready.id, user=desk.user.id, prefer=Prefer.THEIRS, choices=choices
    ).imported
    assert classes(desk, ready) == [RowClass.CHANGED, RowClass.NEW, RowClass.NEW]
    assert changed.prefer is Prefer.THEIRS
    desk.change(imported=ready.id, user=desk.user.id, choices={3: None})
    assert classes(desk, ready)[2] is RowClass.UNMATCHED


def test_choices_of_rows_and_films_that_are_not_there_are_named(desk: Desk) -> None:
    ready = desk.reviewed("Const,Your Rating,Title,Title Type\ntt0000002,8,Ran,Movie\ntt9,8,Lost,tvSeries\n")
    for row, number in ((7, 1), (1, 77), (2, 1)):
        with pytest.raises(NoSuchRows, match="must name rows and films that there are"):
            desk.change(imported=ready.id, user=desk.user.id, choices={row: movie_id(number)})
    with pytest.raises(UnknownScale):
        desk.change(imported=ready.id, user=desk.user.id, scale=3)


def test_other_columns_are_read_again_by_a_worker(desk: Desk) -> None:
    ready = desk.reviewed("title,year,mine,rating\nHeat,1995,9,2\n")
    changed = desk.change(imported=ready.id, user=desk.user.id, columns={"rating": "mine"}).imported
    assert (ready.scale, changed.state, changed.done) == (5, ImportState.READING, 0)
    ready = desk.worked(changed)
    assert ready.scale == 10
    assert [row.row.rating for row in desk.all_rows(ready)] == ["9"]
    assert ready.columns_found["rating"] == "mine"


def test_an_import_tells_how_far_it_is_and_begins_at_zero_when_it_is_read_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROWS_AT_ONCE", "MATCHED_AT_ONCE"):
        monkeypatch.setattr(import_runner, name, 2)
    progress = list[tuple[ImportState, int, int, int]]()

    def run(imported: Import) -> Import:
        progress.clear()
        done = desk.run(
            imported=imported.id,
            on_progress=lambda now: progress.append((now.state, now.done, now.total, now.rows)),
        )
        assert done is not None
        return done

    read = [(ImportState.READING, done, 0, 0) for done in (0, 2, 4, 5)]
    matched = [(ImportState.MATCHING, done, 5, 0) for done in (0, 2, 4, 5)]
    table = "tmdb,rating,mine\n1,4,8\n2,5,9\n3,3,7\n4,2,6\n77,2,5\n"
    ready = run(desk.upload(table))
    assert progress[:8] == [*read, *matched]
    assert (ready.state, ready.rows, ready.examples) == (ImportState.READY, 5, (1, 2, 3))
    chosen = desk.change(imported=ready.id, user=desk.user.id, scale=20).imported
    again = desk.change(imported=chosen.id, user=desk.user.id, columns={"rating": "mine"}).imported
    ready = run(again)
    assert progress[:8] == [*read, *matched]
    assert (ready.rows, ready.scale) == (5, 20)


def test_a_large_import_is_decided_again_by_a_worker(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = desk.reviewed(f"{TABLE}77,,,4,\n2,,,5,\n")
    monkeypatch.setattr(use_cases, "MAX_DIRECT_ROWS", 2)
    ready = desk.change(imported=ready.id, user=desk.user.id, scale=5).imported
    assert ready.state is ImportState.READY
    monkeypatch.setattr(use_cases, "MAX_DIRECT_ROWS", 1)
    changed = desk.change(imported=ready.id, user=desk.user.id, scale=10, choices={1: movie_id(1)}).imported
    assert changed.state is ImportState.MATCHING
    waiting, _ = desk.all_rows(changed)
    assert (waiting.chosen, waiting.row_class, waiting.reason) == (True, None, None)
    requested = list(desk.shelf.requested)
    assert desk.worked(changed).scale == 10
    assert desk.shelf.requested == requested


def test_without_a_job_queue_nothing_is_left_half_done(desk: Desk) -> None:
    ready = desk.reviewed(f"{TABLE}1,,,4,\n")
    desk.jobs.available = False
    with pytest.raises(QueueUnavailable):
        desk.upload(f"{TABLE}1,,,4,\n")
    assert desk.store.imports.count(desk.user.id) == 1
    with pytest.raises(QueueUnavailable):
        desk.apply_import(imported=ready.id, user=desk.user.id)
    assert desk.store.imports.find(ready.id).state is ImportState.READY
    desk.jobs.available = True
    applying = desk.apply_import(imported=ready.id, user=desk.user.id).imported
    desk.jobs.available = False
    with pytest.raises(QueueUnavailable):  # a step that is under way stays so
        desk.apply_import(imported=ready.id, user=desk.user.id)
    assert desk.worked(applying).state is ImportState.DONE


def test_steps_are_done_in_their_order_only(desk: Desk) -> None:
    reading = desk.upload(f"{TABLE}1,,,4,\n")
    for step in (desk.apply_import, desk.undo_import, desk.change):
        with pytest.raises(ImportNotReady, match="The import is reading"):
            step(imported=reading.id, user=desk.user.id)
    assert desk.worked(desk.worked(reading)).state is ImportState.READY


def test_an_import_that_is_applied_can_be_undone_at_once(desk: Desk) -> None:
    ready = desk.reviewed(f"{TABLE}1,,,4,\n")
    desk.apply_import(imported=ready.id, user=desk.user.id)
    undoing = desk.undo_import(imported=ready.id, user=desk.user.id).imported
    assert undoing.undoing
    assert desk.undo_import(imported=ready.id, user=desk.user.id).imported == undoing
    assert desk.worked(undoing).state is ImportState.UNDONE
    assert score(desk) is None


class Killed(BaseException):
    """The process of a worker was killed."""


@pytest.mark.parametrize("at", range(1, 13))
def test_an_import_that_was_killed_goes_on_and_ends_as_if_it_had_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    for module, name in ((import_runner, "ROWS_AT_ONCE"), (import_runner, "MATCHED_AT_ONCE")):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(import_runner, "APPLY_BATCH", 1)
    imported = desk.upload(f"{TABLE}1,,,4,2024-01-01\n2,,,5,\n3,,,3,\n4,,,2,\n77,,,2,\n")
    steps = 0

    def kill(_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            raise Killed

    def run() -> None:
        try:
            desk.run(imported=imported.id, on_progress=kill)
        except Killed:
            desk.run(imported=imported.id)

    run()
    desk.apply_import(imported=imported.id, user=desk.user.id)
    run()
    done = desk.store.imports.find(imported.id)
    assert (done.state, done.counts) == (ImportState.DONE, {RowClass.NEW: 4, RowClass.UNMATCHED: 1})
    assert [score(desk, number) for number in (1, 2, 3, 4)] == [Score.of(each) for each in (8, 10, 6, 4)]
    assert desk.store.viewings.count(desk.user.id) == 1
    desk.undo_import(imported=imported.id, user=desk.user.id)
    run()
    assert desk.store.imports.find(imported.id).state is ImportState.UNDONE
    assert desk.store.ratings.count(desk.user.id) == desk.store.viewings.count(desk.user.id) == 0
    assert desk.store.ratings.drifts() == []


def test_of_two_workers_on_one_import_one_ends(desk: Desk) -> None:
    imported = desk.upload(f"{TABLE}1,,,4,\n")
    raced: list[Import | None] = []

    def race(_: object) -> None:
        if not raced:
            raced.append(None)
            raced.append(desk.run(imported=imported.id))

    assert desk.run(imported=imported.id, on_progress=race) is None
    assert raced[1] is not None
    assert raced[1].state is ImportState.READY
    desk.remove(imported=imported.id, user=desk.user.id)
    assert desk.run(imported=imported.id) is None


def test_a_film_that_vanished_before_it_was_applied_is_named(desk: Desk) -> None:
    ready = desk.reviewed(f"{TABLE}1,,,8,\n2,,,7,\n")
    store_page(desk.store, gone=(2,), day=2)
    done = desk.applied(ready)
    assert done.counts == {RowClass.NEW: 1, RowClass.UNMATCHED: 1}


def test_a_film_that_vanished_between_matching_and_deciding_is_unmatched(desk: Desk) -> None:
    ready = desk.reviewed(f"{TABLE}1,,,8,\n2,,,7,\n")
    store_page(desk.store, gone=(2,), day=2)
    decided = desk.change(imported=ready.id, user=desk.user.id, scale=10).imported
    assert decided.counts == {RowClass.NEW: 1, RowClass.UNMATCHED: 1}


def test_undoing_leaves_out_films_that_are_gone(desk: Desk) -> None:
    done = desk.applied(desk.reviewed(f"{TABLE}1,,,8,\n2,,,7,\n"))
    desk.store.ratings.remove_from(movie_id(2), desk.user.id)
    store_page(desk.store, gone=(2,), day=2)
    undone = desk.undone(done)
    assert (undone.state, undone.not_undone) == (ImportState.UNDONE, 0)


def test_imports_and_their_rows_are_shown_to_their_owner_only(desk: Desk) -> None:
    ready = desk.reviewed("title,year,rating\nHeat,1995,8\nDune,,7\nRan,1985,0\n")
    shown = desk.list(user=desk.user.id, window=Window(limit=5))
    assert [view.imported for view in shown.rows] == [ready]
    assert desk.list(user=desk.user.id, window=Window(cursor=ready.cursor)).rows == ()
    assert [row.number for row in desk.get(imported=ready.id, user=desk.user.id).examples] == [1, 2]
    rows = desk.rows(imported=ready.id, user=desk.user.id, row_class=None, window=Window(limit=2))
    assert (rows.page.total, rows.page.more, set(rows.movies)) == (
        3,
        True,
        {movie_id(1), movie_id(3), movie_id(4)},
    )
    ambiguous = desk.rows(
        imported=ready.id, user=desk.user.id, row_class=RowClass.AMBIGUOUS, window=Window(limit=2)
    )
    assert (ambiguous.page.total, len(ambiguous.page.rows)) == (1, 1)
    changed = desk.rows(imported=ready.id, user=desk.user.id, row_class=RowClass.CHANGED, window=Window())
    assert (changed.page.total, changed.page.rows) == (0, ())
    with pytest.raises(ImportNotFound, match="There is no such import"):
        desk.get(imported=ready.id, user=type(desk.user.id)("0" * 24))


def test_what_is_there_already_is_applied_without_an_effect(desk: Desk) -> None:
    text = f"{TABLE}1,,,8,\n2,,,x,\n"
    for amount in (1, 0):
        done = desk.applied(desk.reviewed(text))
        assert len(desk.store.imports.effects(done.id, limit=5)) == amount
    nothing = desk.applied(desk.reviewed(f"{TABLE}77,,,8,\n"))
    assert (nothing.total, nothing.done) == (0, 0)


def test_rows_without_ratings_are_examples_too(desk: Desk) -> None:
    ready = desk.reviewed("title,year\nHeat,1995\n")
    assert ready.examples == (1,)


def test_errors_say_what_they_mean() -> None:
    assert (
        str(TooManyImports())
        == "At most 20 imports are kept: delete one that you do not want to undo any more"
    )
    assert str(ImportChanged()) == "The import was changed meanwhile: look at it again"
