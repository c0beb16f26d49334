"""What a head says is kept by its bytes, so that a request with the same bytes is not parsed again."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoints.http import fast_path as module
from entrypoints.http.app import fast_path
from entrypoints.http.fast_path import FastPath
from tests.integration.test_http_fast_path import Place, place
from tests.integration.test_http_fast_protocol import Line, unnamed, warmed, without_ids

REPEATABLE = ("/movies", "/genres", "/movies/603", "/watchlist", "/health/live")


@pytest.fixture(scope="module", name="place")
def fixture_place() -> Iterator[Place]:
    with place() as made:
        yield made


def fast_path_of(place: Place) -> FastPath:
    found = fast_path(place.fast)
    assert found
    return found


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip",), ("If-None-Match: *",)])
def test_the_second_response_is_that_of_the_application(
    place: Place, method: str, headers: Sequence[str]
) -> None:
    async def check() -> None:
        for path in REPEATABLE:
            data = unnamed(place, path, *headers, method=method)
            fast, slow = Line(place, fast=True), Line(place, fast=False)
            for number in (1, 2, 3):
                assert await fast.exchange(data, number) == await slow.exchange(data, number)
            assert fast.counted.repeated >= 2, path

    warmed(place, check)


def test_a_head_is_known_on_every_connection_of_the_process(place: Place) -> None:
    async def check() -> None:
        await Line(place, fast=True).exchange(unnamed(place, "/movies"))
        other = Line(place, fast=True)
        await other.exchange(unnamed(place, "/movies"))
        assert other.counted.repeated == 1

    warmed(place, check)


@pytest.mark.parametrize(
    "data",
    [
        ["Connection: close"],
        ["X-Request-ID: mine"],
        ["Origin: https://example.org"],
        ["Content-Length: 0"],
        ["Accept: a", "Accept: b"],
    ],
)
def test_a_head_that_is_not_answered_so_again_is_not_kept(place: Place, data: Sequence[str]) -> None:
    async def check() -> None:
        for _ in range(2):
            line = Line(place, fast=True)
            await line.exchange(unnamed(place, "/movies", *data))
            assert line.counted.repeated == 0

    warmed(place, check)


def test_data_that_is_more_or_less_than_one_request_is_not_kept(place: Place) -> None:
    request = unnamed(place, "/movies", "Accept: more-or-less")
    bodies = unnamed(place, "/movies", "Content-Length: 3", method="POST") + b"{} "
    heads = fast_path_of(place)._heads
    old = unnamed(place, "/movies", version="1.0")

    async def check() -> None:
        heads.clear()
        for responses, data in (
            (2, request + request),
            (1, request + b"GET /api/v1/"),
            (2, request + b"\0"),
            (2, request + bodies),
            (1, old),
        ):
            await Line(place, fast=True).exchange(data, responses)
        half = Line(place, fast=True)
        half.protocol.data_received(request[:20])
        await half.exchange(request[20:])
        assert list(heads) == []
        await Line(place, fast=True).exchange(request)
        assert list(heads) == [request]

    warmed(place, check)


def test_as_many_heads_are_kept_as_there_is_room_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = fast_path_of(place)._heads

    async def check() -> None:
        heads.clear()
        line = Line(place, fast=True)
        for number in range(8):
            await line.exchange(unnamed(place, "/movies", f"Accept: {number}"), number + 1)
            assert len(heads) == number % 3 + 1

    monkeypatch.setattr(module, "MAX_HEADS", 3)
    warmed(place, check)


def test_a_kept_head_proves_nothing_about_the_caller_the_copy_and_the_limit() -> None:
    with place() as made:
        data = unnamed(made, "/movies")

        async def repeated() -> bool:
            fast, slow = Line(made, fast=True), Line(made, fast=False)
            assert await fast.exchange(data) == await slow.exchange(data)
            return bool(fast.counted.repeated)

        async def check() -> None:
            await repeated()
            for tag in (f"user:{made.user.user['id']}", "cache:generation"):
                assert await repeated()
                made.copies.lease.invalidate([tag])
                assert not await repeated()
            made.counter.asks = True
            assert not await repeated()
            made.counter.asks = False
            assert await repeated()
            made.copies.lease.end()
            assert not await repeated()

        warmed(made, check)


def test_a_revoked_token_is_refused_though_its_heads_are_kept() -> None:
    with place() as made:
        data = unnamed(made, "/movies")

        async def check() -> None:
            line = Line(made, fast=True)
            await line.exchange(data)
            await line.exchange(data, 2)
            assert line.counted.repeated
            assert made.user("POST", "/auth/logout").status_code == 204
            made.copies.lease.invalidate([f"user:{made.user.user['id']}"])
            assert (await line.exchange(data, 3)).count(b"HTTP/1.1 401 ") == 1

        warmed(made, check)


def test_the_address_that_is_counted_is_that_of_the_connection() -> None:
    with place(public_catalogue="true") as public:
        data = b"GET /api/v1/movies HTTP/1.1\r\nHost: localhost\r\n\r\n"

        async def check() -> None:
            await Line(public, fast=True).exchange(data)
            other = Line(public, fast=True)
            other.protocol.client = ("192.0.2.8", 4711)
            await other.exchange(data)
            assert other.counted.repeated == 1
            assert public.counter.taken[-1] == "address:192.0.2.8"

        warmed(public, check)


def test_the_scheme_is_that_of_the_connection(place: Place) -> None:
    async def check() -> None:
        data = unnamed(place, "/movies")
        await Line(place, fast=True).exchange(data)
        secure = Line(place, fast=True)
        secure.protocol.scheme = "https"
        assert b"strict-transport-security: " in await secure.exchange(data)
        assert secure.counted.repeated == 1

    warmed(place, check)


def test_a_client_that_does_not_read_gets_no_response_to_a_kept_head(place: Place) -> None:
    async def check() -> None:
        data = unnamed(place, "/movies")
        line = Line(place, fast=True)
        await line.exchange(data)
        first = line.wire.sent
        line.protocol.pause_writing()
        line.protocol.data_received(data)
        assert line.wire.sent == first
        line.protocol.resume_writing()
        assert (await line.exchange(b"", 2)).count(b"HTTP/1.1 200 ") == 2

    warmed(place, check)


KINDS = (
    "GET /movies",
    "GET /movies/999999",
    "HEAD /genres",
    "GET /movies?limit=0",
    "POST /movies",
    "DELETE /movies/603/rating",
    "GET /health/live",
)


def request_of(place: Place, kind: str) -> bytes:
    method, path = kind.split()
    if method == "POST":
        return unnamed(place, path, "Content-Length: 21", method=method) + b"GET / HTTP/1.1\r\n\r\nabc"
    return unnamed(place, path, method=method)


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), st.integers(0, 400)), max_size=8
    )
)
@example([(["GET /movies"], 0), (["GET /movies"], 0), (["GET /movies", "POST /movies"], 60)])
def test_requests_are_answered_alike_however_they_are_split(
    place: Place, batches: list[tuple[list[str], int]]
) -> None:
    """Each batch is sent as one piece, or in two if it is long enough to be cut there."""

    async def answered(line: Line) -> bytes:
        responses = 0
        for kinds, cut in batches:
            data = b"".join(request_of(place, kind) for kind in kinds)
            responses += len(kinds)
            if 0 < cut < len(data):
                line.protocol.data_received(data[:cut])
                data = data[cut:]
            await line.exchange(data, responses)
        return without_ids(line.wire.sent)

    async def check() -> None:
        assert await answered(Line(place, fast=True)) == await answered(Line(place, fast=False))

    warmed(place, check)
