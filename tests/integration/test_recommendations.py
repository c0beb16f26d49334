"""Use cases of recommendations over the embedded store in memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters import system
from adapters.testkit.samples import add_movies, add_user, facts, new_rating, new_viewing, noon, store_page
from application import neighbours
from application.neighbours import LOCK, LockLost, RecountNeighbours, RequestUpdate, UpdateNeighbours
from application.recommendations import (
    HideMovie,
    ListHiddenMovies,
    ListMovieRecommendations,
    ListMyRecommendations,
    UnhideMovie,
)
from domain import recommendations
from domain.ids import MovieId, TmdbNumber, UserId, movie_id
from domain.movies import MovieNotFound
from domain.pagination import Window
from domain.recommendations import MIN_AGREEING, RULE, Neighbour
from domain.users import User
from tests.stores import store_in_memory

MOVIES = range(1, 13)
FIRST, SECOND, THIRD, FOURTH = map(movie_id, (1, 2, 3, 4))


@dataclass
class RecordedInvalidation(system.NoCache):
    """Records the movies whose neighbours have changed."""

    changed: list[MovieId] = field(default_factory=list)

    @contextmanager
    def recommendations(self, movies: Collection[MovieId]) -> Iterator[None]:
        yield
        self.changed += movies


class Place:
    """A store with movies and users, and the use cases over it."""

    def __init__(self) -> None:
        self.store = store_in_memory(system.now)
        add_movies(self.store, [facts(number) for number in MOVIES])
        self.repository = self.store.recommendations
        self.repository.set_rule(RULE)
        self.invalidation = RecordedInvalidation()
        shown: dict[str, Any] = {"recommendations": self.repository, "movies": self.store.movies}
        listed: dict[str, Any] = {**shown, "genres": self.store.genres}
        self.beside = ListMovieRecommendations(**listed)
        self.mine = ListMyRecommendations(**listed)
        self.hidden = ListHiddenMovies(**listed)
        self.hide = HideMovie(**shown, clock=noon)
        self.unhide = UnhideMovie(**shown)
        background: dict[str, Any] = {
            "recommendations": self.repository,
            "locks": self.store.locks,
            "invalidation": self.invalidation,
            "new_id": system.new_id,
        }
        self.update = UpdateNeighbours(**background)
        self.recount = RecountNeighbours(**background)

    def user(self, name: str, scores: Mapping[int, float] | None = None) -> User:
        """A new user with these scores of movies, by number."""
        user = add_user(self.store, name)
        for number, points in (scores or {}).items():
            self.rate(user.id, number, points)
        return user

    def rate(self, user: UserId, number: int, points: float) -> None:
        self.store.ratings.put(new_rating(user, movie_id(number), points, day=1 + number))

    def stored(self) -> dict[MovieId, tuple[Neighbour, ...]]:
        return self.repository.neighbours(list(map(movie_id, MOVIES)))

    def names(self, user: User, **window: Any) -> list[MovieId]:
        return [each.movie for each in self.mine(user=user, window=Window(**window)).page.rows]


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.store.close()


def liking(place: Place, size: int, *numbers: int) -> list[User]:
    """New users who like these movies."""
    begin = place.store.users.count()
    return [place.user(f"user{begin + number}", dict.fromkeys(numbers, 9)) for number in range(size)]


def test_movies_that_the_same_users_like_are_recommended_beside_each_other(place: Place) -> None:
    liking(place, 5, 1, 2)
    liking(place, 2, 1, 3)
    place.update()
    shown = place.beside(movie=TmdbNumber(1), window=Window())
    assert [(each.movie, each.agreeing, each.because) for each in shown.page.rows] == [
        (SECOND, 5, (FIRST,)),
        (THIRD, 2, (FIRST,)),
    ]
    assert shown.movies.keys() == {FIRST, SECOND, THIRD}
    with pytest.raises(MovieNotFound):
        place.beside(movie=TmdbNumber(999), window=Window())


def test_recommendations_for_a_user_follow_from_likes_and_name_them(place: Place) -> None:
    liking(place, 3, 1, 2, 3)
    liking(place, 3, 4, 5)
    ann = place.user("ann", {1: 8, 4: 6.5})
    place.update()
    shown = place.mine(user=ann, window=Window())
    assert {each.movie: each.because for each in shown.page.rows} == {SECOND: (FIRST,), THIRD: (FIRST,)}
    assert shown.movies.keys() == {FIRST, SECOND, THIRD}
    assert shown.page.total == 2


def test_rated_seen_hidden_and_invisible_movies_are_never_recommended(place: Place) -> None:
    liking(place, 3, 1, 2, 3, 4, 5, 6, 7)
    ann = place.user("ann", {1: 8})
    place.update()
    assert len(place.names(ann)) == 6
    place.rate(ann.id, 2, 1)
    place.store.viewings.add(new_viewing(ann.id, THIRD))
    place.hide(user=ann, movie=FOURTH)
    store_page(place.store, gone=(5,), day=2)
    assert set(place.names(ann)) == {movie_id(6), movie_id(7)}
    place.unhide(user=ann, movie=FOURTH)
    assert FOURTH in place.names(ann)
    assert movie_id(5) not in [each.movie for each in place.beside(movie=FIRST, window=Window()).page.rows]


def test_what_the_source_recommends_is_recommended_too(place: Place) -> None:
    store_page(place.store, facts(1, recommended=(2, 999, 3), detailed=True), day=2)
    liking(place, 5, 1, 3, 4)
    ann = place.user("ann", {1: 8})
    place.update()
    shown = place.beside(movie=FIRST, window=Window()).page.rows
    assert {each.movie for each in shown[:2]} == {THIRD, FOURTH}
    assert [(each.movie, each.agreeing) for each in shown[2:]] == [(SECOND, 0)]
    (*_, last) = place.mine(user=ann, window=Window()).page.rows
    assert (last.movie, last.because, last.agreeing) == (SECOND, (FIRST,), 0)


def test_a_reason_is_named_once_though_the_source_recommends_the_movie_too(place: Place) -> None:
    store_page(place.store, facts(1, recommended=(3,), detailed=True), day=2)
    liking(place, 5, 1, 3)
    ann = place.user("ann", {1: 8})
    place.update()
    (shown,) = place.mine(user=ann, window=Window()).page.rows
    assert (shown.movie, shown.because, shown.agreeing) == (THIRD, (FIRST,), 5)


def test_a_user_without_likes_gets_no_recommendations(place: Place) -> None:
    liking(place, 3, 1, 2)
    ann = place.user("ann", {1: 2})
    place.update()
    assert place.names(ann) == []


def test_pages_neither_overlap_nor_skip(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.recommendations.BATCH_SIZE", 2)
    liking(place, 3, *MOVIES)
    ann = place.user("ann", {1: 8})
    place.update()
    everything = place.names(ann, limit=99)
    assert len(everything) == len(MOVIES) - 1
    assert place.names(ann, limit=4, skip=4) == everything[4:8]
    walked, window = list[MovieId](), Window(limit=4)
    while True:
        page = place.mine(user=ann, window=window).page
        walked += [each.movie for each in page.rows]
        if not page.more:
            break
        window = Window(limit=4, cursor=page.rows[-1].cursor)
    assert walked == everything


def test_hidden_movies_are_listed_with_their_movies(place: Place) -> None:
    ann = place.user("ann")
    for movie in (FIRST, SECOND):
        place.hide(user=ann, movie=movie)
    shown = place.hidden(user=ann, window=Window(limit=1))
    assert (shown.page.total, shown.page.more, len(shown.movies)) == (2, True, 1)
    for use_case in (place.hide, place.unhide):
        with pytest.raises(MovieNotFound):
            use_case(user=ann, movie=TmdbNumber(999))


@pytest.mark.parametrize("change", ["another score", "no rating", "no account"])
def test_a_like_that_has_ended_has_no_influence(place: Place, change: str) -> None:
    ann, *_ = liking(place, 2, 1, 2)
    place.update()
    assert place.stored()
    match change:
        case "another score":
            place.rate(ann.id, 2, 6.5)
        case "no rating":
            place.store.ratings.remove_from(SECOND, ann.id)
        case _:
            place.store.users.remove(ann.id)
    place.update()
    assert place.stored() == {}
    assert place.repository.changes(9) == []


Write = tuple[str, int, float | None]
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(MOVIES),
        st.one_of(st.none(), st.sampled_from([2, 7, 10])),
    ),
    max_size=25,
)


@settings(max_examples=20)
@given(st.lists(WRITES, min_size=1, max_size=3), st.booleans())
def test_updates_and_a_recount_come_to_the_same(histories: list[list[Write]], deleted: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (recommendations, neighbours):
            patch.setattr(module, "MAX_RATINGS", 4)
        place = Place()
        users = {name: place.user(name) for name in ("ann", "bob", "eve")}
        for history in histories:
            for name, number, points in history:
                if points is None:
                    place.store.ratings.remove_from(movie_id(number), users[name].id)
                else:
                    place.rate(users[name].id, number, points)
            place.update()
        if deleted:
            place.store.users.remove(users["eve"].id)
            place.update()
        updated = agreements(place.stored())
        place.recount()
        assert agreements(place.stored()) == updated
        place.store.close()


FEW = st.sampled_from(range(1, 6))
FEW_WRITES = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), FEW, st.sampled_from([None, 2, 7])), max_size=9
)
SOURCE = st.dictionaries(FEW, st.lists(FEW, min_size=1, max_size=4, unique=True), max_size=3)


@settings(max_examples=25)
@example([("ann", 1, 7)], {1: [2]})
@given(FEW_WRITES, SOURCE)
def test_reasons_are_true(history: list[Write], recommended: dict[int, list[int]]) -> None:
    place = Place()
    for number, others in recommended.items():
        store_page(place.store, facts(number, recommended=tuple(others), detailed=True), day=2)
    users = {name: place.user(name) for name in ("ann", "bob", "eve", "joe")}
    scores = dict[tuple[str, int], float]()
    for name, number, points in [
        *history,
        *((name, number, 9) for name in ("eve", "joe") for number in (1, 2)),
    ]:
        if points is None:
            scores.pop((name, number), None)
            place.store.ratings.remove_from(movie_id(number), users[name].id)
        else:
            scores[name, number] = points
            place.rate(users[name].id, number, points)
    place.update()
    likers = {
        movie_id(number): {name for name in users if scores.get((name, number), 0) >= 7} for number in MOVIES
    }
    of_source = {
        (movie_id(number), movie_id(other)) for number, others in recommended.items() for other in others
    }

    def agreeing(one: MovieId, other: MovieId) -> int:
        count = len(likers[one] & likers[other])
        return count if count >= MIN_AGREEING else 0

    for name, user in users.items():
        known = {movie_id(number) for who, number in scores if who == name}
        for each in place.mine(user=user, window=Window(limit=99)).page.rows:
            assert each.movie not in known
            assert each.because
            assert len(set(each.because)) == len(each.because)
            assert each.agreeing == max(agreeing(reason, each.movie) for reason in each.because)
            for reason in each.because:
                assert name in likers[reason]
                assert agreeing(reason, each.movie) or (reason, each.movie) in of_source
    for number in MOVIES:
        movie = movie_id(number)
        for each in place.beside(movie=movie, window=Window(limit=99)).page.rows:
            assert each.because == (movie,)
            assert each.agreeing == agreeing(movie, each.movie)
            assert each.agreeing or (movie, each.movie) in of_source
    place.store.close()


def agreements(stored: Mapping[MovieId, Sequence[Neighbour]]) -> dict[MovieId, dict[MovieId, int]]:
    """Who agrees, without the strength: the popularity in it may be older after an update."""
    return {movie: {each.movie: each.agreeing for each in found} for movie, found in stored.items()}


def test_an_update_that_was_killed_is_done_by_the_next_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    liking(place, 3, 1, 2, 3)

    class Killed(Exception):  # noqa: N818
        pass

    renewals = iter([True])

    def renew(*_: object) -> bool:
        for renewed in renewals:
            return renewed
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "BATCH_SIZE", 1)
        patch.setattr(type(place.store.locks), "renew", renew)
        with pytest.raises(Killed):
            place.update()
    assert len(place.stored()) == 1
    place.update()
    assert len(place.stored()) == 3


def test_one_process_at_a_time_computes_neighbours(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    liking(place, 2, 1, 2)
    place.store.locks.acquire(LOCK, "another", timedelta(minutes=1))
    assert (place.update(), place.recount()) == (0, 0)
    place.store.locks.release(LOCK, "another")
    monkeypatch.setattr(type(place.store.locks), "renew", lambda *_: False)
    with pytest.raises(LockLost):
        place.update()
    assert place.stored() == {}


def test_while_a_process_computes_neighbours_another_does_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    liking(place, 2, 1, 2)
    others: list[int] = []
    likers = type(place.repository).likers

    def interrupted(*args: Any) -> list[UserId]:
        if not others:
            others.append(-1)
            others.append(place.update())
        return likers(*args)

    monkeypatch.setattr(type(place.repository), "likers", interrupted)
    assert place.update() == 2
    assert others == [-1, 0]


def test_another_rule_leads_to_a_recount(place: Place) -> None:
    liking(place, 2, 1, 2)
    place.repository.set_rule(RULE - 1)
    place.repository.settle(place.repository.changes(99))
    place.update()
    assert place.stored().keys() == {FIRST, SECOND}
    assert place.repository.rule() == RULE


def test_a_recount_removes_neighbours_of_movies_that_nobody_likes(place: Place) -> None:
    liking(place, 2, 1, 2)
    place.recount()
    place.repository.store({THIRD: [Neighbour(FIRST, 9, 9)]})
    place.recount()
    assert place.stored().keys() == {FIRST, SECOND}


def test_only_movies_whose_neighbours_have_changed_are_invalidated(place: Place) -> None:
    liking(place, 2, 1, 2)
    place.update()
    assert sorted(place.invalidation.changed) == sorted([FIRST, SECOND])
    place.invalidation.changed.clear()
    place.recount()
    assert place.invalidation.changed == []


def test_an_update_and_a_recount_return_how_many_movies_they_computed(place: Place) -> None:
    liking(place, 2, 1, 2)
    liking(place, 2, 3)
    assert place.update() == 3
    assert place.update() == 0
    assert place.recount() == 3
    place.repository.set_rule(RULE - 1)
    assert place.update() == 3


def test_the_stored_strength_is_that_of_the_rule_with_the_popularity_of_both(place: Place) -> None:
    liking(place, 2, 1, 2)
    liking(place, 4, 2)
    place.update()
    both = [[FIRST, SECOND]] * 2
    assert place.stored()[FIRST] == recommendations.neighbours(FIRST, both, {FIRST: 2, SECOND: 6})


def test_a_rating_that_displaces_others_alters_their_neighbours(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "MAX_RATINGS", 2)
    users = liking(place, 2, 1, 2)
    place.update()
    assert place.stored().keys() == {FIRST, SECOND}
    for user in users:
        place.rate(user.id, 3, 9)
    place.update()
    assert place.stored().keys() == {SECOND, THIRD}


def test_an_update_ends_though_ratings_keep_changing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MAX_CHANGES", 1)
    monkeypatch.setattr(neighbours, "MAX_BATCHES", 2)
    liking(place, 2, 1, 2)
    place.update()
    assert len(place.repository.changes(9)) == 2


def test_likes_of_a_bounded_number_of_users_are_in_memory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = sorted(range(1, 6), key=movie_id)
    liking(place, 3, *(numbers[at] for at in (0, 2)))
    liking(place, 3, *(numbers[at] for at in (1, 3, 4)))
    monkeypatch.setattr(neighbours, "MAX_CACHED_USERS", 3)
    read = list[int]()
    likes = type(place.repository).likes

    def counted(*args: object, **known: object) -> object:
        read.append(len(args[1]))  # type: ignore[arg-type]
        return likes(*args, **known)  # type: ignore[arg-type]

    monkeypatch.setattr(type(place.repository), "likes", counted)
    place.recount()
    assert len(place.stored()) == 5
    assert read == [3, 3, 3, 3, 0]


@dataclass
class Jobs(system.NoJobQueue):
    """A queue that counts the jobs."""

    enqueued: int = 0

    def update_neighbours(self) -> None:
        self.enqueued += 1


def test_an_update_is_requested_when_there_is_something_to_update(place: Place) -> None:
    jobs = Jobs()
    request = partial(RequestUpdate(recommendations=place.repository, jobs=jobs))
    assert (request(), jobs.enqueued) == (False, 0)
    place.repository.set_rule(0)
    assert (request(), jobs.enqueued) == (False, 0)
    assert place.repository.rule() == RULE
    liking(place, 2, 1, 2)
    assert (request(), jobs.enqueued) == (True, 1)
    place.update()
    assert (request(), jobs.enqueued) == (False, 1)
    place.repository.set_rule(0)
    assert (request(), jobs.enqueued) == (True, 2)
