"""The viewer's account: profile, password, export, deletion."""

from collections.abc import Awaitable, Callable
from functools import partial

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application import accounts
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.exports import ExportResponse, UserExport
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest
from entrypoints.http.resources.accounts import DeleteAccountIn, PasswordIn, ProfileIn, changed_profile
from entrypoints.http.responses import Response
from entrypoints.http.thread_pools import DeletionThreads, PasswordThreads
from entrypoints.web.cookies import SessionCookies
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import page_opt
from entrypoints.web.paths import HOME
from entrypoints.web.rendering import Renderer
from entrypoints.web.responses import see_other

PATH = "/account"


@get(PATH, sync_to_thread=True, opt=page_opt(Access.USERS))
def get_account(request: HttpRequest, render: Injected[Renderer]) -> Response:
    """The account with its forms."""
    done = request.query_params.get("done", "")
    return render(request.scope, "account.html", done=done, refused="", form=Form(), errors=FormErrors())


@post(PATH, opt=page_opt(Access.USERS))
async def post_account(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_profile: Injected[accounts.ChangeProfile],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
    render: Injected[Renderer],
) -> Response:
    """Change the name or the e-mail address, for which the password is needed."""
    form = read_form(request, body)

    async def change() -> Response:
        given = form.parse(ProfileIn, extra_rules=partial(change_profile.faults, caller))
        await changed_profile(given, caller, request, change_profile, password_threads, rate_limits)
        return see_other(f"{PATH}?done=profile")

    return await _submit(change, request, render, "profile", form)


@post("/account/password", opt=page_opt(Access.USERS))
async def post_account_password(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_password: Injected[accounts.ChangePassword],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
    render: Injected[Renderer],
) -> Response:
    """Change the password. All other sessions end."""
    form = read_form(request, body)

    async def change() -> Response:
        given = form.parse(PasswordIn, extra_rules=change_password.faults)
        await rate_limits.count_attempt(request, caller.user.email)
        await password_threads(
            change_password, caller=caller, current=given.current_password, new=given.new_password
        )
        return see_other(f"{PATH}?done=password")

    return await _submit(change, request, render, "password", form)


@post("/account/delete", opt=page_opt(Access.USERS))
async def post_account_delete(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    delete_account: Injected[accounts.DeleteAccount],
    deletion_threads: Injected[DeletionThreads],
    rate_limits: Injected[RateLimits],
    session_cookies: Injected[SessionCookies],
    render: Injected[Renderer],
) -> Response:
    """Delete the account with all that belongs to it."""
    form = read_form(request, body)

    async def remove() -> Response:
        given = form.parse(DeleteAccountIn)
        await rate_limits.count_attempt(request, caller.user.email)
        await deletion_threads(delete_account, caller=caller, password=given.password)
        session_cookies.delete(request.scope)
        return see_other(HOME)

    return await _submit(remove, request, render, "delete", form)


@get("/account/export", sync_to_thread=False, opt=page_opt(Access.USERS))
def get_account_export(
    request: HttpRequest,  # noqa: ARG001  what all handlers have
    caller: Injected[Caller],
    user_export: Injected[UserExport],
) -> ExportResponse:
    """All data of the viewer, as JSON."""
    return user_export(caller.user)


async def _submit(
    action: Callable[[], Awaitable[Response]],
    request: HttpRequest,
    render: Renderer,
    name: str,
    form: Form,
) -> Response:
    """Handle the form `name`, or show it again with its errors."""

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(
            render,
            request.scope,
            "account.html",
            status=errors.status,
            done="",
            refused=name,
            form=form,
            errors=errors,
        )

    return await submit(action, show_again, request.scope)


ROUTES = (get_account, post_account, post_account_password, post_account_delete, get_account_export)
