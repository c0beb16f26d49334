"""Redirects, and the cookies that a request has changed."""

from litestar.types import Scope

from entrypoints.http.responses import ADDED_HEADERS, NO_STORE, Header, Response

HTML = b"text/html; charset=utf-8"

REFERRER: Header = (b"referrer-policy", b"same-origin")
"""With `no-referrer`, browsers send `Origin: null` with forms, which would then be refused."""


def set_cookie(scope: Scope, cookie: str) -> None:
    """Add a cookie to the response to a request, whatever that is: a page, a picture, an export, a stream.

    A refresh token that was exchanged must reach the browser: used again, the old one would end the session.
    """
    scope["state"].setdefault(ADDED_HEADERS, []).append((b"set-cookie", cookie.encode("latin-1")))


def see_other(path: str) -> Response:
    """A redirect to a page of this host, after a form was handled."""
    location = (b"location", path.encode("ascii"))
    return Response(b"", status=303, headers=(location, REFERRER), media_type=HTML, cache=NO_STORE)
