"""The home page: popular films with filters, or a welcome where the catalogue is closed."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Annotated

from litestar import get
from msgspec import UNSET, UnsetType

from application import catalogue
from domain.browsing import SortBy, SortOrder
from domain.movies import Genre
from entrypoints.http.endpoints import Injected
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest, unset_to_none
from entrypoints.http.resources.movies import BrowseQuery
from entrypoints.http.responses import Response
from entrypoints.validation import rule
from entrypoints.web.guard import page_opt
from entrypoints.web.languages import Choice, Texts, order_choices
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer, texts_of, viewer_of

DECADES = tuple(range(2020, 1909, -10))
LANGUAGES = ("en", "fr", "de", "es", "it", "ja", "ko", "zh", "hi", "pt", "sv", "da", "ru", "pl")
"""The original languages to choose from; the address takes any."""
MIN_RATINGS = range(9, 4, -1)

Decade = Annotated[
    int, rule("must be a year from 1870 to 2090", ge=1870, le=2090, description="First year of ten.")
]


class HomeQuery(BrowseQuery, frozen=True, kw_only=True):
    """The parameters of the list of all movies, and a decade in place of two years."""

    decade: Decade | UnsetType = UNSET

    @property
    def years(self) -> tuple[int | None, int | None]:
        """The first and the last year."""
        first = unset_to_none(self.decade)
        return super().years if first is None else (first, first + 9)


@get("/", sync_to_thread=True, opt=page_opt())
def get_home(
    request: HttpRequest,
    browse_movies: Injected[catalogue.BrowseMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """The films of the catalogue, filtered and sorted."""
    viewer = viewer_of(request.scope)
    if not (render.catalogue_is_public or viewer):
        return render(request.scope, "welcome.html")
    page = parse_page(HomeQuery, request)
    query = page.query
    shown = browse_movies(
        wanted=query.movie_filter(viewer.id if viewer else None),
        genre=unset_to_none(query.genre),
        sorting=query.sorting,
        window=page.window,
    )
    given = query.given.items()
    last = query.sorting.cursor(shown.movies[-1]) if shown.movies and shown.more else None
    return render(
        request.scope,
        "home.html",
        movies=translate_movies(shown.movies, render.movie_language(request.scope)),
        genres=shown.genres,
        total=shown.total,
        chosen={name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in given},
        next_link=next_link(page, last, shown.total),
        choices=choices(texts_of(request.scope), shown.genres.values()),
    )


def choices(texts: Texts, genres: Iterable[Genre]) -> dict[str, Sequence[Choice]]:
    """The values to choose from in each field, with their names."""
    names = sorted((genre.name, str(genre.tmdb_id)) for genre in genres)
    return {**_fixed_choices(texts), "genre": [(number, name) for name, number in names]}


@cache
def _fixed_choices(texts: Texts) -> dict[str, Sequence[Choice]]:
    return {
        "decade": [(str(first), texts("home.decade_of", first=first)) for first in DECADES],
        "language": [(code, texts(f"language.{code}")) for code in LANGUAGES],
        "min_rating": [(str(points), texts("home.min_rating_of", points=points)) for points in MIN_RATINGS],
        "sort_by": order_choices(texts, SortBy),
        "sort_order": order_choices(texts, SortOrder),
    }


ROUTES = (get_home,)
