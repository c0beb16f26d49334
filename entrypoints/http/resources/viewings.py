"""The diary: a user's viewings of movies."""

from dataclasses import replace
from datetime import date
from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application import catalogue, viewings
from domain.ids import ViewingId
from domain.texts import Unchanged
from domain.users import Caller
from domain.viewings import EARLIEST_DAY, DayRange, ViewingNotFound
from entrypoints.http.cursors import SortKey
from entrypoints.http.endpoints import (
    DELETE_STATUS,
    Access,
    Endpoint,
    Injected,
    endpoint_opt,
    id_parameter,
)
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.idempotency import created_id
from entrypoints.http.languages import LanguageNegotiation, TextLanguage, in_language
from entrypoints.http.movie_refs import MovieName, parse_movie_ref
from entrypoints.http.pagination import PageQuery, parse_page
from entrypoints.http.requests import (
    HttpRequest,
    Note,
    parse_body,
    parse_query,
    path_id,
    unset_to_none,
    unset_to_unchanged,
)
from entrypoints.http.resources.movies import MovieOut, movie_out
from entrypoints.http.responses import Response, json_response, no_content
from entrypoints.http.schemas import Body, Id, Moment, PageOut, PatchBody, Query, rfc3339
from entrypoints.validation import rule

TAG = "Diary"
PATH = {"id": id_parameter("viewing")}

# Request bodies

Day = Annotated[
    date,
    rule(
        "must be a date such as 2025-12-31",
        description=f"The day in your own calendar, from {EARLIEST_DAY} until today. Null if it is unknown.",
        examples=["2025-12-31"],
    ),
]
Rewatch = Annotated[
    bool,
    rule("must be true or false", description="Whether you had seen it before.", examples=[False]),
]
RemoveFromWatchlist = Annotated[
    bool,
    rule(
        "must be true or false",
        description="Whether to remove the movie from your watchlist in the same step.",
        examples=[True],
    ),
]


class SeenIn(Body, frozen=True, kw_only=True):
    """When you have seen a movie."""

    watched_on: Day | None = None
    rewatch: Rewatch = False
    note: Note | None = None
    remove_from_watchlist: RemoveFromWatchlist = False


class ViewingIn(SeenIn, frozen=True, kw_only=True):
    """A movie, and when you have seen it."""

    movie_id: MovieName


class ViewingChangeIn(PatchBody, frozen=True, kw_only=True):
    """The fields of a viewing to change; at least one. A day of null becomes unknown, a note of null is
    removed.
    """

    watched_on: Day | UnsetType | None = UNSET
    rewatch: Rewatch | UnsetType = UNSET
    note: Note | UnsetType | None = UNSET

    @property
    def new_day(self) -> date | Unchanged | None:
        """The new day, None for an unknown one, or UNCHANGED."""
        return unset_to_unchanged(self.watched_on)

    @property
    def new_note(self) -> str | Unchanged | None:
        """The new note, None to remove it, or UNCHANGED."""
        return unset_to_unchanged(self.note)


# Responses


class ViewingOut(Struct, frozen=True, kw_only=True):
    """A day on which a user has seen a movie."""

    id: Id
    movie: MovieOut
    watched_on: (
        Annotated[date, Meta(description="The day, without a time zone. Null if it is unknown.")] | None
    )
    rewatch: Annotated[bool, Meta(description="Whether it had been seen before.", examples=[False])]
    note: (
        Annotated[str, Meta(description="Plain text. Null without one.", examples=["With the children"])]
        | None
    )
    created_at: Annotated[Moment, Meta(description="When it was recorded.")]
    updated_at: Annotated[Moment, Meta(description="When it last changed.")]


# Parameters

ViewingFields = Annotated[str, fields_rule(ViewingOut, "each viewing")]
Year = Annotated[
    int,
    rule(
        f"must be a year from {EARLIEST_DAY.year} to 2100",
        ge=EARLIEST_DAY.year,
        le=2100,
        description="Only viewings of this year.",
        examples=[2026],
    ),
]
OfMovie = Annotated[
    str,
    rule(
        "must be text: our id, TMDB's number or the IMDb id of a movie",
        max_length=100,
        description="Only viewings of this movie: our id, the TMDB number or the IMDb id.",
        examples=["603"],
    ),
]


class ViewingQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one viewing."""

    fields: ViewingFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


class ViewingsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the diary."""

    movie_id: OfMovie | UnsetType = UNSET
    year: Year | UnsetType = UNSET
    fields: ViewingFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET

    @property
    def sort_key(self) -> SortKey:
        """Viewings are sorted by their position, which is a text."""
        return SortKey.TEXT

    @property
    def days(self) -> DayRange | None:
        """The days of the year, if one is given."""
        return None if isinstance(self.year, UnsetType) else DayRange.of_year(self.year)


# Endpoints

ADD_VIEWING = Endpoint(
    operation_id="addViewing",
    summary="Record that you have seen a movie",
    tag=TAG,
    answer=ViewingOut,
    access=Access.USERS,
    body=ViewingIn,
    successes=(201,),
    errors=(404, 409),
)
LIST_VIEWINGS = Endpoint(
    operation_id="listViewings",
    summary="List your viewings",
    tag=TAG,
    answer=PageOut[ViewingOut],
    access=Access.USERS,
    query=ViewingsQuery,
    errors=(404,),
    linked=True,
    own=True,
)
GET_VIEWING = Endpoint(
    operation_id="getViewing",
    summary="Get a viewing",
    tag=TAG,
    answer=ViewingOut,
    query=ViewingQuery,
    access=Access.USERS,
    path=PATH,
    errors=(403, 404),
)
UPDATE_VIEWING = Endpoint(
    operation_id="updateViewing",
    summary="Update a viewing",
    tag=TAG,
    answer=ViewingOut,
    access=Access.USERS,
    body=ViewingChangeIn,
    path=PATH,
    errors=(403, 404, 409),
)
DELETE_VIEWING = Endpoint(
    operation_id="deleteViewing",
    summary="Delete a viewing",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=PATH,
    successes=(204,),
    errors=(403, 404),
)


@post("/viewings", sync_to_thread=True, opt=endpoint_opt(ADD_VIEWING))
def post_viewing(
    request: HttpRequest, body: RawBody, caller: Injected[Caller], add_viewing: Injected[viewings.AddViewing]
) -> Response:
    """Record that you have seen a movie, on a day or on an unknown one. It may be seen any number of times.

    A second viewing on the same day, or on an unknown day, is a conflict unless it is a `rewatch`.
    """
    given = parse_body(ViewingIn, request, body, extra_rules=add_viewing.faults)
    entry = add_viewing(
        user=caller.user,
        movie=parse_movie_ref(given.movie_id),
        watched_on=given.watched_on,
        rewatch=given.rewatch,
        note=given.note,
        remove_from_watchlist=given.remove_from_watchlist,
        repeatable_as=ViewingId(repeatable) if (repeatable := created_id(request)) else None,
    )
    return json_response(entry_out(entry), status=201)


@get("/viewings", sync_to_thread=True, opt=endpoint_opt(LIST_VIEWINGS))
def get_viewings(
    request: HttpRequest,
    caller: Injected[Caller],
    list_viewings: Injected[viewings.ListViewings],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """List your viewings, the latest day first and those of unknown days last."""
    page = parse_page(ViewingsQuery, request)
    name = unset_to_none(page.query.movie_id)
    movie = parse_movie_ref(name) if name is not None else None
    language = negotiate(request.scope, unset_to_none(page.query.language))
    listed = list_viewings(user=caller.user, movie=movie, days=page.query.days, window=page.window)
    listed = replace(listed, movies=translate_movies.by_id(listed.movies, language))
    meta = page.meta(listed.page, lambda viewing: viewing.cursor)
    return in_language(page.response(PageOut(data=viewings_out(listed), meta=meta)), language)


@get("/viewings/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_VIEWING))
def get_viewing_by_id(
    request: HttpRequest,
    caller: Injected[Caller],
    get_viewing: Injected[viewings.GetViewing],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """Get one of your own viewings."""
    query = parse_query(ViewingQuery, request)
    language = negotiate(request.scope, unset_to_none(query.language))
    entry = get_viewing(user=caller.user, viewing=viewing_id(request))
    entry = replace(entry, movie=translate_movies.one(entry.movie, language))
    return in_language(item_response(entry_out(entry), query), language)


@patch("/viewings/{id:str}", sync_to_thread=True, opt=endpoint_opt(UPDATE_VIEWING))
def patch_viewing(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_viewing: Injected[viewings.ChangeViewing],
) -> Response:
    """Change the day, the mark or the note of a viewing. Fields that are left out stay as they are."""
    given = parse_body(ViewingChangeIn, request, body, extra_rules=change_viewing.faults)
    changed = change_viewing(
        user=caller.user,
        viewing=viewing_id(request),
        watched_on=given.new_day,
        rewatch=unset_to_none(given.rewatch),
        note=given.new_note,
    )
    return json_response(entry_out(changed))


@delete(
    "/viewings/{id:str}", status_code=DELETE_STATUS, sync_to_thread=True, opt=endpoint_opt(DELETE_VIEWING)
)
def delete_viewing(
    request: HttpRequest, caller: Injected[Caller], remove_viewing: Injected[viewings.RemoveViewing]
) -> Response:
    """Delete one of your own viewings."""
    parse_query(Query, request)
    remove_viewing(user=caller.user, viewing=viewing_id(request))
    return no_content()


def viewing_id(request: HttpRequest) -> ViewingId:
    """The viewing in the path. Raises ViewingNotFound if it is not an id."""
    return path_id(request, ViewingId, ViewingNotFound)


# Conversion


def entry_out(entry: viewings.DiaryEntry) -> ViewingOut:
    """Convert a viewing with its movie."""
    viewing = entry.viewing
    return ViewingOut(
        id=viewing.id,
        movie=movie_out(entry.movie, entry.genres),
        watched_on=viewing.watched_on,
        rewatch=viewing.rewatch,
        note=viewing.note,
        created_at=rfc3339(viewing.created_at),
        updated_at=rfc3339(viewing.updated_at),
    )


def viewings_out(page: viewings.DiaryPage) -> list[ViewingOut]:
    """Convert a page of viewings, without those whose movie has been deleted meanwhile."""
    return [
        entry_out(viewings.DiaryEntry(viewing=each, movie=page.movies[each.movie], genres=page.genres))
        for each in page.page.rows
        if each.movie in page.movies
    ]


ROUTES = (post_viewing, get_viewings, get_viewing_by_id, patch_viewing, delete_viewing)
