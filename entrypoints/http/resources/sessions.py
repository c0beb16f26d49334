"""Sessions: registration, login, refresh and logout, and the list of one's own."""

from typing import Annotated, Literal

from litestar import delete, get, post
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application import accounts
from application import sessions as use_cases
from domain.ids import SessionId
from domain.sessions import Session, SessionNotFound
from domain.users import Caller
from entrypoints.http.clients import client_name
from entrypoints.http.endpoints import (
    DELETE_STATUS,
    Access,
    Endpoint,
    Injected,
    endpoint_opt,
    id_parameter,
)
from entrypoints.http.field_selection import fields_rule
from entrypoints.http.pagination import PageQuery, parse_page
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest, parse_body, parse_query, path_id
from entrypoints.http.resources.accounts import (
    Email,
    KnownEmail,
    KnownPassword,
    NewUsername,
    Password,
    UserOut,
    user_out,
)
from entrypoints.http.responses import NO_STORE, Response, json_response, no_content
from entrypoints.http.schemas import Body, Id, Moment, PageOut, Query, rfc3339
from entrypoints.http.thread_pools import PasswordThreads
from entrypoints.validation import rule

TAG = "Account"

# Request bodies

RefreshToken = Annotated[
    str,
    rule(
        "must be text",
        description="From the last login or refresh. It works once.",
        examples=["8e7b1c04d9b44b6f9a2d3c51.1798761600000.Zk3v0cXb5J1nQe8y.q1hVw0z3"],
    ),
]
InvitationCode = Annotated[
    str,
    rule(
        "must be text",
        description="The code of an invitation, where registration needs one. Null for none.",
        examples=["Zk3v0cXb5J1nQe8yq1hVw0z3"],
    ),
]


class RegisterIn(Body, frozen=True, kw_only=True):
    """A new account."""

    username: NewUsername
    email: Email
    password: Password
    invitation: InvitationCode | None = None


class LoginIn(Body, frozen=True, kw_only=True):
    """The e-mail address and the password of an account."""

    email: KnownEmail
    password: KnownPassword


class RefreshIn(Body, frozen=True, kw_only=True):
    """The refresh token of a session."""

    refresh_token: RefreshToken


# Responses

AUTH_SCHEME: Literal["Bearer"] = "Bearer"


class SessionOut(Struct, frozen=True, kw_only=True):
    """The tokens of a session, and whose session it is."""

    access_token: Annotated[
        str,
        Meta(description="For the header `Authorization: Bearer`.", examples=["eyJhbGciOiJIUzI1NiJ9.eyJ…"]),
    ]
    token_type: Annotated[Literal["Bearer"], Meta(description="Always `Bearer`.")]
    expires_in: Annotated[
        int, Meta(description="Seconds until the access token expires.", ge=0, examples=[604800])
    ]
    refresh_token: Annotated[
        str,
        Meta(
            description="For `POST /auth/refresh`; it works once.",
            examples=["8e7b1c04d9b44b6f9a2d3c51.Zk3v0cXb5J1nQe8y"],
        ),
    ]
    user: UserOut


class ActiveSessionOut(Struct, frozen=True, kw_only=True):
    """A session that has not ended."""

    id: Id
    client: Annotated[
        str | None,
        Meta(
            description="The browser and system, or the program, that logged in. Null if it did not say.",
            examples=["Firefox (Linux)"],
        ),
    ]
    created_at: Annotated[Moment, Meta(description="When it logged in.")]
    refreshed_at: Annotated[
        Moment, Meta(description="When it last got new tokens by a refresh token; at first `created_at`.")
    ]
    expires_at: Annotated[Moment, Meta(description="When it ends unless it is refreshed.")]
    current: Annotated[bool, Meta(description="Whether it sent this request.")]


SessionFields = Annotated[str, fields_rule(ActiveSessionOut, "each session")]


class SessionsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of sessions."""

    fields: SessionFields | UnsetType = UNSET


# Endpoints

REGISTER = Endpoint(
    operation_id="register",
    summary="Create an account",
    tag=TAG,
    answer=SessionOut,
    body=RegisterIn,
    successes=(201,),
    errors=(403, 409),
)
LOGIN = Endpoint(
    operation_id="login", summary="Log in", tag=TAG, answer=SessionOut, body=LoginIn, errors=(401,)
)
REFRESH_SESSION = Endpoint(
    operation_id="refreshSession",
    summary="Get new tokens",
    tag=TAG,
    answer=SessionOut,
    body=RefreshIn,
    errors=(401,),
)
LOGOUT = Endpoint(
    operation_id="logout",
    summary="Log out",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    successes=(204,),
    sessions_only=True,
)
LIST_SESSIONS = Endpoint(
    operation_id="listSessions",
    summary="List your sessions",
    tag=TAG,
    answer=PageOut[ActiveSessionOut],
    access=Access.USERS,
    query=SessionsQuery,
    linked=True,
    own=True,
    sessions_only=True,
)
END_SESSION = Endpoint(
    operation_id="endSession",
    summary="End a session",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path={"id": id_parameter("session")},
    successes=(204,),
    errors=(404,),
    sessions_only=True,
)
END_OTHER_SESSIONS = Endpoint(
    operation_id="endOtherSessions",
    summary="End all other sessions",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    successes=(204,),
    sessions_only=True,
)


@post("/auth/register", opt=endpoint_opt(REGISTER))
async def post_register(
    request: HttpRequest,
    body: RawBody,
    register: Injected[accounts.Register],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
) -> Response:
    """Create an account and log in to it. The operator decides whether everybody may, only those with an
    invitation, or nobody.
    """
    given = parse_body(RegisterIn, request, body, extra_rules=register.faults)
    await rate_limits.count_attempt(request, given.email)
    signed_in = await password_threads(
        register,
        username=given.username,
        email=given.email,
        password=given.password,
        invitation=given.invitation,
        client=client_name(request),
    )
    return json_response(session_out(signed_in), status=201, cache=NO_STORE)


@post("/auth/login", opt=endpoint_opt(LOGIN))
async def post_login(
    request: HttpRequest,
    body: RawBody,
    log_in: Injected[accounts.LogIn],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
) -> Response:
    """Begin a session. The error is the same for a wrong password and for an account that does not exist."""
    given = parse_body(LoginIn, request, body)
    await rate_limits.count_attempt(request, given.email)
    signed_in = await password_threads(
        log_in, email=given.email, password=given.password, client=client_name(request)
    )
    return json_response(session_out(signed_in), cache=NO_STORE)


@post("/auth/refresh", sync_to_thread=True, opt=endpoint_opt(REFRESH_SESSION))
def post_refresh(request: HttpRequest, body: RawBody, refresh: Injected[accounts.Refresh]) -> Response:
    """Continue a session: exchange the refresh token for a new access token and a new refresh token.

    Each refresh token works once. Presented again within the grace period, as by a second tab or after a lost
    answer, it gives another pair of the same session. After that it must have been stolen, and the session
    ends.
    """
    given = parse_body(RefreshIn, request, body)
    return json_response(session_out(refresh(refresh_token=given.refresh_token)), cache=NO_STORE)


@post("/auth/logout", sync_to_thread=True, opt=endpoint_opt(LOGOUT))
def post_logout(
    request: HttpRequest, caller: Injected[Caller], log_out: Injected[accounts.LogOut]
) -> Response:
    """End this session. Its access token and its refresh token stop working at once."""
    parse_query(Query, request)
    log_out(caller=caller)
    return no_content()


@get("/me/sessions", sync_to_thread=True, opt=endpoint_opt(LIST_SESSIONS))
def get_sessions(
    request: HttpRequest, caller: Injected[Caller], list_sessions: Injected[use_cases.ListSessions]
) -> Response:
    """List your sessions, newest first: where you are logged in."""
    page = parse_page(SessionsQuery, request)
    listed = list_sessions(user=caller.user, window=page.window)
    meta = page.meta(listed, lambda session: session.cursor)
    rows = [active_session_out(each, caller.session) for each in listed.rows]
    return page.response(PageOut(data=rows, meta=meta))


@delete(
    "/me/sessions/{id:str}", status_code=DELETE_STATUS, sync_to_thread=True, opt=endpoint_opt(END_SESSION)
)
def delete_session(
    request: HttpRequest, caller: Injected[Caller], end_session: Injected[use_cases.EndSession]
) -> Response:
    """End one of your sessions, this one included. Its tokens stop working at once."""
    parse_query(Query, request)
    end_session(user=caller.user, session=path_id(request, SessionId, SessionNotFound))
    return no_content()


@delete("/me/sessions", status_code=DELETE_STATUS, sync_to_thread=True, opt=endpoint_opt(END_OTHER_SESSIONS))
def delete_other_sessions(
    request: HttpRequest,
    caller: Injected[Caller],
    end_other_sessions: Injected[use_cases.EndOtherSessions],
) -> Response:
    """End all your sessions except this one. API tokens go on."""
    parse_query(Query, request)
    end_other_sessions(caller=caller)
    return no_content()


def active_session_out(session: Session, current: SessionId | None) -> ActiveSessionOut:
    """Convert a session, without its tokens."""
    return ActiveSessionOut(
        id=session.id,
        client=session.client,
        created_at=rfc3339(session.created_at),
        refreshed_at=rfc3339(session.refreshed_at),
        expires_at=rfc3339(session.expires_at),
        current=session.id == current,
    )


def session_out(signed_in: accounts.SignedIn) -> SessionOut:
    """Convert a new or continued session."""
    return SessionOut(
        access_token=signed_in.access_token,
        token_type=AUTH_SCHEME,
        expires_in=int(signed_in.lifetime.total_seconds()),
        refresh_token=signed_in.refresh_token,
        user=user_out(signed_in.user),
    )


ROUTES = (
    post_register,
    post_login,
    post_refresh,
    post_logout,
    get_sessions,
    delete_session,
    delete_other_sessions,
)
