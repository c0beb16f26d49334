"""The calls by which admins invite people."""

from litestar import delete, get, post
from litestar.params import RawBody

from application.invitations import CreateInvitation, ListInvitations, RevokeInvitation
from domain.ids import InvitationId, is_id
from domain.invitations import InvitationNotFound
from entrypoints.http.bodies import InvitationIn
from entrypoints.http.endpoints import REMOVING, Access, Call, Given, described, id_of
from entrypoints.http.pagination import meta_of, paged
from entrypoints.http.people import InvitationOut, NewInvitationOut, invitation_out, new_invitation_out
from entrypoints.http.queries import InvitationsQuery
from entrypoints.http.reading import sent
from entrypoints.http.requests import HttpRequest, Query, asked, listing_of
from entrypoints.http.responses import UNKEPT, Answer, done, json_answer
from entrypoints.http.schemas import PageOut

TAG = "Administration"

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
    query=InvitationsQuery,
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
    return json_answer(new_invitation_out(invitation, code), status=201, cache=UNKEPT)


@get("/admin/invitations", sync_to_thread=True, opt=described(LISTING))
def get_invitations(request: HttpRequest, list_invitations: Given[ListInvitations]) -> Answer:
    """List all invitations, newest first. Expired ones are deleted every hour."""
    query, listing = asked(InvitationsQuery, request), listing_of(request)
    page = list_invitations(window=query.window(listing))
    meta = meta_of(query, listing, page, lambda invitation: invitation.place)
    data = [invitation_out(invitation) for invitation in page.rows]
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
