"""The client, transactions and the schema of the distributed store; and the one place where pymongo's errors
end.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from itertools import islice
from threading import BoundedSemaphore, Lock
from time import monotonic, perf_counter
from typing import Any, TypeVar

import pymongo
from pymongo import IndexModel, MongoClient, UpdateOne
from pymongo.database import Database as MongoDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from adapters.metering import UNMETERED, Meter, queue_time
from adapters.mongo.abandoned_transactions import AbandonedTransactions, SessionId
from adapters.mongo.source import remember_source
from adapters.mongo.striped_locks import StripedLocks
from adapters.mongo.terms import SEARCHED, search_fields
from adapters.redaction import credentials_in, redact
from domain.browsing import SortBy
from domain.errors import StorageUnavailable
from domain.ratings import RatingOrder

Document = dict[str, Any]
Documents = MongoDatabase[Document]
T = TypeVar("T")

OPERATION_TIMEOUT = 1.4
"""Seconds that all operations of one call may take together. The driver looks at the time every half second
while it waits for a server or to try again, so an answer comes within two.
"""

MIN_TIMEOUT = 0.4
"""Seconds that they may take at least, however long their caller has waited for a thread before."""

MOVIES_AT_ONCE = 1000
"""Movies that a migration writes with one command."""

MIGRATION_TIMEOUT = 300
"""Seconds to wait for migrations, and for indexes that are being built over movies that are there already."""

CONNECTIONS = 100
"""So many calls of one process may be under way at once."""

POOL_TIMEOUT = 0.3
"""Seconds to wait while that many are. The driver's waitQueueTimeoutMS is void for calls with a deadline."""

MIN_DEADLINE = 0.001
"""The driver takes no seconds for no deadline."""

SORT_FIELDS = {
    SortBy.POPULARITY: "popularity",
    SortBy.RELEASE_DATE: "releaseDate",
    SortBy.TITLE: "sortTitle",
    SortBy.VOTE_AVERAGE: "voteAverage",
    SortBy.AVERAGE_RATING: "averageRating",
    SortBy.WEIGHTED_RATING: "weightedRating",
    SortBy.RATINGS_COUNT: "ratingsCount",
}
"""The field that each order compares."""

RATING_FIELDS = {
    RatingOrder.CREATED_AT: "createdAt",
    RatingOrder.UPDATED_AT: "updatedAt",
    RatingOrder.RATING: "rating",
}
"""The field that each order of a user's ratings compares."""

ALONE = (
    "MongoDB runs as a standalone server, which knows no transactions: start mongod with --replSet rs0, call"
    " rs.initiate() once, and add ?replicaSet=rs0 to MONGODB_URI"
)


def _index(name: str, *keys: str, **options: object) -> IndexModel:
    """An index over these fields; a minus sign turns one's order round."""
    return IndexModel(
        [(key.lstrip("-"), -1 if key.startswith("-") else 1) for key in keys], name=name, **options
    )


def _of_listed(name: str, *keys: str) -> IndexModel:
    """An index of the movies that lists show. `listed` leads it so that counting them needs no documents."""
    return _index(name, "listed", *keys, partialFilterExpression={"listed": True})


INDEXES = {
    "movies": [
        _index("one_per_number", "tmdbId", unique=True),
        _index("by_imdb_id", "imdbId", "tmdbId"),
        *(_of_listed(f"by_{sort}_desc", f"-{field}", "_id") for sort, field in SORT_FIELDS.items()),
        *(_of_listed(f"by_{sort}_asc", field, "_id") for sort, field in SORT_FIELDS.items()),
        _of_listed("by_genre", "genres"),
        _of_listed("by_language", "originalLanguage"),
        _of_listed("by_vote_count", "voteCount"),
        _index("by_term", "terms", "-popularity", "tmdbId", partialFilterExpression={"listed": True}),
        _index("by_synced_at", "syncedAt", "tmdbId"),
    ],
    "genres": [
        _index("one_per_number", "tmdbId", unique=True),
        _index("one_per_name", "name", unique=True),
    ],
    "synclogs": [
        _index(
            "one_in_progress", "entityType", unique=True, partialFilterExpression={"status": "in-progress"}
        ),
        _index("by_entity", "entityType", "-createdAt", "-_id"),
        _index("by_start", "-createdAt", "-_id"),
    ],
    "users": [
        _index("one_per_email", "emailFolded", unique=True),
        _index("one_per_name", "usernameFolded", unique=True),
        _index("by_creation", "createdAt", "_id"),
        _index("admins", "role", partialFilterExpression={"role": "admin", "disabled": False}),
    ],
    "sessions": [
        _index("by_user", "userId"),
        _index("by_end", "expiresAt"),
    ],
    "invitations": [
        _index("one_per_code", "codeHash", unique=True),
        _index("newest_first", "-createdAt", "_id"),
        _index("by_end", "expiresAt"),
    ],
    "ratings": [
        _index("one_per_movie", "userId", "movieId", unique=True),
        *(_index(f"by_{by}_desc", "userId", f"-{field}", "_id") for by, field in RATING_FIELDS.items()),
        *(_index(f"by_{by}_asc", "userId", field, "_id") for by, field in RATING_FIELDS.items()),
        _index("by_movie", "movieId", "-createdAt", "_id"),
    ],
    "watchlists": [
        _index("one_per_movie", "userId", "movieId", unique=True),
        _index("by_addition", "userId", "-addedAt", "_id"),
        _index("by_mark", "userId", "isFavorite", "-addedAt", "_id"),
        _index("by_movie", "movieId"),
    ],
}
"""Created wherever they are missing, at every start. `_id` of a lock and of a counter is its name."""


def _counters_from_nothing(database: Documents) -> None:
    for name, value in (("generation", 1), ("listed", 0)):
        database.counters.update_one({"_id": name}, {"$setOnInsert": {"value": value}}, upsert=True)


def _rewrite_terms(database: Documents) -> None:
    """Store the keys of all movies, and the terms of those that are listed, as this version makes them. A
    movie that changes meanwhile is left to the process that changes it, which knows them too.
    """
    movies = database.movies.find({}, dict.fromkeys(SEARCHED, True), batch_size=MOVIES_AT_ONCE)
    while page := list(islice(movies, MOVIES_AT_ONCE)):
        database.movies.bulk_write(
            [UpdateOne(movie, {"$set": search_fields(movie)}) for movie in page],
            ordered=False,
        )


def _lists_of_refresh_tokens(database: Documents) -> None:
    """Make the one hash of each session its list of refresh tokens, as `session_document` writes it."""
    for session in database.sessions.find({"refreshHash": {"$exists": True}}):
        tokens = [{"hash": session["refreshHash"], "expiresAt": session["expiresAt"], "usedAt": None}]
        database.sessions.update_one(
            {"_id": session["_id"], "refreshHash": session["refreshHash"]},
            {"$set": {"refreshTokens": tokens}, "$unset": {"refreshHash": ""}},
        )


MIGRATIONS: tuple[Callable[[Documents], None], ...] = (
    _counters_from_nothing,
    _rewrite_terms,  # two slips, numbers, years, ids, and single letters of unspaced scripts
    _lists_of_refresh_tokens,
    remember_source,
)
"""Each brings the schema one version forward, and does no harm where another process does so just then. What
has been released is never edited, only followed.
"""


class Database:
    """One MongoDB database: the one that the URI names, or `matinee`.

    Every process has its own client, made when first needed: a fork never speaks on its parent's sockets.
    """

    def __init__(self, uri: str, meter: Meter = UNMETERED) -> None:
        self._uri = uri
        self._meter = meter
        self._clients: dict[int, MongoClient[Document]] = {}
        self._lock = Lock()
        self._places = BoundedSemaphore(CONNECTIONS)
        self._locks_by_name = StripedLocks()
        self._abandoned = AbandonedTransactions(self._end_sessions)

    @contextmanager
    def using(self, timeout: float | None = None) -> Iterator[Documents]:
        """The database, for operations that take no longer than `timeout` seconds together, or than the
        `timeoutMS` of the URI if that is more. Without `timeout` it is what a caller may be made to wait.
        """
        until = monotonic() + (_remaining_time() if timeout is None else timeout)
        with self._timed(), self._errors(), self._place():
            client = self._client()
            with pymongo.timeout(max(until - monotonic(), client.options.timeout or 0, MIN_DEADLINE)):
                yield client.get_default_database("matinee")

    def transaction(
        self, work: Callable[[Documents], T], about: Iterable[str] = (), timeout: float | None = None
    ) -> T:
        """Do work in one transaction and return what it returns; nothing is written if anything is raised.

        The work is done again if another transaction was in its way: it must have no effect but on the store.
        Calls of this process `about` the same movies or users take turns, so that they are not.
        """
        until = monotonic() + (_remaining_time() if timeout is None else timeout)
        with (
            self._locks_by_name.held(about, until),
            self.using(until - monotonic()) as database,
            database.client.start_session().bind() as session,
        ):
            # A write concern goes with the commit and is refused before. The driver knows that if each call
            # names its session, but (4.20) not if the session is bound.
            within = database.with_options(write_concern=WriteConcern())
            try:
                return session.with_transaction(
                    lambda _: work(within), ReadConcern("snapshot"), database.write_concern
                )
            except PyMongoError:
                # The driver does not tell whether the server heard of the end; out of time, it is not told.
                self._abandoned.add(session.session_id)
                raise

    def migrate(self) -> None:
        """Bring the schema to the newest version and create missing indexes. Raises StorageUnavailable if the
        server knows no transactions, or holds a schema newer than ours.
        """
        with self.using() as database:
            refuse_standalone(database.client.admin.command("hello"))
            known = database.counters.find_one("schema")
        version = known["value"] if known else 0
        if version > len(MIGRATIONS):
            reason = f"its schema has version {version}, this Matinee knows up to {len(MIGRATIONS)}: upgrade"
            raise StorageUnavailable(reason)
        with self.using(MIGRATION_TIMEOUT) as database:
            for step in MIGRATIONS[version:]:
                step(database)
            for collection, indexes in INDEXES.items():
                database[collection].create_indexes(indexes)
            database.counters.update_one({"_id": "schema"}, {"$max": {"value": len(MIGRATIONS)}}, upsert=True)

    def close(self) -> None:
        """Close this process's client. The database can be used again; then it makes a new one."""
        with self._lock:
            client = self._clients.pop(os.getpid(), None)
        if client:
            with self._errors(), pymongo.timeout(OPERATION_TIMEOUT):
                client.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Note how long the store is in use, waiting for a place included."""
        began = perf_counter()
        try:
            yield
        finally:
            self._meter.timed("storage", perf_counter() - began)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=POOL_TIMEOUT):
            reason = f"{CONNECTIONS} calls were under way for {POOL_TIMEOUT} s"
            raise StorageUnavailable(reason)
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what pymongo can raise into what the ports promise."""
        try:
            yield
        except PyMongoError as error:
            raise StorageUnavailable(
                redact(f"{type(error).__name__}: {error}", credentials_in(self._uri))
            ) from error

    def _end_sessions(self, sessions: list[SessionId]) -> None:
        with pymongo.timeout(OPERATION_TIMEOUT):
            self._client().admin.command({"killSessions": sessions})

    def _client(self) -> MongoClient[Document]:
        if os.getpid() not in self._clients:
            with self._lock:
                if os.getpid() not in self._clients:
                    self._clients[os.getpid()] = self._open()
        return self._clients[os.getpid()]

    def _open(self) -> MongoClient[Document]:
        try:
            return MongoClient(
                self._uri,
                appname="matinee",
                tz_aware=True,
                tzinfo=UTC,
                maxPoolSize=CONNECTIONS,
                # `using` sets the deadline of a call; these are for what the driver does beside it.
                connectTimeoutMS=int(OPERATION_TIMEOUT * 1000),
                socketTimeoutMS=int(OPERATION_TIMEOUT * 1000),
                serverSelectionTimeoutMS=int(OPERATION_TIMEOUT * 1000),
                # What was acknowledged survives a power cut and the loss of the primary.
                w="majority",
                journal=True,
                retryReads=True,
                retryWrites=True,
            )
        except (PyMongoError, ValueError) as error:
            reason = f"MONGODB_URI cannot be used: {redact(str(error), credentials_in(self._uri))}"
            raise StorageUnavailable(reason) from None


def _remaining_time() -> float:
    """Seconds that one call may take: less if its caller has waited before it came to us."""
    return max(OPERATION_TIMEOUT - queue_time.seconds, MIN_TIMEOUT)


def refuse_standalone(hello: Document) -> None:
    """Raises StorageUnavailable if a server's hello tells that it knows no transactions."""
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StorageUnavailable(ALONE)


def counter(database: Documents, name: str) -> int:
    """The value of one of the store's counters."""
    document = database.counters.find_one(name)
    if document is None:
        raise StorageUnavailable(f"it has no counter {name!r}: it was never prepared")
    return int(document["value"])
