"""Which source filled the catalogue of the distributed store."""

from adapters.mongo.schema import SOURCE, Documents
from domain.errors import StorageUnavailable
from domain.sync import SourceName, admit


def source_of(database: Documents) -> SourceName | None:
    """The source that has filled the catalogue; None if it is empty.

    Raises StorageUnavailable if the store was never prepared.
    """
    document = database.counters.find_one(SOURCE)
    if document is None:
        reason = "its source is not stored: it was never prepared"
        raise StorageUnavailable(reason)
    return SourceName(document["value"]) if document["value"] else None


def claim(database: Documents, source: SourceName, *, content: bool) -> None:
    """Check within a transaction that a source may write; the first one with content becomes the source of
    the catalogue.

    Raises FilledFromAnotherSource. Two concurrent first pages conflict, and so do a page and a hand-over: one
    of the two transactions is repeated.
    """
    filled_from = source_of(database)
    admit(filled_from, source)
    if filled_from is None and content:
        set_source(database, source)


def set_source(database: Documents, source: SourceName) -> None:
    """Set the source of the catalogue."""
    database.counters.update_one({"_id": SOURCE}, {"$set": {"value": source}})


def lock_source(database: Documents) -> None:
    """Make a transaction that has read the source conflict with one that changes it."""
    database.counters.update_one({"_id": SOURCE}, {"$inc": {"lockCount": 1}})
