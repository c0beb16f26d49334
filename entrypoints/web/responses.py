"""Responses of the pages, redirects, and the cookies that a request has changed."""

from litestar.types import HTTPScope, Scope

from entrypoints.http.responses import NO_STORE, Header, Response

HTML = b"text/html; charset=utf-8"

REFERRER: Header = (b"referrer-policy", b"same-origin")
"""With `no-referrer`, browsers send `Origin: null` with forms, which would then be refused."""

COOKIES = "cookies"
"""The key in the state of a scope under which the guard and the handlers store `Set-Cookie` headers."""


class PageResponse(Response):
    """A response to a browser. It sends the cookies that the request has changed."""

    __slots__ = ()

    def negotiate(self, scope: HTTPScope) -> tuple[int, list[Header], bytes]:
        status, headers, body = super().negotiate(scope)
        return status, [*headers, *cookie_headers(scope)], body


def cookie_headers(scope: Scope) -> list[Header]:
    """The `Set-Cookie` headers of the response to a request."""
    return [(b"set-cookie", cookie.encode("latin-1")) for cookie in scope["state"].get(COOKIES, ())]


def set_cookie(scope: Scope, cookie: str) -> None:
    """Add a cookie to the response of a request."""
    scope["state"].setdefault(COOKIES, []).append(cookie)


def see_other(path: str) -> PageResponse:
    """A redirect to a page of this host, after a form was handled."""
    location = (b"location", path.encode("ascii"))
    return PageResponse(b"", status=303, headers=(location, REFERRER), media_type=HTML, cache=NO_STORE)
