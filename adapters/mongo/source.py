"""Which source filled the catalogue of the distributed store."""

from typing import Any

from pymongo.database import Database as MongoDatabase

from domain.errors import StorageUnavailable
from domain.sync import PageResult, SourceName, SyncRun, admit

Documents = MongoDatabase[dict[str, Any]]

NAME = "source"
"""The counter that holds it."""

OF_TMDB = ("voteCount", "voteAverage", "posterPath", "backdropPath")
"""What the demo catalogue does not have."""


def remember_source(database: Documents) -> None:
    """A migration: remember the source of the catalogue and of each run, and how many problems were named.

    The demo sends no requests; a store in which both have written is TMDB's, whose next syncs complete the
    movies of the demo.
    """
    for requests, source in (({"$gt": 0}, SourceName.TMDB), (0, SourceName.DEMO)):
        database.synclogs.update_many(
            {"requests": requests, "source": {"$exists": False}},
            {"$set": {"source": source, "problemsDropped": 0}},
        )
    database.counters.update_one(
        {"_id": NAME}, {"$setOnInsert": {"value": _filled_from(database)}}, upsert=True
    )


def _filled_from(database: Documents) -> SourceName | None:
    stored = [{name: {"$gt": 0}} for name in ("inserted", "updated", "unchanged")]
    if database.synclogs.find_one({"requests": {"$gt": 0}, "$or": stored}):
        return SourceName.TMDB
    if database.movies.find_one({"$or": [{name: {"$ne": None}} for name in OF_TMDB]}, {"_id": True}):
        return SourceName.TMDB
    if database.movies.find_one({}, {"_id": True}) or database.genres.find_one({}, {"_id": True}):
        return SourceName.DEMO
    return None


def source_of(database: Documents) -> SourceName | None:
    """The source that has filled the catalogue; None if it is empty."""
    document = database.counters.find_one(NAME)
    if document is None:
        reason = "it does not tell its source: it was never prepared"
        raise StorageUnavailable(reason)
    return SourceName(document["value"]) if document["value"] else None


def claim(database: Documents, run: SyncRun, result: PageResult) -> None:
    """Within a transaction, see that a run may write this page; the first that brings anything decides.

    Raises FilledFromAnotherSource. Of two first pages at once, and of a page and a hand-over, one meets the
    other's write and is done again.
    """
    filled_from = source_of(database)
    admit(filled_from, run.source)
    if filled_from is None and (result.movies or result.genres):
        set_source(database, run.source)


def set_source(database: Documents, source: SourceName) -> None:
    """Make this the source of the catalogue."""
    database.counters.update_one({"_id": NAME}, {"$set": {"value": source}})


def hold_source(database: Documents) -> None:
    """Have a transaction that read the source collide with one that changes it."""
    database.counters.update_one({"_id": NAME}, {"$inc": {"held": 1}})
