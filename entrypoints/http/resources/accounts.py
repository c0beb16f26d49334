"""The caller's own account: profile, password, deletion."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, ClassVar

from litestar import delete, get, patch, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application import accounts
from domain import emails, users
from domain.emails import MAX_EMAIL_LENGTH
from domain.users import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, Caller, PageLanguage, Role, User
from entrypoints.http.endpoints import DELETE_STATUS, Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest, parse_body, parse_query, unset_to_none, unset_to_unchanged
from entrypoints.http.responses import Response, json_response, no_content
from entrypoints.http.schemas import Body, Id, Moment, PatchBody, Username, rfc3339
from entrypoints.http.thread_pools import DeletionThreads, PasswordThreads
from entrypoints.validation import rule

TAG = "Account"

# Request bodies


def _password_rule(field: str) -> Callable[[str], str]:
    """The rule of a new password. Whether it is a common one is checked by the use case."""
    return partial(users.validate_password, common=False, field=field)


PASSWORD_SCHEMA = {"minLength": MIN_PASSWORD_LENGTH, "maxLength": MAX_PASSWORD_LENGTH}
NewUsername = Annotated[
    str,
    rule(
        "must be text",
        validator=users.validate_username,
        description="3 to 30 letters, digits, `_`, `.` or `-`. No other account has it, in any case.",
        examples=["trinity"],
        extra_json_schema={"pattern": "^[A-Za-z0-9_.-]{3,30}$"},
    ),
]
Email = Annotated[
    str,
    rule(
        "must be text",
        validator=emails.validate_email,
        description="An address that no other account has, in any case.",
        examples=["trinity@example.com"],
        extra_json_schema={"format": "email", "maxLength": MAX_EMAIL_LENGTH},
    ),
]
Password = Annotated[
    str,
    rule(
        "must be text",
        validator=_password_rule("password"),
        description="8 to 128 characters; not one of the most common passwords.",
        examples=["follow the white rabbit"],
        extra_json_schema=PASSWORD_SCHEMA,
    ),
]
NewPassword = Annotated[
    str,
    rule(
        "must be text",
        validator=_password_rule("new_password"),
        description="8 to 128 characters; not one of the most common passwords.",
        examples=["there is no spoon"],
        extra_json_schema=PASSWORD_SCHEMA,
    ),
]
KnownEmail = Annotated[
    str, rule("must be text", description="The address of the account.", examples=["trinity@example.com"])
]
KnownPassword = Annotated[
    str, rule("must be text", description="The current password.", examples=["follow the white rabbit"])
]


ChosenLanguage = Annotated[
    str,
    rule(
        f"must be one of {', '.join(PageLanguage)}, or null",
        pattern=f"^({'|'.join(PageLanguage)})$",
        description="The language of the pages for people. Null for that of each browser.",
        examples=["de"],
    ),
]


class ProfileIn(PatchBody, frozen=True, kw_only=True):
    """The fields of your account to change; at least one. A new e-mail address needs the current password."""

    username: NewUsername | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    language: ChosenLanguage | UnsetType | None = UNSET
    current_password: KnownPassword | UnsetType = UNSET

    unchanging: ClassVar[frozenset[str]] = frozenset({"current_password"})


class PasswordIn(Body, frozen=True, kw_only=True):
    """Your current password and the new one."""

    current_password: KnownPassword
    new_password: NewPassword


class DeleteAccountIn(Body, frozen=True, kw_only=True):
    """Your password, to confirm."""

    password: KnownPassword


# Responses


class UserOut(Struct, frozen=True, kw_only=True):
    """An account, as its owner sees it."""

    id: Id
    username: Username
    email: Annotated[
        str,
        Meta(
            description="Shown to you and to admins only.",
            examples=["trinity@example.com"],
            extra_json_schema={"format": "email"},
        ),
    ]
    role: Annotated[Role, Meta(description="What the account may do.")]
    language: (
        Annotated[str, Meta(description="The chosen language of the pages.", examples=["de"])] | UnsetType
    ) = UNSET
    created_at: Annotated[Moment, Meta(description="When it was created.")]


UserFields = Annotated[str, fields_rule(UserOut, "the account")]


class AccountQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of the caller's account."""

    fields: UserFields | UnsetType = UNSET


# Endpoints

GET_ACCOUNT = Endpoint(
    operation_id="getAccount",
    summary="Get your account",
    tag=TAG,
    answer=UserOut,
    query=AccountQuery,
    access=Access.USERS,
)
UPDATE_ACCOUNT = Endpoint(
    operation_id="updateAccount",
    summary="Update your account",
    tag=TAG,
    answer=UserOut,
    access=Access.USERS,
    body=ProfileIn,
    errors=(403, 409),
    sessions_only=True,
)
CHANGE_PASSWORD = Endpoint(
    operation_id="changePassword",
    summary="Change your password",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    body=PasswordIn,
    successes=(204,),
    errors=(403,),
    sessions_only=True,
)
DELETE_ACCOUNT = Endpoint(
    operation_id="deleteAccount",
    summary="Delete your account",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    body=DeleteAccountIn,
    successes=(204,),
    errors=(403, 409),
    sessions_only=True,
)


@get("/auth/me", sync_to_thread=False, opt=endpoint_opt(GET_ACCOUNT))
def get_me(request: HttpRequest, caller: Injected[Caller]) -> Response:
    """Get the account that the token belongs to."""
    query = parse_query(AccountQuery, request)
    return item_response(user_out(caller.user), query)


@patch("/auth/me", opt=endpoint_opt(UPDATE_ACCOUNT))
async def patch_me(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_profile: Injected[accounts.ChangeProfile],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
) -> Response:
    """Change your username or e-mail address. Fields that are left out stay as they are. A new e-mail address
    needs the current password.
    """
    given = parse_body(ProfileIn, request, body, extra_rules=partial(change_profile.faults, caller))
    user = await changed_profile(given, caller, request, change_profile, password_threads, rate_limits)
    return json_response(user_out(user))


async def changed_profile(
    given: ProfileIn,
    caller: Caller,
    request: HttpRequest,
    change_profile: accounts.ChangeProfile,
    password_threads: PasswordThreads,
    rate_limits: RateLimits,
) -> User:
    """The caller with the fields that are given. A password is checked, which counts as an attempt."""
    username, email = unset_to_none(given.username), unset_to_none(given.email)
    chosen = unset_to_unchanged(given.language)
    language = PageLanguage(chosen) if isinstance(chosen, str) else chosen
    change = partial(change_profile, caller=caller, username=username, email=email, language=language)
    password = unset_to_none(given.current_password)
    if password is None:
        return await sync_to_thread(change)
    await rate_limits.count_attempt(request, caller.user.email)
    return await password_threads(change, password=password)


@post("/auth/password", opt=endpoint_opt(CHANGE_PASSWORD))
async def post_password(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_password: Injected[accounts.ChangePassword],
    password_threads: Injected[PasswordThreads],
    rate_limits: Injected[RateLimits],
) -> Response:
    """Change your password. All your other sessions and all your API tokens end."""
    given = parse_body(PasswordIn, request, body, extra_rules=change_password.faults)
    await rate_limits.count_attempt(request, caller.user.email)
    await password_threads(
        change_password, caller=caller, current=given.current_password, new=given.new_password
    )
    return no_content()


@delete("/auth/me", status_code=DELETE_STATUS, opt=endpoint_opt(DELETE_ACCOUNT))
async def delete_me(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    delete_account: Injected[accounts.DeleteAccount],
    deletion_threads: Injected[DeletionThreads],
    rate_limits: Injected[RateLimits],
) -> Response:
    """Delete your account with all that is yours: ratings, watchlist, diary, imports, hidden movies, API
    tokens and sessions. This cannot be undone.
    """
    given = parse_body(DeleteAccountIn, request, body)
    await rate_limits.count_attempt(request, caller.user.email)
    await deletion_threads(delete_account, caller=caller, password=given.password)
    return no_content()


def user_out(user: User) -> UserOut:
    """Convert an account for its owner."""
    return UserOut(
        id=user.id,
        username=user.username,
        email=user.email,
        role=user.role,
        language=user.language or UNSET,
        created_at=rfc3339(user.created_at),
    )


ROUTES = (get_me, patch_me, post_password, delete_me)
