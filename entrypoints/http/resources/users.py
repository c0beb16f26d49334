"""Users, for admins."""

from typing import Annotated

from litestar import delete, get, patch
from litestar.params import RawBody
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from application import accounts
from domain.ids import UserId
from domain.users import Role, User, UserNotFound
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
from entrypoints.http.requests import HttpRequest, parse_body, parse_query, path_id, unset_to_none
from entrypoints.http.resources.accounts import Password, UserOut, user_out
from entrypoints.http.responses import Response, json_response, no_content
from entrypoints.http.schemas import PageOut, PatchBody, Query
from entrypoints.http.thread_pools import DeletionThreads, PasswordThreads
from entrypoints.validation import rule

TAG = "Administration"
PATH = {"id": id_parameter("user")}

Disabled = Annotated[
    bool,
    rule("must be true or false", description="Whether the account cannot log in.", examples=[True]),
]
RoleName = Annotated[
    Role, rule(f"must be {' or '.join(Role)}", description="What the account may do.", examples=["admin"])
]


class UserIn(PatchBody, frozen=True, kw_only=True):
    """The fields of an account to change; at least one."""

    role: RoleName | UnsetType = UNSET
    disabled: Disabled | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class AdminUserOut(UserOut, frozen=True, kw_only=True):
    """An account, as admins see it."""

    disabled: Annotated[bool, Meta(description="Whether it cannot log in.", examples=[False])]


AdminUserFields = Annotated[str, fields_rule(AdminUserOut, "each account")]


class UsersQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of users."""

    fields: AdminUserFields | UnsetType = UNSET


LIST_USERS = Endpoint(
    operation_id="listUsers",
    summary="List users",
    tag=TAG,
    answer=PageOut[AdminUserOut],
    access=Access.ADMINS,
    query=UsersQuery,
    linked=True,
)
UPDATE_USER = Endpoint(
    operation_id="updateUser",
    summary="Update a user",
    tag=TAG,
    answer=AdminUserOut,
    access=Access.ADMINS,
    body=UserIn,
    path=PATH,
    errors=(404, 409),
    sessions_only=True,
)
DELETE_USER = Endpoint(
    operation_id="deleteUser",
    summary="Delete a user",
    tag=TAG,
    answer=None,
    access=Access.ADMINS,
    path=PATH,
    successes=(204,),
    errors=(404, 409),
    sessions_only=True,
)


@get("/admin/users", sync_to_thread=True, opt=endpoint_opt(LIST_USERS))
def get_users(request: HttpRequest, list_users: Injected[accounts.ListUsers]) -> Response:
    """List all accounts, oldest first."""
    page = parse_page(UsersQuery, request)
    users = list_users(window=page.window)
    meta = page.meta(users, lambda user: user.cursor)
    return page.response(PageOut(data=[admin_user_out(user) for user in users.rows], meta=meta))


@patch("/admin/users/{id:str}", opt=endpoint_opt(UPDATE_USER))
async def patch_user(
    request: HttpRequest,
    body: RawBody,
    change_user: Injected[accounts.ChangeUser],
    password_threads: Injected[PasswordThreads],
) -> Response:
    """Change the role or the password of an account, or disable or enable it. The last admin must stay one.

    A new password, or disabling, ends all sessions of the account.
    """
    given = parse_body(UserIn, request, body, extra_rules=change_user.faults)
    changed = await password_threads(
        change_user,
        user=user_id(request),
        role=unset_to_none(given.role),
        disabled=unset_to_none(given.disabled),
        password=unset_to_none(given.password),
    )
    return json_response(admin_user_out(changed))


@delete("/admin/users/{id:str}", status_code=DELETE_STATUS, opt=endpoint_opt(DELETE_USER))
async def delete_user(
    request: HttpRequest,
    delete_user: Injected[accounts.DeleteUser],
    deletion_threads: Injected[DeletionThreads],
) -> Response:
    """Delete an account with all that is its own: ratings, watchlist, diary, imports, hidden movies, API
    tokens and sessions. This cannot be undone.
    """
    parse_query(Query, request)
    await deletion_threads(delete_user, user=user_id(request))
    return no_content()


def user_id(request: HttpRequest) -> UserId:
    """The user in the path. Raises UserNotFound if it is not an id."""
    return path_id(request, UserId, UserNotFound)


def admin_user_out(user: User) -> AdminUserOut:
    """Convert an account for admins."""
    return AdminUserOut(**asdict(user_out(user)), disabled=user.disabled)


ROUTES = (get_users, patch_user, delete_user)
