"""Exports are complete or visibly aborted, bounded in number, and hold no resources between batches."""

import asyncio
import gzip
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, IncompleteRead
from inspect import getclosurevars
from threading import Thread
from typing import Any, cast

import brotli  # type: ignore[import-untyped]
import pytest
import uvicorn
import zstandard
from dependency_injector import providers
from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import HTTPScope

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, facts, new_item, new_rating, new_viewing, noon, store_page
from application import export
from application.export import ExportUser
from domain.errors import StorageUnavailable
from domain.ids import UserId, movie_id
from domain.ratings import Rating, RatingOrder
from domain.users import User
from entrypoints.http.exceptions import ExportRunning, ExportsFull
from entrypoints.http.exports import MAX_EXPORTS, MAX_EXPORTS_PER_USER, ExportResponse, Exports
from entrypoints.http.resources.export import json_chunks
from entrypoints.settings import Settings
from tests.integration.http_service import (
    SignedInUser,
    application,
    client_over,
    container_over,
    filled_store,
)
from tests.integration.http_service import register_user as registered

MOVIES = 23
PART = 5


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EXPORT_BATCH", PART)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = filled_store([facts(number, overview="words " * 20) for number in range(1, MOVIES + 1)])
    yield store
    store.close()


def populate(store: SqliteStore, user: UserId) -> None:
    """Rate all movies, add them to the watchlist, record viewings of them, and hide them."""
    for number in range(1, MOVIES + 1):
        store.ratings.add(new_rating(user, movie_id(number), 1 + number % 19 / 2, 1 + number % 4))
        store.watchlists.add(new_item(user, movie_id(number), 1 + number % 3))
        store.viewings.add(new_viewing(user, movie_id(number), noon(20).date(), 1 + number % 3))
        store.recommendations.hide(user, movie_id(number), noon(1 + number % 5))


@dataclass
class Failing:
    """A rating repository that fails after a number of batches."""

    ratings: Any
    parts: int
    read: int = 0

    def of_user(self, *args: Any, **more: Any) -> list[Rating]:
        self.read += 1
        if self.read > self.parts:
            reason = "gone"
            raise StorageUnavailable(reason)
        return cast("list[Rating]", self.ratings.of_user(*args, **more))


def exporting(store: SqliteStore, ratings: Any = None) -> ExportUser:
    return ExportUser(
        ratings=ratings or store.ratings,
        watchlist=store.watchlists,
        viewings=store.viewings,
        recommendations=store.recommendations,
        movies=store.movies,
        genres=store.genres,
    )


@dataclass
class Wire:
    """A client as an ASGI application sees it: it records messages, and can stop accepting or disconnect."""

    headers: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    on_body: Callable[[int], None] | None = None
    taken: asyncio.Event | None = None
    left: asyncio.Event | None = None
    messages: list[Any] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Any:
        if self.left is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body":
            self.begun.set()
            if self.on_body:
                self.on_body(len(self.messages) - 1)
            if self.taken:
                await self.taken.wait()

    async def ask(self, answer: ExportResponse) -> "Wire":
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        scope = cast("HTTPScope", {"type": "http", "method": "GET", "headers": headers, "state": self.state})
        await answer(scope, self.receive, self.send)
        return self

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def complete(self) -> bool:
        return not self.messages[-1]["more_body"]


def answer_of(
    exports: Exports, store: SqliteStore, user: User, export_user: ExportUser | None = None
) -> ExportResponse:
    chunks = json_chunks(user, (export_user or exporting(store))(user=user))
    return ExportResponse(exports, user.id, chunks)


@pytest.fixture
def ann(store: SqliteStore) -> User:
    user = add_user(store)
    populate(store, user.id)
    return user


def test_an_export_is_one_json_document_in_one_chunk_per_batch(store: SqliteStore, ann: User) -> None:
    wire = asyncio.run(Wire().ask(answer_of(Exports(pause_factor=0, max_unstreamed_bytes=0), store, ann)))
    export = json.loads(wire.body)
    assert wire.complete
    assert len(wire.messages) > 2 * MOVIES // PART
    assert list(export) == ["user", "ratings", "watchlist", "viewings", "hidden"]
    for name, at in (
        ("ratings", "created_at"),
        ("watchlist", "added_at"),
        ("viewings", "created_at"),
        ("hidden", "hidden_at"),
    ):
        rows = export[name]
        assert len(rows) == len({row["id"] for row in rows}) == MOVIES
        assert [row[at] for row in rows] == sorted((row[at] for row in rows), reverse=True)


@pytest.mark.parametrize(
    ("ratings", "items", "viewings", "hidden"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 1, 0, 1),
        (0, 0, 1, 0),
        (0, 0, 0, 1),
        (1, 0, 1, 0),
        (PART, PART, PART, PART),
        (PART + 1, 2 * PART, 1, PART + 1),
    ],
)
def test_an_empty_export_is_a_complete_document(
    store: SqliteStore, ratings: int, items: int, viewings: int, hidden: int
) -> None:
    user = add_user(store, "little")
    for number in range(1, ratings + 1):
        store.ratings.add(new_rating(user.id, movie_id(number)))
    for number in range(1, items + 1):
        store.watchlists.add(new_item(user.id, movie_id(number)))
    for number in range(1, viewings + 1):
        store.viewings.add(new_viewing(user.id, movie_id(number)))
    for number in range(1, hidden + 1):
        store.recommendations.hide(user.id, movie_id(number), noon())
    export = json.loads(b"".join(json_chunks(user, exporting(store)(user=user))))
    assert export["user"]["id"] == user.id
    numbers = [len(export[name]) for name in ("ratings", "watchlist", "viewings", "hidden")]
    assert numbers == [ratings, items, viewings, hidden]


def test_a_short_export_has_a_content_length_and_an_etag(store: SqliteStore, ann: User) -> None:
    streamed = asyncio.run(Wire().ask(answer_of(Exports(pause_factor=0, max_unstreamed_bytes=0), store, ann)))
    size = len(streamed.body)
    for short_bytes in (size - 1, size):
        wire = asyncio.run(
            Wire().ask(answer_of(Exports(pause_factor=0, max_unstreamed_bytes=short_bytes), store, ann))
        )
        headers = dict(wire.messages[0]["headers"])
        assert wire.body == streamed.body
        assert (b"etag" in headers) == (b"content-length" in headers) == (short_bytes == size)


def test_an_item_without_its_movie_leaves_the_document_valid(store: SqliteStore, ann: User) -> None:
    with store.database.writing() as connection:
        connection.execute("DELETE FROM movies WHERE tmdb_id IN (1, 2, 3, 4, 8, 12, 16, 20)")
    export = json.loads(b"".join(json_chunks(ann, exporting(store)(user=ann))))
    for name in ("ratings", "watchlist", "viewings", "hidden"):
        assert len(export[name]) == MOVIES - 8


@pytest.mark.parametrize(
    ("encoding", "decode"),
    [
        ("gzip", gzip.decompress),
        ("br", brotli.decompress),
        ("zstd", lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)),
    ],
)
def test_an_export_is_compressed_batch_by_batch(
    store: SqliteStore, ann: User, encoding: str, decode: Callable[[bytes], bytes]
) -> None:
    plain = asyncio.run(Wire().ask(answer_of(Exports(pause_factor=0, max_unstreamed_bytes=0), store, ann)))
    wire = Wire({"accept-encoding": encoding})
    asyncio.run(wire.ask(answer_of(Exports(pause_factor=0, max_unstreamed_bytes=0), store, ann)))
    assert dict(wire.messages[0]["headers"])[b"content-encoding"] == encoding.encode()
    assert all(message["body"] for message in wire.messages[1:])
    assert decode(wire.body) == plain.body
    assert len(wire.body) < len(plain.body) / 3


def test_a_batch_is_read_only_when_the_client_is_ready(store: SqliteStore, ann: User) -> None:
    ratings = Failing(store.ratings, parts=100)
    seen: list[int] = []
    wire = Wire(on_body=lambda number: seen.append(ratings.read - number))
    asyncio.run(
        wire.ask(
            answer_of(Exports(pause_factor=0, max_unstreamed_bytes=0), store, ann, exporting(store, ratings))
        )
    )
    assert wire.complete
    assert max(seen) <= 1


def test_between_two_batches_the_store_can_be_changed(store: SqliteStore, ann: User) -> None:
    before = {
        rating.id: rating
        for rating in store.ratings.of_user(ann.id, RatingOrder.CREATED_AT, descending=True, limit=99)
    }
    mine = list(before.values())
    gone, changed, late = mine[-1], mine[-2], facts(99)

    def meddle(number: int) -> None:
        if number == 1:
            assert not store.database._connection().in_transaction
            store.ratings.remove(gone.id, ann.id)
            store.ratings.change(changed.id, ann.id, lambda rating: rating.changed(noon(9), review="Late"))
            store_page(store, late, day=5)
            store.ratings.add(new_rating(ann.id, movie_id(99), 3, 9))

    wire = Wire(on_body=meddle)
    asyncio.run(wire.ask(answer_of(Exports(pause_factor=0, max_unstreamed_bytes=0), store, ann)))
    found = {row["id"]: row for row in json.loads(wire.body)["ratings"]}
    assert set(found) == {rating.id for rating in mine} - {gone.id}
    assert found[changed.id]["review"] == "Late"


def test_a_stalled_client_occupies_no_thread(store: SqliteStore, ann: User) -> None:
    exports = Exports(max_exports=2, pause_factor=0, max_unstreamed_bytes=0)

    async def run() -> Wire:
        stalled = Wire(taken=asyncio.Event())
        stalling = asyncio.create_task(stalled.ask(answer_of(exports, store, ann)))
        await stalled.begun.wait()
        assert (await Wire().ask(answer_of(exports, store, ann))).complete
        assert exports.running == 1
        cast("asyncio.Event", stalled.taken).set()
        return await stalling

    assert asyncio.run(run()).complete
    assert exports.running == 0


def test_the_export_of_a_stalled_client_ends(
    store: SqliteStore, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    exports = Exports(stall_timeout=0.01, pause_factor=0, max_unstreamed_bytes=0)

    async def run() -> Wire:
        return await Wire(taken=asyncio.Event()).ask(answer_of(exports, store, ann))

    with caplog.at_level(logging.WARNING):
        stalled = asyncio.run(run())
    assert not stalled.complete
    assert len(stalled.messages) == 2
    assert exports.running == 0
    assert "aborted" in caplog.text


def test_an_export_that_takes_too_long_ends(store: SqliteStore, ann: User) -> None:
    exports = Exports(export_timeout=0.0, pause_factor=0, max_unstreamed_bytes=0)
    wire = asyncio.run(Wire().ask(answer_of(exports, store, ann)))
    assert wire.messages[-1]["type"] == "http.response.start" or not wire.complete
    assert exports.running == 0


def test_a_disconnect_ends_the_export(store: SqliteStore, ann: User) -> None:
    exports = Exports(pause_factor=0, max_unstreamed_bytes=0)

    async def run() -> Wire:
        left = asyncio.Event()
        wire = Wire(left=left, on_body=lambda number: left.set() if number == 2 else None)
        return await wire.ask(answer_of(exports, store, ann))

    wire = asyncio.run(run())
    assert 3 <= len(wire.messages) <= 5
    assert not wire.complete
    assert exports.running == 0


def test_a_cancelled_export_frees_its_slot(store: SqliteStore, ann: User) -> None:
    exports = Exports(pause_factor=0, max_unstreamed_bytes=0)

    async def run() -> None:
        wire = Wire(taken=asyncio.Event())
        task = asyncio.create_task(wire.ask(answer_of(exports, store, ann)))
        await wire.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert exports.running == 0


def test_concurrent_exports_are_bounded_in_all_and_for_each_user(store: SqliteStore, ann: User) -> None:
    exports = Exports(max_exports=3, max_per_user=2, pause_factor=0, max_unstreamed_bytes=0)
    bob, eve = add_user(store, "bob"), add_user(store, "eve")

    async def run() -> None:
        taken = asyncio.Event()
        wires = [Wire(taken=taken) for _ in range(3)]
        users = (ann, ann, bob)
        tasks = [
            asyncio.create_task(wire.ask(answer_of(exports, store, user)))
            for wire, user in zip(wires, users, strict=True)
        ]
        for wire in wires:
            await wire.begun.wait()
        with pytest.raises(ExportRunning):
            await Wire().ask(answer_of(exports, store, ann))
        with pytest.raises(ExportsFull):
            await Wire().ask(answer_of(exports, store, eve))
        assert exports.running == 3
        taken.set()
        await asyncio.gather(*tasks)
        assert exports.running == 0
        assert (await Wire().ask(answer_of(exports, store, eve))).complete

    asyncio.run(run())


def test_the_thread_pauses_after_each_batch_by_the_pause_factor(store: SqliteStore, ann: User) -> None:
    naps: list[float] = []
    at = [0.0]

    def clock() -> float:
        return at[0]

    def nap(seconds: float) -> None:
        naps.append(seconds)
        at[0] += seconds

    def work() -> None:
        at[0] += 0.5

    exports = Exports(pause_factor=2.0, clock=clock, sleep=nap)

    async def run() -> None:
        await exports.run(work)
        at[0] += 0.25
        await exports.run(work)
        at[0] += 9
        await exports.run(work)

    asyncio.run(run())
    assert naps == [0.0, 0.75, 0.0]


@contextmanager
def clients(store: SqliteStore, **more: Any) -> Iterator[Any]:
    with client_over(store, **more) as client:
        yield client


def test_refused_exports_have_codes_and_a_retry_after(store: SqliteStore) -> None:
    app = application(store)
    with TestClient(app) as client:
        neo = registered(client)
        exports = exports_of(app)
        exports._running[UserId(neo.user["id"])] = MAX_EXPORTS_PER_USER
        running = neo("GET", "/me/export")
        exports._running.clear()
        exports._running[UserId("f" * 24)] = MAX_EXPORTS
        full = neo("GET", "/me/export")
        exports._running.clear()
        assert neo("GET", "/me/export").status_code == 200
    for answer, status, code in ((running, 429, "export_running"), (full, 503, "exports_full")):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert int(answer.headers["retry-after"]) > 0


def exports_of(app: Litestar) -> Exports:
    """The `Exports` of an application."""
    (route,) = [route for route in app.routes if route.path_format == "/api/v1/me/export"]
    handler, _ = route.route_handler_map["GET"]  # type: ignore[union-attr]
    exports: Exports = getclosurevars(handler.fn).nonlocals["instances"]["user_export"].exports
    return exports


def test_json_is_the_format_without_a_choice(store: SqliteStore) -> None:
    with clients(store) as client:
        neo = registered(client)
        plain, named = neo("GET", "/me/export"), neo("GET", "/me/export?format=json")
        other = neo("GET", "/me/export?format=xml")
    assert plain.content == named.content
    assert other.status_code == 400
    assert other.json()["errors"] == ["format must be one of json, letterboxd, csv"]


def test_an_export_is_private_without_an_etag_and_head_reads_no_batches(store: SqliteStore) -> None:
    app = application(store)
    exports_of(app).max_unstreamed_bytes = 0
    with TestClient(app) as client:
        neo = registered(client)
        populate(store, UserId(neo.user["id"]))
        answer, head = neo("GET", "/me/export"), neo("HEAD", "/me/export")
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == answer.headers["content-type"] == "application/json"


def failing(store: SqliteStore, parts: int) -> Litestar:
    """The application over a store that fails after a number of batches of an export."""
    container = container_over(store, Settings())
    export_user = exporting(store, Failing(store.ratings, parts))
    container.export_user.override(providers.Object(export_user))
    app = application(store, container=container)
    exports_of(app).max_unstreamed_bytes = 0
    return app


def test_an_unavailable_store_gives_a_503(store: SqliteStore) -> None:
    with TestClient(failing(store, 0)) as client:
        answer = registered(client)("GET", "/me/export")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_store_that_fails_later_aborts_the_transfer(
    store: SqliteStore, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(failing(store, 2)) as port, closing(HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        neo = register_at(port)
        populate(store, UserId(neo.user["id"]))
        client.request("GET", "/api/v1/me/export", headers={**neo.headers, "Accept-Encoding": encoding})
        answer = client.getresponse()
        assert answer.status == 200
        with pytest.raises(IncompleteRead) as broken:
            answer.read()
    if encoding == "identity":
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(broken.value.partial)
    else:
        with pytest.raises(EOFError):
            gzip.decompress(broken.value.partial)
    assert "An export was aborted" in caplog.text


def test_a_complete_export_keeps_its_connection_alive(store: SqliteStore) -> None:
    with (
        serving(failing(store, 99)) as port,
        closing(HTTPConnection("127.0.0.1", port, timeout=10)) as client,
    ):
        neo = register_at(port)
        populate(store, UserId(neo.user["id"]))
        for _ in range(3):
            client.request("GET", "/api/v1/me/export", headers=neo.headers)
            assert len(json.loads(client.getresponse().read())["ratings"]) == MOVIES


@contextmanager
def serving(app: Litestar) -> Iterator[int]:
    """The port of a real server on the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=3, ws="none")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]  # the kernel queues connections until the server accepts them
    finally:
        server.should_exit = True
        thread.join(timeout=10)
    assert not thread.is_alive()


def register_at(port: int) -> SignedInUser:
    """Register a user at a real server."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        account = {"username": "neo", "email": "neo@example.com", "password": "follow the white rabbit"}
        client.request(
            "POST", "/api/v1/auth/register", json.dumps(account), {"Content-Type": "application/json"}
        )
        body = json.loads(client.getresponse().read())
    return SignedInUser(cast("Any", None), body["user"], body["access_token"], body["refresh_token"])
