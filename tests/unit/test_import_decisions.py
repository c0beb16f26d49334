"""What rows say about a film together, and what becomes of what the user has."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.samples import facts, new_item, new_rating, new_viewing, noon
from domain import recommendations, viewings, watchlist
from domain.ids import ImportId, MovieId, UserId, is_id, movie_id
from domain.imports.deciding import Decider, Prefer
from domain.imports.holdings import Effect, Holding, undone
from domain.imports.imports import Import, ImportRow, ImportState, NoSuchRows
from domain.imports.matching import Film, Matched, match
from domain.imports.planning import FilmPlan, moment, plans, rates_a_film, says_something
from domain.imports.rows import SENTENCES, ImportedRow, Reason, RowClass, RowKind, SeenOn
from domain.imports.uploads import RULES, Refusal, UploadRefused
from domain.ratings import Score
from domain.viewings import EARLIEST_DAY

ANN, HEAT = UserId("a" * 24), movie_id(949)
NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
FRIDAY, SATURDAY = date(2024, 3, 1), date(2024, 3, 2)


def row(kind: RowKind = RowKind.RATING, file: str = "a.csv", **known: Any) -> ImportedRow:
    if kind is RowKind.RATING and not known:
        known = {"rating": "8"}
    return ImportedRow(file=file, line=1, kind=kind, **known)


def diary(day: date | None, file: str = "diary.csv", **known: Any) -> ImportedRow:
    return row(RowKind.VIEWING, file, viewings=(SeenOn(on=day, **known),))


def hiding(at: datetime) -> ImportedRow:
    return row(RowKind.HIDDEN, hidden_at=at)


def plan(*rows: ImportedRow, scale: int = 10) -> FilmPlan:
    overall = any(map(rates_a_film, rows))
    return plans([(number, HEAT, each) for number, each in enumerate(rows, 1)], scale, overall=overall)[HEAT]


def decider(prefer: Prefer = Prefer.NEWER, **known: Any) -> Decider:
    return Decider(
        user=ANN, prefer=prefer, now=NOW, entry_id=lambda row, nth: f"{row:012x}{nth:012x}", **known
    )


def verdicts(plan: FilmPlan, present: Holding, decide: Decider | None = None) -> dict[int, Any]:
    return dict((decide or decider())(HEAT, plan, present).verdicts)


def after(plan: FilmPlan, present: Holding = Holding(), decide: Decider | None = None) -> Holding:  # noqa: B008
    return (decide or decider())(HEAT, plan, present).after


def test_every_reason_and_refusal_has_a_sentence() -> None:
    assert SENTENCES.keys() == set(Reason)
    assert len(set(SENTENCES.values())) == len(Reason)
    assert all(sentence[:1].islower() for sentence in SENTENCES.values())
    assert RULES.keys() == set(Refusal)
    assert all(rule.startswith("must ") for rule in RULES.values())
    assert str(UploadRefused(Refusal.EMPTY)) == "file must hold at least one row"


def test_the_rating_of_a_film_outranks_those_of_viewings_even_later_ones() -> None:
    viewing = replace(diary(SATURDAY), rating="6", of_viewing=True, rated_at=SATURDAY)
    merged = plan(row(rating="8", rated_at=FRIDAY), viewing)
    assert merged.rating is not None
    assert merged.rating.score == Score.of(8)
    alone = plan(viewing, replace(viewing, rating="7", rated_at=FRIDAY))
    assert alone.rating is not None
    assert alone.rating.score == Score.of(6)


def test_ratings_of_viewings_do_not_count_where_an_import_has_ratings_of_films() -> None:
    viewing = replace(diary(SATURDAY), rating="6", of_viewing=True)
    assert plans([(1, HEAT, viewing)], 10, overall=True)[HEAT].rating is None


def test_a_review_joins_the_rating_of_its_film() -> None:
    planned = plan(
        row(), row(RowKind.REVIEW, review="Good", rated_at=FRIDAY), row(RowKind.REVIEW, review="Old")
    )
    assert planned.rating is not None
    assert planned.rating.review == "Good"
    assert planned.rating.rows == {1, 2}
    assert planned.merged == {3}
    assert planned.rows == {1, 2, 3}


def test_a_review_without_a_rating_becomes_the_note_of_its_viewing() -> None:
    review = row(RowKind.REVIEW, review="Good", viewings=(SeenOn(on=FRIDAY),))
    planned = plan(diary(FRIDAY), diary(SATURDAY), review)
    assert [each.seen.note for each in planned.viewings] == ["Good", None]
    assert planned.remarks[3] == (Reason.UNRATED_REVIEW,)
    (undated,) = plan(row(RowKind.REVIEW, review="Good")).viewings
    assert (undated.seen, undated.any_day) == (SeenOn(note="Good"), True)
    noted = plan(diary(FRIDAY, note="mine"), row(RowKind.REVIEW, review="Good"))
    assert noted.viewings[0].seen.note == "mine"


def test_a_review_without_a_day_becomes_the_note_of_the_last_viewing() -> None:
    planned = plan(diary(SATURDAY), diary(FRIDAY), row(RowKind.REVIEW, review="Good"))
    assert [(each.seen.on, each.seen.note, set(each.rows)) for each in planned.viewings] == [
        (FRIDAY, None, {2}),
        (SATURDAY, "Good", {1, 3}),
    ]


def test_an_unreadable_rating_hides_none_of_another_row() -> None:
    planned = plan(row(rating="ten"), row(rating="8"))
    assert planned.rating is not None
    assert (planned.rating.score, planned.remarks) == (Score.of(8), {1: (Reason.UNREADABLE_RATING,)})


def test_of_several_marks_that_a_film_was_seen_the_first_with_a_day_counts() -> None:
    def mark(day: date | None) -> ImportedRow:
        return row(RowKind.WATCHED, viewings=(SeenOn(on=day),))

    (undated,) = plan(mark(None), mark(None)).viewings
    assert (set(undated.rows), undated.any_day) == ({1}, True)
    (dated,) = plan(mark(None), mark(SATURDAY), mark(FRIDAY)).viewings
    assert (dated.seen.on, set(dated.rows), dated.any_day) == (SATURDAY, {2}, False)
    present = Holding(viewings=frozenset({new_viewing(ANN, HEAT, SATURDAY)}))
    assert verdicts(plan(mark(SATURDAY)), present) == {1: (RowClass.UNCHANGED, None)}


def test_a_review_that_the_diary_lacks_is_a_viewing_of_its_own_day_once() -> None:
    review = row(RowKind.REVIEW, rating="8", review="Good", viewings=(SeenOn(on=FRIDAY),))
    assert [each.seen.on for each in plan(diary(SATURDAY), review, review).viewings] == [FRIDAY, SATURDAY]


def test_a_mark_that_a_film_was_seen_adds_nothing_to_a_diary() -> None:
    mark = row(RowKind.WATCHED, viewings=(SeenOn(),))
    assert plan(diary(FRIDAY), mark).merged == {2}
    (viewing,) = plan(mark, mark).viewings
    assert viewing.any_day
    dated = row(RowKind.WATCHED, viewings=(SeenOn(on=FRIDAY),))
    assert [each.seen.on for each in plan(mark, dated).viewings] == [FRIDAY]


def test_plays_of_one_day_are_counted_and_the_same_play_in_two_files_is_one() -> None:
    pages = [diary(FRIDAY, f"history-{page}.json") for page in (1, 2)]
    assert [each.nth for each in plan(*pages).viewings] == [1, 2]
    (once,) = plan(diary(FRIDAY, "a.csv"), diary(FRIDAY, "b.json")).viewings
    assert once.rows == {1, 2}


def test_rows_of_lists_make_one_place_since_the_first_of_them() -> None:
    listed = row(RowKind.WATCHLIST, listed=True, added_at=SATURDAY, note="soon")
    item = plan(listed, row(RowKind.FAVORITE, listed=True, favorite=True, added_at=FRIDAY)).item
    assert item is not None
    assert (item.favorite, item.note, item.added_at) == (True, "soon", FRIDAY)
    assert item.rows == {1, 2}


def test_remarks_tell_what_was_done_to_a_rating() -> None:
    assert plan(row(rating="0.5")).remarks == {1: (Reason.RAISED_TO_ONE,)}
    assert plan(row(rating="8.7")).remarks == {1: (Reason.ROUNDED,)}
    assert plan(row(rating="11", listed=True)).remarks == {1: (Reason.UNREADABLE_RATING,)}


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"rating": "0"}, Reason.NOTHING_TO_KEEP),
        ({"rating": "11"}, Reason.UNREADABLE_RATING),
        ({"rating": "11", "listed": True}, None),
        ({"rating": "11", "viewings": (SeenOn(),)}, None),
        ({"rating": "8"}, None),
        ({"review": "Good"}, None),
    ],
)
def test_a_row_that_has_nothing_to_keep_is_told(known: dict[str, Any], reason: Reason | None) -> None:
    assert says_something(row(**known), 10) is reason


def test_a_day_stays_a_day() -> None:
    assert moment(FRIDAY) == datetime(2024, 3, 1, 12, tzinfo=UTC)
    rated = after(plan(row(rating="8", rated_at=FRIDAY))).rating
    assert rated is not None
    assert rated.created_at.date() == FRIDAY


def test_what_a_file_dates_in_the_future_is_of_now() -> None:
    rated = after(plan(row(rating="8", rated_at=NOW + timedelta(days=9)))).rating
    assert rated is not None
    assert rated.created_at == rated.updated_at == NOW


OURS = new_rating(ANN, HEAT, 6, updated_at=NOW)


@pytest.mark.parametrize(
    ("prefer", "rated_at", "verdict"),
    [
        (Prefer.THEIRS, None, (RowClass.CHANGED, None)),
        (Prefer.MINE, NOW + timedelta(days=1), (RowClass.KEPT, Reason.OURS_PREFERRED)),
        (Prefer.NEWER, None, (RowClass.KEPT, Reason.OURS_IS_NEWER)),
        (Prefer.NEWER, NOW - timedelta(seconds=1), (RowClass.KEPT, Reason.OURS_IS_NEWER)),
        (Prefer.NEWER, NOW + timedelta(seconds=1), (RowClass.CHANGED, None)),
        (Prefer.NEWER, NOW.date(), (RowClass.KEPT, Reason.OURS_IS_NEWER)),
        (Prefer.NEWER, NOW.date() + timedelta(days=1), (RowClass.CHANGED, None)),
    ],
)
def test_of_two_ratings_the_preferred_one_wins(prefer: Prefer, rated_at: Any, verdict: Any) -> None:
    planned = plan(row(rating="8", rated_at=rated_at))
    present = Holding(rating=OURS)
    assert verdicts(planned, present, decider(prefer)) == {1: verdict}
    kept = after(planned, present, decider(prefer)).rating
    assert kept is not None
    assert kept.score == Score.of(8 if verdict[0] is RowClass.CHANGED else 6)
    assert (kept.id, kept.created_at) == (OURS.id, OURS.created_at)


def test_a_missing_review_is_filled_and_one_of_ours_is_never_taken_away() -> None:
    reviewed = plan(row(rating="6", review="Good"))
    filled = after(reviewed, Holding(rating=OURS)).rating
    assert filled is not None
    assert filled.review == "Good"
    with_review = Holding(rating=replace(OURS, review="Mine"))
    assert verdicts(plan(row(rating="6")), with_review) == {1: (RowClass.UNCHANGED, None)}
    changed = after(plan(row(rating="8")), with_review, decider(Prefer.THEIRS)).rating
    assert changed is not None
    assert changed.review == "Mine"


def test_a_place_on_the_watchlist_gains_the_mark_and_the_note_that_it_lacks() -> None:
    listed = plan(row(RowKind.FAVORITE, listed=True, favorite=True, note="soon"))
    ours = new_item(ANN, HEAT)
    item = after(listed, Holding(item=ours)).item
    assert item is not None
    assert (item.id, item.is_favorite, item.note) == (ours.id, True, "soon")
    noted = Holding(item=replace(ours, is_favorite=True, note="mine"))
    assert verdicts(listed, noted) == {1: (RowClass.KEPT, Reason.OURS_IS_NEWER)}
    theirs = after(listed, noted, decider(Prefer.THEIRS)).item
    assert theirs is not None
    assert theirs.note == "soon"
    assert verdicts(listed, Holding(item=item)) == {1: (RowClass.UNCHANGED, None)}


def test_what_does_not_fit_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlist, "MAX_ITEMS", 1)
    monkeypatch.setattr(viewings, "MAX_VIEWINGS", 1)
    monkeypatch.setattr(recommendations, "MAX_HIDDEN", 1)
    planned = plan(
        row(RowKind.WATCHLIST, listed=True), diary(FRIDAY), diary(date(2099, 1, 1)), hiding(noon())
    )
    assert verdicts(planned, Holding(), decider(listed=1, seen=1, hidden=1)) == {
        1: (RowClass.NO_PLACE, Reason.WATCHLIST_FULL),
        2: (RowClass.NO_PLACE, Reason.DIARY_FULL),
        3: (RowClass.NO_PLACE, Reason.UNREADABLE_DATE),
        4: (RowClass.NO_PLACE, Reason.HIDDEN_FULL),
    }


def test_what_was_added_of_earlier_films_counts_for_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlist, "MAX_ITEMS", 2)
    monkeypatch.setattr(viewings, "MAX_VIEWINGS", 2)
    monkeypatch.setattr(recommendations, "MAX_HIDDEN", 2)
    planned, decide = plan(row(RowKind.WATCHLIST, listed=True), diary(FRIDAY), hiding(noon())), decider()
    first, second, third = (decide(movie_id(number), planned, Holding()) for number in range(3))
    new = dict.fromkeys((1, 2, 3), (RowClass.NEW, None))
    assert first.verdicts == second.verdicts == new
    assert third.verdicts == {
        1: (RowClass.NO_PLACE, Reason.WATCHLIST_FULL),
        2: (RowClass.NO_PLACE, Reason.DIARY_FULL),
        3: (RowClass.NO_PLACE, Reason.HIDDEN_FULL),
    }


def test_a_film_is_hidden_since_the_first_time_and_one_that_is_hidden_stays_so() -> None:
    planned = plan(hiding(noon(4)), hiding(noon(3)))
    assert after(planned).hidden_at == noon(3)
    assert verdicts(planned, Holding(hidden_at=noon(5))) == dict.fromkeys((1, 2), (RowClass.UNCHANGED, None))
    assert after(planned, Holding(hidden_at=noon(5))).hidden_at == noon(5)
    assert after(plan(row()), Holding(hidden_at=noon(5))).hidden_at == noon(5)


def test_a_row_that_adds_something_is_new_although_another_part_of_it_is_kept() -> None:
    noted = Holding(item=new_item(ANN, HEAT, note="mine"))
    planned = plan(row(rating="8", listed=True, note="soon"))
    assert verdicts(planned, noted) == {1: (RowClass.NEW, None)}


def test_a_changed_rating_has_the_time_of_the_file_if_that_is_later_else_now() -> None:
    day = timedelta(days=1)
    ours = Holding(rating=replace(OURS, updated_at=NOW - 2 * day))

    def updated_at(**times: Any) -> datetime:
        changed = after(plan(row(rating="8", **times)), ours, decider(Prefer.THEIRS)).rating
        assert changed is not None
        assert changed.score == Score.of(8)
        return changed.updated_at

    assert updated_at(rated_at=NOW - day) == NOW - day
    assert updated_at(rated_at=NOW - 3 * day, updated_at=NOW - day) == NOW - day
    assert updated_at(rated_at=NOW - 2 * day) == NOW
    assert updated_at(rated_at=NOW - 3 * day) == NOW


def test_a_note_that_was_added_later_than_ours_takes_its_place() -> None:
    ours = Holding(item=replace(new_item(ANN, HEAT, note="mine"), updated_at=NOW - timedelta(days=2)))
    listed = plan(row(RowKind.WATCHLIST, listed=True, note="soon", added_at=NOW - timedelta(days=1)))
    item = after(listed, ours).item
    assert item is not None
    assert item.note == "soon"


def test_viewings_from_the_first_film_until_the_day_that_has_begun_somewhere_are_added() -> None:
    noon_of_day = NOW.replace(hour=12)
    tomorrow = noon_of_day.date() + timedelta(days=1)
    planned = plan(diary(EARLIEST_DAY), diary(tomorrow), diary(tomorrow + timedelta(days=1)))
    decide = decider()
    decide.now = noon_of_day
    assert {number: verdict for number, (verdict, _) in verdicts(planned, Holding(), decide).items()} == {
        1: RowClass.NEW,
        2: RowClass.NEW,
        3: RowClass.NO_PLACE,
    }


def test_of_the_viewings_on_one_day_all_but_one_are_rewatches_whatever_the_file_says() -> None:
    denied = plan(diary(FRIDAY, rewatch=False), diary(FRIDAY, rewatch=False))
    assert sorted(each.rewatch for each in after(denied).viewings) == [False, True]
    first = Holding(viewings=frozenset({new_viewing(ANN, HEAT, FRIDAY)}))
    assert {each.rewatch for each in after(denied, first).viewings - first.viewings} == {True}
    again = Holding(viewings=frozenset({new_viewing(ANN, HEAT, FRIDAY, rewatch=True)}))
    untold = plan(diary(FRIDAY), diary(FRIDAY))
    assert {each.rewatch for each in after(untold, again).viewings - again.viewings} == {True}


def test_a_viewing_that_is_there_already_is_not_added_again() -> None:
    seen = new_viewing(ANN, HEAT, FRIDAY)
    present = Holding(viewings=frozenset({seen}))
    twice = plan(diary(FRIDAY), diary(FRIDAY))
    added = after(twice, present).viewings - present.viewings
    assert [(each.watched_on, each.rewatch) for each in added] == [(FRIDAY, True)]
    assert verdicts(plan(row(RowKind.WATCHED, viewings=(SeenOn(),))), present)[1][0] is RowClass.UNCHANGED


def test_a_viewing_after_another_is_a_rewatch_unless_the_file_tells() -> None:
    seen = after(plan(diary(SATURDAY), diary(FRIDAY))).viewings
    assert {each.watched_on: each.rewatch for each in seen} == {FRIDAY: False, SATURDAY: True}
    kept = after(plan(diary(FRIDAY), diary(SATURDAY, rewatch=False))).viewings
    assert {each.rewatch for each in kept} == {False}


rows_of_a_film = st.lists(
    st.one_of(
        st.builds(
            row,
            rating=st.sampled_from(["2", "7.5", "0", "11"]),
            rated_at=st.sampled_from([None, FRIDAY, noon()]),
            review=st.sampled_from([None, "Good"]),
        ),
        st.builds(diary, st.sampled_from([None, FRIDAY, SATURDAY]), st.sampled_from(["a", "b"])),
        st.builds(
            row,
            st.just(RowKind.WATCHLIST),
            listed=st.just(True),
            favorite=st.booleans(),
            note=st.sampled_from([None, "soon"]),
        ),
        st.just(row(RowKind.WATCHED, viewings=(SeenOn(),))),
        st.just(row(RowKind.REVIEW, review="Long", viewings=(SeenOn(on=FRIDAY),))),
    ),
    min_size=1,
    max_size=6,
)
holdings = st.builds(
    Holding,
    rating=st.sampled_from([None, OURS, replace(OURS, review="Mine", updated_at=noon())]),
    item=st.sampled_from([None, new_item(ANN, HEAT, note="mine"), new_item(ANN, HEAT, is_favorite=True)]),
    viewings=st.sampled_from(
        [frozenset(), frozenset({new_viewing(ANN, HEAT, FRIDAY)}), frozenset({new_viewing(ANN, HEAT)})]
    ),
)


@given(rows_of_a_film, holdings, st.sampled_from(Prefer))
def test_every_row_gets_one_class_the_second_time_changes_nothing_and_undoing_restores(
    rows: list[ImportedRow], present: Holding, prefer: Prefer
) -> None:
    planned = plan(*rows)
    first = decider(prefer)(HEAT, planned, present)
    assert first.verdicts.keys() == set(range(1, len(rows) + 1)) == planned.rows
    second = Decider(user=ANN, prefer=prefer, now=NOW, entry_id=lambda *_: "f" * 24)(
        HEAT, planned, first.after
    )
    assert second.after == first.after
    assert {each for each, _ in second.verdicts.values()} <= {
        RowClass.UNCHANGED,
        RowClass.KEPT,
        RowClass.NO_PLACE,
    }
    assert undone(Effect(movie=HEAT, before=present, after=first.after), first.after) == (present, True)


def test_the_entries_that_a_row_makes_are_numbered_from_1() -> None:
    made = after(plan(row(rating="8", listed=True, viewings=(SeenOn(on=FRIDAY),))))
    assert made.rating
    assert made.item
    ids = {made.rating.id, made.item.id, *(seen.id for seen in made.viewings)}
    assert ids == {f"{1:012x}{nth:012x}" for nth in (1, 2, 3)}


def test_what_the_user_has_changed_since_stays() -> None:
    seen = new_viewing(ANN, HEAT, FRIDAY)
    effect = Effect(
        movie=HEAT,
        before=Holding(rating=OURS),
        after=Holding(
            rating=replace(OURS, score=Score.of(9)), item=new_item(ANN, HEAT), viewings=frozenset({seen})
        ),
    )
    mine = replace(OURS, score=Score.of(2))
    assert undone(effect, replace(effect.after, rating=mine)) == (Holding(rating=mine), False)
    assert undone(effect, replace(effect.after, item=None)) == (Holding(rating=OURS), False)
    hidden = Effect(movie=HEAT, before=Holding(), after=Holding(hidden_at=noon()))
    assert undone(hidden, hidden.after) == (Holding(), True)
    assert undone(hidden, Holding(hidden_at=noon(2))) == (Holding(hidden_at=noon(2)), False)
    assert undone(effect, replace(effect.after, hidden_at=noon())) == (
        Holding(rating=OURS, hidden_at=noon()),
        True,
    )
    edited = frozenset({replace(seen, note="edited")})
    assert undone(effect, replace(effect.after, viewings=edited)) == (
        Holding(rating=OURS, viewings=edited),
        False,
    )


def test_a_decided_row_has_the_remarks_about_reading_and_about_deciding_once() -> None:
    read = ImportRow(number=1, row=replace(row(), remarks=(Reason.TEXT_CUT, Reason.ROUNDED)))
    decided = read.decided(RowClass.NEW, None, (Reason.ROUNDED, Reason.DAYS_UNKNOWN))
    assert (decided.row_class, decided.reason) == (RowClass.NEW, None)
    assert decided.remarks == (Reason.TEXT_CUT, Reason.ROUNDED, Reason.DAYS_UNKNOWN)


def test_each_change_of_an_import_is_its_next_revision_at_its_time() -> None:
    imported = Import(id=ImportId("1" * 24), user=ANN, name="a.csv", created_at=noon(), updated_at=noon())
    following = imported.next(NOW, state=ImportState.READY)
    assert following == replace(imported, state=ImportState.READY, updated_at=NOW, revision=1)
    assert (imported.state, imported.done, imported.total) == (ImportState.READING, 0, 0)


def test_ids_of_entries_are_in_the_order_of_the_rows_that_make_them() -> None:
    imported = Import(id=ImportId("1" * 24), user=ANN, name="a.csv", created_at=noon(), updated_at=noon())
    made = [imported.entry_id(row, nth) for row in (1, 9, 10, 99_999) for nth in (1, 2, 11)]
    assert made == sorted(set(made))
    assert all(map(is_id, made))


def test_of_many_rows_that_are_not_there_the_first_ten_are_named() -> None:
    assert str(NoSuchRows(tuple(range(1, 13)))).endswith(", unlike 1, 2, 3, 4, 5, 6, 7, 8, 9, 10")


def film(number: int, title: str, year: int | None) -> Film:
    released = date(year, 5, 5) if year else None
    return Film.of(facts(number, title=title, original_title=title, release_date=released))


def ids(*numbers: int) -> tuple[MovieId, ...]:
    return tuple(movie_id(number) for number in numbers)


def test_the_only_film_of_a_title_and_year_matches() -> None:
    films = [film(1, "Amélie", 2001), film(2, "Amélie", 1990), film(3, "Heat", 2001)]
    assert match(["AMELIE"], 2001, films) == Matched(movie_id(1), exact=True)
    assert match([None, "amelie"], 2001, films).movie == movie_id(1)


def test_a_year_of_difference_is_allowed_if_the_film_is_the_only_one() -> None:
    assert match(["Heat"], 1996, [film(1, "Heat", 1995), film(2, "Heat", 1986)]).movie == movie_id(1)
    assert match(["Heat"], 1997, [film(1, "Heat", 1995)]).movie is None
    both = match(["Heat"], 1996, [film(1, "Heat", 1995), film(2, "Heat", 1997)])
    assert both.movie is None
    assert set(both.candidates) == set(ids(1, 2))
    assert (both.exact, both.several) == (False, True)


def test_of_several_films_none_is_taken_and_all_are_offered_the_nearest_first() -> None:
    same = [film(1, "Lost Country", 2023), film(2, "Lost Country", 2023), film(3, "Lost Country", 1950)]
    matched = match(["Lost Country"], 2023, same)
    assert matched == Matched(candidates=ids(*sorted((1, 2), key=movie_id)), exact=True, several=True)
    elsewhere = match(["Lost Country"], 2000, [*same, film(4, "Lost Country", None)])
    assert (elsewhere.movie, elsewhere.several) == (None, False)
    assert elsewhere.candidates[-2:] == ids(3, 4)
    assert match(["Lost Country"], None, same[:1]) == Matched(candidates=ids(1))
    assert match(["Jesus"], 2018, same) == Matched()
