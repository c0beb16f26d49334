"""The calls by which admins see to accounts."""

from litestar import delete, get, patch
from litestar.params import RawBody

from application.accounts import ChangeUser, DeleteUser, ListUsers
from domain.ids import UserId, is_id
from domain.users import UserNotFound
from entrypoints.http.bodies import UserIn
from entrypoints.http.endpoints import REMOVING, Access, Call, Given, described, id_of
from entrypoints.http.hashing import BoundedThreads
from entrypoints.http.pagination import meta_of, paged
from entrypoints.http.people import AdminUserOut, admin_user_out
from entrypoints.http.queries import UsersQuery, known
from entrypoints.http.reading import sent
from entrypoints.http.requests import HttpRequest, Query, asked, listing_of
from entrypoints.http.responses import Answer, done, json_answer
from entrypoints.http.schemas import PageOut

LISTING = Call(
    operation_id="listUsers",
    summary="List users",
    tag="Administration",
    answer=PageOut[AdminUserOut],
    access=Access.ADMINS,
    query=UsersQuery,
    linked=True,
)
CHANGING = Call(
    operation_id="updateUser",
    summary="Update a user",
    tag="Administration",
    answer=AdminUserOut,
    access=Access.ADMINS,
    body=UserIn,
    path={"id": id_of("user")},
    refusals=(404, 409),
)
DELETING = Call(
    operation_id="deleteUser",
    summary="Delete a user",
    tag="Administration",
    answer=None,
    access=Access.ADMINS,
    path={"id": id_of("user")},
    successes=(204,),
    refusals=(404, 409),
)


@get("/admin/users", sync_to_thread=True, opt=described(LISTING))
def get_users(request: HttpRequest, list_users: Given[ListUsers]) -> Answer:
    """List all accounts, oldest first."""
    query, listing = asked(UsersQuery, request), listing_of(request)
    page = list_users(window=query.window(listing))
    meta = meta_of(query, listing, page, lambda user: user.place)
    return paged(PageOut(data=[admin_user_out(user) for user in page.rows], meta=meta), query, request)


@patch("/admin/users/{id:str}", opt=described(CHANGING))
async def patch_user(
    request: HttpRequest, body: RawBody, change_user: Given[ChangeUser], hashing: Given[BoundedThreads]
) -> Answer:
    """Change the role or the password of an account, or disable or enable it. The last admin must stay one.

    A new password, or disabling, ends all sessions of the account.
    """
    given = sent(UserIn, request, body, further=change_user.faults)
    user = user_named(request.path_params["id"])
    changed = await hashing(
        change_user,
        user=user,
        role=known(given.role),
        disabled=known(given.disabled),
        password=known(given.password),
    )
    return json_answer(admin_user_out(changed))


@delete("/admin/users/{id:str}", status_code=REMOVING, opt=described(DELETING))
async def delete_user(
    request: HttpRequest, delete_user: Given[DeleteUser], deleting: Given[BoundedThreads]
) -> Answer:
    """Delete an account with its ratings, its watchlist and its sessions. This cannot be undone."""
    asked(Query, request)
    await deleting(delete_user, user=user_named(request.path_params["id"]))
    return done()


def user_named(text: str) -> UserId:
    """The user that a path names. Raises UserNotFound for what is no id."""
    if not is_id(text):
        raise UserNotFound
    return UserId(text)
