"""The calls by which admins start, watch and stop syncs."""

from litestar import get, post

from application.sync_runs import CancelSync, GetRun, ListRuns, StartSync
from domain.ids import RunId, is_id
from domain.sync import Entity, RunNotFound
from entrypoints.http.endpoints import Access, Call, Given, described, id_of
from entrypoints.http.pagination import item_answer, meta_of, paged
from entrypoints.http.queries import RunQuery, RunsQuery
from entrypoints.http.requests import HttpRequest, Query, asked, listing_of
from entrypoints.http.responses import Answer, json_answer
from entrypoints.http.schemas import PageOut, RunOut, StartedOut, run_out

TAG = "Administration"
THE_RUN = {"id": id_of("sync run")}


def _starting(entity: Entity) -> Call:
    return Call(
        operation_id=f"start{entity.capitalize()}Sync",
        summary=f"Start a sync of {entity}",
        tag=TAG,
        answer=StartedOut,
        access=Access.ADMINS,
        successes=(202,),
        refusals=(409,),
    )


LISTING = Call(
    operation_id="listSyncRuns",
    summary="List sync runs",
    tag=TAG,
    answer=PageOut[RunOut],
    access=Access.ADMINS,
    query=RunsQuery,
    linked=True,
)
SHOWING = Call(
    operation_id="getSyncRun",
    summary="Get a sync run",
    tag=TAG,
    answer=RunOut,
    query=RunQuery,
    access=Access.ADMINS,
    path=THE_RUN,
    refusals=(404,),
)
CANCELLING = Call(
    operation_id="cancelSyncRun",
    summary="Cancel a sync run",
    tag=TAG,
    answer=RunOut,
    access=Access.ADMINS,
    path=THE_RUN,
    refusals=(404, 409),
)


@post("/admin/sync/genres", sync_to_thread=True, opt=described(_starting(Entity.GENRES)))
def post_sync_genres(request: HttpRequest, start_sync: Given[StartSync]) -> Answer:
    """Start a sync of all genres with TMDB. It runs in the background; the run shows its progress."""
    return _started(request, start_sync, Entity.GENRES)


@post("/admin/sync/movies", sync_to_thread=True, opt=described(_starting(Entity.MOVIES)))
def post_sync_movies(request: HttpRequest, start_sync: Given[StartSync]) -> Answer:
    """Start a sync of the movies that are popular at TMDB. It runs in the background."""
    return _started(request, start_sync, Entity.MOVIES)


@post("/admin/sync/changes", sync_to_thread=True, opt=described(_starting(Entity.CHANGES)))
def post_sync_changes(request: HttpRequest, start_sync: Given[StartSync]) -> Answer:
    """Start a sync of the movies that changed at TMDB since the last sync. It runs in the background."""
    return _started(request, start_sync, Entity.CHANGES)


@get("/admin/sync/runs", sync_to_thread=True, opt=described(LISTING))
def get_sync_runs(request: HttpRequest, list_runs: Given[ListRuns]) -> Answer:
    """List sync runs of all kinds, however they were started, newest first."""
    query, listing = asked(RunsQuery, request), listing_of(request)
    page = list_runs(window=query.window(listing))
    meta = meta_of(query, listing, page, lambda run: run.place)
    return paged(PageOut(data=[run_out(run) for run in page.rows], meta=meta), query, request)


@get("/admin/sync/runs/{id:str}", sync_to_thread=True, opt=described(SHOWING))
def get_sync_run(request: HttpRequest, get_run: Given[GetRun]) -> Answer:
    """Get one sync run. While it is in progress, its counts grow with every page."""
    query = asked(RunQuery, request)
    return item_answer(run_out(get_run(run=run_named(request.path_params["id"]))), query)


@post("/admin/sync/runs/{id:str}/cancel", sync_to_thread=True, opt=described(CANCELLING))
def post_sync_run_cancel(request: HttpRequest, cancel_sync: Given[CancelSync]) -> Answer:
    """Cancel a sync run that is in progress or waiting. What it has stored stays."""
    asked(Query, request)
    return json_answer(run_out(cancel_sync(run=run_named(request.path_params["id"]))))


def _started(request: HttpRequest, start_sync: StartSync, entity: Entity) -> Answer:
    asked(Query, request)
    return json_answer(StartedOut(run_id=start_sync(entity=entity).id), status=202)


def run_named(text: str) -> RunId:
    """The run that a path names. Raises RunNotFound for what is no id."""
    if not is_id(text):
        raise RunNotFound(text)
    return RunId(text)
