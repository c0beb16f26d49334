"""The pages of admins: health, syncs with their progress, users, invitations, reviews."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import NotFoundException
from litestar.params import RawBody

from application import accounts, invitations, ratings, sync_runs
from application.operations import Part
from domain.ids import InvitationId, UserId
from domain.invitations import InvitationNotFound
from domain.sync import Entity
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest, path_id, unset_to_none
from entrypoints.http.resources.about import Version
from entrypoints.http.resources.health import HealthChecks
from entrypoints.http.resources.invitations import InvitationIn, InvitationsQuery
from entrypoints.http.resources.ratings import rating_id
from entrypoints.http.resources.syncs import RunsQuery, run_id
from entrypoints.http.resources.users import UserIn, UsersQuery, user_id
from entrypoints.http.responses import NO_STORE, Response
from entrypoints.http.thread_pools import DeletionThreads, PasswordThreads
from entrypoints.web.events import RunEvents
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import Viewers, page_opt
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer
from entrypoints.web.responses import see_other

ADMIN, USERS, INVITATIONS = "/admin", "/admin/users", "/admin/invitations"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminView:
    """Shows the health and the syncs. `discovers` is whether there is a filter for /discover/movie: without
    one its sync would read all movies there are, which no button should begin.
    """

    list_runs: sync_runs.ListRuns
    health_checks: HealthChecks
    version: Version
    render: Renderer
    discovers: bool

    async def __call__(self, request: HttpRequest, errors: FormErrors) -> Response:
        """The page, also after a form on it was refused."""
        health = await self.health_checks()
        page = parse_page(RunsQuery, request)
        runs = await sync_to_thread(self.list_runs, window=page.window)
        last = runs.rows[-1].cursor if runs.rows and runs.more else None
        return self.render(
            request.scope,
            "admin.html",
            status=errors.status,
            cache=NO_STORE,
            errors=errors,
            health=health,
            parts=[(part, health.findings[part]) for part in Part],
            version=self.version,
            entities=[each for each in Entity if each is not Entity.DISCOVER or self.discovers],
            runs=runs.rows,
            running=[run for run in runs.rows if run.running],
            next_link=next_link(page, last, runs.total),
        )


@get(ADMIN, opt=page_opt(Access.ADMINS))
async def get_admin(request: HttpRequest, admin_view: Injected[AdminView]) -> Response:
    """The health of the service, and the syncs, latest first."""
    return await admin_view(request, FormErrors())


@post("/admin/sync/{entity:str}", opt=page_opt(Access.ADMINS))
async def post_sync(
    request: HttpRequest, start_sync: Injected[sync_runs.StartSync], admin_view: Injected[AdminView]
) -> Response:
    """Start a sync in the background."""
    name = request.path_params["entity"]
    if name not in set(Entity):
        raise NotFoundException

    async def start() -> Response:
        await sync_to_thread(start_sync, entity=Entity(name))
        return see_other(ADMIN)

    return await submit(start, partial(admin_view, request), request.scope)


@post("/admin/sync/runs/{id:str}/cancel", opt=page_opt(Access.ADMINS))
async def post_sync_cancel(
    request: HttpRequest, cancel_sync: Injected[sync_runs.CancelSync], admin_view: Injected[AdminView]
) -> Response:
    """Cancel a sync that is in progress or waiting."""
    run = run_id(request)

    async def cancel() -> Response:
        await sync_to_thread(cancel_sync, run=run)
        return see_other(ADMIN)

    return await submit(cancel, partial(admin_view, request), request.scope)


@get("/admin/sync/runs/{id:str}/events", opt=page_opt(Access.ADMINS))
async def get_sync_events(
    request: HttpRequest, get_run: Injected[sync_runs.GetRun], viewers: Injected[Viewers]
) -> RunEvents:
    """The progress of a sync as server-sent events, until it is over."""
    read = partial(get_run, run=run_id(request))
    return RunEvents(read, await sync_to_thread(read), partial(viewers.still_allowed, request))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersView:
    """Shows the accounts."""

    list_users: accounts.ListUsers
    render: Renderer

    def __call__(self, request: HttpRequest, errors: FormErrors, refused: str = "") -> Response:
        """The page; `refused` is the id of the account whose form is shown with errors."""
        page = parse_page(UsersQuery, request)
        users = self.list_users(window=page.window)
        last = users.rows[-1].cursor if users.rows and users.more else None
        return self.render(
            request.scope,
            "admin_users.html",
            status=errors.status,
            cache=NO_STORE,
            users=users,
            errors=errors,
            refused=refused,
            next_link=next_link(page, last, users.total),
        )


@get(USERS, sync_to_thread=True, opt=page_opt(Access.ADMINS))
def get_users(request: HttpRequest, users_view: Injected[UsersView]) -> Response:
    """All accounts, oldest first."""
    return users_view(request, FormErrors())


@post("/admin/users/{id:str}", opt=page_opt(Access.ADMINS))
async def post_user(
    request: HttpRequest,
    body: RawBody,
    change_user: Injected[accounts.ChangeUser],
    password_threads: Injected[PasswordThreads],
    users_view: Injected[UsersView],
) -> Response:
    """Change the role of an account, disable or enable it, or give it a new password."""
    user, form = user_id(request), read_form(request, body)

    async def change() -> Response:
        given = form.parse(UserIn, extra_rules=change_user.faults)
        role, disabled = unset_to_none(given.role), unset_to_none(given.disabled)
        act = partial(change_user, user=user, role=role, disabled=disabled)
        password = unset_to_none(given.password)
        if password is None:
            await sync_to_thread(act)
        else:
            await password_threads(act, password=password)
        return see_other(form.next or USERS)

    return await _submit_user(change, request, users_view, user)


@post("/admin/users/{id:str}/delete", opt=page_opt(Access.ADMINS))
async def post_user_delete(
    request: HttpRequest,
    body: RawBody,
    delete_user: Injected[accounts.DeleteUser],
    deletion_threads: Injected[DeletionThreads],
    users_view: Injected[UsersView],
) -> Response:
    """Delete an account with all that belongs to it."""
    user, form = user_id(request), read_form(request, body)

    async def remove() -> Response:
        await deletion_threads(delete_user, user=user)
        return see_other(form.next or USERS)

    return await _submit_user(remove, request, users_view, user)


async def _submit_user(
    action: Callable[[], Awaitable[Response]], request: HttpRequest, users_view: UsersView, user: UserId
) -> Response:
    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(users_view, request, errors, user)

    return await submit(action, show_again, request.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationsView:
    """Shows the invitations."""

    list_invitations: invitations.ListInvitations
    render: Renderer

    def __call__(
        self, request: HttpRequest, errors: FormErrors, form: Form | None = None, code: str = ""
    ) -> Response:
        """The page; `code` is that of an invitation that was just created."""
        page = parse_page(InvitationsQuery, request)
        listed = self.list_invitations(window=page.window)
        last = listed.rows[-1].cursor if listed.rows and listed.more else None
        return self.render(
            request.scope,
            "admin_invitations.html",
            status=errors.status,
            cache=NO_STORE,
            invitations=listed,
            errors=errors,
            form=form or Form(),
            code=code,
            next_link=next_link(page, last, listed.total),
        )


@get(INVITATIONS, sync_to_thread=True, opt=page_opt(Access.ADMINS))
def get_invitations(request: HttpRequest, invitations_view: Injected[InvitationsView]) -> Response:
    """All invitations, newest first, and a form to create one."""
    return invitations_view(request, FormErrors())


@post(INVITATIONS, opt=page_opt(Access.ADMINS))
async def post_invitation(
    request: HttpRequest,
    body: RawBody,
    create_invitation: Injected[invitations.CreateInvitation],
    invitations_view: Injected[InvitationsView],
) -> Response:
    """Create an invitation. Its code is shown in this response only, so there is no redirect."""
    form = read_form(request, body)

    def create() -> Response:
        given = form.parse(InvitationIn)
        _, code = create_invitation(valid_for=given.valid_for, uses=given.uses)
        return invitations_view(request, FormErrors(status=201), code=code)

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(invitations_view, request, errors, form)

    return await submit(partial(sync_to_thread, create), show_again, request.scope)


@post("/admin/invitations/{id:str}/delete", sync_to_thread=True, opt=page_opt(Access.ADMINS))
def post_invitation_delete(
    request: HttpRequest, remove_invitation: Injected[invitations.RemoveInvitation]
) -> Response:
    """Delete an invitation."""
    remove_invitation(invitation=path_id(request, InvitationId, InvitationNotFound))
    return see_other(INVITATIONS)


@post("/admin/ratings/{id:str}/review/delete", sync_to_thread=True, opt=page_opt(Access.ADMINS))
def post_review_delete(
    request: HttpRequest, body: RawBody, remove_review: Injected[ratings.RemoveReview]
) -> Response:
    """Delete anybody's review; the score stays."""
    form = read_form(request, body)
    remove_review(rating=rating_id(request))
    return see_other(form.next or ADMIN)


ROUTES = (
    get_admin,
    post_sync,
    post_sync_cancel,
    get_sync_events,
    get_users,
    post_user,
    post_user_delete,
    get_invitations,
    post_invitation,
    post_invitation_delete,
    post_review_delete,
)
