"""Imports from the upload to the last undo, over the embedded store in memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapters import system
from adapters.testkit.samples import new_rating, store_page
from application import import_matching, import_runner
from application import imports as application_imports
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
from tests.integration.import_use_cases import RAN, UNAVAILABLE, ImportUseCases, film, store_of_films

TABLE = "tmdb_id,title,year,rating,watched\n"


@pytest.fixture
def use_cases() -> Iterator[ImportUseCases]:
    with store_of_films() as store:
        yield ImportUseCases(store)


def classes(use_cases: ImportUseCases, imported: Any) -> list[RowClass | None]:
    return [row.row_class for row in use_cases.all_rows(imported)]


def score(use_cases: ImportUseCases, number: int = 1) -> Score | None:
    rating = use_cases.store.ratings.of(use_cases.user.id, movie_id(number))
    return rating.score if rating else None


def test_an_import_is_reviewed_applied_repeated_and_undone(use_cases: ImportUseCases) -> None:
    text = f"{TABLE}1,,,8.5,2024-01-02\n2,,,,2024-01-03\n,Dune,2021,7,\n77,,,6,\n,,,,2024-01-04\n1,,,99,\n"
    ready = use_cases.upload_and_match(text)
    assert (ready.state, ready.scale, ready.total) == (ImportState.READY, 100, 6)
    assert use_cases.store.ratings.count(use_cases.user.id) == 0
    ready = use_cases.change(imported=ready.id, user=use_cases.user.id, scale=10).imported
    assert classes(use_cases, ready) == [
        RowClass.NEW,
        RowClass.NEW,
        RowClass.NEW,
        RowClass.UNMATCHED,
        RowClass.UNREADABLE,
        RowClass.UNREADABLE,
    ]
    assert ready.counts == {RowClass.NEW: 3, RowClass.UNMATCHED: 1, RowClass.UNREADABLE: 2}
    done = use_cases.apply(ready)
    assert (done.state, done.counts) == (ImportState.DONE, ready.counts)
    assert (score(use_cases), score(use_cases, 3)) == (Score.of(8.5), Score.of(7))
    assert use_cases.store.viewings.count(use_cases.user.id) == 2
    again = use_cases.change(
        imported=use_cases.upload_and_match(text).id, user=use_cases.user.id, scale=10
    ).imported
    assert again.counts == {RowClass.UNCHANGED: 3, RowClass.UNMATCHED: 1, RowClass.UNREADABLE: 2}
    use_cases.store.ratings.put(new_rating(use_cases.user.id, movie_id(3), 2))
    undone = use_cases.undo(done)
    assert (undone.state, undone.not_undone) == (ImportState.UNDONE, 1)
    assert (score(use_cases), score(use_cases, 3)) == (None, Score.of(2))
    assert use_cases.store.viewings.count(use_cases.user.id) == 0
    assert [row.number for row in use_cases.all_rows(done) if row.reason is Reason.CHANGED_MEANWHILE] == [3]
    assert use_cases.store.ratings.drifts() == []


def test_the_two_files_of_a_letterboxd_zip_say_one_thing(use_cases: ImportUseCases) -> None:
    header = "Date,Name,Year,Letterboxd URI"
    seen = [f"2024-01-02,{film},u\n" for film in ("Heat,1995", "Dune,1985", "Dune,")]
    ready = use_cases.upload_and_match(
        {
            "ratings.csv": f"{header},Rating\n2024-01-02,Heat,1995,u,4.5\n",
            "watched.csv": f"{header}\n{''.join(seen)}",
            "lists/a.csv": "x\nDate,Name,Tags,URL,Description\na,b,c,d,e\n\nPosition,Name,Year\n1,Ran,1985\n",
        },
        "export.zip",
    )
    assert classes(use_cases, ready) == [
        RowClass.NO_PLACE,
        RowClass.NEW,
        RowClass.NEW,
        RowClass.NEW,
        RowClass.AMBIGUOUS,
    ]
    assert [row.movie for row in use_cases.all_rows(ready)][3] == movie_id(4)
    use_cases.apply(ready)
    assert score(use_cases) == Score.of(9)


def test_a_film_that_is_held_is_found_by_its_imdb_id(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match("Const,Your Rating,Title,Title Type\ntt0000002,8,Other,Movie\n")
    assert [row.movie for row in use_cases.all_rows(ready)] == [movie_id(2)]
    assert use_cases.source.requests == []


def test_a_row_with_an_unknown_imdb_id_gets_the_film_of_no_other_row(use_cases: ImportUseCases) -> None:
    known, unknown = use_cases.all_rows(use_cases.upload_and_match("tmdb,imdb,rating\n1,,4\n,tt9999999,4\n"))
    assert (known.movie, unknown.movie) == (movie_id(1), None)
    assert unknown.row_class is RowClass.UNMATCHED


def test_films_that_lack_are_fetched_by_their_ids_and_the_only_ones_by_their_titles(
    use_cases: ImportUseCases,
) -> None:
    use_cases.source.films = [film(10, "Ten", 2010), film(11, "Eleven", 2011), film(12, "Twelve", 2012)]
    use_cases.source.films += [
        film(13, "Twice", 2013),
        film(14, "Twice", 2013),
        film(15, "Odd", 2015, adult=True),
    ]
    text = (
        "tmdb_id,imdb_id,title,year,rating\n10,,,,8\n,tt0000011,,,8\n,,Twelve,2012,8\n,,Twice,2013,8\n"
        ",,Odd,2015,8\n99,,,,8\n,tt0000099,,,8\n,,Twelve,2012,7\n,tt0000011,,,7\n,,Heat,1996,8\n"
    )
    ready = use_cases.upload_and_match(text)
    assert [row.movie for row in use_cases.all_rows(ready)] == [
        *(movie_id(number) for number in (10, 11, 12)),
        None,
        None,
        None,
        None,
        movie_id(12),
        movie_id(11),
        movie_id(1),
    ]
    assert {row.reason for row in use_cases.all_rows(ready, RowClass.UNMATCHED)} == {Reason.NOT_FOUND}
    assert use_cases.source.requests.count("Twelve") == 1
    assert use_cases.store.movies.by_tmdb_ids([10, 11, 12, 13]).keys() == {10, 11, 12}


def test_a_film_that_was_found_by_its_imdb_id_may_be_held_already(use_cases: ImportUseCases) -> None:
    use_cases.source.films = [replace(RAN, imdb_id="tt7777777")]
    ready = use_cases.upload_and_match("imdb_id,rating\ntt7777777,8\n")
    assert [row.movie for row in use_cases.all_rows(ready)] == [movie_id(2)]


def test_a_source_that_fails_stops_nothing_and_is_left_alone_after_a_while(use_cases: ImportUseCases) -> None:
    use_cases.source.failure = UNAVAILABLE
    table = "imdb_id,title,year,rating\n" + "".join(f"tt{each:07},,,8\n" for each in range(50, 58))
    ready = use_cases.upload_and_match(f"{table},Heat,1995,8\n,Odd,1999,8\n")
    assert ready.counts == {RowClass.NEW: 1, RowClass.UNMATCHED: 9}
    assert {row.reason for row in use_cases.all_rows(ready, RowClass.UNMATCHED)} == {
        Reason.SOURCE_UNAVAILABLE
    }
    assert len(use_cases.source.requests) == import_matching.MAX_FAILURES


def test_details_that_cannot_be_read_count_as_failures(use_cases: ImportUseCases) -> None:
    use_cases.source.failure = UNAVAILABLE
    ready = use_cases.upload_and_match(f"{TABLE}77,,,8,\n")
    assert ready.counts == {RowClass.UNMATCHED: 1}


@pytest.mark.parametrize("refused", [True, False])
def test_a_source_that_refuses_or_is_another_is_not_asked(use_cases: ImportUseCases, refused: bool) -> None:
    use_cases.source.films = [film(10, "Ten", 2010)]
    if refused:
        use_cases.source.failure = SourceRefused("TMDB_ACCESS_TOKEN")
    else:
        use_cases.source.name = SourceName.DEMO
    ready = use_cases.upload_and_match("title,year,rating\nTen,2010,8\nNine,2009,8\n")
    assert len(use_cases.source.requests) == refused
    assert {row.reason for row in use_cases.all_rows(ready)} == {Reason.SOURCE_UNAVAILABLE}


def test_very_many_titles_of_one_query_are_looked_up_one_by_one(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_matching, "MAX_CANDIDATES", 2)
    ready = use_cases.upload_and_match("title,year,rating\nHeat,1995,8\nRan,1985,7\n")
    assert ready.counts == {RowClass.NEW: 2}


def test_an_upload_without_rows_or_without_a_format_fails_with_its_reason(use_cases: ImportUseCases) -> None:
    for text, refusal in (
        ("Date,Name,Year,Letterboxd URI\n", Refusal.EMPTY),
        ("nothing", Refusal.UNKNOWN_FORMAT),
    ):
        failed = use_cases.upload_and_match(text, "watched.csv")
        assert (failed.state, failed.error) == (ImportState.FAILED, refusal)


def test_an_upload_without_a_name_is_called_file(use_cases: ImportUseCases) -> None:
    assert use_cases.upload(f"{TABLE}1,,,4,\n", name="\0 ").name == "file"


def test_what_the_user_chooses_decides(use_cases: ImportUseCases) -> None:
    use_cases.store.ratings.put(new_rating(use_cases.user.id, movie_id(1), 3, updated_at=system.now()))
    ready = use_cases.upload_and_match("title,year,rating\nHeat,1995,8\nDune,,7\nNowhere,1999,5\n")
    assert classes(use_cases, ready) == [RowClass.KEPT, RowClass.AMBIGUOUS, RowClass.UNMATCHED]
    choices: dict[int, MovieRef | None] = {2: movie_id(3), 3: TmdbNumber(2)}
    changed = use_cases.change(
        imported=ready.id, user=use_cases.user.id, prefer=Prefer.THEIRS, choices=choices
    ).imported
    assert classes(use_cases, ready) == [RowClass.CHANGED, RowClass.NEW, RowClass.NEW]
    assert changed.prefer is Prefer.THEIRS
    use_cases.change(imported=ready.id, user=use_cases.user.id, choices={3: None})
    assert classes(use_cases, ready)[2] is RowClass.UNMATCHED


def test_choices_of_rows_and_films_that_are_not_there_are_named(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match(
        "Const,Your Rating,Title,Title Type\ntt0000002,8,Ran,Movie\ntt9,8,Lost,tvSeries\n"
    )
    for row, number in ((7, 1), (1, 77), (2, 1)):
        with pytest.raises(NoSuchRows, match="must name rows and films that there are"):
            use_cases.change(imported=ready.id, user=use_cases.user.id, choices={row: movie_id(number)})
    with pytest.raises(UnknownScale):
        use_cases.change(imported=ready.id, user=use_cases.user.id, scale=3)


def test_other_columns_are_read_again_by_a_worker(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match("title,year,mine,rating\nHeat,1995,9,2\n")
    changed = use_cases.change(imported=ready.id, user=use_cases.user.id, columns={"rating": "mine"}).imported
    assert (ready.scale, changed.state, changed.done) == (5, ImportState.READING, 0)
    ready = use_cases.run_job(changed)
    assert ready.scale == 10
    assert [row.row.rating for row in use_cases.all_rows(ready)] == ["9"]
    assert ready.columns_found["rating"] == "mine"


def test_an_import_tells_how_far_it_is_and_begins_at_zero_when_it_is_read_again(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROWS_AT_ONCE", "MATCHED_AT_ONCE"):
        monkeypatch.setattr(import_runner, name, 2)
    progress = list[tuple[ImportState, int, int, int]]()

    def run(imported: Import) -> Import:
        progress.clear()
        done = use_cases.run(
            imported=imported.id,
            on_progress=lambda now: progress.append((now.state, now.done, now.total, now.rows)),
        )
        assert done is not None
        return done

    read = [(ImportState.READING, done, 0, 0) for done in (0, 2, 4, 5)]
    matched = [(ImportState.MATCHING, done, 5, 0) for done in (0, 2, 4, 5)]
    table = "tmdb,rating,mine\n1,4,8\n2,5,9\n3,3,7\n4,2,6\n77,2,5\n"
    ready = run(use_cases.upload(table))
    assert progress[:8] == [*read, *matched]
    assert (ready.state, ready.rows, ready.examples) == (ImportState.READY, 5, (1, 2, 3))
    chosen = use_cases.change(imported=ready.id, user=use_cases.user.id, scale=20).imported
    again = use_cases.change(imported=chosen.id, user=use_cases.user.id, columns={"rating": "mine"}).imported
    ready = run(again)
    assert progress[:8] == [*read, *matched]
    assert (ready.rows, ready.scale) == (5, 20)


def test_a_large_import_is_decided_again_by_a_worker(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}77,,,4,\n2,,,5,\n")
    monkeypatch.setattr(application_imports, "MAX_DIRECT_ROWS", 2)
    ready = use_cases.change(imported=ready.id, user=use_cases.user.id, scale=5).imported
    assert ready.state is ImportState.READY
    monkeypatch.setattr(application_imports, "MAX_DIRECT_ROWS", 1)
    changed = use_cases.change(
        imported=ready.id, user=use_cases.user.id, scale=10, choices={1: movie_id(1)}
    ).imported
    assert changed.state is ImportState.MATCHING
    waiting, _ = use_cases.all_rows(changed)
    assert (waiting.chosen, waiting.row_class, waiting.reason) == (True, None, None)
    requested = list(use_cases.source.requests)
    assert use_cases.run_job(changed).scale == 10
    assert use_cases.source.requests == requested


def test_without_a_job_queue_nothing_is_left_half_done(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}1,,,4,\n")
    use_cases.jobs.available = False
    with pytest.raises(QueueUnavailable):
        use_cases.upload(f"{TABLE}1,,,4,\n")
    assert use_cases.store.imports.count(use_cases.user.id) == 1
    with pytest.raises(QueueUnavailable):
        use_cases.apply_import(imported=ready.id, user=use_cases.user.id)
    assert use_cases.store.imports.find(ready.id).state is ImportState.READY
    use_cases.jobs.available = True
    applying = use_cases.apply_import(imported=ready.id, user=use_cases.user.id).imported
    use_cases.jobs.available = False
    with pytest.raises(QueueUnavailable):  # a step that is under way stays so
        use_cases.apply_import(imported=ready.id, user=use_cases.user.id)
    assert use_cases.run_job(applying).state is ImportState.DONE


def test_steps_are_done_in_their_order_only(use_cases: ImportUseCases) -> None:
    reading = use_cases.upload(f"{TABLE}1,,,4,\n")
    for step in (use_cases.apply_import, use_cases.undo_import, use_cases.change):
        with pytest.raises(ImportNotReady, match="The import is reading"):
            step(imported=reading.id, user=use_cases.user.id)
    assert use_cases.run_job(use_cases.run_job(reading)).state is ImportState.READY


def test_an_import_that_is_applied_can_be_undone_at_once(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}1,,,4,\n")
    use_cases.apply_import(imported=ready.id, user=use_cases.user.id)
    undoing = use_cases.undo_import(imported=ready.id, user=use_cases.user.id).imported
    assert undoing.undoing
    assert use_cases.undo_import(imported=ready.id, user=use_cases.user.id).imported == undoing
    assert use_cases.run_job(undoing).state is ImportState.UNDONE
    assert score(use_cases) is None


class Killed(BaseException):
    """The process of a worker was killed."""


@pytest.mark.parametrize("at", range(1, 13))
def test_an_import_that_was_killed_goes_on_and_ends_as_if_it_had_not(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    for module, name in ((import_runner, "ROWS_AT_ONCE"), (import_runner, "MATCHED_AT_ONCE")):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(import_runner, "APPLY_BATCH", 1)
    imported = use_cases.upload(f"{TABLE}1,,,4,2024-01-01\n2,,,5,\n3,,,3,\n4,,,2,\n77,,,2,\n")
    steps = 0

    def kill(_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            raise Killed

    def run() -> None:
        try:
            use_cases.run(imported=imported.id, on_progress=kill)
        except Killed:
            use_cases.run(imported=imported.id)

    run()
    use_cases.apply_import(imported=imported.id, user=use_cases.user.id)
    run()
    done = use_cases.store.imports.find(imported.id)
    assert (done.state, done.counts) == (ImportState.DONE, {RowClass.NEW: 4, RowClass.UNMATCHED: 1})
    assert [score(use_cases, number) for number in (1, 2, 3, 4)] == [Score.of(each) for each in (8, 10, 6, 4)]
    assert use_cases.store.viewings.count(use_cases.user.id) == 1
    use_cases.undo_import(imported=imported.id, user=use_cases.user.id)
    run()
    assert use_cases.store.imports.find(imported.id).state is ImportState.UNDONE
    assert (
        use_cases.store.ratings.count(use_cases.user.id)
        == use_cases.store.viewings.count(use_cases.user.id)
        == 0
    )
    assert use_cases.store.ratings.drifts() == []


def test_of_two_workers_on_one_import_one_ends(use_cases: ImportUseCases) -> None:
    imported = use_cases.upload(f"{TABLE}1,,,4,\n")
    raced: list[Import | None] = []

    def race(_: object) -> None:
        if not raced:
            raced.append(None)
            raced.append(use_cases.run(imported=imported.id))

    assert use_cases.run(imported=imported.id, on_progress=race) is None
    assert raced[1] is not None
    assert raced[1].state is ImportState.READY
    use_cases.remove(imported=imported.id, user=use_cases.user.id)
    assert use_cases.run(imported=imported.id) is None


def test_a_film_that_vanished_before_it_was_applied_is_named(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}1,,,8,\n2,,,7,\n")
    store_page(use_cases.store, gone=(2,), day=2)
    done = use_cases.apply(ready)
    assert done.counts == {RowClass.NEW: 1, RowClass.UNMATCHED: 1}


def test_a_film_that_vanished_between_matching_and_deciding_is_unmatched(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match(f"{TABLE}1,,,8,\n2,,,7,\n")
    store_page(use_cases.store, gone=(2,), day=2)
    decided = use_cases.change(imported=ready.id, user=use_cases.user.id, scale=10).imported
    assert decided.counts == {RowClass.NEW: 1, RowClass.UNMATCHED: 1}


def test_undoing_leaves_out_films_that_are_gone(use_cases: ImportUseCases) -> None:
    done = use_cases.apply(use_cases.upload_and_match(f"{TABLE}1,,,8,\n2,,,7,\n"))
    use_cases.store.ratings.remove_from(movie_id(2), use_cases.user.id)
    store_page(use_cases.store, gone=(2,), day=2)
    undone = use_cases.undo(done)
    assert (undone.state, undone.not_undone) == (ImportState.UNDONE, 0)


def test_imports_and_their_rows_are_shown_to_their_owner_only(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match("title,year,rating\nHeat,1995,8\nDune,,7\nRan,1985,0\n")
    shown = use_cases.list(user=use_cases.user.id, window=Window(limit=5))
    assert [view.imported for view in shown.rows] == [ready]
    assert use_cases.list(user=use_cases.user.id, window=Window(cursor=ready.cursor)).rows == ()
    assert [row.number for row in use_cases.get(imported=ready.id, user=use_cases.user.id).examples] == [1, 2]
    rows = use_cases.rows(imported=ready.id, user=use_cases.user.id, row_class=None, window=Window(limit=2))
    assert (rows.page.total, rows.page.more, set(rows.movies)) == (
        3,
        True,
        {movie_id(1), movie_id(3), movie_id(4)},
    )
    ambiguous = use_cases.rows(
        imported=ready.id, user=use_cases.user.id, row_class=RowClass.AMBIGUOUS, window=Window(limit=2)
    )
    assert (ambiguous.page.total, len(ambiguous.page.rows)) == (1, 1)
    changed = use_cases.rows(
        imported=ready.id, user=use_cases.user.id, row_class=RowClass.CHANGED, window=Window()
    )
    assert (changed.page.total, changed.page.rows) == (0, ())
    with pytest.raises(ImportNotFound, match="There is no such import"):
        use_cases.get(imported=ready.id, user=type(use_cases.user.id)("0" * 24))


def test_what_is_there_already_is_applied_without_an_effect(use_cases: ImportUseCases) -> None:
    text = f"{TABLE}1,,,8,\n2,,,x,\n"
    for amount in (1, 0):
        done = use_cases.apply(use_cases.upload_and_match(text))
        assert len(use_cases.store.imports.effects(done.id, limit=5)) == amount
    nothing = use_cases.apply(use_cases.upload_and_match(f"{TABLE}77,,,8,\n"))
    assert (nothing.total, nothing.done) == (0, 0)


def test_rows_without_ratings_are_examples_too(use_cases: ImportUseCases) -> None:
    ready = use_cases.upload_and_match("title,year\nHeat,1995\n")
    assert ready.examples == (1,)


def test_errors_say_what_they_mean() -> None:
    assert (
        str(TooManyImports())
        == "At most 20 imports are kept: delete one that you do not want to undo any more"
    )
    assert str(ImportChanged()) == "The import was changed meanwhile: look at it again"
