"""A look at a distributed store from outside: what its schema lacks. It changes nothing."""

from adapters.mongo.database import INDEXES, MIGRATIONS, Database, Documents, refuse_standalone
from adapters.mongo.source import NAME as SOURCE
from adapters.mongo.source import source_of
from adapters.store import StoreInspection


def inspect(database: Database) -> StoreInspection:
    """What there is in the database. Raises StorageUnavailable, also for a standalone server."""
    with database.using() as documents:
        hello = documents.client.admin.command("hello", codec_options=documents.codec_options)
        refuse_standalone(hello)
        schema = documents.counters.find_one("schema")
        version = int(schema["value"]) if schema else 0
        missing = tuple(_missing(documents)) if version else ()
        remembered = documents.counters.find_one(SOURCE)
    return StoreInspection(
        version=version,
        newest=len(MIGRATIONS),
        missing=missing,
        clock=hello["localTime"],
        source=source_of(documents) if remembered else None,
    )


def _missing(documents: Documents) -> list[str]:
    """The indexes that ought to be there and are not, or are over other fields."""
    there = {
        (collection, index["name"]): dict(index["key"])
        for collection in documents.list_collection_names()
        for index in documents[collection].list_indexes()
    }
    wanted = ((collection, index.document) for collection, indexes in INDEXES.items() for index in indexes)
    return [
        f"{collection}.{index['name']}"
        for collection, index in wanted
        if there.get((collection, index["name"])) != dict(index["key"])
    ]
