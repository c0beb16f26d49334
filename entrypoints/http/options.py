"""Responses to OPTIONS, with the methods of a path in `Allow`."""

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.utils import normalize_path

from entrypoints.http.errors import allow
from entrypoints.http.responses import PUBLIC, Response


def respond_to_options(app: Litestar, handler: ASGIApp) -> ASGIApp:
    """Wrap a handler to respond to OPTIONS, but not to CORS preflights, which the handler does.

    Litestar responds as well, but names only the methods of the first handler if a path has several.
    """
    cors = app.cors_config is not None

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS":
            methods = None if cors and _has_origin(scope) else _methods(app, scope)
            if methods:
                response = Response(b"", status=204, headers=(allow(methods),), cache=PUBLIC)
                await response(scope, receive, send)
                return
        await handler(scope, receive, send)

    return respond


def _has_origin(scope: HTTPScope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


def _methods(app: Litestar, scope: HTTPScope) -> list[str]:
    """The methods of the path, as in the `Allow` header of a 405; empty if the path does not exist."""
    path = normalize_path(scope["path"])
    try:
        # No path has this method, so the error lists the methods that it has.
        app.asgi_router.handle_routing(path=path, method="ANY")
    except MethodNotAllowedException as error:
        scope["path_template"] = app.asgi_router.handle_routing(path=path, method="OPTIONS")[-1]
        return (error.headers or {})["allow"].split(", ")
    except NotFoundException:
        pass
    return []
