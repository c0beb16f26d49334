"""Error pages: what happened, and a way out."""

from dataclasses import replace
from urllib.parse import quote

from litestar.types import Scope

from entrypoints.http.errors import Problem, logged_problem
from entrypoints.http.responses import NO_STORE, Header, Response
from entrypoints.web.guard import CrossSiteRequest, SignInRequired
from entrypoints.web.rendering import Renderer, texts_of
from entrypoints.web.responses import see_other

KEPT_HEADERS = frozenset({b"allow", b"retry-after"})


class ErrorPages:
    """Responds to errors with pages."""

    def __init__(self, renderer: Renderer) -> None:
        self._render = renderer

    def __call__(self, error: Exception, scope: Scope) -> Response:
        """The page for an error, or the way to sign in."""
        if isinstance(error, SignInRequired):
            return sign_in_first(error)
        problem = logged_problem(error, scope)
        headers = tuple(header for header in problem.headers if header[0] in KEPT_HEADERS)
        if isinstance(error, CrossSiteRequest):
            problem = replace(problem, code="cross_site_request")
        return self._page(problem, headers, scope)

    def _page(self, problem: Problem, headers: tuple[Header, ...], scope: Scope) -> Response:
        texts = texts_of(scope)
        return self._render(
            scope,
            "error.html",
            status=problem.status,
            headers=headers,
            cache=NO_STORE,
            code=problem.status,
            title=texts.optional(f"error.title_{problem.status}", texts("error.title")),
            message=texts.error(problem.code, problem.message),
            faults=[(fault.field, texts.fault(fault)) for fault in problem.faults],
            request_id=scope["state"]["request_id"],
        )


def sign_in_first(error: SignInRequired) -> Response:
    """A redirect to the sign-in page, which leads back."""
    return see_other(f"/sign-in?next={quote(error.path, safe='/')}" if error.path != "/" else "/sign-in")


def wants_page(scope: Scope) -> bool:
    """Whether the client of a request for an unknown path is a browser that shows a page."""
    accept = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in accept
