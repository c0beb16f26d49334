"""Many entries of the caller's at once: ratings, watchlist items, viewings."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from litestar import put
from litestar.params import RawBody
from msgspec import Meta, Struct

from application import bulk
from application.bulk import MAX_ENTRIES, Outcome, Result, Written
from domain.errors import MatineeError
from domain.users import Caller
from entrypoints.http.body_limits import MAX_BULK_BYTES
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.errors import FieldErrorOut, problem_of
from entrypoints.http.movie_refs import MovieName, parse_movie_ref
from entrypoints.http.requests import HttpRequest, Note, parse_entries, parse_entry
from entrypoints.http.resources.ratings import RatingIn
from entrypoints.http.resources.viewings import Day, Rewatch
from entrypoints.http.resources.watchlist import ItemIn
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Body, Id

EntryT = TypeVar("EntryT")
BodyT = TypeVar("BodyT", bound=Body)

STATUSES = {Outcome.CREATED: 201, Outcome.CHANGED: 200, Outcome.UNCHANGED: 200}


class RatingEntryIn(RatingIn, frozen=True, kw_only=True):
    """A movie and your rating of it. It replaces an earlier one, with its review."""

    @property
    def entry(self) -> bulk.RatingEntry:
        """The entry."""
        movie = parse_movie_ref(self.movie_id)
        return bulk.RatingEntry(movie=movie, score=self.score, review=self.review)


class ItemEntryIn(ItemIn, frozen=True, kw_only=True):
    """A movie for your watchlist. It replaces an earlier item, with its note."""

    @property
    def entry(self) -> bulk.ItemEntry:
        """The entry."""
        movie = parse_movie_ref(self.movie_id)
        return bulk.ItemEntry(movie=movie, is_favorite=self.is_favorite, note=self.note)


class ViewingEntryIn(Body, frozen=True, kw_only=True):
    """A movie, and when you have seen it."""

    movie_id: MovieName
    watched_on: Day | None = None
    rewatch: Rewatch = False
    note: Note | None = None

    @property
    def entry(self) -> bulk.ViewingEntry:
        """The entry."""
        movie = parse_movie_ref(self.movie_id)
        return bulk.ViewingEntry(
            movie=movie, watched_on=self.watched_on, rewatch=self.rewatch, note=self.note
        )


class EntryErrorOut(Struct, frozen=True, kw_only=True):
    """Why an entry was refused, as the call for one entry would say it."""

    code: Annotated[str, Meta(description="A word for programs.", examples=["movie_not_found"])]
    message: Annotated[str, Meta(description="A sentence for people.", examples=["There is no such movie"])]
    errors: Annotated[list[str], Meta(description="A sentence for each fault of the entry.")]
    details: Annotated[list[FieldErrorOut], Meta(description="The same faults for programs.")]


class EntryResultOut(Struct, frozen=True, kw_only=True):
    """What became of an entry."""

    status: Annotated[int, Meta(description="201 if it was added, 200 if it was there.", examples=[201])]
    changed: Annotated[bool, Meta(description="Whether anything has changed.", examples=[True])]
    id: Annotated[Id | None, Meta(description="The id under which it is stored. Null if it was refused.")]
    error: Annotated[EntryErrorOut | None, Meta(description="Null if it is stored.")]


class BulkResultOut(Struct, frozen=True, kw_only=True):
    """The results of all entries, in their order."""

    data: Annotated[list[EntryResultOut], Meta(description="One for each entry.")]


def _endpoint(operation_id: str, summary: str, tag: str, body: type[Body]) -> Endpoint:
    return Endpoint(
        operation_id=operation_id,
        summary=summary,
        tag=tag,
        answer=BulkResultOut,
        access=Access.USERS,
        body=body,
        max_entries=MAX_ENTRIES,
    )


SET_MY_RATINGS = _endpoint("setMyRatings", "Set many ratings", "Ratings", RatingEntryIn)
SET_MY_WATCHLIST = _endpoint("setMyWatchlist", "Set many watchlist items", "Watchlist", ItemEntryIn)
SET_MY_VIEWINGS = _endpoint("setMyViewings", "Record many viewings", "Diary", ViewingEntryIn)


@put(
    "/me/ratings",
    sync_to_thread=True,
    request_max_body_size=MAX_BULK_BYTES,
    opt=endpoint_opt(SET_MY_RATINGS),
)
def put_ratings(
    request: HttpRequest, body: RawBody, caller: Injected[Caller], set_ratings: Injected[bulk.SetRatings]
) -> Response:
    """Rate many movies, or replace your ratings of them: up to 500. Each is stored or refused by itself, so
    look at each result. Safe to repeat.
    """
    return _respond(
        request,
        body,
        lambda raw: parse_entry(RatingEntryIn, raw).entry,
        lambda entries: set_ratings(user=caller.user, entries=entries),
    )


@put(
    "/me/watchlist",
    sync_to_thread=True,
    request_max_body_size=MAX_BULK_BYTES,
    opt=endpoint_opt(SET_MY_WATCHLIST),
)
def put_watchlist(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    set_items: Injected[bulk.SetWatchlistItems],
) -> Response:
    """Add many movies to your watchlist, or replace their items there: up to 500. Each is stored or refused
    by itself, so look at each result. Safe to repeat.
    """
    return _respond(
        request,
        body,
        lambda raw: parse_entry(ItemEntryIn, raw).entry,
        lambda entries: set_items(user=caller.user, entries=entries),
    )


@put(
    "/me/viewings",
    sync_to_thread=True,
    request_max_body_size=MAX_BULK_BYTES,
    opt=endpoint_opt(SET_MY_VIEWINGS),
)
def put_viewings(
    request: HttpRequest, body: RawBody, caller: Injected[Caller], set_viewings: Injected[bulk.SetViewings]
) -> Response:
    """Record many viewings: up to 500. A viewing of the same movie and day that is there already, with the
    same `rewatch`, gets the note and is not added again. Each is stored or refused by itself. Safe to repeat.
    """
    return _respond(
        request,
        body,
        lambda raw: parse_entry(ViewingEntryIn, raw).entry,
        lambda entries: set_viewings(user=caller.user, entries=entries),
    )


def _respond(
    request: HttpRequest,
    body: bytes,
    parse: Callable[[object], EntryT],
    apply: Callable[[Sequence[EntryT]], list[Result]],
) -> Response:
    """Parse each entry, apply the valid ones, and respond with the results in the order of the entries."""
    refused: dict[int, Result] = {}
    entries: list[EntryT] = []
    raws = parse_entries(request, body, most=MAX_ENTRIES)
    for number, raw in enumerate(raws):
        try:
            entries.append(parse(raw))
        except MatineeError as error:
            refused[number] = error
    applied = iter(apply(entries))
    results = [refused[number] if number in refused else next(applied) for number in range(len(raws))]
    return json_response(BulkResultOut(data=[result_out(each) for each in results]))


def result_out(result: Result) -> EntryResultOut:
    """Convert what became of an entry."""
    if isinstance(result, Written):
        changed = result.outcome is not Outcome.UNCHANGED
        return EntryResultOut(status=STATUSES[result.outcome], changed=changed, id=result.id, error=None)
    problem = problem_of(result)
    error = EntryErrorOut(
        code=problem.code,
        message=problem.message,
        errors=list(problem.sentences),
        details=[
            FieldErrorOut(field=fault.field, code=fault.code, message=fault.message)
            for fault in problem.faults
        ],
    )
    return EntryResultOut(status=problem.status, changed=False, id=None, error=error)


ROUTES = (put_ratings, put_watchlist, put_viewings)
