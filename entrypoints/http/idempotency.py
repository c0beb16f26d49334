"""`Idempotency-Key`: a POST that is repeated with the same key is carried out once."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.concurrency import sync_to_thread

from application.idempotency import KeepResponses
from domain.errors import Fault, FaultCode, InvalidFields
from domain.idempotency import MAX_KEY_LENGTH, Attempt
from domain.users import Caller
from entrypoints.http.errors import error_response, problem_of
from entrypoints.http.requests import HttpRequest
from entrypoints.http.responses import NO_STORE, Header, Response

HEADER = "Idempotency-Key"

KEY = re.compile(rf"[!-~]{{1,{MAX_KEY_LENGTH}}}")

PASSING = frozenset({408, 429})
"""Statuses of refusals that pass with time: like failures of ours, they are not kept."""

CREATED_ID = "created_id"
"""The key in the state of a scope of the id of what a request with a key creates."""

REPLAYED: Header = (b"idempotency-replayed", b"true")

Packed = tuple[int, bytes, bytes, tuple[Header, ...], bytes | None]
"""Status, body, media type, headers and `Cache-Control` of a response."""


def created_id(request: HttpRequest) -> str | None:
    """The id of what a request creates however often it is repeated; None for one without a key."""
    created: str | None = request.scope["state"].get(CREATED_ID)
    return created


@dataclass(frozen=True, slots=True)
class IdempotentRequests:
    """Carries out each request once. Without the header, or without a caller, it is simply carried out."""

    keep_responses: KeepResponses

    def applies(self, request: HttpRequest) -> bool:
        """Whether a request has a key that counts."""
        return (
            request.method == "POST"
            and HEADER.lower() in request.headers
            and request.scope["state"].get("caller") is not None
        )

    def run(self, request: HttpRequest, body: bytes, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The response to a request, from `call` or from before."""
        begun = self._begin(request, body)
        if isinstance(begun, Response):
            return begun
        try:
            response = call()
        except Exception as error:  # noqa: BLE001  raised again, unless it is a refusal
            response = self._refusal(begun, error, request)
        return self._finish(begun, response)

    async def run_async(self, request: HttpRequest, body: bytes, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        """The same for an asynchronous handler."""
        begun = await sync_to_thread(self._begin, request, body)
        if isinstance(begun, Response):
            return begun
        try:
            response = await call()
        except Exception as error:  # noqa: BLE001  raised again in the thread, unless it is a refusal
            response = await sync_to_thread(self._refusal, begun, error, request)
        return await sync_to_thread(self._finish, begun, response)

    def _begin(self, request: HttpRequest, body: bytes) -> Attempt | Response:
        keys = request.headers.getall(HEADER.lower(), [])
        if len(keys) != 1 or not KEY.fullmatch(keys[0]):
            message = f"must be 1 to {MAX_KEY_LENGTH} visible characters of ASCII"
            raise InvalidFields([Fault(HEADER, FaultCode.MALFORMED, message)])
        caller: Caller = request.scope["state"]["caller"]
        parts = (request.method, request.scope["path"], request.scope["query_string"], body)
        content = msgspec.msgpack.encode((*parts, request.headers.get("content-length", "")))
        begun = self.keep_responses.begin(user=caller.user, key=keys[0], content=content)
        if not isinstance(begun, Attempt):
            return _unpack(begun)
        request.scope["state"][CREATED_ID] = begun.created_id
        return begun

    def _refusal(self, attempt: Attempt, error: Exception, request: HttpRequest) -> Response:
        """The response to a request that was refused. A failure is raised again, and not kept."""
        status = problem_of(error).status
        if status >= 500 or status in PASSING:
            self.keep_responses.abandon(attempt)
            raise error
        return error_response(error, request.scope)

    def _finish(self, attempt: Attempt, response: Any) -> Any:  # noqa: ANN401  what a handler returns
        keeps = isinstance(response, Response) and (response.cache != NO_STORE or response.status >= 400)
        self.keep_responses.finish(attempt, _pack(response) if keeps else None)
        return response


def _pack(response: Response) -> bytes:
    packed: Packed = (
        response.status,
        response.body,
        response.media_type,
        response.headers,
        response.cache,
    )
    return msgspec.msgpack.encode(packed)


def _unpack(packed: bytes) -> Response:
    status, body, media_type, headers, cache = msgspec.msgpack.decode(packed, type=Packed)
    return Response(body, status=status, media_type=media_type, headers=(*headers, REPLAYED), cache=cache)
