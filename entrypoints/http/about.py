"""What this is, whose data it shows and under which terms."""

from typing import Annotated

from litestar import get
from msgspec import Meta, Struct

from entrypoints.http.answers import Answer, json_answer
from entrypoints.http.asking import HttpRequest, Query, asked
from entrypoints.http.calls import API, Call, Given, described

ATTRIBUTION = "This product uses the TMDB API but is not endorsed or certified by TMDB."
LICENCE = "MIT"


class AboutOut(Struct, frozen=True, kw_only=True):
    """What this is."""

    name: str
    version: str
    attribution: Annotated[str, Meta(description="TMDB's terms ask for it.")]
    licence: str
    links: dict[str, str]


@get("/about", sync_to_thread=False, opt=described(Call(summary="About", tag="Operations", answer=AboutOut)))
def get_about(request: HttpRequest, version: Given[str]) -> Answer:
    """Name, version, licence, and the attribution that TMDB asks for."""
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
