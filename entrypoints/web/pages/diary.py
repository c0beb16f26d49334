"""The viewer's diary: as a list, as a calendar, and a viewing to edit."""

from calendar import Calendar
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody
from msgspec import UNSET, UnsetType

from application import catalogue, viewings
from domain.statistics import Month
from domain.users import Caller, User
from domain.viewings import EARLIEST_DAY, Viewing
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.movie_refs import parse_movie_ref
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest, parse_query, unset_to_none
from entrypoints.http.resources.viewings import SeenIn, ViewingsQuery, viewing_id
from entrypoints.http.responses import Response
from entrypoints.http.schemas import Query
from entrypoints.validation import rule
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import page_opt
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer
from entrypoints.web.responses import see_other

FIRST_YEAR, LAST_YEAR = EARLIEST_DAY.year, 2100
MONTH = "^(188[89]|189[0-9]|19[0-9]{2}|20[0-9]{2}|2100)-(0[1-9]|1[0-2])$"
"""A month of these years."""

Week = Sequence[tuple[date, bool, Sequence[Viewing]]]
"""Seven days: each with whether it is in the month, and its viewings."""


class CalendarQuery(Query, frozen=True, kw_only=True):
    """The parameters of the calendar."""

    month: Annotated[str, rule("must be a month such as 2026-01", pattern=MONTH)] | UnsetType = UNSET

    @property
    def wanted(self) -> Month | None:
        """The year and the month, if they are given."""
        return None if isinstance(self.month, UnsetType) else (int(self.month[:4]), int(self.month[5:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewingView:
    """Shows a viewing to edit, also after its form was refused."""

    get_viewing: viewings.GetViewing
    translate_movies: catalogue.TranslateMovies
    render: Renderer

    def __call__(
        self, request: HttpRequest, user: User, form: Form | None = None, errors: FormErrors | None = None
    ) -> Response:
        """The page. Raises ViewingNotFound, NotYourViewing."""
        errors = errors or FormErrors()
        entry = self.get_viewing(user=user, viewing=viewing_id(request))
        movie = self.translate_movies.one(entry.movie, self.render.movie_language(request.scope))
        return self.render(
            request.scope,
            "viewing.html",
            status=errors.status,
            entry=replace(entry, movie=movie),
            form=form or Form(),
            refused=form is not None,
            errors=errors,
        )


@get("/diary", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_diary(
    request: HttpRequest,
    caller: Injected[Caller],
    list_viewings: Injected[viewings.ListViewings],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """The viewings, the latest day first."""
    page = parse_page(ViewingsQuery, request)
    name = unset_to_none(page.query.movie_id)
    movie = parse_movie_ref(name) if name is not None else None
    listed = list_viewings(user=caller.user, movie=movie, days=page.query.days, window=page.window)
    language = render.movie_language(request.scope)
    listed = replace(listed, movies=translate_movies.by_id(listed.movies, language))
    rows = listed.page.rows
    last = rows[-1].cursor if rows and listed.page.more else None
    return render(
        request.scope,
        "diary.html",
        listed=listed,
        year=unset_to_none(page.query.year),
        of_movie=name is not None,
        first_year=FIRST_YEAR,
        last_year=LAST_YEAR,
        next_link=next_link(page, last, listed.page.total),
    )


@get("/diary/calendar", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_calendar(
    request: HttpRequest,
    caller: Injected[Caller],
    get_diary_month: Injected[viewings.GetDiaryMonth],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """A month of the diary as a calendar, and its viewings below."""
    query = parse_query(CalendarQuery, request)
    shown = get_diary_month(user=caller.user, month=query.wanted)
    language = render.movie_language(request.scope)
    movies = translate_movies.by_id(shown.diary.movies, language)
    return render(
        request.scope,
        "calendar.html",
        month=shown.month,
        weeks=_weeks(shown),
        listed=replace(shown.diary, movies=movies),
        today=shown.today,
        shown_month=_parameter(shown.month),
        first_month=_parameter((FIRST_YEAR, 1)),
        last_month=_parameter((LAST_YEAR, 12)),
        earlier=_neighbour(shown.month, -1),
        later=_neighbour(shown.month, 1),
    )


def _weeks(shown: viewings.DiaryMonth) -> list[Week]:
    seen: defaultdict[date | None, list[Viewing]] = defaultdict(list)
    for viewing in shown.diary.page.rows:
        if viewing.movie in shown.diary.movies:
            seen[viewing.watched_on].append(viewing)
    year, month = shown.month
    weeks = Calendar().monthdatescalendar(year, month)
    return [
        [(day, day.month == month, seen[day] if day.month == month else ()) for day in week] for week in weeks
    ]


def _neighbour(month: Month, step: int) -> str | None:
    """The month before or after, as a parameter; None outside the years of a diary."""
    year, zero_based = divmod(month[0] * 12 + month[1] - 1 + step, 12)
    return _parameter((year, zero_based + 1)) if FIRST_YEAR <= year <= LAST_YEAR else None


def _parameter(month: Month) -> str:
    """A month as a parameter of the calendar: 2026-01."""
    return f"{month[0]}-{month[1]:02}"


@get("/viewings/{id:str}", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_viewing(
    request: HttpRequest, caller: Injected[Caller], viewing_view: Injected[ViewingView]
) -> Response:
    """A viewing to edit."""
    return viewing_view(request, caller.user)


@post("/viewings/{id:str}", opt=page_opt(Access.USERS))
async def post_viewing(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_viewing: Injected[viewings.ChangeViewing],
    viewing_view: Injected[ViewingView],
) -> Response:
    """Replace the day, the mark and the note of a viewing. An empty field has no value then."""
    form = read_form(request, body)

    def change() -> None:
        given = form.parse(SeenIn, extra_rules=change_viewing.faults)
        change_viewing(
            user=caller.user,
            viewing=viewing_id(request),
            watched_on=given.watched_on,
            rewatch=given.rewatch,
            note=given.note,
        )

    async def act() -> Response:
        await sync_to_thread(change)
        return see_other(form.next or "/diary")

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(viewing_view, request, caller.user, form, errors)

    return await submit(act, show_again, request.scope)


@post("/viewings/{id:str}/delete", sync_to_thread=True, opt=page_opt(Access.USERS))
def post_viewing_delete(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    remove_viewing: Injected[viewings.RemoveViewing],
) -> Response:
    """Delete a viewing."""
    form = read_form(request, body)
    remove_viewing(user=caller.user, viewing=viewing_id(request))
    return see_other(form.next or "/diary")


ROUTES = (get_diary, get_calendar, get_viewing, post_viewing, post_viewing_delete)
