"""The caller's own API tokens, for scripts and players."""

from datetime import timedelta
from typing import Annotated

from litestar import delete, get, post
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from application import api_tokens
from domain.api_tokens import MAX_NAME_LENGTH, ApiToken, ApiTokenNotFound, Scope, validate_name
from domain.ids import ApiTokenId
from domain.users import Caller
from entrypoints.durations import VALIDITY_RULE, parse_validity
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
from entrypoints.http.requests import HttpRequest, parse_body, parse_query, path_id
from entrypoints.http.responses import NO_STORE, Response, json_response, no_content
from entrypoints.http.schemas import Body, Id, Moment, PageOut, Query, rfc3339
from entrypoints.validation import rule

TAG = "Account"

TokenName = Annotated[
    str,
    rule(
        "must be text",
        validator=validate_name,
        description=f"What you call it, at most {MAX_NAME_LENGTH} characters.",
        examples=["Living room player"],
        extra_json_schema={"minLength": 1, "maxLength": MAX_NAME_LENGTH},
    ),
]
TokenScope = Annotated[
    Scope,
    rule(
        f"must be one of {', '.join(Scope)}",
        description="`read` may only send GET and HEAD.",
        examples=["read"],
    ),
]
TokenValidity = Annotated[
    int | str,
    rule(
        VALIDITY_RULE,
        validator=parse_validity,
        description="Seconds, or a duration such as `12h` or `7d`. Without it: until it is ended.",
        examples=["90d"],
    ),
]


class ApiTokenIn(Body, frozen=True, kw_only=True):
    """What an API token is for."""

    name: TokenName
    scope: TokenScope
    expires_in: TokenValidity | UnsetType = UNSET

    @property
    def valid_for(self) -> timedelta | None:
        """How long the token is valid; None for no limit."""
        return None if isinstance(self.expires_in, UnsetType) else parse_validity(self.expires_in)


class ApiTokenOut(Struct, frozen=True, kw_only=True):
    """An API token; its text was shown when it was created, and cannot be shown again."""

    id: Id
    name: Annotated[str, Meta(description="What you call it.", examples=["Living room player"])]
    scope: Annotated[Scope, Meta(description="What it may do.")]
    created_at: Annotated[Moment, Meta(description="When it was created.")]
    expires_at: Annotated[Moment | None, Meta(description="Until when it is valid. Null: until it is ended.")]


class NewApiTokenOut(ApiTokenOut, frozen=True, kw_only=True):
    """An API token that was just created, with its text."""

    token: Annotated[
        str,
        Meta(
            description="For the header `Authorization: Bearer`.",
            examples=["matinee_Zk3v0cXb5J1nQe8yq1hVw0z3.q1hVw0z3"],
        ),
    ]


ApiTokenFields = Annotated[str, fields_rule(ApiTokenOut, "each token")]


class ApiTokensQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of API tokens."""

    fields: ApiTokenFields | UnsetType = UNSET


CREATE_API_TOKEN = Endpoint(
    operation_id="createApiToken",
    summary="Create an API token",
    tag=TAG,
    answer=NewApiTokenOut,
    access=Access.USERS,
    body=ApiTokenIn,
    successes=(201,),
    errors=(409,),
    sessions_only=True,
)
LIST_API_TOKENS = Endpoint(
    operation_id="listApiTokens",
    summary="List your API tokens",
    tag=TAG,
    answer=PageOut[ApiTokenOut],
    access=Access.USERS,
    query=ApiTokensQuery,
    linked=True,
    own=True,
    sessions_only=True,
)
END_API_TOKEN = Endpoint(
    operation_id="endApiToken",
    summary="End an API token",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path={"id": id_parameter("API token")},
    successes=(204,),
    errors=(404,),
    sessions_only=True,
)


@post("/auth/tokens", sync_to_thread=True, opt=endpoint_opt(CREATE_API_TOKEN))
def post_api_token(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    create_api_token: Injected[api_tokens.CreateApiToken],
) -> Response:
    """Create a token with which a script or a player can use the API in your name. It is shown only here.

    It may do what you may do, but it can make no tokens, and change or delete no account and no password. It
    ends when you end it, when your password changes, and when your account is disabled.
    """
    given = parse_body(ApiTokenIn, request, body)
    token, text = create_api_token(
        caller=caller, name=given.name, scope=given.scope, valid_for=given.valid_for
    )
    return json_response(new_api_token_out(token, text), status=201, cache=NO_STORE)


@get("/auth/tokens", sync_to_thread=True, opt=endpoint_opt(LIST_API_TOKENS))
def get_api_tokens(
    request: HttpRequest, caller: Injected[Caller], list_api_tokens: Injected[api_tokens.ListApiTokens]
) -> Response:
    """List your API tokens, newest first. Expired ones stay until you end them."""
    page = parse_page(ApiTokensQuery, request)
    listed = list_api_tokens(user=caller.user, window=page.window)
    meta = page.meta(listed, lambda token: token.cursor)
    return page.response(PageOut(data=[api_token_out(each) for each in listed.rows], meta=meta))


@delete(
    "/auth/tokens/{id:str}",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(END_API_TOKEN),
)
def delete_api_token(
    request: HttpRequest, caller: Injected[Caller], end_api_token: Injected[api_tokens.EndApiToken]
) -> Response:
    """End one of your API tokens: it stops working at once."""
    parse_query(Query, request)
    end_api_token(user=caller.user, token=path_id(request, ApiTokenId, ApiTokenNotFound))
    return no_content()


def api_token_out(token: ApiToken) -> ApiTokenOut:
    """Convert a token, without its text."""
    return ApiTokenOut(
        id=token.id,
        name=token.name,
        scope=token.scope,
        created_at=rfc3339(token.created_at),
        expires_at=rfc3339(token.expires_at) if token.expires_at else None,
    )


def new_api_token_out(token: ApiToken, text: str) -> NewApiTokenOut:
    """Convert a token with its text."""
    return NewApiTokenOut(token=text, **asdict(api_token_out(token)))


ROUTES = (post_api_token, get_api_tokens, delete_api_token)
