"""The calls by which somebody gets an account, proves to have one, changes it and leaves."""

from functools import partial

from litestar import delete, get, patch, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application.accounts import (
    ChangePassword,
    ChangeProfile,
    DeleteAccount,
    LogIn,
    LogOut,
    Refresh,
    Register,
)
from application.watchlist import ExportUser
from domain.users import Caller
from entrypoints.http.bodies import GoodbyeIn, LoginIn, PasswordIn, ProfileIn, RefreshIn, RegisterIn
from entrypoints.http.endpoints import REMOVING, Access, Call, Given, described
from entrypoints.http.exports import ExportAnswer, Exports, json_chunks
from entrypoints.http.hashing import BoundedThreads
from entrypoints.http.pagination import item_answer
from entrypoints.http.people import ExportOut, SignedInOut, UserOut, signed_in_out, user_out
from entrypoints.http.queries import AccountQuery, ExportQuery, known
from entrypoints.http.rate_limits import Limiting
from entrypoints.http.reading import sent
from entrypoints.http.requests import HttpRequest, Query, asked
from entrypoints.http.responses import UNKEPT, Answer, done, json_answer

TAG = "Account"

REGISTERING = Call(
    operation_id="register",
    summary="Create an account",
    tag=TAG,
    answer=SignedInOut,
    body=RegisterIn,
    successes=(201,),
    refusals=(403, 409),
)
LOGGING_IN = Call(
    operation_id="login", summary="Log in", tag=TAG, answer=SignedInOut, body=LoginIn, refusals=(401,)
)
REFRESHING = Call(
    operation_id="refreshSession",
    summary="Get new tokens",
    tag=TAG,
    answer=SignedInOut,
    body=RefreshIn,
    refusals=(401,),
)
LOGGING_OUT = Call(
    operation_id="logout", summary="Log out", tag=TAG, answer=None, access=Access.USERS, successes=(204,)
)
SHOWING = Call(
    operation_id="getAccount",
    summary="Get your account",
    tag=TAG,
    answer=UserOut,
    query=AccountQuery,
    access=Access.USERS,
)
CHANGING = Call(
    operation_id="updateAccount",
    summary="Update your account",
    tag=TAG,
    answer=UserOut,
    access=Access.USERS,
    body=ProfileIn,
    refusals=(403, 409),
)
RELOCKING = Call(
    operation_id="changePassword",
    summary="Change your password",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    body=PasswordIn,
    successes=(204,),
    refusals=(403,),
)
LEAVING = Call(
    operation_id="deleteAccount",
    summary="Delete your account",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    body=GoodbyeIn,
    successes=(204,),
    refusals=(403, 409),
)
EXPORTING = Call(
    operation_id="exportMyData",
    summary="Export your data",
    tag=TAG,
    answer=ExportOut,
    access=Access.USERS,
    query=ExportQuery,
)


@post("/auth/register", opt=described(REGISTERING))
async def post_register(
    request: HttpRequest,
    body: RawBody,
    register: Given[Register],
    hashing: Given[BoundedThreads],
    limiting: Given[Limiting],
) -> Answer:
    """Create an account and log in to it. The operator decides whether everybody may, only those with an
    invitation, or nobody.
    """
    given = sent(RegisterIn, request, body, further=register.faults)
    await limiting.attempt(request, given.email)
    who = await hashing(
        register,
        username=given.username,
        email=given.email,
        password=given.password,
        invitation=given.invitation,
    )
    return json_answer(signed_in_out(who), status=201, cache=UNKEPT)


@post("/auth/login", opt=described(LOGGING_IN))
async def post_login(
    request: HttpRequest,
    body: RawBody,
    log_in: Given[LogIn],
    hashing: Given[BoundedThreads],
    limiting: Given[Limiting],
) -> Answer:
    """Begin a session. The error is the same for a wrong password and for an account that does not exist."""
    given = sent(LoginIn, request, body)
    await limiting.attempt(request, given.email)
    who = await hashing(log_in, email=given.email, password=given.password)
    return json_answer(signed_in_out(who), cache=UNKEPT)


@post("/auth/refresh", sync_to_thread=True, opt=described(REFRESHING))
def post_refresh(request: HttpRequest, body: RawBody, refresh: Given[Refresh]) -> Answer:
    """Continue a session: exchange the refresh token for a new access token and a new refresh token.

    Each refresh token works once. Presented again within the grace period, as by a second tab or after a lost
    answer, it gives another pair of the same session. After that it must have been stolen, and the session
    ends.
    """
    given = sent(RefreshIn, request, body)
    return json_answer(signed_in_out(refresh(refresh_token=given.refresh_token)), cache=UNKEPT)


@post("/auth/logout", sync_to_thread=True, opt=described(LOGGING_OUT))
def post_logout(request: HttpRequest, caller: Given[Caller], log_out: Given[LogOut]) -> Answer:
    """End this session. Its access token and its refresh token stop working at once."""
    asked(Query, request)
    log_out(caller=caller)
    return done()


@get("/auth/me", sync_to_thread=False, opt=described(SHOWING))
def get_me(request: HttpRequest, caller: Given[Caller]) -> Answer:
    """Get the account that the token belongs to."""
    query = asked(AccountQuery, request)
    return item_answer(user_out(caller.user), query)


@patch("/auth/me", opt=described(CHANGING))
async def patch_me(
    request: HttpRequest,
    body: RawBody,
    caller: Given[Caller],
    change_profile: Given[ChangeProfile],
    hashing: Given[BoundedThreads],
    limiting: Given[Limiting],
) -> Answer:
    """Change your username or e-mail address. Fields that are left out stay as they are. A new e-mail address
    needs the current password.
    """
    given = sent(ProfileIn, request, body, further=partial(change_profile.faults, caller))
    change = partial(change_profile, caller=caller, username=known(given.username), email=known(given.email))
    password = known(given.current_password)
    if password is None:
        return json_answer(user_out(await sync_to_thread(change)))
    await limiting.attempt(request, caller.user.email)
    return json_answer(user_out(await hashing(change, password=password)))


@post("/auth/password", opt=described(RELOCKING))
async def post_password(
    request: HttpRequest,
    body: RawBody,
    caller: Given[Caller],
    change_password: Given[ChangePassword],
    hashing: Given[BoundedThreads],
    limiting: Given[Limiting],
) -> Answer:
    """Change your password. All your other sessions end."""
    given = sent(PasswordIn, request, body, further=change_password.faults)
    await limiting.attempt(request, caller.user.email)
    await hashing(change_password, caller=caller, current=given.current_password, new=given.new_password)
    return done()


@delete("/auth/me", status_code=REMOVING, opt=described(LEAVING))
async def delete_me(
    request: HttpRequest,
    body: RawBody,
    caller: Given[Caller],
    delete_account: Given[DeleteAccount],
    deleting: Given[BoundedThreads],
    limiting: Given[Limiting],
) -> Answer:
    """Delete your account with its ratings, its watchlist and its sessions. This cannot be undone."""
    given = sent(GoodbyeIn, request, body)
    await limiting.attempt(request, caller.user.email)
    await deleting(delete_account, caller=caller, password=given.password)
    return done()


@get("/me/export", sync_to_thread=False, opt=described(EXPORTING))
def get_export(
    request: HttpRequest, caller: Given[Caller], export_user: Given[ExportUser], exports: Given[Exports]
) -> ExportAnswer:
    """Everything that is stored about you except the hash of your password.

    A long one is sent as it is read, without an `ETag`. If it cannot be completed, the connection closes
    before the end of the JSON. What you change meanwhile may or may not be in it; all else is in it exactly
    once.
    """
    asked(ExportQuery, request)
    user = caller.user
    return ExportAnswer(exports, user.id, json_chunks(user, export_user(user=user)))
