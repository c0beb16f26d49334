"""What media players call when something was played."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Annotated, Any, NoReturn

from litestar import post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody
from msgspec import Meta, Struct
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartParser,
    parse_options_header,
)

from application.scrobbles import FindPlayed, Played, RecordPlay
from domain.ids import MovieId
from domain.movies import MovieNotFound
from domain.scrobbles import Skipped, UnknownPayload
from domain.users import Caller, User
from entrypoints.http.body_limits import HOOKS, MAX_BULK_BYTES
from entrypoints.http.endpoints import Access, Endpoint, Injected, PathParameter, endpoint_opt
from entrypoints.http.exceptions import UnsupportedContentEncoding
from entrypoints.http.requests import HttpRequest
from entrypoints.http.resources.additions import FilmAdder
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Id

FORM_FIELDS = ("payload", "data")
"""The fields of a form that have the event: Plex's, and that of Emby before version 4.9."""

MAX_PARTS = 20
"""Parts of a form."""


class ScrobbleOut(Struct, frozen=True, kw_only=True):
    """What became of an event."""

    recorded: Annotated[bool, Meta(description="Whether a viewing was recorded now.", examples=[True])]
    reason: Annotated[
        Skipped | None, Meta(description="Why nothing was recorded, as a code.", examples=["not_finished"])
    ]
    viewing_id: Annotated[
        Id | None, Meta(description="The viewing that was recorded, now or before. Null without one.")
    ]


RECEIVE_PLAYBACK = Endpoint(
    operation_id="receivePlayback",
    summary="Report that a film was watched",
    tag="Diary",
    answer=ScrobbleOut,
    access=Access.USERS,
    path={
        "token": PathParameter(
            description="An API token with the scope `write`.", example="matinee_kHq0", pattern="^[^/]+$"
        )
    },
    errors=(404, 409, 501, 502),
    hook=True,
)


@post(f"/{HOOKS}/{{token:str}}", request_max_body_size=MAX_BULK_BYTES, opt=endpoint_opt(RECEIVE_PLAYBACK))
async def post_playback(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    find_played: Injected[FindPlayed],
    add_film: Injected[FilmAdder],
    record_play: Injected[RecordPlay],
) -> Response:
    """For Jellyfin, Plex, Emby and Kodi: record a viewing if a film was watched to the end. A film that the
    catalogue lacks is added.

    Other events are accepted, with the reason why nothing is recorded, since players repeat what is refused.
    An event that comes again records nothing again.
    """
    played = await sync_to_thread(lambda: find_played(payload=_payload(request, body)))
    if skipped := played.playback.skipped:
        return json_response(ScrobbleOut(recorded=False, reason=skipped, viewing_id=None))
    movie = played.movie or await _added(played, add_film, request, caller.user)
    recorded = await sync_to_thread(record_play, user=caller.user, movie=movie, playback=played.playback)
    return json_response(
        ScrobbleOut(
            recorded=recorded.created,
            reason=None if recorded.created else Skipped.ALREADY_RECORDED,
            viewing_id=recorded.viewing.id,
        )
    )


async def _added(played: Played, add_film: FilmAdder, request: HttpRequest, user: User) -> MovieId:
    """Add the film by the first of its ids that the source knows. Raises the errors of FilmAdder."""
    *others, last = played.playback.refs
    for ref in others:
        try:
            return (await add_film(_name(ref), request, user)).movie.id
        except MovieNotFound:
            continue
    return (await add_film(_name(last), request, user)).movie.id


def _name(ref: Any) -> str:  # noqa: ANN401
    return str(ref.value)


def _payload(request: HttpRequest, body: bytes) -> Mapping[str, object]:
    """The event in the body of a request. Raises UnknownPayload, UnsupportedContentEncoding."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UnsupportedContentEncoding
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    try:
        text = _form_field(body, options.get("boundary", "")) if kind == "multipart/form-data" else body
        payload = json.loads(text.decode("utf-8-sig"), parse_constant=_reject)
    except (MultipartError, ValueError, RecursionError):
        raise UnknownPayload from None
    if not isinstance(payload, dict):
        raise UnknownPayload
    return payload


def _form_field(body: bytes, boundary: str) -> bytes:
    """The event in a form; other parts, such as a picture, are left out. Raises ValueError without one."""
    for part in MultipartParser(BytesIO(body), boundary, part_limit=MAX_PARTS, spool_limit=MAX_BULK_BYTES):
        if part.name in FORM_FIELDS:
            return bytes(part.raw)
    raise ValueError(boundary)


def _reject(constant: str) -> NoReturn:
    """NaN and infinities are not JSON, although Python accepts them."""
    raise ValueError(constant)


ROUTES = (post_playback,)
