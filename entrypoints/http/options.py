"""OPTIONS: which methods a path has, by the same table from which a 405 takes its `Allow` header."""

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.utils import normalize_path

from entrypoints.http.errors import allow
from entrypoints.http.responses import PUBLIC, Answer


def answering_options(app: Litestar, handler: ASGIApp) -> ASGIApp:
    """A handler that answers OPTIONS itself and leaves the rest to another, preflights of CORS included.

    Litestar answers as well, but of a path with several handlers it names the methods of the first only.
    """
    cors = app.cors_config is not None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS":
            allowed = None if cors and _has_origin(scope) else _allowed(app, scope)
            if allowed:
                await Answer(b"", status=204, headers=(allow(allowed),), cache=PUBLIC)(scope, receive, send)
                return
        await handler(scope, receive, send)

    return answer


def _has_origin(scope: HTTPScope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


def _allowed(app: Litestar, scope: HTTPScope) -> list[str]:
    """The methods of the path; none if there is no such path."""
    path = normalize_path(scope["path"])
    try:
        # No path has this method, so the router names those that it has.
        app.asgi_router.handle_routing(path=path, method="ANY")
    except MethodNotAllowedException as error:
        scope["path_template"] = app.asgi_router.handle_routing(path=path, method="OPTIONS")[-1]
        return (error.headers or {})["allow"].split(", ")
    except NotFoundException:
        pass
    return []
