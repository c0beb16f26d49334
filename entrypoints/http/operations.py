"""The calls by which programs and admins watch over the place."""

from typing import Annotated, Protocol

from litestar import get, post
from litestar.params import RawBody
from msgspec import Meta, Struct

from application.operations import FlushCache
from application.ratings import VerifyRatings
from application.watching import LastReadings
from domain.ports import Reading
from domain.ratings import Drift
from entrypoints.http.access_log import RequestMeter
from entrypoints.http.bodies import VerifyIn
from entrypoints.http.endpoints import Access, Call, Given, described
from entrypoints.http.people import SummaryOut, summary_out
from entrypoints.http.reading import sent
from entrypoints.http.requests import HttpRequest, Query, asked
from entrypoints.http.responses import UNKEPT, Answer, json_answer
from entrypoints.http.schemas import Id

METRICS = "/metrics"


class Metrics(RequestMeter, Protocol):
    """What takes note of requests and of all else, and can show it."""

    @property
    def media_type(self) -> bytes:
        """What a page is."""
        ...

    def page(self, readings: list[Reading]) -> bytes:
        """All that was noted, and these readings."""
        ...


class DriftOut(Struct, frozen=True, kw_only=True):
    """A movie whose rating counts differed from its ratings."""

    movie_id: Annotated[Id, Meta(description="The id of the movie.")]
    stored: Annotated[SummaryOut, Meta(description="The figures that were stored.")]
    counted: Annotated[SummaryOut, Meta(description="The figures that its ratings give.")]


class VerifiedOut(Struct, frozen=True, kw_only=True):
    """The result of a recount."""

    drifts: Annotated[list[DriftOut], Meta(description="The movies whose figures differed.")]
    repaired: Annotated[bool, Meta(description="Whether they have been corrected.", examples=[False])]


class FlushedOut(Struct, frozen=True, kw_only=True):
    """The cache is empty."""

    flushed: Annotated[bool, Meta(description="Always true.", examples=[True])] = True


READING = Call(
    operation_id="getMetrics",
    summary="Get metrics",
    tag="Service",
    answer=str,
    media_type="text/plain",
    limited=False,
)
VERIFYING = Call(
    operation_id="verifyRatings",
    summary="Verify the rating counts",
    tag="Administration",
    answer=VerifiedOut,
    access=Access.ADMINS,
    body=VerifyIn,
)


FLUSHING = Call(
    operation_id="flushCache",
    summary="Flush the cache",
    tag="Administration",
    answer=FlushedOut,
    access=Access.ADMINS,
)


@get(METRICS, sync_to_thread=True, opt=described(READING))
def get_metrics(request: HttpRequest, last_readings: Given[LastReadings], metrics: Given[Metrics]) -> Answer:
    """Get the metrics of the service in the text format of Prometheus. The same are at `/metrics`."""
    asked(Query, request)
    return page(last_readings, metrics)


@get(METRICS, sync_to_thread=True)
def get_metrics_at_root(last_readings: Given[LastReadings], metrics: Given[Metrics]) -> Answer:
    """The same, where Prometheus looks unless it is told otherwise."""
    return page(last_readings, metrics)


def page(last_readings: LastReadings, metrics: Metrics) -> Answer:
    """All figures as they are now."""
    return Answer(metrics.page(last_readings()), media_type=metrics.media_type, cache=UNKEPT)


@post("/admin/ratings/verify", sync_to_thread=True, status_code=200, opt=described(VERIFYING))
def post_verify_ratings(request: HttpRequest, body: RawBody, verify_ratings: Given[VerifyRatings]) -> Answer:
    """Recount the ratings of every movie and list the movies whose counts are wrong.

    With `repair` the wrong counts are corrected as well.
    """
    given = sent(VerifyIn, request, body)
    drifts = verify_ratings(repair=given.repair)
    repaired = given.repair and bool(drifts)
    return json_answer(VerifiedOut(drifts=[drift_out(drift) for drift in drifts], repaired=repaired))


@post("/admin/cache/flush", sync_to_thread=True, status_code=200, opt=described(FLUSHING))
def post_flush_cache(request: HttpRequest, flush_cache: Given[FlushCache]) -> Answer:
    """Remove all cached answers. Not needed in normal use."""
    asked(Query, request)
    flush_cache()
    return json_answer(FlushedOut())


def drift_out(drift: Drift) -> DriftOut:
    """A drift as admins see it."""
    return DriftOut(
        movie_id=drift.movie, stored=summary_out(drift.stored), counted=summary_out(drift.counted)
    )
