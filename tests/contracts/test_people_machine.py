"""Ratings, watchlists and viewings compared with a model of plain dicts, over both stores; and copies that
clients keep through the change feed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from adapters import system
from adapters.mongo.store import MongoStore
from adapters.store import Store
from adapters.testkit.changes import CopyOfUser
from adapters.testkit.samples import facts, store_page
from application.ratings import (
    ChangeRating,
    ListMovieRatings,
    RateMovie,
    RemoveMovieRating,
    RemoveRating,
    SetRating,
)
from application.relations import GetRelation
from application.viewings import AddViewing, RemoveViewing
from application.watchlist import (
    AddToWatchlist,
    ChangeItem,
    ListWatchlist,
    RemoveFromWatchlist,
    SetOnWatchlist,
    ToggleFavorite,
)
from domain.errors import Forbidden
from domain.ids import ItemId, RatingId, TmdbNumber, UserId, ViewingId, movie_id
from domain.pagination import Window
from domain.ratings import HIGHEST, LOWEST, AlreadyRated, RatingNotFound, Score, Tally
from domain.users import User
from domain.viewings import AlreadyViewed, ViewingNotFound, ViewingSummary
from domain.watchlist import AlreadyListed, ItemNotFound, WatchlistOrder
from tests.contracts.mongo_server import fresh_database
from tests.stores import store_in_memory

MOVIES = (1, 2, 3)
PEOPLE = 3

people = st.integers(0, PEOPLE - 1)
movies = st.sampled_from(MOVIES)
scores = st.integers(LOWEST, HIGHEST).map(Score)
texts = st.none() | st.sampled_from(["good", "bad"])
days = st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 3))
NO_CACHE = system.NoCache()

Key = tuple[int, int]


class People(RuleBasedStateMachine):
    """Random changes of ratings, watchlists and viewings of a few users."""

    store: Store

    @initialize()
    def begin(self) -> None:
        self.names = count(1)
        self.users = [self.newcomer() for _ in range(PEOPLE)]
        self.copies = [CopyOfUser(self.store, user.id) for user in self.users]
        self.scores: dict[Key, tuple[Score, str | None]] = {}
        self.items: dict[Key, tuple[bool, str | None]] = {}
        self.seen: dict[Key, list[date | None]] = {}
        store = self.store
        written: dict[str, Any] = {
            "movies": store.movies,
            "invalidation": NO_CACHE,
            "clock": system.now,
            "new_id": system.new_id,
        }
        changed: dict[str, Any] = {"movies": store.movies, "invalidation": NO_CACHE, "clock": system.now}
        self.rate_movie = RateMovie(ratings=store.ratings, **written)
        self.set_rating = SetRating(ratings=store.ratings, **written)
        self.change_rating = ChangeRating(ratings=store.ratings, **changed)
        self.add_item = AddToWatchlist(watchlist=store.watchlists, genres=store.genres, **written)
        self.set_item = SetOnWatchlist(watchlist=store.watchlists, genres=store.genres, **written)
        self.change_item = ChangeItem(watchlist=store.watchlists, genres=store.genres, **changed)
        self.add_viewing = AddViewing(viewings=store.viewings, genres=store.genres, **written)
        self.toggle = ToggleFavorite(watchlist=store.watchlists, genres=store.genres, **changed)

    def newcomer(self) -> User:
        number = next(self.names)
        user = User(
            id=UserId(system.new_id()),
            username=f"user{number}",
            email=f"user{number}@example.org",
            password_hash="-",
            created_at=system.now(),
            updated_at=system.now(),
        )
        self.store.users.add(user)
        return user

    def rating_of(self, who: int, movie: int) -> RatingId:
        found = self.store.ratings.of(self.users[who].id, movie_id(movie))
        return found.id if found else RatingId("0" * 24)

    def item_of(self, who: int, movie: int) -> ItemId:
        found = self.store.watchlists.of(self.users[who].id, movie_id(movie))
        return found.id if found else ItemId("0" * 24)

    @rule(who=people, movie=movies, score=scores, review=texts)
    def rate(self, who: int, movie: int, score: Score, review: str | None) -> None:
        def act() -> object:
            return self.rate_movie(user=self.users[who], movie=TmdbNumber(movie), score=score, review=review)

        if (who, movie) in self.scores:
            with pytest.raises(AlreadyRated):
                act()
        else:
            act()
            self.scores[who, movie] = score, review

    @rule(who=people, movie=movies, score=scores, review=texts)
    def set_score(self, who: int, movie: int, score: Score, review: str | None) -> None:
        rated = self.set_rating(user=self.users[who], movie=TmdbNumber(movie), score=score, review=review)
        assert rated.created == ((who, movie) not in self.scores)
        self.scores[who, movie] = score, review
        assert rated.tally == self.tally(movie)

    @rule(who=people, other=people, movie=movies, score=st.none() | scores, review=texts)
    def change(self, who: int, other: int, movie: int, score: Score | None, review: str | None) -> None:
        rating = self.rating_of(other, movie)

        def act() -> object:
            return self.change_rating(user=self.users[who], rating=rating, score=score, review=review)

        if (other, movie) not in self.scores:
            with pytest.raises(RatingNotFound):
                act()
        elif who != other:
            with pytest.raises(Forbidden):
                act()
        else:
            act()
            self.scores[who, movie] = score or self.scores[who, movie][0], review

    @rule(who=people, other=people, movie=movies)
    def withdraw(self, who: int, other: int, movie: int) -> None:
        rating = self.rating_of(other, movie)
        withdraw = RemoveRating(ratings=self.store.ratings, invalidation=NO_CACHE)
        if (other, movie) not in self.scores:
            with pytest.raises(RatingNotFound):
                withdraw(user=self.users[who], rating=rating)
        elif who != other:
            with pytest.raises(Forbidden):
                withdraw(user=self.users[who], rating=rating)
        else:
            withdraw(user=self.users[who], rating=rating)
            del self.scores[who, movie]

    @rule(who=people, movie=movies)
    def unrate(self, who: int, movie: int) -> None:
        RemoveMovieRating(ratings=self.store.ratings, movies=self.store.movies, invalidation=NO_CACHE)(
            user=self.users[who], movie=TmdbNumber(movie)
        )
        self.scores.pop((who, movie), None)

    @rule(who=people, movie=movies, favorite=st.booleans(), note=texts)
    def add(self, who: int, movie: int, favorite: bool, note: str | None) -> None:
        def act() -> object:
            return self.add_item(
                user=self.users[who], movie=TmdbNumber(movie), is_favorite=favorite, note=note
            )

        if (who, movie) in self.items:
            with pytest.raises(AlreadyListed):
                act()
        else:
            act()
            self.items[who, movie] = favorite, note

    @rule(who=people, movie=movies, favorite=st.booleans(), note=texts)
    def set_listed(self, who: int, movie: int, favorite: bool, note: str | None) -> None:
        listed = self.set_item(user=self.users[who], movie=TmdbNumber(movie), is_favorite=favorite, note=note)
        assert listed.created == ((who, movie) not in self.items)
        self.items[who, movie] = favorite, note

    @rule(who=people, movie=movies, toggled=st.booleans(), note=texts)
    def change_listed(self, who: int, movie: int, toggled: bool, note: str | None) -> None:
        item = self.item_of(who, movie)

        def act() -> object:
            if toggled:
                return self.toggle(user=self.users[who], item=item)
            return self.change_item(user=self.users[who], item=item, note=note)

        if (who, movie) not in self.items:
            with pytest.raises(ItemNotFound):
                act()
        else:
            act()
            favorite, before = self.items[who, movie]
            self.items[who, movie] = (not favorite, before) if toggled else (favorite, note)

    @rule(who=people, movie=movies)
    def take_off(self, who: int, movie: int) -> None:
        RemoveFromWatchlist(watchlist=self.store.watchlists, movies=self.store.movies, invalidation=NO_CACHE)(
            user=self.users[who], movie=TmdbNumber(movie)
        )
        self.items.pop((who, movie), None)

    @rule(who=people, movie=movies, day=days, again=st.booleans(), unlist=st.booleans())
    def see(self, who: int, movie: int, day: date | None, again: bool, unlist: bool) -> None:
        def act() -> object:
            return self.add_viewing(
                user=self.users[who],
                movie=TmdbNumber(movie),
                watched_on=day,
                rewatch=again,
                remove_from_watchlist=unlist,
            )

        seen = self.seen.setdefault((who, movie), [])
        if day in seen and not again:
            with pytest.raises(AlreadyViewed):
                act()
        else:
            act()
            seen.append(day)
            if unlist:
                self.items.pop((who, movie), None)

    @rule(who=people, other=people, movie=movies)
    def forget(self, who: int, other: int, movie: int) -> None:
        """Remove the viewing with the latest day."""
        user = self.users[other].id
        found = self.store.viewings.of_user(user, movie=movie_id(movie), limit=1)
        viewing = found[0].id if found else ViewingId("0" * 24)
        forget = RemoveViewing(viewings=self.store.viewings)
        if not found:
            with pytest.raises(ViewingNotFound):
                forget(user=self.users[who], viewing=viewing)
        elif who != other:
            with pytest.raises(Forbidden):
                forget(user=self.users[who], viewing=viewing)
        else:
            forget(user=self.users[who], viewing=viewing)
            self.seen[who, movie].remove(found[0].watched_on)

    @rule(who=people)
    def leave(self, who: int) -> None:
        self.store.users.remove(self.users[who].id)
        self.users[who] = self.newcomer()
        self.copies[who] = CopyOfUser(self.store, self.users[who].id)
        for key in [key for key in (*self.scores, *self.items, *self.seen) if key[0] == who]:
            self.scores.pop(key, None)
            self.items.pop(key, None)
            self.seen.pop(key, None)

    @rule(who=people, limit=st.integers(1, 4))
    def catch_up(self, who: int, limit: int) -> None:
        self.copies[who].catch_up(limit)
        self.copies[who].assert_complete()

    def tally(self, movie: int) -> Tally:
        return Tally.of(score for (_, rated), (score, _) in self.scores.items() if rated == movie)

    @invariant()
    def tallies_are_recounts(self) -> None:
        held = self.store.movies.by_tmdb_ids(MOVIES)
        assert {number: movie.tally for number, movie in held.items()} == {n: self.tally(n) for n in MOVIES}
        assert self.store.ratings.drifts() == []

    @invariant()
    def everyone_sees_their_own(self) -> None:
        relation = GetRelation(
            ratings=self.store.ratings,
            watchlist=self.store.watchlists,
            viewings=self.store.viewings,
            movies=self.store.movies,
            genres=self.store.genres,
        )
        for who, user in enumerate(getattr(self, "users", [])):
            for movie in MOVIES:
                found = relation(user=user, movie=TmdbNumber(movie))
                rated = (found.rating.score, found.rating.review) if found.rating else None
                listed = (found.item.is_favorite, found.item.note) if found.item else None
                assert (rated, listed) == (self.scores.get((who, movie)), self.items.get((who, movie)))
                days = self.seen.get((who, movie), [])
                assert found.viewings == ViewingSummary(len(days), max(filter(None, days), default=None))

    def teardown(self) -> None:
        if not hasattr(self, "users"):
            return
        listing = ListMovieRatings(
            ratings=self.store.ratings, movies=self.store.movies, users=self.store.users
        )
        for movie in MOVIES:
            page = listing(movie=TmdbNumber(movie), window=Window(limit=100)).page
            assert len(page.rows) == page.total == self.tally(movie).count
        watchlist = ListWatchlist(
            watchlist=self.store.watchlists, movies=self.store.movies, genres=self.store.genres
        )
        for who, user in enumerate(self.users):
            favorites = watchlist(
                user=user,
                favorite=True,
                window=Window(limit=100),
                by=WatchlistOrder.ADDED_AT,
                descending=True,
            ).page
            assert favorites.total == sum(mine and who == key[0] for key, (mine, _) in self.items.items())
            self.catch_up(who, 2)
        for user in self.users:
            self.store.users.remove(user.id)


@contextmanager
def sqlite(_: pytest.FixtureRequest) -> Iterator[Store]:
    store = store_in_memory(system.now)
    yield store
    store.close()


@contextmanager
def mongo(request: pytest.FixtureRequest) -> Iterator[Store]:
    with fresh_database(request.getfixturevalue("secantus")) as uri:
        store = MongoStore(uri=uri, clock=system.now)
        store.prepare()
        yield store
        store.close()


@pytest.mark.unmeasured  # as property tests, see tests/conftest.py
@pytest.mark.parametrize(("kind", "share", "steps"), [(sqlite, 0.6, 40), (mongo, 0.05, 20)])
def test_ratings_watchlists_and_viewings_behave_like_plain_dicts(
    kind: Callable[[pytest.FixtureRequest], Any], share: float, steps: int, request: pytest.FixtureRequest
) -> None:
    with kind(request) as store:
        store_page(cast("Store", store), *(facts(number) for number in MOVIES))
        machine = type("PeopleOverThisStore", (People,), {"store": store})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=int(share * settings().max_examples),
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
            ),
        )
