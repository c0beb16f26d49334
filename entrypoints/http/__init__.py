"""The REST API over Litestar; the resources are in `resources`."""

BASE = "/api/v1"
"""The path below which all endpoints are."""

ATTRIBUTION = "This product uses the TMDB API but is not endorsed or certified by TMDB."
"""The notice that TMDB requires."""

LICENCE = "MIT"
