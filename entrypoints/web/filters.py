"""The filters of the pages that show films: what a form sends, and the values to choose from."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from domain.browsing import Mine, SortBy, SortOrder
from domain.movies import Genre
from entrypoints.http.resources.movies import BrowseQuery, FilterQuery
from entrypoints.validation import rule
from entrypoints.web.languages import Choice, Texts, order_choices

DECADES = tuple(range(2020, 1909, -10))
LANGUAGES = (
    "ar", "bn", "cn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it",
    "ja", "ko", "ml", "nl", "no", "pl", "pt", "ro", "ru", "sv", "ta", "te", "th", "tr", "uk", "zh",
)  # fmt: skip
"""The original languages that have a name, by TMDB's codes; the address takes any."""
MIN_RATINGS = range(9, 4, -1)
MAX_RUNTIMES = (60, 90, 105, 120, 150)
"""Minutes to choose from; the address takes any."""

OWN_CHOICES = (f"{Mine.SEEN},{Mine.RATED}", str(Mine.RATED), str(Mine.LISTED))
"""What can be hidden, as in `not_mine`; the address takes any."""

Decade = Annotated[
    int, rule("must be a year from 1870 to 2090", ge=1870, le=2090, description="First year of ten.")
]


class HomeQuery(BrowseQuery, frozen=True, kw_only=True):
    """The parameters of the list of all movies, and a decade in place of two years."""

    decade: Decade | UnsetType = UNSET

    @property
    def years(self) -> tuple[int | None, int | None]:
        """The first and the last year."""
        return years_of(self.decade) or super().years


def years_of(decade: int | UnsetType) -> tuple[int, int] | None:
    """The first and the last year of a decade; None if none was chosen."""
    return None if isinstance(decade, UnsetType) else (decade, decade + 9)


def chosen_values(query: FilterQuery) -> Mapping[str, str]:
    """The values of the form's fields, but the text of a search and the place in the list."""
    others = {"q", "page", "limit", "cursor", "fields"}
    return {name: _shown(value) for name, value in query.given.items() if name not in others}


def _shown(value: Any) -> str:  # noqa: ANN401  whatever a parameter is
    return f"{value:g}" if isinstance(value, float) else str(value)


def choices(texts: Texts, genres: Iterable[Genre]) -> dict[str, Sequence[Choice]]:
    """The values to choose from in each field, with their names."""
    names = sorted((genre.name, str(genre.tmdb_id)) for genre in genres)
    return {**_fixed_choices(texts), "genre": [(number, name) for name, number in names]}


@cache
def _fixed_choices(texts: Texts) -> dict[str, Sequence[Choice]]:
    return {
        "decade": [(str(first), texts("home.decade_of", first=first)) for first in DECADES],
        "language": sorted(
            ((code, texts(f"language.{code}")) for code in LANGUAGES), key=lambda choice: choice[1]
        ),
        "min_rating": [(str(points), texts("home.min_rating_of", points=points)) for points in MIN_RATINGS],
        "runtime_max": [
            (str(minutes), texts("home.runtime_max_of", minutes=minutes)) for minutes in MAX_RUNTIMES
        ],
        "not_mine": [(kinds, texts(f"own.{kinds.replace(',', '_')}")) for kinds in OWN_CHOICES],
        "sort_by": order_choices(texts, SortBy),
        "sort_order": order_choices(texts, SortOrder),
    }
