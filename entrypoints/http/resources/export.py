"""The export of all data of a user."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from litestar import get
from msgspec import Struct
from msgspec.json import encode

from application.export import ExportedItems, ExportedPart, ExportedRatings, ExportedViewings
from application.export_files import letterboxd_pieces, table_chunks, zip_chunks
from application.viewings import DiaryEntry
from domain.users import Caller, User
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.exports import ExportFormat, ExportResponse, UserExport
from entrypoints.http.requests import HttpRequest, parse_query
from entrypoints.http.resources.accounts import UserOut, user_out
from entrypoints.http.resources.ratings import RatingOut, rating_out
from entrypoints.http.resources.recommendations import HiddenMovieOut, hidden_out
from entrypoints.http.resources.viewings import ViewingOut, entry_out
from entrypoints.http.resources.watchlist import WatchlistItemOut, item_out
from entrypoints.http.schemas import Query
from entrypoints.validation import rule


class ExportQuery(Query, frozen=True, kw_only=True):
    """The parameters of an export."""

    format: Annotated[
        ExportFormat,
        rule(f"must be one of {', '.join(ExportFormat)}", description="How the export is written."),
    ] = ExportFormat.JSON


class ExportOut(Struct, frozen=True, kw_only=True):
    """All data of one user, newest first."""

    user: UserOut
    ratings: list[RatingOut]
    watchlist: list[WatchlistItemOut]
    viewings: list[ViewingOut]
    hidden: list[HiddenMovieOut]


SECTIONS = ("ratings", "watchlist", "viewings", "hidden")
"""The lists of an export, in their order."""


EXPORT_MY_DATA = Endpoint(
    operation_id="exportMyData",
    summary="Export your data",
    tag="Account",
    answer=ExportOut,
    access=Access.USERS,
    query=ExportQuery,
    files=("application/zip", "text/csv"),
)


@get("/me/export", sync_to_thread=False, opt=endpoint_opt(EXPORT_MY_DATA))
def get_export(
    request: HttpRequest,
    caller: Injected[Caller],
    user_export: Injected[UserExport],
) -> ExportResponse:
    """Everything that is stored about you except the hash of your password.

    `json` has all of it, and can be imported again without loss. `letterboxd` is a zip of the tables that
    Letterboxd imports, `csv` one table for a spreadsheet.

    A long one is sent as it is read, without an `ETag`. If it cannot be completed, the connection closes
    before the end of the JSON. What you change meanwhile may or may not be in it; all else is in it exactly
    once.
    """
    return user_export(caller.user, parse_query(ExportQuery, request).format)


def export_chunks(user: User, parts: Iterable[ExportedPart], how: ExportFormat) -> Iterator[bytes]:
    """An export in a format, a chunk for each part."""
    match how:
        case ExportFormat.JSON:
            return json_chunks(user, parts)
        case ExportFormat.LETTERBOXD:
            return zip_chunks(letterboxd_pieces(parts))
        case ExportFormat.CSV:
            return table_chunks(parts)


def json_chunks(user: User, parts: Iterable[ExportedPart]) -> Iterator[bytes]:
    """Encode an `ExportOut` in chunks, one for each part. Together they are a JSON object."""
    prefix = b'{"user":' + encode(user_out(user)) + _opening(SECTIONS[0])
    current, need_comma = 0, False
    for part in parts:
        section, encoded = _section(user, part)
        while SECTIONS[current] != section:
            current, need_comma = current + 1, False
            prefix += b"]" + _opening(SECTIONS[current])
        if encoded:
            yield prefix + (b"," if need_comma else b"") + encoded
            prefix, need_comma = b"", True
    yield prefix + b"".join(b"]" + _opening(section) for section in SECTIONS[current + 1 :]) + b"]}"


def _opening(section: str) -> bytes:
    return b',"' + section.encode() + b'":['


def _section(user: User, part: ExportedPart) -> tuple[str, bytes]:
    """The name of the list that a part belongs to, and its rows, separated by commas."""
    if isinstance(part, ExportedRatings):
        return "ratings", encode(_ratings_out(user, part))[1:-1]
    if isinstance(part, ExportedItems):
        return "watchlist", encode(_items_out(part))[1:-1]
    if isinstance(part, ExportedViewings):
        return "viewings", encode(_viewings_out(part))[1:-1]
    return "hidden", encode(hidden_out(part.hidden, part.movies, part.genres))[1:-1]


def _ratings_out(user: User, part: ExportedRatings) -> list[RatingOut]:
    """Convert ratings, without those whose movie has been deleted meanwhile."""
    movies = part.movies
    return [rating_out(each, movies[each.movie], user) for each in part.ratings if each.movie in movies]


def _items_out(part: ExportedItems) -> list[WatchlistItemOut]:
    """Convert watchlist items, without those whose movie has been deleted meanwhile."""
    movies = part.movies
    return [item_out(each, movies[each.movie], part.genres) for each in part.items if each.movie in movies]


def _viewings_out(part: ExportedViewings) -> list[ViewingOut]:
    """Convert viewings, without those whose movie has been deleted meanwhile."""
    return [
        entry_out(DiaryEntry(viewing=each, movie=part.movies[each.movie], genres=part.genres))
        for each in part.viewings
        if each.movie in part.movies
    ]


ROUTES = (get_export,)
