"""The viewer's statistics: of all time, and of a year, to be printed too."""

from collections import defaultdict
from collections.abc import Sequence

from litestar import get
from msgspec import UNSET, UnsetType

from application import statistics
from domain.statistics import Figures, Group, Month
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.requests import HttpRequest, parse_query, unset_to_none
from entrypoints.http.resources.viewings import Year
from entrypoints.http.responses import Response
from entrypoints.http.schemas import Query
from entrypoints.web.guard import page_opt
from entrypoints.web.rendering import Renderer

MAX_ROWS = 12
"""The genres and languages that a page shows."""


class StatisticsPageQuery(Query, frozen=True, kw_only=True):
    """The parameters of the page."""

    year: Year | UnsetType = UNSET


@get("/statistics", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_statistics(
    request: HttpRequest,
    caller: Injected[Caller],
    own_statistics: Injected[statistics.GetStatistics],
    render: Injected[Renderer],
) -> Response:
    """What the viewer has seen and rated."""
    year = unset_to_none(parse_query(StatisticsPageQuery, request).year)
    found = own_statistics(user=caller.user, year=year)
    of = found.statistics
    return render(
        request.scope,
        "statistics.html",
        year=year,
        years=found.years,
        found=of,
        total=of.total,
        by_year=() if year else _without_gaps(_by_year(of.months)),
        decades=_without_gaps(of.decades, 10),
        genres=[
            (found.genres[each.key].name, each.figures) for each in of.genres if each.key in found.genres
        ][:MAX_ROWS],
        languages=[(each.key, each.figures) for each in of.languages][:MAX_ROWS],
    )


def _by_year(months: Sequence[Group[Month]]) -> list[Group[int | None]]:
    """The viewings, hours and ratings of months by year. The number of different movies is not known."""
    years: defaultdict[int, Figures] = defaultdict(Figures)
    for group in months:
        figures, month = years[group.key[0]], group.figures
        figures.viewings += month.viewings
        figures.minutes += month.minutes
        figures.ratings += month.ratings
        figures.half_points += month.half_points
    return [Group(year, years[year]) for year in sorted(years)]


def _without_gaps(groups: Sequence[Group[int | None]], step: int = 1) -> list[Group[int | None]]:
    """The groups, and empty ones between them: an axis of time has no gaps. None, the unknown, is last."""
    found = {group.key: group for group in groups}
    known = [key for key in found if key is not None]
    keys = range(min(known), max(known) + 1, step) if known else ()
    unknown = [group for group in groups if group.key is None]
    return [*(found.get(key) or Group(key, Figures()) for key in keys), *unknown]


ROUTES = (get_statistics,)
