"""Sync runs, for admins."""

from functools import partial
from typing import Annotated

from litestar import get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from application import sync_runs
from domain.ids import RunId
from domain.sync import Entity, RunNotFound, Status, SyncRun
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt, id_parameter
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.pagination import PageQuery, parse_page
from entrypoints.http.requests import HttpRequest, parse_query, path_id
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Id, Moment, PageOut, Query, rfc3339

TAG = "Administration"
PATH = {"id": id_parameter("sync run")}


class StartedSyncOut(Struct, frozen=True, kw_only=True):
    """A sync that was started."""

    run_id: Annotated[Id, Meta(description="The id of the run, for `GET /admin/sync/runs/{id}`.")]


class SyncRunOut(Struct, frozen=True, kw_only=True):
    """A sync run. Its counts grow while it is in progress; a finished run never changes."""

    id: Id
    entity: Annotated[Entity, Meta(description="What it syncs.")]
    status: Annotated[Status, Meta(description="`partial` means that something could not be read.")]
    started_at: Annotated[Moment, Meta(description="When it began, or was queued.")]
    finished_at: Annotated[Moment, Meta(description="When it ended. Null while it is in progress.")] | None
    pages_total: Annotated[
        int, Meta(description="Pages to read; 0 until that is known.", ge=0, examples=[50])
    ]
    pages_done: Annotated[int, Meta(description="Pages that are stored.", ge=0, examples=[48])]
    pages_failed: Annotated[int, Meta(description="Pages that could not be read.", ge=0, examples=[2])]
    fetched: Annotated[int, Meta(description="Rows read: the sum of the next five.", ge=0, examples=[960])]
    inserted: Annotated[int, Meta(description="Rows that were new.", ge=0, examples=[12])]
    updated: Annotated[int, Meta(description="Rows that had changed.", ge=0, examples=[230])]
    unchanged: Annotated[int, Meta(description="Rows that had not changed.", ge=0, examples=[710])]
    skipped: Annotated[
        int, Meta(description="Rows that could not be read; `error` names them.", ge=0, examples=[1])
    ]
    duplicates: Annotated[
        int, Meta(description="Rows that an earlier page had listed already.", ge=0, examples=[7])
    ]
    requests: Annotated[
        int, Meta(description="Requests sent to TMDB, retries included.", ge=0, examples=[300])
    ]
    error: Annotated[str, Meta(description="What went wrong.", examples=["page 7: HTTP 503"])] | None


RunFields = Annotated[str, fields_rule(SyncRunOut, "each run")]


class RunQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one sync run."""

    fields: RunFields | UnsetType = UNSET


class RunsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of sync runs."""

    fields: RunFields | UnsetType = UNSET


def start_sync_endpoint(entity: Entity) -> Endpoint:
    """The endpoint that starts a sync of these entities."""
    return Endpoint(
        operation_id=f"start{entity.capitalize()}Sync",
        summary=f"Start a sync of {entity}",
        tag=TAG,
        answer=StartedSyncOut,
        access=Access.ADMINS,
        successes=(202,),
        errors=(409,),
    )


LIST_SYNC_RUNS = Endpoint(
    operation_id="listSyncRuns",
    summary="List sync runs",
    tag=TAG,
    answer=PageOut[SyncRunOut],
    access=Access.ADMINS,
    query=RunsQuery,
    linked=True,
)
GET_SYNC_RUN = Endpoint(
    operation_id="getSyncRun",
    summary="Get a sync run",
    tag=TAG,
    answer=SyncRunOut,
    query=RunQuery,
    access=Access.ADMINS,
    path=PATH,
    errors=(404,),
)
CANCEL_SYNC_RUN = Endpoint(
    operation_id="cancelSyncRun",
    summary="Cancel a sync run",
    tag=TAG,
    answer=SyncRunOut,
    access=Access.ADMINS,
    path=PATH,
    errors=(404, 409),
)


@post("/admin/sync/genres", sync_to_thread=True, opt=endpoint_opt(start_sync_endpoint(Entity.GENRES)))
def post_sync_genres(request: HttpRequest, start_sync: Injected[sync_runs.StartSync]) -> Response:
    """Start a sync of all genres with TMDB. It runs in the background; the run shows its progress."""
    return start_response(request, start_sync, Entity.GENRES)


@post("/admin/sync/movies", sync_to_thread=True, opt=endpoint_opt(start_sync_endpoint(Entity.MOVIES)))
def post_sync_movies(request: HttpRequest, start_sync: Injected[sync_runs.StartSync]) -> Response:
    """Start a sync of the movies that are popular at TMDB. It runs in the background."""
    return start_response(request, start_sync, Entity.MOVIES)


@post("/admin/sync/changes", sync_to_thread=True, opt=endpoint_opt(start_sync_endpoint(Entity.CHANGES)))
def post_sync_changes(request: HttpRequest, start_sync: Injected[sync_runs.StartSync]) -> Response:
    """Start a sync of the movies that changed at TMDB since the last sync. It runs in the background."""
    return start_response(request, start_sync, Entity.CHANGES)


@post("/admin/sync/discover", sync_to_thread=True, opt=endpoint_opt(start_sync_endpoint(Entity.DISCOVER)))
def post_sync_discover(request: HttpRequest, start_sync: Injected[sync_runs.StartSync]) -> Response:
    """Start a sync of all movies at TMDB that match `SYNC_DISCOVER_FILTERS`; of all, if that is not set. It
    runs in the background.
    """
    return start_response(request, start_sync, Entity.DISCOVER)


@get("/admin/sync/runs", sync_to_thread=True, opt=endpoint_opt(LIST_SYNC_RUNS))
def get_sync_runs(request: HttpRequest, list_runs: Injected[sync_runs.ListRuns]) -> Response:
    """List sync runs of all kinds, however they were started, newest first."""
    page = parse_page(RunsQuery, request)
    runs = list_runs(window=page.window)
    meta = page.meta(runs, lambda run: run.cursor)
    return page.response(PageOut(data=[run_out(run) for run in runs.rows], meta=meta))


@get("/admin/sync/runs/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_SYNC_RUN))
def get_sync_run(request: HttpRequest, get_run: Injected[sync_runs.GetRun]) -> Response:
    """Get one sync run. While it is in progress, its counts grow with the pages that are stored."""
    query = parse_query(RunQuery, request)
    return item_response(run_out(get_run(run=run_id(request))), query)


@post("/admin/sync/runs/{id:str}/cancel", sync_to_thread=True, opt=endpoint_opt(CANCEL_SYNC_RUN))
def post_sync_run_cancel(request: HttpRequest, cancel_sync: Injected[sync_runs.CancelSync]) -> Response:
    """Cancel a sync run that is in progress or waiting. What it has stored stays."""
    parse_query(Query, request)
    return json_response(run_out(cancel_sync(run=run_id(request))))


def start_response(request: HttpRequest, start_sync: sync_runs.StartSync, entity: Entity) -> Response:
    """Start a sync, and respond with the id of its run."""
    parse_query(Query, request)
    return json_response(StartedSyncOut(run_id=start_sync(entity=entity).id), status=202)


def run_id(request: HttpRequest) -> RunId:
    """The run in the path. Raises RunNotFound if it is not an id."""
    return path_id(request, RunId, partial(RunNotFound, request.path_params["id"]))


def run_out(run: SyncRun) -> SyncRunOut:
    """Convert a sync run."""
    return SyncRunOut(
        id=run.id,
        entity=run.entity,
        status=run.status,
        started_at=rfc3339(run.started_at),
        finished_at=rfc3339(run.finished_at) if run.finished_at else None,
        pages_total=run.pages_total,
        pages_done=run.pages_done,
        pages_failed=run.pages_failed,
        fetched=run.fetched,
        inserted=run.inserted,
        updated=run.updated,
        unchanged=run.unchanged,
        skipped=run.skipped,
        duplicates=run.duplicates,
        requests=run.requests,
        error=run.error,
    )


ROUTES = (
    post_sync_genres,
    post_sync_movies,
    post_sync_changes,
    post_sync_discover,
    get_sync_runs,
    get_sync_run,
    post_sync_run_cancel,
)
