"""Filters of the templates: how values are shown."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from domain.ids import GenreId
from domain.movies import Genre, Movie

DAY = {"en": "{0.day} {1} {0.year}", "de": "{0.day}. {1} {0.year}"}
MONTHS = {
    "en": "January,February,March,April,May,June,July,August,September,October,November,December",
    "de": "Januar,Februar,März,April,Mai,Juni,Juli,August,September,Oktober,November,Dezember",
}
GERMAN_NUMBERS = str.maketrans(",.", ".,")
WEEKDAYS = {"en": "Mon,Tue,Wed,Thu,Fri,Sat,Sun", "de": "Mo,Di,Mi,Do,Fr,Sa,So"}


def day(value: date | datetime, language: str) -> str:
    """A day: 31 March 1999. Times are in UTC."""
    return DAY[language].format(value, MONTHS[language].split(",")[value.month - 1])


def month(value: tuple[int, int], language: str) -> str:
    """A month of a year: March 1999."""
    return f"{MONTHS[language].split(',')[value[1] - 1]} {value[0]}"


def short_month(value: tuple[int, int], language: str) -> str:
    """The first letters of a month: Mar."""
    return MONTHS[language].split(",")[value[1] - 1][:3]


def weekday(number: int, language: str) -> str:
    """The short name of a day of the week, from 0 for Monday."""
    return WEEKDAYS[language].split(",")[number]


def moment(value: datetime, language: str) -> str:
    """A time in UTC: 31 March 1999, 14:05 UTC."""
    return f"{day(value, language)}, {value:%H:%M} UTC"


def decimal(value: float, language: str, digits: int = 1) -> str:
    """A number with a fixed number of decimals: 8.5, 1,499.7, in German 8,5, 1.499,7."""
    text = f"{value:,.{digits}f}"
    return text.translate(GERMAN_NUMBERS) if language == "de" else text


def score(points: float, language: str) -> str:
    """A score without needless decimals: 8, 8.5, in German 8,5."""
    text = f"{points:g}"
    return text.replace(".", ",") if language == "de" else text


def whole(value: int, language: str) -> str:
    """A whole number in groups of three digits: 25,000, in German 25.000."""
    text = f"{value:,}"
    return text.replace(",", ".") if language == "de" else text


def hours(minutes: int) -> str:
    """A duration: 2 h 16 min."""
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def year(movie: Movie) -> str:
    """The year of release; empty if it is not known."""
    return str(movie.facts.release_date.year) if movie.facts.release_date else ""


def genre_names(movie: Movie, genres: Mapping[GenreId, Genre]) -> list[str]:
    """The names of a film's genres, without those that are not in the catalogue yet."""
    return [genres[each].name for each in movie.facts.genres if each in genres]


def filters(language: str) -> dict[str, Callable[..., Any]]:
    """The filters by name."""
    in_language = {
        each.__name__: partial(each, language=language)
        for each in (day, decimal, moment, month, score, short_month, weekday, whole)
    }
    return {**in_language, "genre_names": genre_names, "hours": hours, "year": year}
