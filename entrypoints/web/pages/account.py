"""The viewer's account: profile, password, sessions, API tokens, export, deletion."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody
from msgspec import UNSET, structs

from application import accounts, api_tokens, sessions
from domain.api_tokens import MAX_API_TOKENS, ApiTokenNotFound
from domain.ids import ApiTokenId, SessionId
from domain.pagination import Window
from domain.sessions import SessionNotFound
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.exports import ExportResponse, UserExport
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest, path_id
from entrypoints.http.resources.accounts import DeleteAccountIn, PasswordIn, ProfileIn, changed_profile
from entrypoints.http.resources.api_tokens import ApiTokenIn
from entrypoints.http.responses import NO_STORE, PRIVATE, Response
from entrypoints.http.thread_pools import DeletionThreads, PasswordThreads
from entrypoints.web.cookies import SessionCookies
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import page_opt
from entrypoints.web.paths import HOME
from entrypoints.web.rendering import Renderer
from entrypoints.web.responses import see_other

PATH = "/account"

SHOWN_SESSIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """Shows the account."""

    list_sessions: sessions.ListSessions
    list_api_tokens: api_tokens.ListApiTokens
    render: Renderer

    def __call__(
        self,
        request: HttpRequest,
        caller: Caller,
        errors: FormErrors | None = None,
        *,
        refused: str = "",
        form: Form | None = None,
        done: str = "",
        token: str = "",
    ) -> Response:
        """The page. `refused` is the form that has errors, and `token` the text of a new API token."""
        errors = errors or FormErrors()
        signed_in = self.list_sessions(user=caller.user, window=Window(limit=SHOWN_SESSIONS))
        listed = self.list_api_tokens(user=caller.user, window=Window(limit=MAX_API_TOKENS))
        return self.render(
            request.scope,
            "account.html",
            status=errors.status,
            cache=NO_STORE if token else PRIVATE,
            done=done,
            refused=refused,
            form=form or Form(),
            errors=errors,
            sessions=signed_in.rows,
            more_sessions=signed_in.total - len(signed_in.rows),
            current=caller.session,
            tokens=listed.rows,
            token=token,
        )


@get(PATH, sync_to_thread=True, opt=page_opt(Access.USERS))
def get_account(
    request: HttpRequest, caller: Injected[Caller], account_view: Injected[AccountView]
) -> Response:
    """The account with its forms."""
    return account_view(request, caller, done=request.query_params.get("done", ""))


@post(PATH, opt=page_opt(Access.USERS))
async def post_account(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_profile: Injected[accounts.ChangeProfile],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
    account_view: Injected[AccountView],
) -> Response:
    """Change the name or the e-mail address, for which the password is needed."""
    form = read_form(request, body)

    async def change() -> Response:
        given = form.parse(ProfileIn, extra_rules=partial(change_profile.faults, caller))
        if given.language is UNSET:  # an empty choice, which forms leave out
            given = structs.replace(given, language=None)
        await changed_profile(given, caller, request, change_profile, password_threads, rate_limits)
        return see_other(f"{PATH}?done=profile")

    return await _submit(change, request, caller, account_view, "profile", form)


@post("/account/password", opt=page_opt(Access.USERS))
async def post_account_password(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_password: Injected[accounts.ChangePassword],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
    account_view: Injected[AccountView],
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

    return await _submit(change, request, caller, account_view, "password", form)


@post("/account/delete", opt=page_opt(Access.USERS))
async def post_account_delete(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    delete_account: Injected[accounts.DeleteAccount],
    deletion_threads: Injected[DeletionThreads],
    rate_limits: Injected[RateLimits],
    session_cookies: Injected[SessionCookies],
    account_view: Injected[AccountView],
) -> Response:
    """Delete the account with all that belongs to it."""
    form = read_form(request, body)

    async def remove() -> Response:
        given = form.parse(DeleteAccountIn)
        await rate_limits.count_attempt(request, caller.user.email)
        await deletion_threads(delete_account, caller=caller, password=given.password)
        session_cookies.delete(request.scope)
        return see_other(HOME)

    return await _submit(remove, request, caller, account_view, "delete", form)


@post("/account/sessions/{id:str}/end", sync_to_thread=True, opt=page_opt(Access.USERS))
def post_account_session_end(
    request: HttpRequest,
    caller: Injected[Caller],
    end_session: Injected[sessions.EndSession],
    session_cookies: Injected[SessionCookies],
) -> Response:
    """End a session, which signs out if it is this one."""
    session = path_id(request, SessionId, SessionNotFound)
    end_session(user=caller.user, session=session)
    if session == caller.session:
        session_cookies.delete(request.scope)
        return see_other(HOME)
    return see_other(f"{PATH}?done=session")


@post("/account/sessions/end-others", sync_to_thread=True, opt=page_opt(Access.USERS))
def post_account_sessions_end_others(
    request: HttpRequest,  # noqa: ARG001  what all handlers have
    caller: Injected[Caller],
    end_other_sessions: Injected[sessions.EndOtherSessions],
) -> Response:
    """End all sessions except this one."""
    end_other_sessions(caller=caller)
    return see_other(f"{PATH}?done=sessions")


@post("/account/tokens", opt=page_opt(Access.USERS))
async def post_account_token(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    create_api_token: Injected[api_tokens.CreateApiToken],
    account_view: Injected[AccountView],
) -> Response:
    """Create an API token. Its text is shown in this response only, so there is no redirect."""
    form = read_form(request, body)

    def create() -> Response:
        given = form.parse(ApiTokenIn)
        _, text = create_api_token(
            caller=caller, name=given.name, scope=given.scope, valid_for=given.valid_for
        )
        return account_view(request, caller, FormErrors(status=201), token=text)

    return await _submit(partial(sync_to_thread, create), request, caller, account_view, "tokens", form)


@post("/account/tokens/{id:str}/end", sync_to_thread=True, opt=page_opt(Access.USERS))
def post_account_token_end(
    request: HttpRequest, caller: Injected[Caller], end_api_token: Injected[api_tokens.EndApiToken]
) -> Response:
    """End an API token."""
    end_api_token(user=caller.user, token=path_id(request, ApiTokenId, ApiTokenNotFound))
    return see_other(f"{PATH}?done=token")


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
    caller: Caller,
    account_view: AccountView,
    name: str,
    form: Form,
) -> Response:
    """Handle the form `name`, or show it again with its errors."""

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(account_view, request, caller, errors, refused=name, form=form)

    return await submit(action, show_again, request.scope)


ROUTES = (
    get_account,
    post_account,
    post_account_password,
    post_account_delete,
    post_account_session_end,
    post_account_sessions_end_others,
    post_account_token,
    post_account_token_end,
    get_account_export,
)
