"""The calls by which admins invite people."""

from typing import Annotated, Any

from litestar import delete, get, post
from litestar.params import RawBody
from msgspec import Meta, Struct

from application.invitations import CreateInvitation, ListInvitations, RevokeInvitation
from domain.ids import InvitationId, is_id
from domain.invitations import Invitation, InvitationNotFound
from entrypoints.http.answers import UNKEPT, Answer, done, json_answer
from entrypoints.http.asking import HttpRequest, Query, asked, listing_of
from entrypoints.http.bodies import InvitationIn
from entrypoints.http.calls import REMOVING, Access, Call, Given, described, id_of
from entrypoints.http.paging import meta_of, paged
from entrypoints.http.queries import PageQuery
from entrypoints.http.reading import sent
from entrypoints.http.schemas import Id, Moment, PageOut, moment

TAG = "Administration"


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


INVITING = Call(
    operation_id="createInvitation",
    summary="Create an invitation",
    tag=TAG,
    answer=NewInvitationOut,
    access=Access.ADMINS,
    body=InvitationIn,
    successes=(201,),
)
LISTING = Call(
    operation_id="listInvitations",
    summary="List invitations",
    tag=TAG,
    answer=PageOut[InvitationOut],
    access=Access.ADMINS,
    query=PageQuery,
    linked=True,
)
REVOKING = Call(
    operation_id="deleteInvitation",
    summary="Delete an invitation",
    tag=TAG,
    answer=None,
    access=Access.ADMINS,
    path={"id": id_of("invitation")},
    successes=(204,),
    refusals=(404,),
)


@post("/admin/invitations", sync_to_thread=True, opt=described(INVITING))
def post_invitation(
    request: HttpRequest, body: RawBody, create_invitation: Given[CreateInvitation]
) -> Answer:
    """Create a code with which people can register where registration needs an invitation. It is shown only
    here.
    """
    given = sent(InvitationIn, request, body)
    invitation, code = create_invitation(valid_for=given.valid_for, uses=given.uses)
    return json_answer(NewInvitationOut(code=code, **_fields(invitation)), status=201, cache=UNKEPT)


@get("/admin/invitations", sync_to_thread=True, opt=described(LISTING))
def get_invitations(request: HttpRequest, list_invitations: Given[ListInvitations]) -> Answer:
    """List all invitations, newest first. Expired ones are deleted every night."""
    query, listing = asked(PageQuery, request), listing_of(request)
    page = list_invitations(window=query.window(listing))
    meta = meta_of(query, listing, page, lambda invitation: invitation.place)
    data = [InvitationOut(**_fields(invitation)) for invitation in page.rows]
    return paged(PageOut(data=data, meta=meta), query, request)


@delete("/admin/invitations/{id:str}", status_code=REMOVING, sync_to_thread=True, opt=described(REVOKING))
def delete_invitation(request: HttpRequest, revoke_invitation: Given[RevokeInvitation]) -> Answer:
    """Delete an invitation: its code stops working at once. Accounts that it has made stay."""
    asked(Query, request)
    identifier = request.path_params["id"]
    if not is_id(identifier):
        raise InvitationNotFound
    revoke_invitation(invitation=InvitationId(identifier))
    return done()


def _fields(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "uses": invitation.uses,
        "remaining": invitation.remaining,
        "created_at": moment(invitation.created_at),
        "expires_at": moment(invitation.expires_at),
    }
