"""The documentation: Swagger UI, all of it served from here, under a policy that lets nothing else in."""

from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from litestar import get
from litestar.exceptions import NotFoundException

from entrypoints.http.endpoints import API
from entrypoints.http.errors import codes
from entrypoints.http.requests import HttpRequest
from entrypoints.http.responses import PUBLIC, Answer, Header, redirect

POLICY: Header = (
    b"content-security-policy",
    (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
)
A_DAY = b"public, max-age=86400"

OURS = {
    "docs.css": b"text/css; charset=utf-8",
    "docs.js": b"text/javascript; charset=utf-8",
}
SWAGGER_UI = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
"""The files that are served, by name, and what they are."""


@get("/docs", sync_to_thread=False)
def get_docs() -> Answer:
    """The page."""
    return page()


@get("/docs/openapi.json", sync_to_thread=False)
def get_openapi(request: HttpRequest) -> Answer:
    """The OpenAPI document."""
    document: Answer = request.app.state.openapi
    return document


@get("/docs/{name:str}", sync_to_thread=False)
def get_asset(request: HttpRequest) -> Answer:
    """A script, style or picture of the page."""
    return asset(request.path_params["name"])


@get(["/", API], sync_to_thread=False)
def get_root() -> Answer:
    """Whoever comes without knowing where to go is shown the documentation."""
    return redirect(f"{API}/docs".encode())


@cache
def page() -> Answer:
    """The page, with the codes of errors at its end."""
    html = files("entrypoints.http").joinpath("static", "docs.html").read_text(encoding="utf-8")
    rows = "\n".join(
        f"<tr><td><code>{escape(code)}</code></td><td>{status}</td><td>{escape(meaning)}</td></tr>"
        for code, (status, meaning) in sorted(codes().items(), key=lambda each: (each[1][0], each[0]))
    )
    body = html.replace("<!-- codes -->", rows).encode()
    return Answer(body, media_type=b"text/html; charset=utf-8", headers=(POLICY,), cache=PUBLIC)


@cache
def asset(name: str) -> Answer:
    """A file of the documentation, read once. Raises NotFoundException for any other name."""
    if name in OURS:
        body = files("entrypoints.http").joinpath("static", name).read_bytes()
        return Answer(body, media_type=OURS[name], headers=(POLICY,), cache=PUBLIC)
    if name in SWAGGER_UI:
        body = _swagger_ui().joinpath(name).read_bytes()
        return Answer(body, media_type=SWAGGER_UI[name], headers=(POLICY,), cache=A_DAY)
    raise NotFoundException


def _swagger_ui() -> Traversable:
    """The static files of the package swagger-ui-py, found without importing it and its template engine."""
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise NotFoundException
    return Path(spec.origin).parent / "static"
