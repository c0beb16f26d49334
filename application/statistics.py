"""The use case of statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from application.watchlist import by_id
from domain.ids import GenreId
from domain.movies import Genre
from domain.ports import GenreRepository, StatisticsRepository
from domain.statistics import Statistics, statistics
from domain.users import User
from domain.viewings import DayRange


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStatistics:
    """A user's statistics, the years for which there are any, the latest first, and all genres by id."""

    statistics: Statistics
    years: Sequence[int]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStatistics:
    """Show what one has seen and rated, in a year or ever."""

    history: StatisticsRepository
    genres: GenreRepository

    def __call__(self, *, user: User, year: int | None) -> OwnStatistics:
        """They are computed at each call, so they are never out of date."""
        days = DayRange.of_year(year) if year else None
        viewed, rated = self.history.viewed(user.id, days), self.history.rated(user.id, days)
        return OwnStatistics(
            statistics=statistics(viewed, rated, year),
            years=self.history.years(user.id),
            genres=by_id(self.genres),
        )
