"""The documentation of the API: Swagger UI, served under a policy that allows no other sources."""

from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from litestar import get
from litestar.exceptions import NotFoundException

from entrypoints.http import BASE
from entrypoints.http.errors import codes
from entrypoints.http.requests import HttpRequest
from entrypoints.http.responses import PUBLIC, Header, Response, redirect

POLICY: Header = (
    b"content-security-policy",
    (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
)
ONE_DAY = b"public, max-age=86400"

OWN_FILES = {
    "docs.css": b"text/css; charset=utf-8",
    "docs.js": b"text/javascript; charset=utf-8",
}
SWAGGER_UI_FILES = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
"""The files that are served, with their media types."""


@get("/docs", sync_to_thread=False)
def get_docs() -> Response:
    """Get the page."""
    return page()


@get("/docs/openapi.json", sync_to_thread=False)
def get_openapi(request: HttpRequest) -> Response:
    """Get the OpenAPI document."""
    document: Response = request.app.state.openapi()
    return document


@get("/docs/{name:str}", sync_to_thread=False)
def get_asset(request: HttpRequest) -> Response:
    """Get a script, a style sheet or an image of the page."""
    return asset(request.path_params["name"])


@get("/", sync_to_thread=False)
def get_root() -> Response:
    """Redirect to the documentation, if there are no pages for people."""
    return redirect(f"{BASE}/docs".encode())


@get(BASE, sync_to_thread=False)
def get_base() -> Response:
    """Redirect to the documentation."""
    return redirect(f"{BASE}/docs".encode())


@cache
def page() -> Response:
    """The page, which ends with a table of all error codes."""
    html = files("entrypoints.http").joinpath("static", "docs.html").read_text(encoding="utf-8")
    rows = "\n".join(
        f"<tr><td><code>{escape(code)}</code></td><td>{status}</td><td>{escape(meaning)}</td></tr>"
        for code, (status, meaning) in sorted(codes().items(), key=lambda each: (each[1][0], each[0]))
    )
    body = html.replace("<!-- codes -->", rows).encode()
    return Response(body, media_type=b"text/html; charset=utf-8", headers=(POLICY,), cache=PUBLIC)


@cache
def asset(name: str) -> Response:
    """A file of the page. Raises NotFoundException for other names."""
    if name in OWN_FILES:
        body = files("entrypoints.http").joinpath("static", name).read_bytes()
        return Response(body, media_type=OWN_FILES[name], headers=(POLICY,), cache=PUBLIC)
    if name in SWAGGER_UI_FILES:
        body = _swagger_ui().joinpath(name).read_bytes()
        return Response(body, media_type=SWAGGER_UI_FILES[name], headers=(POLICY,), cache=ONE_DAY)
    raise NotFoundException


def _swagger_ui() -> Traversable:
    """The static files of the package swagger-ui-py, without importing it and its template engine."""
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise NotFoundException
    return Path(spec.origin).parent / "static"


ROUTES = (get_docs, get_openapi, get_asset)
