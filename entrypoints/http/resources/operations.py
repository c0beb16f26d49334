"""Operations: metrics for monitoring, and upkeep for admins."""

from typing import Annotated, Protocol

from litestar import get, post
from litestar.params import RawBody
from msgspec import Meta, Struct

from application import operations, ratings
from application.probes import CachedGauges, Gauge
from domain.ratings import Drift
from entrypoints.http.access_log import RequestMeter
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.requests import HttpRequest, parse_body, parse_query
from entrypoints.http.resources.ratings import RatingSummaryOut, rating_summary_out
from entrypoints.http.responses import NO_STORE, Response, json_response
from entrypoints.http.schemas import Body, Id, Query
from entrypoints.validation import rule

METRICS = "/metrics"


class Metrics(RequestMeter, Protocol):
    """Collects metrics, and renders them."""

    @property
    def media_type(self) -> bytes:
        """The media type of a page."""
        ...

    def page(self, readings: list[Gauge]) -> bytes:
        """Render all metrics, and these gauges."""
        ...


Repair = Annotated[
    bool,
    rule(
        "must be true or false",
        description="Whether to correct wrong counts. False if left out.",
        examples=[False],
    ),
]


class VerifyIn(Body, frozen=True, kw_only=True):
    """What to do about wrong counts."""

    repair: Repair = False


class RatingDriftOut(Struct, frozen=True, kw_only=True):
    """A movie whose rating counts differed from its ratings."""

    movie_id: Annotated[Id, Meta(description="The id of the movie.")]
    stored: Annotated[RatingSummaryOut, Meta(description="The figures that were stored.")]
    counted: Annotated[RatingSummaryOut, Meta(description="The figures that its ratings give.")]


class RatingVerificationOut(Struct, frozen=True, kw_only=True):
    """The result of a recount."""

    drifts: Annotated[list[RatingDriftOut], Meta(description="The movies whose figures differed.")]
    repaired: Annotated[bool, Meta(description="Whether they have been corrected.", examples=[False])]


class CacheFlushOut(Struct, frozen=True, kw_only=True):
    """The cache is empty."""

    flushed: Annotated[bool, Meta(description="Always true.", examples=[True])] = True


GET_METRICS = Endpoint(
    operation_id="getMetrics",
    summary="Get metrics",
    tag="Service",
    answer=str,
    media_type="text/plain",
    limited=False,
)
VERIFY_RATINGS = Endpoint(
    operation_id="verifyRatings",
    summary="Verify the rating counts",
    tag="Administration",
    answer=RatingVerificationOut,
    access=Access.ADMINS,
    body=VerifyIn,
)
FLUSH_CACHE = Endpoint(
    operation_id="flushCache",
    summary="Flush the cache",
    tag="Administration",
    answer=CacheFlushOut,
    access=Access.ADMINS,
)


@get(METRICS, sync_to_thread=True, opt=endpoint_opt(GET_METRICS))
def get_metrics(
    request: HttpRequest, cached_gauges: Injected[CachedGauges], metrics: Injected[Metrics]
) -> Response:
    """Get the metrics of the service in the text format of Prometheus. The same are at `/metrics`."""
    parse_query(Query, request)
    return metrics_response(cached_gauges, metrics)


@get(METRICS, sync_to_thread=True)
def get_metrics_at_root(cached_gauges: Injected[CachedGauges], metrics: Injected[Metrics]) -> Response:
    """Get the same at the path that Prometheus requests by default."""
    return metrics_response(cached_gauges, metrics)


@post("/admin/ratings/verify", sync_to_thread=True, status_code=200, opt=endpoint_opt(VERIFY_RATINGS))
def post_verify_ratings(
    request: HttpRequest, body: RawBody, verify_ratings: Injected[ratings.VerifyRatings]
) -> Response:
    """Recount the ratings of every movie and list the movies whose counts are wrong.

    With `repair` the wrong counts are corrected as well.
    """
    given = parse_body(VerifyIn, request, body)
    drifts = verify_ratings(repair=given.repair)
    repaired = given.repair and bool(drifts)
    return json_response(
        RatingVerificationOut(drifts=[drift_out(drift) for drift in drifts], repaired=repaired)
    )


@post("/admin/cache/flush", sync_to_thread=True, status_code=200, opt=endpoint_opt(FLUSH_CACHE))
def post_flush_cache(request: HttpRequest, flush_cache: Injected[operations.FlushCache]) -> Response:
    """Remove all cached answers. Not needed in normal use."""
    parse_query(Query, request)
    flush_cache()
    return json_response(CacheFlushOut())


def metrics_response(cached_gauges: CachedGauges, metrics: Metrics) -> Response:
    """The response with all metrics."""
    return Response(metrics.page(cached_gauges()), media_type=metrics.media_type, cache=NO_STORE)


def drift_out(drift: Drift) -> RatingDriftOut:
    """Convert a drift."""
    return RatingDriftOut(
        movie_id=drift.movie,
        stored=rating_summary_out(drift.stored),
        counted=rating_summary_out(drift.counted),
    )


ROUTES = (get_metrics, post_verify_ratings, post_flush_cache)
