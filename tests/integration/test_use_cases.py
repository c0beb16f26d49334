"""Edge cases of use cases over the embedded store in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, cast

import pytest

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, new_run, noon, store_page
from application import export
from application.additions import SearchSource
from application.catalogue import CachedTotals, GetMovie, MovieResults, SearchMovies
from application.export import ExportedHidden, ExportedItems, ExportedRatings, ExportedViewings, ExportUser
from application.ratings import ChangeRating, GetRating, RateMovie, SetRating, VerifyRatings
from application.recommendations import HideMovie
from application.relations import GetRelations
from application.viewings import AddViewing
from application.watchlist import (
    AddToWatchlist,
    ChangeItem,
    GetItem,
    SetOnWatchlist,
    ToggleFavorite,
)
from domain.browsing import Mine, MovieFilter, OwnFilter
from domain.errors import InvalidText, StorageUnavailable
from domain.ids import ImdbId, MovieId, MovieRef, TmdbNumber, UserId, movie_id
from domain.movies import GenreFacts, MovieNotFound
from domain.ratings import Drift, Score, Tally
from domain.sync import Entity, PageResult
from domain.users import User
from tests.stores import store_in_memory


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    yield store
    store.close()


def ada(store: SqliteStore, password_hash: str = "-") -> User:
    now = system.now()
    user = User(
        id=UserId(system.new_id()),
        username="ada",
        email="ada@example.org",
        password_hash=password_hash,
        created_at=now,
        updated_at=now,
    )
    store.users.add(user)
    return user


@dataclass
class Desk:
    """The use cases of ratings and watchlists with their user."""

    store: SqliteStore
    user: User

    def over(self, use_case: Callable[..., Any], **more: Any) -> Callable[..., Any]:
        known: dict[str, Any] = {
            "ratings": self.store.ratings,
            "watchlist": self.store.watchlists,
            "viewings": self.store.viewings,
            "movies": self.store.movies,
            "genres": self.store.genres,
            "invalidation": system.NoCache(),
            "clock": system.now,
            "new_id": system.new_id,
        }
        wanted = [field.name for field in fields(cast("Any", use_case))]
        return partial(use_case(**{name: known[name] for name in wanted}), user=self.user, **more)


@pytest.fixture
def desk(store: SqliteStore) -> Desk:
    store_page(store, facts(1))
    return Desk(store, ada(store))


def test_a_first_rating_is_new_and_another_of_the_same_movie_is_not(desk: Desk) -> None:
    rated = {"movie": TmdbNumber(1), "score": Score.of(8), "review": " Fine. "}
    first = desk.over(RateMovie)(**rated)
    assert (first.created, first.rating.review, first.user, first.tally.count) == (
        True,
        "Fine.",
        desk.user,
        1,
    )
    again = desk.over(SetRating)(**rated)
    assert (again.created, again.rating.id, again.tally.count) == (False, first.rating.id, 1)
    changed = desk.over(ChangeRating)(rating=first.rating.id, score=Score.of(9))
    assert (changed.created, changed.rating.review, changed.tally) == (
        False,
        "Fine.",
        Tally.of([Score.of(9)]),
    )
    shown = desk.over(GetRating)(rating=first.rating.id)
    assert (shown.created, shown.rating, shown.movie.facts) == (False, changed.rating, facts(1))


def test_a_first_watchlist_item_is_new_and_another_of_the_same_movie_is_not(desk: Desk) -> None:
    listed = {"movie": TmdbNumber(1), "is_favorite": True, "note": " Soon. "}
    first = desk.over(AddToWatchlist)(**listed)
    assert (first.created, first.item.note, first.item.is_favorite) == (True, "Soon.", True)
    again = desk.over(SetOnWatchlist)(**listed)
    assert (again.created, again.item.id) == (False, first.item.id)
    changed = desk.over(ChangeItem)(item=first.item.id, is_favorite=False)
    assert (changed.created, changed.item.note, changed.item.is_favorite) == (False, "Soon.", False)
    turned = desk.over(ToggleFavorite)(item=first.item.id)
    assert (turned.created, turned.item.is_favorite) == (False, True)
    assert desk.over(GetItem)(item=first.item.id) == turned


def test_relations_are_shown_in_the_order_of_first_mention_whatever_names_a_movie(desk: Desk) -> None:
    store_page(desk.store, facts(1, imdb_id="tt0000001"), facts(2), facts(3, imdb_id="tt0000003"))
    refs: list[MovieRef] = [ImdbId("tt0000003"), TmdbNumber(2), movie_id(1), ImdbId("tt0000001")]
    shown = desk.over(GetRelations)(movies=[*refs, TmdbNumber(9), ImdbId("tt0000009"), movie_id(2)])
    assert [each.movie.facts.tmdb_id for each in shown] == [3, 2, 1]


def test_the_fault_of_an_invalid_text_names_review_or_note(desk: Desk) -> None:
    rating = desk.over(RateMovie)(movie=TmdbNumber(1), score=Score.of(8), review=None).rating.id
    item = desk.over(AddToWatchlist)(movie=TmdbNumber(1), is_favorite=False, note=None).item.id
    unfit = "x" * 100_000
    writers = {
        "review": [
            desk.over(RateMovie, movie=TmdbNumber(1), score=Score.of(8), review=unfit),
            desk.over(SetRating, movie=TmdbNumber(1), score=Score.of(8), review=unfit),
            desk.over(ChangeRating, rating=rating, review=unfit),
        ],
        "note": [
            desk.over(AddToWatchlist, movie=TmdbNumber(1), is_favorite=False, note=unfit),
            desk.over(SetOnWatchlist, movie=TmdbNumber(1), is_favorite=False, note=unfit),
            desk.over(ChangeItem, item=item, note=unfit),
        ],
    }
    for field, calls in writers.items():
        for call in calls:
            with pytest.raises(InvalidText) as caught:
                call()
            assert caught.value.field == field


def test_an_export_has_everything_in_any_number_of_batches(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "EXPORT_BATCH", 2)
    store_page(store, *(facts(number) for number in range(1, 6)))
    user = ada(store)
    days = count(1)
    common: dict[str, Any] = {
        "movies": store.movies,
        "invalidation": system.NoCache(),
        "clock": lambda: noon(next(days)),
        "new_id": system.new_id,
    }
    for number in range(1, 6):
        SetRating(ratings=store.ratings, **common)(
            user=user, movie=TmdbNumber(number), score=Score.of(number), review=None
        )
        SetOnWatchlist(watchlist=store.watchlists, genres=store.genres, **common)(
            user=user, movie=TmdbNumber(number), is_favorite=False, note=None
        )
        AddViewing(viewings=store.viewings, genres=store.genres, **common)(
            user=user, movie=TmdbNumber(number), watched_on=date(2025, 12, 9 - number)
        )
        HideMovie(recommendations=store.recommendations, movies=store.movies, clock=lambda: noon(next(days)))(
            user=user, movie=TmdbNumber(number)
        )
    export_user = ExportUser(
        ratings=store.ratings,
        watchlist=store.watchlists,
        viewings=store.viewings,
        recommendations=store.recommendations,
        movies=store.movies,
        genres=store.genres,
    )
    parts = list(export_user(user=user))
    ratings = [each for part in parts if isinstance(part, ExportedRatings) for each in part.ratings]
    items = [each for part in parts if isinstance(part, ExportedItems) for each in part.items]
    viewings = [each for part in parts if isinstance(part, ExportedViewings) for each in part.viewings]
    hidden = [each for part in parts if isinstance(part, ExportedHidden) for each in part.hidden]
    assert len(parts) == 12
    assert [rating.score.points for rating in ratings] == [5, 4, 3, 2, 1]
    assert [item.movie for item in items] == [rating.movie for rating in ratings]
    assert [viewing.movie for viewing in viewings] == [rating.movie for rating in ratings]
    assert [each.movie for each in hidden] == [rating.movie for rating in ratings]
    assert all({each.movie for each in part.ratings} == set(part.movies) for part in parts[:3])  # type: ignore[union-attr]


def test_totals_are_cached_until_the_catalogue_changes_with_a_minimum_rating_for_a_minute(
    store: SqliteStore,
) -> None:
    at = [datetime(2026, 1, 5, tzinfo=UTC)]
    counted: list[MovieFilter] = []

    class Counting:
        def generation(self) -> int:
            return store.movies.generation()

        def count(self, wanted: MovieFilter) -> int:
            counted.append(wanted)
            return store.movies.count(wanted)

    totals = CachedTotals(movies=cast("Any", Counting()), clock=lambda: at[0])
    store_page(store, facts(1))
    assert [totals(MovieFilter()), totals(MovieFilter())] == [1, 1]
    assert len(counted) == 1
    store_page(store, facts(2))
    assert totals(MovieFilter()) == 2
    rated = MovieFilter(min_rating=5.0)
    assert totals(rated) == 0
    at[0] += timedelta(seconds=60)
    assert (totals(MovieFilter()), totals(rated), len(counted)) == (2, 0, 3)
    at[0] += timedelta(milliseconds=1)
    assert (totals(MovieFilter()), len(counted)) == (2, 3)
    assert (totals(rated), len(counted)) == (0, 4)


def test_the_total_of_what_a_user_lacks_is_counted_each_time(desk: Desk) -> None:
    totals = CachedTotals(movies=desk.store.movies, clock=system.now)
    unrated = MovieFilter(own=OwnFilter(user=desk.user.id, not_mine=frozenset({Mine.RATED})))
    rate = desk.over(RateMovie, score=Score.of(8), review=None)
    store_page(desk.store, facts(2))
    assert totals(unrated) == 2
    rate(movie=TmdbNumber(1))
    assert totals(unrated) == 1
    rate(movie=TmdbNumber(2))
    assert totals(unrated) == 0


def test_at_most_1000_totals_are_cached() -> None:
    counted: list[MovieFilter] = []

    class Counting:
        def generation(self) -> int:
            return 1

        def count(self, wanted: MovieFilter) -> int:
            counted.append(wanted)
            return 1

    totals = CachedTotals(movies=cast("Any", Counting()), clock=system.now)
    filters = [MovieFilter(min_votes=number) for number in range(1000)]
    for wanted in (*filters[:999], *filters[:999], filters[999]):
        totals(wanted)
    assert counted == filters
    totals(filters[0])
    assert counted == [*filters, filters[0]]


def test_a_count_of_an_older_catalogue_is_not_cached(store: SqliteStore) -> None:
    store_page(store, facts(1))

    class Overtaken:
        late = True

        def generation(self) -> int:
            return store.movies.generation()

        def count(self, wanted: MovieFilter) -> int:
            number = store.movies.count(wanted)
            if self.late:
                self.late = False
                store_page(store, facts(2))
                totals(MovieFilter(language="en"))  # another caller meanwhile
            return number

    totals = CachedTotals(movies=cast("Any", Overtaken()), clock=system.now)
    assert totals(MovieFilter()) == 1
    assert totals(MovieFilter()) == 2


def test_a_movie_is_returned_with_all_genres(store: SqliteStore) -> None:
    store_page(store, facts(1), facts(2))
    store.genres.store(
        PageResult(page=1, at=noon(), genres=(GenreFacts(tmdb_id=18, name="Drama"),)),
        new_run(store, Entity.GENRES),
    )
    shown = GetMovie(movies=store.movies, genres=store.genres)(ref="2")
    movie, (drama,) = store.movies.get(TmdbNumber(2)), store.genres.all()
    with pytest.raises(MovieNotFound) as unknown:
        GetMovie(movies=store.movies, genres=store.genres)(ref="no movie")
    assert str(unknown.value.ref) == "no movie"
    assert shown == MovieResults(movies=(movie,), total=1, more=False, genres={drama.id: drama})


def test_a_search_returns_its_matches_page_by_page(store: SqliteStore) -> None:
    store_page(
        store, *(facts(number, title=f"Night {number}", popularity=1.0 / number) for number in range(1, 6))
    )
    find = SearchMovies(movies=store.movies, genres=store.genres)

    def titles(found: MovieResults) -> list[str]:
        return [movie.facts.title for movie in found.movies]

    first = find(text="night", limit=2)
    assert (titles(first), first.total, first.more) == (["Night 1", "Night 2"], 5, True)
    second = find(text="night", limit=2, after=first.last)
    assert (titles(second), second.total, second.more) == (["Night 3", "Night 4"], 5, True)
    assert find(text="night", limit=2, skip=2) == second
    rest = find(text="night", limit=1, after=second.last)
    assert (titles(rest), rest.total, rest.more) == (["Night 5"], 5, False)
    nothing = find(text="day", limit=2)
    assert (titles(nothing), nothing.total, nothing.more, nothing.last) == ([], 0, False, None)


def test_movies_are_added_where_the_catalogue_accepts_the_source(store: SqliteStore) -> None:
    without = SearchSource(movies=store.movies, genres=store.genres, source=None)
    demo = replace(without, source=DemoMovieSource())
    assert (without.can_add(), demo.can_add()) == (False, True)
    store_page(store, facts(1))  # a sync from TMDB
    assert not demo.can_add()


@pytest.mark.parametrize("text", ["solaris", "tarkovsky"])
def test_a_search_by_title_or_person_finds_what_its_filter_admits(store: SqliteStore, text: str) -> None:
    known: dict[str, Any] = {"title": "Solaris", "directors": ("Andrei Tarkovsky",)}
    store_page(store, facts(1, original_language="ru", **known), facts(2, original_language="en", **known))
    find = SearchMovies(movies=store.movies, genres=store.genres)
    found = find(text=text, limit=9, wanted=MovieFilter(language="ru"))
    assert [movie.facts.tmdb_id for movie in found.movies] == [1]


@dataclass
class Recounted:
    """Ratings with a drift of one movie, and one of another movie that is found during the repair."""

    repairs: Callable[[], None] = lambda: None

    def drifts(self, *, repair: bool = False) -> list[Drift]:
        if repair:
            self.repairs()
        return [_drift(1), _drift(2)] if repair else [_drift(1)]


class Invalidated:
    """Records the movies whose copies are invalidated."""

    def __init__(self) -> None:
        self.invalidated: list[MovieId] = []

    @contextmanager
    def movies(self, movies: list[MovieId]) -> Iterator[None]:
        try:
            yield
        finally:
            self.invalidated += movies


def _drift(number: int) -> Drift:
    return Drift(movie_id(number), stored=Tally(), counted=Tally.of([Score.of(8)]))


def test_a_repair_invalidates_the_repaired_movies_and_a_recount_none() -> None:
    invalidation = Invalidated()
    verify = VerifyRatings(ratings=cast("Any", Recounted()), invalidation=cast("Any", invalidation))
    assert verify() == [_drift(1)]
    assert invalidation.invalidated == []
    assert verify(repair=True) == [_drift(1), _drift(2)]
    assert set(invalidation.invalidated) == {movie_id(1), movie_id(2)}


def test_a_failed_repair_invalidates_the_movies_it_may_have_repaired() -> None:
    def away() -> None:
        reason = "away"
        raise StorageUnavailable(reason)

    invalidation = Invalidated()
    verify = VerifyRatings(ratings=cast("Any", Recounted(away)), invalidation=cast("Any", invalidation))
    with pytest.raises(StorageUnavailable):
        verify(repair=True)
    assert invalidation.invalidated == [movie_id(1)]


def test_without_drift_a_repair_writes_nothing(store: SqliteStore) -> None:
    store_page(store, facts(1))
    invalidation = Invalidated()
    assert VerifyRatings(ratings=store.ratings, invalidation=cast("Any", invalidation))(repair=True) == []
    assert invalidation.invalidated == []
