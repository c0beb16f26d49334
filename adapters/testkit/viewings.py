"""The contract of ViewingRepository.

It reduces `domain.viewings.MAX_VIEWINGS`, which adapters must read at each call.
"""

from dataclasses import replace
from datetime import date
from functools import partial
from itertools import product

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    add_movies,
    add_user,
    add_users,
    error_names,
    facts,
    new_item,
    new_viewing,
    noon,
    read_pages,
    removal_of,
    run_concurrently,
    store_page,
)
from domain import viewings
from domain.ids import MovieId, UserId, ViewingId
from domain.movies import Movie, MovieNotFound
from domain.users import User, UserNotFound
from domain.viewings import (
    AlreadyViewed,
    DayRange,
    DiaryFull,
    NotYourViewing,
    Viewing,
    ViewingNotFound,
    ViewingSummary,
)

NO_MOVIE = MovieId("0" * 24)
NO_VIEWING = ViewingId("0" * 24)
MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)


class ViewingRepositoryContract:
    """Storing, changing and listing viewings."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return add_user(store)

    @pytest.fixture
    def bob(self, store: Store) -> User:
        return add_user(store, "bob")

    @pytest.fixture
    def movie(self, store: Store) -> Movie:
        (movie,) = add_movies(store, [facts(1)])
        return movie

    @pytest.fixture
    def small_diary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(viewings, "MAX_VIEWINGS", 3)

    def test_a_viewing_is_read_as_it_was_stored(self, store: Store, ann: User, movie: Movie) -> None:
        generation = store.movies.generation()
        for viewing in (
            new_viewing(
                ann.id, movie.id, MONDAY, rewatch=True, note="With Bob\n“again” 🍿", updated_at=noon(3)
            ),
            new_viewing(ann.id, movie.id, date(1888, 1, 1)),
            new_viewing(ann.id, movie.id),
        ):
            store.viewings.add(viewing)
            assert store.viewings.get(viewing.id) == viewing
        assert store.movies.get(movie.id) == movie
        assert store.movies.generation() == generation

    @pytest.mark.parametrize("day", [MONDAY, None], ids=["a day", "an unknown day"])
    def test_a_movie_is_seen_once_on_a_day_unless_it_is_a_rewatch(
        self, store: Store, ann: User, bob: User, movie: Movie, day: date | None
    ) -> None:
        store.viewings.add(new_viewing(ann.id, movie.id, day))
        with pytest.raises(AlreadyViewed):
            store.viewings.add(new_viewing(ann.id, movie.id, day))
        store.viewings.add(new_viewing(ann.id, movie.id, day, rewatch=True))
        store.viewings.add(new_viewing(ann.id, movie.id, TUESDAY))
        store.viewings.add(new_viewing(bob.id, movie.id, day))
        assert (store.viewings.count(ann.id), store.viewings.count(bob.id)) == (3, 1)

    def test_a_rewatch_also_occupies_its_day(self, store: Store, ann: User, movie: Movie) -> None:
        store.viewings.add(new_viewing(ann.id, movie.id, MONDAY, rewatch=True))
        with pytest.raises(AlreadyViewed):
            store.viewings.add(new_viewing(ann.id, movie.id, MONDAY))

    def test_a_viewing_that_is_stored_again_under_its_id_is_left_as_it_is(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        viewing = new_viewing(ann.id, movie.id, MONDAY)
        assert store.viewings.add(viewing, repeatable=True) == viewing
        version = store.changes.activity(ann.id)
        assert store.viewings.add(replace(viewing, note="again"), repeatable=True) == viewing
        assert store.viewings.count(ann.id) == 1
        assert store.changes.activity(ann.id) == version
        other = replace(new_viewing(bob.id, movie.id, MONDAY), note="his")
        assert store.viewings.add(other, repeatable=True) == other

    def test_neither_a_movie_nor_a_user_that_is_not_stored_gets_a_viewing(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        with pytest.raises(MovieNotFound):
            store.viewings.add(new_viewing(ann.id, NO_MOVIE))
        with pytest.raises(UserNotFound):
            store.viewings.add(new_viewing(UserId("0" * 24), movie.id))
        assert store.viewings.count(ann.id) == 0

    def test_a_viewing_takes_its_movie_off_the_watchlist_if_that_is_requested(
        self, store: Store, ann: User, bob: User
    ) -> None:
        one, two = add_movies(store, [facts(1), facts(2)])
        for user, movie in product((ann, bob), (one, two)):
            store.watchlists.add(new_item(user.id, movie.id))
        store.viewings.add(new_viewing(ann.id, one.id))
        assert store.watchlists.of(ann.id, one.id)
        store.viewings.add(new_viewing(ann.id, one.id, MONDAY), remove_from_watchlist=True)
        assert store.watchlists.of(ann.id, one.id) is None
        assert (store.watchlists.count(ann.id), store.watchlists.count(bob.id)) == (1, 2)
        store.viewings.add(new_viewing(ann.id, one.id, TUESDAY), remove_from_watchlist=True)
        assert store.viewings.count(ann.id) == 3

    def test_a_refused_viewing_leaves_the_watchlist_as_it_was(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        store.viewings.add(new_viewing(ann.id, movie.id, MONDAY))
        with pytest.raises(AlreadyViewed):
            store.viewings.add(new_viewing(ann.id, movie.id, MONDAY), remove_from_watchlist=True)
        assert store.watchlists.of(ann.id, movie.id) == item

    def test_a_changed_viewing_is_stored_and_returned(self, store: Store, ann: User, movie: Movie) -> None:
        viewing = new_viewing(ann.id, movie.id, MONDAY, note="soon")
        store.viewings.add(viewing)
        wanted = viewing.changed(noon(2), watched_on=None, rewatch=True, note=None)
        assert store.viewings.change(viewing.id, ann.id, lambda _: wanted) == wanted
        assert store.viewings.get(viewing.id) == wanted
        assert store.viewings.of_user(ann.id, days=DayRange.of_year(2026), limit=9) == []

    def test_a_viewing_cannot_be_moved_to_a_day_of_another_unless_it_is_a_rewatch(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        first, second = (new_viewing(ann.id, movie.id, day) for day in (MONDAY, TUESDAY))
        for viewing in (first, second):
            store.viewings.add(viewing)
        with pytest.raises(AlreadyViewed):
            store.viewings.change(
                second.id, ann.id, lambda before: before.changed(noon(2), watched_on=MONDAY)
            )
        assert store.viewings.get(second.id) == second
        moved = second.changed(noon(2), watched_on=MONDAY, rewatch=True)
        assert store.viewings.change(second.id, ann.id, lambda _: moved) == moved
        with pytest.raises(AlreadyViewed):
            store.viewings.change(second.id, ann.id, lambda before: before.changed(noon(3), rewatch=False))
        noted = first.changed(noon(3), note="the first of two")
        assert store.viewings.change(first.id, ann.id, lambda _: noted) == noted

    def test_a_failed_change_does_not_alter_the_viewing(self, store: Store, ann: User, movie: Movie) -> None:
        viewing = new_viewing(ann.id, movie.id)
        store.viewings.add(viewing)
        with pytest.raises(ZeroDivisionError):
            store.viewings.change(viewing.id, ann.id, lambda before: before.changed(noon(2 // 0)))
        assert store.viewings.get(viewing.id) == viewing

    def test_a_user_can_neither_change_nor_remove_the_viewing_of_another(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        viewing = new_viewing(ann.id, movie.id)
        store.viewings.add(viewing)
        with pytest.raises(NotYourViewing):
            store.viewings.change(viewing.id, bob.id, _noted)
        with pytest.raises(NotYourViewing):
            store.viewings.remove(viewing.id, bob.id)
        assert store.viewings.get(viewing.id) == viewing

    def test_a_removed_viewing_is_not_found_and_frees_its_day(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        viewing = new_viewing(ann.id, movie.id, MONDAY)
        store.viewings.add(viewing)
        store.viewings.remove(viewing.id, ann.id)
        for missing in (viewing.id, NO_VIEWING):
            for call in (
                partial(store.viewings.get, missing),
                partial(store.viewings.remove, missing, ann.id),
                partial(store.viewings.change, missing, ann.id, _noted),
            ):
                with pytest.raises(ViewingNotFound):
                    call()
        store.viewings.add(new_viewing(ann.id, movie.id, MONDAY))

    def test_viewings_are_sorted_and_selected_by_day(self, store: Store, ann: User, bob: User) -> None:
        one, two = add_movies(store, [facts(1), facts(2)])
        days = [date(2025, 12, 31), date(2026, 1, 1), MONDAY, date(2026, 1, 31), date(2026, 2, 1), None]
        seen = [
            new_viewing(
                ann.id,
                (one, two)[number % 2].id,
                days[number % 6],
                1 + number % 4,
                id=ViewingId(f"f{100 - number:023x}"),
                rewatch=True,
            )
            for number in range(24)
        ]
        for viewing in seen:
            store.viewings.add(viewing)
        store.viewings.add(new_viewing(bob.id, one.id, MONDAY))
        seen.sort(key=lambda viewing: viewing.id)
        seen.sort(key=lambda viewing: viewing.created_at, reverse=True)
        seen.sort(key=lambda viewing: viewing.watched_on or date.min, reverse=True)
        ranges = (None, DayRange.of_year(2026), DayRange.of_month(2026, 1), DayRange(MONDAY, MONDAY))
        for movie, wanted_days in product((None, one, two), ranges):
            wanted = [
                viewing
                for viewing in seen
                if movie is None or viewing.movie == movie.id
                if wanted_days is None or _within(wanted_days, viewing.watched_on)
            ]
            only = movie.id if movie else None
            show = partial(store.viewings.of_user, ann.id, movie=only, days=wanted_days)
            assert show(limit=50) == wanted
            assert [*show(limit=3), *show(limit=3, skip=3)] == wanted[:6]
            assert read_pages(show, lambda viewing: viewing.cursor, 3) == wanted
            assert store.viewings.count(ann.id, movie=only, days=wanted_days) == len(wanted)

    def test_viewings_are_also_listed_by_their_creation(self, store: Store, ann: User, bob: User) -> None:
        (movie,) = add_movies(store, [facts(1)])
        stored = [
            new_viewing(ann.id, movie.id, date(2026, 1, 9 - number), 1 + number % 3) for number in range(7)
        ]
        for viewing in stored:
            store.viewings.add(viewing)
        store.viewings.add(new_viewing(bob.id, movie.id, MONDAY))
        stored.sort(key=lambda viewing: viewing.id)
        stored.sort(key=lambda viewing: viewing.created_at, reverse=True)
        show = partial(store.viewings.by_creation, ann.id)
        assert read_pages(show, lambda viewing: viewing.creation_cursor, 2) == stored

    def test_viewings_of_movies_are_summarized(self, store: Store, ann: User, bob: User) -> None:
        one, two, three, four = add_movies(store, [facts(number) for number in range(1, 5)])
        for movie, day in ((one, MONDAY), (one, None), (one, TUESDAY), (two, None), (four, MONDAY)):
            store.viewings.add(new_viewing(ann.id, movie.id, day))
        store.viewings.add(new_viewing(bob.id, three.id, MONDAY))
        assert store.viewings.summaries(ann.id, [one.id, two.id, three.id, NO_MOVIE]) == {
            one.id: ViewingSummary(3, TUESDAY),
            two.id: ViewingSummary(1, None),
        }
        assert store.viewings.summaries(ann.id, []) == {}

    @pytest.mark.usefixtures("small_diary")
    def test_a_full_diary_refuses_viewings(self, store: Store, ann: User, bob: User, movie: Movie) -> None:
        for day in (MONDAY, TUESDAY, None):
            store.viewings.add(new_viewing(ann.id, movie.id, day))
        with pytest.raises(DiaryFull):
            store.viewings.add(new_viewing(ann.id, movie.id, rewatch=True))
        store.viewings.add(new_viewing(bob.id, movie.id))

    def test_of_concurrent_viewings_of_a_day_one_is_stored(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        answers = run_concurrently(
            [partial(store.viewings.add, new_viewing(ann.id, movie.id, MONDAY)) for _ in range(6)]
        )
        assert error_names(answers) == ["AlreadyViewed"] * 5
        assert store.viewings.count(ann.id) == 1

    def test_no_concurrent_change_of_a_viewing_is_lost(self, store: Store, ann: User, movie: Movie) -> None:
        viewing = new_viewing(ann.id, movie.id, note="")
        store.viewings.add(viewing)

        def longer(before: Viewing) -> Viewing:
            return before.changed(noon(2), note=f"{before.note}x")

        run_concurrently([partial(store.viewings.change, viewing.id, ann.id, longer)] * 6)
        assert store.viewings.get(viewing.id).note == "x" * 6

    def test_the_viewings_of_a_removed_account_are_gone(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        kept = new_viewing(bob.id, movie.id)
        gone = [new_viewing(ann.id, movie.id, day) for day in (MONDAY, TUESDAY)]
        for viewing in (*gone, kept):
            store.viewings.add(viewing)
        store.users.remove(ann.id)
        assert store.viewings.of_user(ann.id, limit=9) == []
        with pytest.raises(ViewingNotFound):
            store.viewings.get(gone[0].id)
        assert store.viewings.get(kept.id) == kept


class SeenMoviesContract:
    """The effects of viewings on movies that their source removes."""

    def test_a_removed_movie_is_kept_while_someone_has_seen_it(self, store: Store) -> None:
        ann, bob = add_users(store, 2)
        (movie,) = add_movies(store, [facts(1)])
        first, second = (new_viewing(user, movie.id, MONDAY) for user in (ann, bob))
        for viewing in (first, second):
            store.viewings.add(viewing)
        store_page(store, gone=(1,), day=2)
        assert store.movies.get(movie.id) == movie.marked_removed(noon(2))
        store.viewings.remove(first.id, ann)
        store_page(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(2)
        store.users.remove(bob)
        store_page(store, gone=(1,), day=4)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_movie_removed_while_it_is_seen_is_kept_or_not_found(self, store: Store) -> None:
        users = add_users(store, 3)
        movies = add_movies(store, [facts(number) for number in range(1, 5)])
        for number, movie in enumerate(movies, 1):
            seen = [partial(store.viewings.add, new_viewing(user, movie.id)) for user in users]
            failed = error_names(run_concurrently([*seen, removal_of(store, number)]))
            assert failed == ["MovieNotFound"] * len(failed)
            assert bool(store.movies.by_tmdb_ids([number])) is (len(failed) < len(users))
            stored = sum(store.viewings.count(user, movie=movie.id) for user in users)
            assert stored == len(users) - len(failed)


def _noted(viewing: Viewing) -> Viewing:
    return viewing.changed(noon(2), note="noted")


def _within(days: DayRange, day: date | None) -> bool:
    return day is not None and days.first <= day <= days.last
