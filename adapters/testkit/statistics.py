"""The contract of StatisticsRepository."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from operator import attrgetter

from adapters.store import Store
from adapters.testkit.samples import GENRES, add_movies, add_users, facts, new_rating, new_viewing, store_page
from domain.ratings import Score
from domain.statistics import MovieTraits, RatedMovie, ViewedMovie
from domain.viewings import DayRange

OLD, NEW = date(2025, 12, 31), date(2026, 1, 1)


class StatisticsRepositoryContract:
    """Reading what statistics are computed from."""

    def test_viewings_are_read_with_the_traits_of_their_movies_and_ones_own_score(self, store: Store) -> None:
        ann, bob = add_users(store, 2)
        known, unknown = add_movies(
            store,
            [
                facts(
                    1,
                    runtime=136,
                    release_date=date(1999, 3, 30),
                    original_language="en",
                    genres=GENRES[:2],
                    directors=("Lana Wachowski", "Lilly Wachowski"),
                    detailed=True,
                ),
                facts(2),
            ],
        )
        store.ratings.add(new_rating(ann, known.id, 9.5))
        store.ratings.add(new_rating(bob, unknown.id, 1))
        for movie, day, rewatch in ((known, OLD, False), (known, NEW, True), (unknown, None, False)):
            store.viewings.add(new_viewing(ann, movie.id, day, rewatch=rewatch))
        store.viewings.add(new_viewing(bob, known.id, NEW))
        store_page(store, gone=(1,), day=2)  # it is hidden, and still counts
        matrix = MovieTraits(
            id=known.id,
            runtime=136,
            release_year=1999,
            language="en",
            genres=GENRES[:2],
            directors=("Lana Wachowski", "Lilly Wachowski"),
        )
        viewed = [
            ViewedMovie(movie=matrix, watched_on=OLD, rewatch=False, score=Score.of(9.5)),
            ViewedMovie(movie=matrix, watched_on=NEW, rewatch=True, score=Score.of(9.5)),
            ViewedMovie(movie=MovieTraits(id=unknown.id), watched_on=None, rewatch=False, score=None),
        ]
        assert _by_day(store.statistics.viewed(ann)) == _by_day(viewed)
        assert store.statistics.viewed(ann, DayRange.of_year(2025)) == viewed[:1]
        assert store.statistics.viewed(ann, DayRange.of_year(2026)) == viewed[1:2]
        assert store.statistics.viewed(ann, DayRange.of_year(2024)) == []

    def test_ratings_are_read_with_the_day_in_utc_on_which_they_were_given(self, store: Store) -> None:
        ann, bob = add_users(store, 2)
        movies = add_movies(store, [facts(1), facts(2), facts(3)])
        times = (
            datetime(2025, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 12, 31, 12, tzinfo=UTC),
        )
        for movie, at in zip(movies, times, strict=True):
            store.ratings.add(new_rating(ann, movie.id, 7, created_at=at))
        store.ratings.add(new_rating(bob, movies[0].id, 1))
        rated = [
            RatedMovie(movie=MovieTraits(id=movie.id), rated_on=at.date(), score=Score.of(7))
            for movie, at in zip(movies, times, strict=True)
        ]
        assert sorted(store.statistics.rated(ann), key=attrgetter("rated_on")) == rated
        assert store.statistics.rated(ann, DayRange.of_year(2025)) == rated[:1]
        in_2026 = store.statistics.rated(ann, DayRange.of_year(2026))
        assert sorted(in_2026, key=attrgetter("rated_on")) == rated[1:]

    def test_years_are_those_of_viewings_and_ratings(self, store: Store) -> None:
        ann, bob = add_users(store, 2)
        (movie,) = add_movies(store, [facts(1)])
        assert store.statistics.years(ann) == []
        for day in (OLD, date(1977, 5, 25), date(1977, 5, 26), None):
            store.viewings.add(new_viewing(ann, movie.id, day))
        store.ratings.add(new_rating(ann, movie.id))
        store.viewings.add(new_viewing(bob, movie.id, date(2001, 1, 1)))
        assert store.statistics.years(ann) == [2026, 2025, 1977]
        assert store.statistics.years(bob) == [2001]


def _by_day(viewed: Iterable[ViewedMovie]) -> list[ViewedMovie]:
    return sorted(viewed, key=lambda each: each.watched_on or date.max)
