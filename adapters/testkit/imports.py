"""The contract of ImportRepository.

It reduces `domain.imports.imports.MAX_IMPORTS`, which adapters must read at each call.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.changes import CopyOfUser
from adapters.testkit.samples import (
    add_movies,
    add_user,
    facts,
    fresh_id,
    new_item,
    new_rating,
    new_viewing,
    noon,
    read_pages,
)
from domain.ids import ImportId, MovieId, UserId
from domain.imports import imports
from domain.imports.deciding import Prefer
from domain.imports.holdings import Effect, Holding, Holdings
from domain.imports.imports import (
    Import,
    ImportChanged,
    ImportNotFound,
    ImportNotReady,
    ImportRow,
    ImportState,
    TooManyImports,
)
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.imports.uploads import Refusal
from domain.pagination import Cursor
from domain.ports.imports import Application
from domain.ratings import Tally
from domain.users import User, UserNotFound


def new_import(user: UserId, day: int = 1, **known: Any) -> Import:
    """An import that is not stored."""
    return Import(
        **{
            "id": ImportId(fresh_id()),
            "user": user,
            "name": "export.zip",
            "created_at": noon(day),
            "updated_at": noon(day),
            **known,
        }
    )


def add_import(store: Store, user: UserId, day: int = 1, pieces: tuple[bytes, ...] = (b"a", b"b")) -> Import:
    """Store a new import with its upload."""
    added = new_import(user, day)
    store.imports.add(added, pieces)
    return added


def new_row(number: int, **known: Any) -> ImportRow:
    """A row of an import."""
    return ImportRow(
        number=number, row=ImportedRow(file="a.csv", line=number + 1, kind=RowKind.RATING), **known
    )


def after_cursor(row: ImportRow) -> Cursor:
    """The position of a row in its import."""
    return Cursor(row.number, f"{row.number:024x}")


FULL_ROW = ImportedRow(
    file="a.csv",
    line=7,
    kind=RowKind.VIEWING,
    title="Amélie",
    original_title="Le Fabuleux Destin d'Amélie Poulain",
    year=2001,
    tmdb_id=194,
    imdb_id="tt0211915",
    rating="4.5",
    of_viewing=True,
    rated_at=date(2024, 1, 2),
    updated_at=noon(3),
    review="Good\nlines",
    viewings=(
        SeenOn(on=date(2024, 1, 1), rewatch=True, note="at home", created_at=noon(1), updated_at=noon(2)),
        SeenOn(),
    ),
    listed=True,
    favorite=True,
    note="soon",
    added_at=datetime(2024, 1, 2, 3, 4, 5, 678000, UTC),
    listed_updated_at=noon(4),
    refused=RowClass.NO_PLACE,
    reason=Reason.PERSONAL_LIST,
    remarks=(Reason.TEXT_CUT, Reason.UNCLEAR_DATE),
)


class ImportRepositoryContract:
    """Storing imports, and changing what their users have."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return add_user(store)

    @pytest.fixture
    def imported(self, store: Store, ann: User) -> Import:
        return add_import(store, ann.id)

    @pytest.fixture
    def films(self, store: Store) -> list[MovieId]:
        return [movie.id for movie in add_movies(store, [facts(number) for number in (1, 2, 3)])]

    def test_an_import_is_read_as_it_was_stored(self, store: Store, ann: User) -> None:
        stored = new_import(
            ann.id,
            state=ImportState.READY,
            wanted=SourceFormat.CSV,
            format=SourceFormat.LETTERBOXD,
            scale=5,
            scale_chosen=True,
            columns={"title": "Film"},
            columns_found={"year": "jahr"},
            headers=("film", "jahr"),
            prefer=Prefer.MINE,
            done=3,
            total=4,
            counts={RowClass.NEW: 2, RowClass.NOT_A_FILM: 1},
            examples=(1, 3),
            error=Refusal.DAMAGED,
            undoing=True,
            not_undone=5,
        )
        store.imports.add(stored, [])
        assert store.imports.find(stored.id) == store.imports.get(stored.id, ann.id) == stored

    def test_an_upload_is_kept_piece_by_piece_until_the_import_has_ended(
        self, store: Store, imported: Import
    ) -> None:
        assert list(store.imports.upload(imported.id)) == [b"a", b"b"]
        ready = imported.next(noon(), state=ImportState.READY)
        store.imports.save(ready)
        assert list(store.imports.upload(imported.id)) == [b"a", b"b"]
        store.imports.save(ready.next(noon(), state=ImportState.FAILED))
        with pytest.raises(ImportNotFound):
            list(store.imports.upload(imported.id))

    def test_an_import_of_another_user_is_not_found(self, store: Store, imported: Import) -> None:
        bob = add_user(store, "bob")
        for call in (store.imports.get, store.imports.remove):
            with pytest.raises(ImportNotFound):
                call(imported.id, bob.id)
        with pytest.raises(ImportNotFound):
            store.imports.find(ImportId("0" * 24))

    def test_imports_are_listed_the_newest_first(self, store: Store, ann: User) -> None:
        added = [add_import(store, ann.id, day) for day in (1, 3, 2)]
        add_import(store, add_user(store, "bob").id)
        newest_first = sorted(added, key=lambda each: each.created_at, reverse=True)
        for each in (1, 2, 5):
            show = partial(store.imports.of_user, ann.id)
            assert read_pages(show, lambda found: found.cursor, each) == newest_first
        assert store.imports.of_user(ann.id, limit=1, skip=1) == newest_first[1:2]
        assert store.imports.count(ann.id) == 3

    def test_a_user_has_a_limited_number_of_imports(
        self, store: Store, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports, "MAX_IMPORTS", 1)
        first = add_import(store, ann.id)
        with pytest.raises(TooManyImports):
            add_import(store, ann.id)
        store.imports.remove(first.id, ann.id)
        add_import(store, ann.id)

    def test_an_upload_that_was_not_completed_is_not_shown_and_deleted_later(
        self, store: Store, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports, "MAX_IMPORTS", 1)

        def broken() -> Any:
            yield b"a"
            raise InterruptedError

        lost = new_import(ann.id)
        with pytest.raises(InterruptedError):
            store.imports.add(lost, broken())
        assert store.imports.of_user(ann.id, limit=5) == []
        with pytest.raises(ImportNotFound):
            store.imports.find(lost.id)
        with pytest.raises(TooManyImports):
            add_import(store, ann.id, pieces=(b"b",))
        kept = add_import(store, ann.id, day=2)
        assert store.imports.of_user(ann.id, limit=5) == [kept]

    def test_only_the_revision_after_the_stored_one_is_stored(self, store: Store, imported: Import) -> None:
        first = imported.next(noon(2), done=1)
        store.imports.save(first, [new_row(1)])
        with pytest.raises(ImportChanged):
            store.imports.save(imported.next(noon(3), done=9), [new_row(2)])
        assert store.imports.find(imported.id) == first
        assert store.imports.rows(imported.id, limit=5) == [new_row(1)]

    def test_rows_are_read_as_they_were_stored_by_number_and_by_class(
        self, store: Store, imported: Import
    ) -> None:
        movie = MovieId("a" * 24)
        rows = [
            ImportRow(
                number=1,
                row=FULL_ROW,
                movie=movie,
                candidates=(movie, MovieId("b" * 24)),
                chosen=True,
                row_class=RowClass.NEW,
                reason=Reason.MERGED,
                remarks=(Reason.ROUNDED,),
            ),
            new_row(2, row_class=RowClass.AMBIGUOUS),
            new_row(3),
            new_row(4, row_class=RowClass.NEW),
            new_row(5, row_class=RowClass.NEW),
        ]
        store.imports.save(imported.next(noon()), list(reversed(rows)))
        for size in (1, 2, 9):
            assert read_pages(partial(store.imports.rows, imported.id), after_cursor, size) == rows
        assert store.imports.rows(imported.id, RowClass.NEW, limit=2) == [rows[0], rows[3]]
        assert store.imports.rows(imported.id, RowClass.NEW, limit=2, skip=1) == rows[3:]
        assert store.imports.rows(imported.id, RowClass.NEW, limit=2, after=after_cursor(rows[3])) == [
            rows[4]
        ]
        assert store.imports.rows_of(imported.id, [4, 2, 77]) == [rows[1], rows[3]]

    def test_rows_replace_those_with_their_numbers_or_all(self, store: Store, imported: Import) -> None:
        first, second = imported.next(noon()), imported.next(noon()).next(noon())
        store.imports.save(first, [new_row(1), new_row(2)])
        store.imports.save(second, [new_row(2, row_class=RowClass.NEW)])
        assert [row.row_class for row in store.imports.rows(imported.id, limit=5)] == [None, RowClass.NEW]
        store.imports.save(second.next(noon()), [new_row(1, chosen=True)], restart=True)
        assert store.imports.rows(imported.id, limit=5) == [new_row(1, chosen=True)]

    def test_holdings_are_all_that_a_user_has_of_films_that_are_held(
        self, store: Store, ann: User, films: list[MovieId]
    ) -> None:
        rating, item = new_rating(ann.id, films[0]), new_item(ann.id, films[0])
        seen = [new_viewing(ann.id, films[0], date(2024, 1, day)) for day in (1, 2)]
        store.ratings.add(rating)
        store.watchlists.add(item)
        store.watchlists.add(new_item(ann.id, films[2]))
        for viewing in seen:
            store.viewings.add(viewing)
        for movie in films[1:]:
            store.recommendations.hide(ann.id, movie, noon(4))
        bob = add_user(store, "bob").id
        store.ratings.add(new_rating(bob, films[0]))
        store.recommendations.hide(bob, films[0], noon())
        assert store.imports.holdings(ann.id, [*films[:2], MovieId("0" * 24)]) == Holdings(
            films={
                films[0]: Holding(rating=rating, item=item, viewings=frozenset(seen)),
                films[1]: Holding(hidden_at=noon(4)),
            },
            listed=2,
            seen=2,
            hidden=2,
        )

    def test_holdings_change_in_one_step_with_tallies_rows_and_effects(
        self, store: Store, ann: User, imported: Import, films: list[MovieId]
    ) -> None:
        old, kept = new_rating(ann.id, films[0], 3), new_viewing(ann.id, films[0], date(2024, 1, 1))
        store.ratings.add(old)
        store.ratings.add(new_rating(add_user(store, "bob").id, films[0], 8))
        store.viewings.add(kept)
        store.watchlists.add(new_item(ann.id, films[1]))
        for movie in films[1:]:
            store.recommendations.hide(ann.id, movie, noon(4))
        after = {
            films[0]: Holding(
                rating=old.changed(noon(9), score=new_rating(ann.id, films[0], 9).score),
                item=new_item(ann.id, films[0], note="soon"),
                viewings=frozenset({replace(kept, note="good"), new_viewing(ann.id, films[0], None)}),
                hidden_at=noon(5),
            ),
            films[1]: Holding(rating=new_rating(ann.id, films[1], 5)),
            films[2]: Holding(viewings=frozenset({new_viewing(ann.id, films[2], None)}), hidden_at=noon(6)),
        }
        before: dict[MovieId, Holding] = {}

        def change(present: Holdings) -> Application:
            before.update(present.films)
            return Application(
                imported=imported.next(noon(), state=ImportState.APPLYING),
                rows=[new_row(1, row_class=RowClass.NEW)],
                after=after,
                effects=[
                    Effect(movie=movie, before=present.films[movie], after=after[movie]) for movie in films
                ],
            )

        copy = CopyOfUser(store, ann.id)
        copy.catch_up()
        store.imports.apply(ann.id, films, change)
        copy.catch_up()
        copy.assert_complete()
        assert store.imports.holdings(ann.id, films) == Holdings(films=after, listed=1, seen=3, hidden=2)
        assert store.imports.find(imported.id).state is ImportState.APPLYING
        assert store.imports.rows(imported.id, limit=5) == [new_row(1, row_class=RowClass.NEW)]
        effects = sorted(
            (Effect(movie=movie, before=before[movie], after=after[movie]) for movie in films),
            key=lambda each: each.movie,
        )
        assert store.imports.effects(imported.id, limit=2) == effects[:2]
        assert store.imports.effects(imported.id, limit=5, skip=2) == effects[2:]
        assert store.ratings.drifts() == []
        assert [movie.tally.count for movie in store.movies.by_ids(films)] == [2, 1, 0]

    def test_effects_are_undone_in_one_step(
        self, store: Store, ann: User, imported: Import, films: list[MovieId]
    ) -> None:
        rated = {movie: Holding(rating=new_rating(ann.id, movie)) for movie in films[:2]}
        effects = [Effect(movie=movie, before=Holding(), after=rated[movie]) for movie in rated]
        applied = imported.next(noon(), state=ImportState.APPLYING)
        self._apply(store, ann.id, applied, rated, effects=effects)
        changes = store.recommendations.changes(9)
        assert {(each.user, each.movie) for each in changes} == {(ann.id, movie) for movie in films[:2]}
        store.recommendations.settle(changes)
        copy = CopyOfUser(store, ann.id)
        copy.catch_up()
        nothing = dict.fromkeys(films[:1], Holding())
        self._apply(store, ann.id, applied.next(noon()), nothing, undone=films[:1])
        copy.catch_up()
        copy.assert_complete()
        assert [each.movie for each in store.imports.effects(imported.id, limit=5)] == films[1:2]
        assert [each.movie for each in store.recommendations.changes(9)] == films[:1]
        assert store.ratings.count(ann.id) == 1
        assert store.ratings.drifts() == []
        assert [movie.tally for movie in store.movies.by_ids(films[:1])] == [Tally()]

    def _apply(
        self, store: Store, user: UserId, imported: Import, after: Mapping[MovieId, Holding], **rest: Any
    ) -> None:
        store.imports.apply(user, list(after), lambda _: Application(imported=imported, after=after, **rest))

    def test_nothing_changes_if_the_import_was_changed_meanwhile_or_the_user_is_gone(
        self, store: Store, ann: User, imported: Import, films: list[MovieId]
    ) -> None:
        rated = {films[0]: Holding(rating=new_rating(ann.id, films[0]))}
        store.imports.save(imported.next(noon()))
        with pytest.raises(ImportChanged):
            self._apply(store, ann.id, imported.next(noon()), rated)
        assert store.ratings.count(ann.id) == 0
        with pytest.raises(UserNotFound):
            self._apply(store, UserId("0" * 24), imported, rated)

    def test_an_import_is_deleted_with_all_that_belongs_to_it_unless_it_is_applied(
        self, store: Store, ann: User, imported: Import
    ) -> None:
        applying = imported.next(noon(), state=ImportState.APPLYING)
        store.imports.save(applying, [new_row(1)])
        with pytest.raises(ImportNotReady):
            store.imports.remove(imported.id, ann.id)
        store.imports.save(applying.next(noon(), state=ImportState.DONE))
        store.imports.remove(imported.id, ann.id)
        assert store.imports.rows(imported.id, limit=5) == []
        with pytest.raises(ImportNotFound):
            store.imports.save(applying)

    def test_an_accounts_imports_are_deleted_with_it(self, store: Store, ann: User, imported: Import) -> None:
        store.imports.save(imported.next(noon()), [new_row(1)])
        store.users.remove(ann.id)
        with pytest.raises(ImportNotFound):
            store.imports.find(imported.id)
        assert store.imports.rows(imported.id, limit=5) == []
        with pytest.raises(ImportNotFound):
            list(store.imports.upload(imported.id))

    def test_no_import_is_added_for_an_account_that_is_gone(self, store: Store) -> None:
        with pytest.raises(UserNotFound):
            store.imports.add(new_import(UserId("0" * 24)), [])
