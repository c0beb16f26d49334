"""What of the caller's has changed, for clients that keep a copy, and when it last did."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from hashlib import blake2b
from typing import Annotated

import msgspec
from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType

from application import changes
from application.viewings import DiaryEntry
from domain.changes import Activity, Kind, Mark
from domain.errors import Fault, FaultCode, InvalidFields
from domain.ids import UserId
from domain.ratings import Rating
from domain.users import Caller, User
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.requests import HttpRequest, parse_query
from entrypoints.http.resources.ratings import RatingOut, rating_out
from entrypoints.http.resources.viewings import ViewingOut, entry_out
from entrypoints.http.resources.watchlist import WatchlistItemOut, item_out
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Id, Moment, Query, rfc3339
from entrypoints.validation import rule

TAG = "Account"

MAX_CHANGES = 500
DEFAULT_CHANGES = 200

CHECKSUM_BYTES = 8

_Number = Annotated[int, Meta(ge=0, le=2**53)]
_DECODER = msgspec.json.Decoder(
    tuple[_Number, _Number, Annotated[datetime, Meta(tz=True)], _Number]  # epoch, number, at, began
)

# Parameters

Since = Annotated[
    str,
    rule(
        "must be the next of an earlier answer to you",
        max_length=200,
        description="The `next` of the answer up to which you know everything. Without it: everything.",
        examples=["WzEsNDIsIjIwMjYtMDEtMDVUMTA6MDA6MDBaIiwwXQ"],
    ),
]
Limit = Annotated[
    int,
    rule(
        f"must be a whole number from 1 to {MAX_CHANGES}",
        ge=1,
        le=MAX_CHANGES,
        description="Most changes in an answer.",
        examples=[DEFAULT_CHANGES],
    ),
]


class ChangesQuery(Query, frozen=True, kw_only=True):
    """The parameters of the changes."""

    since: Since | UnsetType = UNSET
    limit: Limit = DEFAULT_CHANGES


# Responses


class RemovedEntryOut(Struct, frozen=True, kw_only=True):
    """An entry that was deleted."""

    kind: Annotated[Kind, Meta(description="What it was.", examples=["rating"])]
    id: Id
    movie_id: Annotated[Id, Meta(description="The id of its movie.")]


class ChangesOut(Struct, frozen=True, kw_only=True):
    """Everything of yours that has changed: first remove, then store under their ids what is listed."""

    ratings: Annotated[list[RatingOut], Meta(description="New and changed ratings, as they are now.")]
    watchlist: Annotated[
        list[WatchlistItemOut], Meta(description="New and changed watchlist items, as they are now.")
    ]
    viewings: Annotated[list[ViewingOut], Meta(description="New and changed viewings, as they are now.")]
    removed: Annotated[list[RemovedEntryOut], Meta(description="What was deleted.")]
    next: Annotated[str, Meta(description="The `since` of the next request.", examples=["WzEsNDIsIjIwMjYt"])]
    more: Annotated[bool, Meta(description="Whether more has changed; then ask again at once.")]


class ActivityOut(Struct, frozen=True, kw_only=True):
    """When your entries last changed. Whatever changes, `version` does."""

    ratings: Annotated[Moment | None, Meta(description="Null if you never rated a movie.")]
    watchlist: Annotated[Moment | None, Meta(description="Null if your watchlist was never used.")]
    viewings: Annotated[Moment | None, Meta(description="Null if you never recorded a viewing.")]
    version: Annotated[str, Meta(description="Differs after each change.", examples=["42"])]


# Endpoints

LIST_CHANGES = Endpoint(
    operation_id="listMyChanges",
    summary="List what of yours has changed",
    tag=TAG,
    answer=ChangesOut,
    access=Access.USERS,
    query=ChangesQuery,
    errors=(410,),
)
GET_ACTIVITY = Endpoint(
    operation_id="getMyActivity",
    summary="Get when your entries last changed",
    tag=TAG,
    answer=ActivityOut,
    access=Access.USERS,
)


@get("/me/changes", sync_to_thread=True, opt=endpoint_opt(LIST_CHANGES))
def get_changes(
    request: HttpRequest, caller: Injected[Caller], list_changes: Injected[changes.GetChanges]
) -> Response:
    """Your ratings, watchlist items and viewings that have changed since a mark, and what was deleted.

    Keep `next`, and send it as `since` the next time. Each entry is listed at most once, as it is now, and
    none is missed. After 90 days a mark is no longer valid: then forget the copy, and start without one.
    """
    query = parse_query(ChangesQuery, request)
    page = list_changes(user=caller.user, since=_mark(query.since, caller.user.id), limit=query.limit)
    return json_response(changes_out(page, caller.user))


@get("/me/activity", sync_to_thread=True, opt=endpoint_opt(GET_ACTIVITY))
def get_activity(
    request: HttpRequest, caller: Injected[Caller], activity: Injected[changes.GetActivity]
) -> Response:
    """When your ratings, watchlist and viewings last changed: the cheap question before the changes."""
    parse_query(Query, request)
    return json_response(activity_out(activity(user=caller.user)))


# Conversion


def changes_out(page: changes.ChangePage, user: User) -> ChangesOut:
    """Convert changes of a user."""
    return ChangesOut(
        ratings=[rating_out(each, page.movies[each.movie], user) for each in page.of(Rating)],
        watchlist=[item_out(each, page.movies[each.movie], page.genres) for each in page.of(WatchlistItem)],
        viewings=[
            entry_out(DiaryEntry(viewing=each, movie=page.movies[each.movie], genres=page.genres))
            for each in page.of(Viewing)
        ],
        removed=[RemovedEntryOut(kind=each.kind, id=each.id, movie_id=each.movie) for each in page.removals],
        next=mark_token(page.next, user.id),
        more=page.more,
    )


def activity_out(activity: Activity) -> ActivityOut:
    """Convert the times of the last changes."""
    ratings, watchlist, viewings = (
        rfc3339(at) if at else None for at in (activity.ratings, activity.watchlist, activity.viewings)
    )
    return ActivityOut(ratings=ratings, watchlist=watchlist, viewings=viewings, version=str(activity.latest))


def mark_token(mark: Mark, user: UserId) -> str:
    """A mark as an opaque token, with a checksum over it and the user, for whom alone it is valid."""
    encoded = msgspec.json.encode((mark.epoch, mark.number, mark.at, mark.began))
    return urlsafe_b64encode(_checksum(encoded, user) + encoded).rstrip(b"=").decode()


def parse_mark(token: str, user: UserId) -> Mark | None:
    """The mark in a token; None if it is none of this user."""
    try:
        decoded = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        checksum, encoded = decoded[:CHECKSUM_BYTES], decoded[CHECKSUM_BYTES:]
        epoch, number, at, began = _DECODER.decode(encoded)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return None
    if checksum != _checksum(encoded, user):
        return None
    return Mark(epoch=epoch, number=number, at=at, began=began)


def _mark(since: str | UnsetType, user: UserId) -> Mark | None:
    if isinstance(since, UnsetType):
        return None
    mark = parse_mark(since, user)
    if mark is None:
        message = "must be the next of an earlier answer to you"
        raise InvalidFields([Fault("since", FaultCode.MALFORMED, message)])
    return mark


def _checksum(encoded: bytes, user: UserId) -> bytes:
    return blake2b(b"changes\0" + user.encode() + b"\0" + encoded, digest_size=CHECKSUM_BYTES).digest()


ROUTES = (get_changes, get_activity)
