"""Embedded stores with the newest schema, which are copies of a store that was prepared once.

`prepare` runs all migrations, which takes longer than most tests. Tests of migrations, files and first starts
call it themselves.
"""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import noon
from domain.ports import Clock


def store_in_memory(clock: Clock) -> SqliteStore:
    """An empty store in memory."""
    store = SqliteStore(path=None, clock=clock)
    with store.database.reading() as connection, closing(sqlite3.connect(":memory:")) as image:
        image.deserialize(_image())
        image.backup(connection)
    store.prepare()  # does nothing, unless a test has changed the schema since the image was created
    return store


def store_in_file(path: Path, clock: Clock) -> SqliteStore:
    """An empty store in a new file."""
    path.write_bytes(_image())
    store = SqliteStore(path=path, clock=clock)
    store.prepare()
    return store


@cache
def _image() -> bytes:
    """The content of an empty store."""
    store = SqliteStore(path=None, clock=noon)
    store.prepare()
    with store.database.reading() as connection:
        image = connection.serialize()
    store.close()
    return image
