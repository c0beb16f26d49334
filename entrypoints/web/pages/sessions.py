"""Sign in, join, sign out."""

from collections.abc import Awaitable, Callable

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application import accounts
from domain.users import Caller
from entrypoints.http.clients import client_name
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest
from entrypoints.http.resources.sessions import LoginIn, RegisterIn
from entrypoints.http.responses import NO_STORE, Response
from entrypoints.http.thread_pools import PasswordThreads
from entrypoints.web.cookies import SessionCookies
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import page_opt
from entrypoints.web.paths import HOME, local_path
from entrypoints.web.rendering import Renderer, viewer_of
from entrypoints.web.responses import see_other


@get("/sign-in", sync_to_thread=True, opt=page_opt())
def get_sign_in(request: HttpRequest, render: Injected[Renderer]) -> Response:
    """The form to sign in."""
    return _form_or_home(request, render, "sign_in.html")


@post("/sign-in", opt=page_opt())
async def post_sign_in(
    request: HttpRequest,
    body: RawBody,
    log_in: Injected[accounts.LogIn],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
    session_cookies: Injected[SessionCookies],
    render: Injected[Renderer],
) -> Response:
    """Sign in, and go to the page that was requested."""
    form = read_form(request, body)

    async def sign_in() -> Response:
        given = form.parse(LoginIn)
        await rate_limits.count_attempt(request, given.email)
        signed_in = await password_threads(
            log_in, email=given.email, password=given.password, client=client_name(request)
        )
        session_cookies.keep(signed_in, request.scope)
        return see_other(form.next or HOME)

    return await _submit(sign_in, request, render, "sign_in.html", form)


@get("/join", sync_to_thread=True, opt=page_opt())
def get_join(request: HttpRequest, render: Injected[Renderer]) -> Response:
    """The form to create an account; a link may bring the code of an invitation."""
    return _form_or_home(request, render, "join.html")


@post("/join", opt=page_opt())
async def post_join(
    request: HttpRequest,
    body: RawBody,
    register: Injected[accounts.Register],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
    session_cookies: Injected[SessionCookies],
    render: Injected[Renderer],
) -> Response:
    """Create an account, sign in to it, and go to the page that was requested."""
    form = read_form(request, body)

    async def join() -> Response:
        given = form.parse(RegisterIn, extra_rules=register.faults)
        await rate_limits.count_attempt(request, given.email)
        signed_in = await password_threads(
            register,
            username=given.username,
            email=given.email,
            password=given.password,
            invitation=given.invitation,
            client=client_name(request),
        )
        session_cookies.keep(signed_in, request.scope)
        return see_other(form.next or HOME)

    return await _submit(join, request, render, "join.html", form)


@post("/sign-out", sync_to_thread=True, opt=page_opt(Access.USERS))
def post_sign_out(
    request: HttpRequest,
    caller: Injected[Caller],
    log_out: Injected[accounts.LogOut],
    session_cookies: Injected[SessionCookies],
) -> Response:
    """End the session."""
    log_out(caller=caller)
    session_cookies.delete(request.scope)
    return see_other(HOME)


def _form_or_home(request: HttpRequest, render: Renderer, template: str) -> Response:
    """The form; for a viewer who is signed in, the page to go to afterwards."""
    target = local_path(request.query_params.get("next"))
    if viewer_of(request.scope):
        return see_other(target)
    invitation = request.query_params.get("invitation")
    fields = {"invitation": invitation} if invitation else {}
    return _show(request, render, template, Form(fields, next=target), FormErrors())


async def _submit(
    action: Callable[[], Awaitable[Response]],
    request: HttpRequest,
    render: Renderer,
    template: str,
    form: Form,
) -> Response:
    """Handle the form, or show it again with its errors."""

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(_show, request, render, template, form, errors)

    return await submit(action, show_again, request.scope)


def _show(request: HttpRequest, render: Renderer, template: str, form: Form, errors: FormErrors) -> Response:
    return render(request.scope, template, status=errors.status, cache=NO_STORE, form=form, errors=errors)


ROUTES = (get_sign_in, post_sign_in, get_join, post_join, post_sign_out)
