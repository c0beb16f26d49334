"""What this is, whose data it shows and under which terms."""

from typing import Annotated

from litestar import get
from msgspec import Meta, Struct

from entrypoints.http.endpoints import API, Call, Given, described
from entrypoints.http.requests import HttpRequest, Query, asked
from entrypoints.http.responses import Answer, json_answer

ATTRIBUTION = "This product uses the TMDB API but is not endorsed or certified by TMDB."
LICENCE = "MIT"


class AboutOut(Struct, frozen=True, kw_only=True):
    """The name, version and licence of the service."""

    name: Annotated[str, Meta(description="Always Matinee.", examples=["Matinee"])]
    version: Annotated[str, Meta(description="The version of Matinee.", examples=["0.1.0"])]
    attribution: Annotated[str, Meta(description="TMDB asks that users see it.", examples=[ATTRIBUTION])]
    licence: Annotated[str, Meta(description="The licence of the software.", examples=[LICENCE])]
    links: Annotated[
        dict[str, str],
        Meta(description="Addresses by name.", examples=[{"documentation": f"{API}/docs"}]),
    ]


@get(
    "/about",
    sync_to_thread=False,
    opt=described(
        Call(operation_id="getAbout", summary="Get name and version", tag="Service", answer=AboutOut)
    ),
)
def get_about(request: HttpRequest, version: Given[str]) -> Answer:
    """Get the name, version and licence of the service, and the attribution that TMDB asks for."""
    asked(Query, request)
    return json_answer(about(version))


def about(version: str) -> AboutOut:
    """What is told of this version."""
    return AboutOut(
        name="Matinee",
        version=version,
        attribution=ATTRIBUTION,
        licence=LICENCE,
        links={
            "documentation": f"{API}/docs",
            "openapi": f"{API}/docs/openapi.json",
            "health": f"{API}/health",
            "tmdb": "https://www.themoviedb.org/",
        },
    )
