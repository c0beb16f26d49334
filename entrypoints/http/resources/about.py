"""The name, the version, the licence and the attribution of the service."""

from typing import Annotated, NewType

from litestar import get
from msgspec import Meta, Struct

from entrypoints.http import ATTRIBUTION, BASE, LICENCE
from entrypoints.http.endpoints import Endpoint, Injected, endpoint_opt
from entrypoints.http.requests import HttpRequest, parse_query
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Query

Version = NewType("Version", str)
"""The version of Matinee."""


class AboutOut(Struct, frozen=True, kw_only=True):
    """The name, version and licence of the service."""

    name: Annotated[str, Meta(description="Always Matinee.", examples=["Matinee"])]
    version: Annotated[str, Meta(description="The version of Matinee.", examples=["0.1.0"])]
    attribution: Annotated[str, Meta(description="TMDB asks that users see it.", examples=[ATTRIBUTION])]
    licence: Annotated[str, Meta(description="The licence of the software.", examples=[LICENCE])]
    links: Annotated[
        dict[str, str],
        Meta(description="Addresses by name.", examples=[{"documentation": f"{BASE}/docs"}]),
    ]


GET_ABOUT = Endpoint(operation_id="getAbout", summary="Get name and version", tag="Service", answer=AboutOut)


@get("/about", sync_to_thread=False, opt=endpoint_opt(GET_ABOUT))
def get_about(request: HttpRequest, version: Injected[Version]) -> Response:
    """Get the name, version and licence of the service, and the attribution that TMDB asks for."""
    parse_query(Query, request)
    return json_response(about_out(version))


def about_out(version: Version) -> AboutOut:
    """Describe this version."""
    return AboutOut(
        name="Matinee",
        version=version,
        attribution=ATTRIBUTION,
        licence=LICENCE,
        links={
            "documentation": f"{BASE}/docs",
            "openapi": f"{BASE}/docs/openapi.json",
            "health": f"{BASE}/health",
            "tmdb": "https://www.themoviedb.org/",
        },
    )


ROUTES = (get_about,)
