"""A read-only inspection of a distributed store: its version, missing indexes, and the server's clock."""

from adapters.mongo.database import Database, refuse_standalone
from adapters.mongo.schema import INDEXES, MIGRATIONS, SOURCE, Documents
from adapters.mongo.source import source_of
from adapters.store import StoreInspection


def inspect(database: Database) -> StoreInspection:
    """Inspect the store. Raises StorageUnavailable, also for a standalone server."""
    with database.using() as documents:
        hello = documents.client.admin.command("hello", codec_options=documents.codec_options)
        refuse_standalone(hello)
        schema = documents.counters.find_one("schema")
        version = int(schema["value"]) if schema else 0
        missing = tuple(_missing(documents)) if version else ()
        has_source = documents.counters.find_one(SOURCE) is not None
    return StoreInspection(
        version=version,
        newest=len(MIGRATIONS),
        missing=missing,
        clock=hello["localTime"],
        source=source_of(documents) if has_source else None,
    )


def _missing(documents: Documents) -> list[str]:
    """The indexes of the schema that are missing, or have other fields, as `collection.index`."""
    present = {
        (collection, index["name"]): dict(index["key"])
        for collection in documents.list_collection_names()
        for index in documents[collection].list_indexes()
    }
    wanted = ((collection, index.document) for collection, indexes in INDEXES.items() for index in indexes)
    return [
        f"{collection}.{index['name']}"
        for collection, index in wanted
        if present.get((collection, index["name"])) != dict(index["key"])
    ]
