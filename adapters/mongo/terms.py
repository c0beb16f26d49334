"""What searches look up in a movie's document."""

from collections.abc import Mapping
from typing import Any

from domain.search import key, terms

SEARCHED = ("tmdbId", "imdbId", "title", "originalTitle", "releaseDate", "listed")
"""The fields that search fields are made from."""


def search_fields(movie: Mapping[str, Any]) -> dict[str, Any]:
    """The titles' keys and, of a movie that is listed, its terms. `movie` holds the fields in SEARCHED."""
    titles, released = (movie["title"], movie["originalTitle"]), movie["releaseDate"]
    fields: dict[str, Any] = dict(zip(("titleKey", "originalKey"), map(key, titles), strict=True))
    if movie["listed"]:
        year = released.year if released else None
        fields["terms"] = sorted(terms(titles, year=year, tmdb_id=movie["tmdbId"], imdb_id=movie["imdbId"]))
    return fields
