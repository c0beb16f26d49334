"""Invitations, for admins."""

from datetime import timedelta
from typing import Annotated

from litestar import delete, get, post
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from application import invitations
from domain.ids import InvitationId
from domain.invitations import (
    MAX_USES,
    Invitation,
    InvitationNotFound,
)
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

TAG = "Administration"

ValidFor = Annotated[
    int | str,
    rule(
        VALIDITY_RULE,
        validator=parse_validity,
        description="How long the code is valid: seconds, or a duration such as `12h` or `7d`.",
        examples=["7d"],
    ),
]
Uses = Annotated[
    int,
    rule(
        f"must be a whole number from 1 to {MAX_USES}",
        ge=1,
        le=MAX_USES,
        description="How many accounts the code can make.",
        examples=[1],
    ),
]


class InvitationIn(Body, frozen=True, kw_only=True):
    """What an invitation is good for."""

    expires_in: ValidFor = "7d"
    uses: Uses = 1

    @property
    def valid_for(self) -> timedelta:
        """How long the code is valid."""
        return parse_validity(self.expires_in)


class InvitationOut(Struct, frozen=True, kw_only=True):
    """An invitation; its code was shown when it was created, and cannot be shown again."""

    id: Id
    uses: Annotated[int, Meta(description="How many accounts it can make in all.", ge=1, examples=[1])]
    remaining: Annotated[int, Meta(description="How many more it can make.", ge=0, examples=[1])]
    created_at: Annotated[Moment, Meta(description="When it was created.")]
    expires_at: Annotated[Moment, Meta(description="Until when it is valid.")]


class NewInvitationOut(InvitationOut, frozen=True, kw_only=True):
    """An invitation that was just created, with its code."""

    code: Annotated[
        str,
        Meta(description="For `invitation` of `POST /auth/register`.", examples=["Zk3v0cXb5J1nQe8yq1hVw0z3"]),
    ]


InvitationFields = Annotated[str, fields_rule(InvitationOut, "each invitation")]


class InvitationsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of invitations."""

    fields: InvitationFields | UnsetType = UNSET


CREATE_INVITATION = Endpoint(
    operation_id="createInvitation",
    summary="Create an invitation",
    tag=TAG,
    answer=NewInvitationOut,
    access=Access.ADMINS,
    body=InvitationIn,
    successes=(201,),
)
LIST_INVITATIONS = Endpoint(
    operation_id="listInvitations",
    summary="List invitations",
    tag=TAG,
    answer=PageOut[InvitationOut],
    access=Access.ADMINS,
    query=InvitationsQuery,
    linked=True,
)
DELETE_INVITATION = Endpoint(
    operation_id="deleteInvitation",
    summary="Delete an invitation",
    tag=TAG,
    answer=None,
    access=Access.ADMINS,
    path={"id": id_parameter("invitation")},
    successes=(204,),
    errors=(404,),
)


@post("/admin/invitations", sync_to_thread=True, opt=endpoint_opt(CREATE_INVITATION))
def post_invitation(
    request: HttpRequest, body: RawBody, create_invitation: Injected[invitations.CreateInvitation]
) -> Response:
    """Create a code with which people can register where registration needs an invitation. It is shown only
    here.
    """
    given = parse_body(InvitationIn, request, body)
    invitation, code = create_invitation(valid_for=given.valid_for, uses=given.uses)
    return json_response(new_invitation_out(invitation, code), status=201, cache=NO_STORE)


@get("/admin/invitations", sync_to_thread=True, opt=endpoint_opt(LIST_INVITATIONS))
def get_invitations(
    request: HttpRequest, list_invitations: Injected[invitations.ListInvitations]
) -> Response:
    """List all invitations, newest first. Expired ones are deleted every hour."""
    page = parse_page(InvitationsQuery, request)
    listed = list_invitations(window=page.window)
    meta = page.meta(listed, lambda invitation: invitation.cursor)
    return page.response(PageOut(data=[invitation_out(each) for each in listed.rows], meta=meta))


@delete(
    "/admin/invitations/{id:str}",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(DELETE_INVITATION),
)
def delete_invitation(
    request: HttpRequest, remove_invitation: Injected[invitations.RemoveInvitation]
) -> Response:
    """Delete an invitation: its code stops working at once. Accounts that it has made stay."""
    parse_query(Query, request)
    remove_invitation(invitation=path_id(request, InvitationId, InvitationNotFound))
    return no_content()


def invitation_out(invitation: Invitation) -> InvitationOut:
    """Convert an invitation, without its code."""
    return InvitationOut(
        id=invitation.id,
        uses=invitation.uses,
        remaining=invitation.remaining,
        created_at=rfc3339(invitation.created_at),
        expires_at=rfc3339(invitation.expires_at),
    )


def new_invitation_out(invitation: Invitation, code: str) -> NewInvitationOut:
    """Convert an invitation with its code."""
    return NewInvitationOut(code=code, **asdict(invitation_out(invitation)))


ROUTES = (post_invitation, get_invitations, delete_invitation)
