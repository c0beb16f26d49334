"""The response cache over HTTP: `X-Cache`, and no stale responses."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from litestar import Litestar
from redis import Redis

from adapters.redis.cache import RedisResponseCache
from adapters.sqlite.ratings import set_tally
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, new_run, noon
from application.catalogue import GetMovie
from domain.ids import MovieId, UserId, genre_id, movie_id
from domain.ratings import Score, Tally
from domain.recommendations import Neighbour
from domain.sync import Entity, PageResult
from domain.users import Role
from entrypoints.settings import Settings
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import (
    THE_MATRIX,
    AsgiResponse,
    Client,
    SignedInUser,
    application,
    call,
    client_over,
    container_over,
    filled_store,
    now,
    register_user,
    signed_in_user,
)
from tests.integration.test_http_lists import other_value, whole

CACHED = (
    "/movies",
    "/movies?limit=2&page=1&sort_by=title",
    "/movies/search?q=matrix",
    "/movies/603",
    "/movies/603?fields=title,id",
    "/genres",
    "/genres/28/movies",
    "/ratings/movie/603",
    "/watchlist",
    "/watchlist?favorite=true",
    "/movies/603/recommendations",
)


@contextmanager
def processes(valkey: Valkey, number: int = 1, **settings: Any) -> Iterator[tuple[list[Client], SqliteStore]]:
    """Several applications over one store and one Redis."""
    store = filled_store([THE_MATRIX, facts(604, genres=(genre_id(28),)), facts(605)])
    with ExitStack() as stack:
        settings = {"public_catalogue": "false", **settings}
        made = (client_over(store, redis=valkey.url, **settings) for _ in range(number))
        yield [stack.enter_context(each) for each in made], store
    store.close()


@pytest.fixture
def client(valkey: Valkey) -> Iterator[Client]:
    with processes(valkey) as ((made,), _):
        yield made


def through(somebody: SignedInUser, client: Client) -> SignedInUser:
    """The same user as a client of another process."""
    return SignedInUser(client, somebody.user, somebody.access_token, somebody.refresh_token)


@pytest.mark.parametrize("path", CACHED)
def test_a_second_response_is_cached_and_identical(client: Client, path: str) -> None:
    neo = register_user(client)
    made, kept = neo("GET", path), neo("GET", path)
    assert (made.headers["x-cache"], kept.headers["x-cache"]) == ("MISS", "HIT")
    assert kept.content == made.content
    for name in ("etag", "cache-control", "link", "content-type"):
        assert kept.headers.get(name) == made.headers.get(name)
    assert neo("GET", path, headers={"If-None-Match": made.headers["etag"]}).status_code == 304


def changed_requests(somebody: SignedInUser) -> Iterator[tuple[str, str]]:
    """Each cached endpoint with default parameters, and with each parameter changed."""
    document = somebody.client.get("/api/v1/docs/openapi.json").json()
    for path, calls in document["paths"].items():
        if "X-Cache" not in calls.get("get", {}).get("responses", {}).get("200", {}).get("headers", {}):
            continue
        place = re.sub(r"{\w+}", "28" if "genres" in path else "603", path.removeprefix("/api/v1"))
        parameters = [each for each in calls["get"]["parameters"] if each["in"] == "query"]
        start = f"{place}?{'q=movie' if any(each['name'] == 'q' for each in parameters) else ''}"
        for parameter in parameters:
            name, schema = parameter["name"], whole(parameter["schema"], document)
            if name in {"mine", "not_mine"}:
                continue  # such a list is not cached
            if name == "q":
                yield start, f"{place}?q=matrix"
            elif name == "cursor":
                first = f"{start}&limit=1"
                yield first, f"{first}&cursor={somebody('GET', first).json()['meta']['next_cursor']}"
            else:
                yield start, f"{start}&{name}={other_value({'schema': schema})}"


def test_each_parameter_of_a_cached_endpoint_has_a_response_of_its_own(valkey: Valkey) -> None:
    with processes(valkey) as ((client,), store), client_over(store) as uncached:
        neo = register_user(client)
        for name in ("trinity", "smith"):
            register_user(client, name)("PUT", "/movies/603/rating", {"rating": 8})
        for movie in ("603", "604", "605"):
            neo("PUT", f"/movies/{movie}/watchlist", {"is_favorite": movie == "603"})
        beside = [Neighbour(movie_id(number), 5, number) for number in (604, 605)]
        store.recommendations.store({movie_id(603): beside})
        pairs = list(changed_requests(neo))
        assert len(pairs) > 30
        for path in dict.fromkeys(path for pair in pairs for path in pair):
            answers = [neo("GET", path), neo("GET", path), through(neo, uncached)("GET", path)]
            assert {answer.status_code for answer in answers} == {200}, path
            assert answers[1].headers["x-cache"] == "HIT", path
            for answer in answers:
                assert answer.content == answers[2].content, path
                assert answer.headers.get("link") == answers[2].headers.get("link"), path


def test_cache_keys_are_those_of_the_contract(client: Client, valkey: Valkey) -> None:
    neo = register_user(client)
    for path in CACHED:
        neo("GET", path)
    movie = neo("GET", "/movies/603").json()["id"]
    for key in (
        "movies:list:1:20:",
        "movies:list:1:2:sort_by=title",
        "movies:search:matrix:1",
        f"movies:detail:{movie}",
        f"movies:rating:{movie}",
        "genres:all",
        f"watchlist:user:{neo.user['id']}",
        f"movies:recommendations:{movie}",
    ):
        assert valkey.command("EXISTS", key) == ":1", key
        assert 0 < int(valkey.command("TTL", key)[1:]) <= 120


def test_long_searches_have_different_keys(client: Client, valkey: Valkey) -> None:
    neo, words = register_user(client), "matrix" * 30
    neo("GET", f"/movies/search?q={words}")
    with Redis.from_url(valkey.url) as redis:
        (key,) = redis.keys("movies:search:*")
    name = quote(key.decode().removeprefix("movies:search:").removesuffix(":1").removeprefix("#"))
    assert neo("GET", f"/movies/search?q={name}").headers["x-cache"] == "MISS"
    assert neo("GET", f"/movies/search?q={words}").headers["x-cache"] == "HIT"


def test_a_response_cached_by_another_version_is_built_again(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), _):
        neo = register_user(one)
        made = neo("GET", "/genres")
        with Redis.from_url(valkey.url) as redis:
            head = redis.get("cache:generation") + b"f" * 16
            redis.hset("genres:all", mapping={"h:": head, "b:": head + b"of another make"})
        found = [through(neo, other)("GET", "/genres") for _ in range(2)]
        assert [answer.headers["x-cache"] for answer in found] == ["MISS", "HIT"]
        assert {answer.content for answer in found} == {made.content}


def test_a_movie_requested_by_its_imdb_id_is_not_cached(client: Client) -> None:
    neo = register_user(client)
    assert all("x-cache" not in neo("GET", "/movies/tt0133093").headers for _ in range(2))


@pytest.mark.parametrize("path", ["/movies?", "/movies/search?q=matrix&", "/genres/28/movies?"])
def test_a_list_of_ones_own_movies_is_not_cached_and_always_current(client: Client, path: str) -> None:
    neo, trinity = register_user(client), register_user(client, "trinity")

    def lists(query: str) -> list[int]:
        answers = [user("GET", f"{path}{query}") for user in (neo, trinity)]
        for answer in answers:
            assert "x-cache" not in answer.headers
            assert answer.headers["cache-control"] == "private, no-cache"
            assert len(answer.json()["data"]) == answer.json()["meta"]["total"]
        return [len(answer.json()["data"]) for answer in answers]

    (every, _) = lists("not_mine=rated")
    assert lists("mine=rated,seen") == [0, 0]
    neo("PUT", "/movies/603/rating", {"rating": 8})
    assert lists("mine=rated,seen") == [1, 0]
    assert lists("not_mine=rated") == [every - 1, every]
    neo("PUT", "/movies/603/watchlist", {"is_favorite": True})
    assert lists("mine=favorite&not_mine=seen") == [1, 0]
    neo("DELETE", "/movies/603/rating")
    assert (lists("mine=rated"), lists("not_mine=rated")) == ([0, 0], [every, every])


def test_an_error_is_never_cached(client: Client) -> None:
    neo = register_user(client)
    assert [neo("GET", "/movies/999").status_code for _ in range(2)] == [404, 404]
    assert "x-cache" not in neo("GET", "/movies/999").headers


def test_a_cached_response_still_requires_a_token(client: Client) -> None:
    neo = register_user(client)
    neo("GET", "/movies/603")
    assert client.get("/api/v1/movies/603").status_code == 401


def test_a_rating_in_one_process_is_visible_in_another_at_once(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), _):
        neo = register_user(one)
        again = through(neo, other)
        written = neo("PUT", "/movies/603/rating", {"rating": 8})
        rating = written.json()["id"]
        steps: list[tuple[Any, Any]] = [
            (("PUT", "/movies/603/rating", {"rating": 9}), 9.0),
            (("PATCH", f"/ratings/{rating}", {"rating": 4.5}), 4.5),
            (("DELETE", f"/ratings/{rating}"), None),
            (("POST", "/ratings", {"movie_id": "603", "rating": 10}), 10.0),
            (("DELETE", "/movies/603/rating"), None),
        ]
        for step, average in steps:
            for path in ("/movies/603", "/ratings/movie/603"):
                again("GET", path)
                assert again("GET", path).headers["x-cache"] == "HIT"
            assert neo(*step).is_success
            assert again("GET", "/movies/603").json()["average_rating"] == average
            assert again("GET", "/ratings/movie/603").json()["summary"]["average_rating"] == average


def test_a_repaired_tally_is_visible_in_all_processes_at_once(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), store):
        admin = register_user(one, "morpheus")
        store.users.change(
            UserId(admin.user["id"]), lambda stored: stored.with_changes(now(), role=Role.ADMIN)
        )
        again = through(admin, other)
        movie = admin("PUT", "/movies/603/rating", {"rating": 8}).json()["movie"]["id"]
        with store.database.writing() as connection:
            set_tally(connection, MovieId(movie), Tally.of([Score.of(10)] * 2))
        for path in ("/movies/603", "/ratings/movie/603", "/movies/604"):
            again("GET", path)
            assert again("GET", path).headers["x-cache"] == "HIT"
        assert again("GET", "/movies/603").json()["average_rating"] == 10.0

        assert len(admin("POST", "/admin/ratings/verify").json()["drifts"]) == 1
        assert again("GET", "/movies/603").headers["x-cache"] == "HIT"
        assert admin("POST", "/admin/ratings/verify", {"repair": True}).json()["repaired"] is True

        assert again("GET", "/movies/603").json()["average_rating"] == 8.0
        assert again("GET", "/ratings/movie/603").json()["summary"]["ratings_count"] == 1
        assert again("GET", "/movies/604").headers["x-cache"] == "HIT"


def test_changed_neighbours_are_visible_in_all_processes_at_once(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), store):
        neo, trinity = register_user(one), register_user(one, "trinity")
        again = through(neo, other)
        path = "/movies/603/recommendations"
        for somebody in (neo, trinity):
            for number in (603, 604):
                somebody("PUT", f"/movies/{number}/rating", {"rating": 9})
        assert again("GET", path).json()["data"] == []
        assert again("GET", path).headers["x-cache"] == "HIT"
        container = container_over(store, Settings(redis_url=valkey.url))
        container.update_neighbours()()
        assert [row["tmdb_id"] for row in again("GET", path).json()["data"]] == [604]
        again("GET", "/movies/605")
        with container.invalidation().recommendations([MovieId(f"{number:024x}") for number in range(1001)]):
            pass
        assert again("GET", "/movies/605").headers["x-cache"] == "MISS"
        container.cleanup().close()


def test_a_change_of_a_watchlist_invalidates_only_that_one(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), _):
        neo, trinity = register_user(one), register_user(one, "trinity")
        again = through(neo, other)
        trinity("GET", "/watchlist")
        item = neo("POST", "/watchlist", {"movie_id": "603"}).json()["id"]
        steps: list[tuple[Any, ...]] = [
            ("PATCH", f"/watchlist/{item}", {"note": "twice"}),
            ("PATCH", f"/watchlist/{item}/favorite"),
            ("PUT", "/movies/604/watchlist", {}),
            ("DELETE", "/movies/604/watchlist"),
            ("DELETE", f"/watchlist/{item}"),
        ]
        for step in steps:
            assert [again("GET", "/watchlist").headers["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
            assert neo(*step).is_success
        assert again("GET", "/watchlist").json()["data"] == []
        assert trinity("GET", "/watchlist").headers["x-cache"] == "HIT"


def test_the_deletion_of_an_account_invalidates_its_ratings(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), _):
        neo, trinity = register_user(one), register_user(other, "trinity")
        neo("PUT", "/movies/603/rating", {"rating": 2})
        assert trinity("GET", "/movies/603").json()["ratings_count"] == 1
        assert neo("DELETE", "/auth/me", {"password": "follow the white rabbit"}).status_code == 204
        assert trinity("GET", "/movies/603").json()["ratings_count"] == 0


def test_users_do_not_see_each_others_watchlists(client: Client) -> None:
    neo, trinity = register_user(client), register_user(client, "trinity")
    neo("POST", "/watchlist", {"movie_id": "603"})
    assert len(neo("GET", "/watchlist").json()["data"]) == 1
    assert trinity("GET", "/watchlist").json()["data"] == []


def test_without_redis_everything_works_without_cache_headers(valkey: Valkey) -> None:
    with processes(valkey) as ((client,), _):
        neo = register_user(client)
        assert neo("GET", "/movies/603").headers["x-cache"] == "MISS"
        valkey.kill()
        for path in CACHED:
            answer = neo("GET", path)
            assert answer.status_code == 200
            assert "x-cache" not in answer.headers
        assert neo("PUT", "/movies/603/rating", {"rating": 8}).status_code == 201
        assert neo("GET", "/movies/603").json()["average_rating"] == 8.0
        assert client.get("/api/v1/health").json()["checks"]["redis"]["status"] == "down"


def test_a_change_while_redis_was_frozen_is_visible_afterwards(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), _):
        neo = register_user(one)
        again = through(neo, other)
        assert again("GET", "/movies/603").json()["ratings_count"] == 0
        valkey.freeze()
        assert neo("PUT", "/movies/603/rating", {"rating": 8}).status_code == 201
        valkey.thaw()
        while "x-cache" not in neo("GET", "/genres").headers:  # it has recovered and invalidated everything
            pass
        assert again("GET", "/movies/603").json()["ratings_count"] == 1


def rush(app: Litestar, *others: Litestar) -> list[AsgiResponse]:
    """The replies to a thousand simultaneous requests to these applications."""
    apps = (app, *others)

    async def work() -> list[AsgiResponse]:
        async with AsyncExitStack() as stack:
            for each in apps:
                await stack.enter_async_context(each.lifespan())
            return await asyncio.gather(
                *(call(apps[number % len(apps)], "/api/v1/movies/603") for number in range(1000))
            )

    return asyncio.run(work())


@pytest.mark.parametrize("number", [1, 2])
def test_a_thousand_requests_for_one_cold_key_cause_one_build(valkey: Valkey, number: int) -> None:
    store = filled_store([THE_MATRIX])
    replies = rush(*(application(store, redis=valkey.url) for _ in range(number)))
    assert {reply.status for reply in replies} == {200}
    assert {reply.body for reply in replies} == {replies[0].body}
    assert Counter(reply.headers["x-cache"] for reply in replies) == {"MISS": 1, "HIT": 999}
    store.close()


def test_without_redis_a_thousand_requests_cause_few_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    store, read = filled_store([THE_MATRIX]), []
    get_movie = GetMovie.__call__

    def counting(use_case: GetMovie, *, ref: str) -> Any:
        read.append(1)
        return get_movie(use_case, ref=ref)

    monkeypatch.setattr(GetMovie, "__call__", counting)
    replies = rush(application(store))
    assert {reply.status for reply in replies} == {200}
    assert not any("x-cache" in reply.headers for reply in replies)
    assert len(read) <= 2, "one, and one for those that began during it"
    store.close()


def test_a_response_is_stored_before_the_application_ends(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, finish = RedisResponseCache._settle, RedisResponseCache.finish
    ending = asyncio.Event()

    async def late(*arguments: Any) -> None:
        await ending.wait()
        await settle(*arguments)

    async def end(cache: RedisResponseCache[Any]) -> None:
        ending.set()
        await finish(cache)

    monkeypatch.setattr(RedisResponseCache, "_settle", late)
    monkeypatch.setattr(RedisResponseCache, "finish", end)
    store = filled_store([THE_MATRIX])
    app = application(store, redis=valkey.url)

    async def work() -> None:
        async with app.lifespan():
            await call(app, "/api/v1/genres")
        assert valkey.command("EXISTS", "genres:all") == ":1"

    asyncio.run(work())
    store.close()


def test_a_sync_is_visible_at_once(valkey: Valkey) -> None:
    with processes(valkey) as ((client,), store):
        neo = register_user(client)
        assert neo("GET", "/movies").json()["meta"]["total"] == 3
        container = container_over(store, Settings(redis_url=valkey.url))
        run = new_run(store, Entity.MOVIES).bounded(1)
        with container.invalidation().all():
            store.movies.store(PageResult(page=1, at=noon(), movies=(facts(700),)), run)
        breaker = container.breaker()
        assert breaker is not None
        breaker.close()
        assert neo("GET", "/movies").json()["meta"]["total"] == 4


def test_refreshing_a_session_does_not_use_the_cache(client: Client) -> None:
    neo = register_user(client)
    body = client.post("/api/v1/auth/refresh", json={"refresh_token": neo.refresh_token}).json()
    assert signed_in_user(client, body)("GET", "/watchlist").headers["x-cache"] == "MISS"


def test_an_admin_may_flush_the_cache_of_all_processes(valkey: Valkey) -> None:
    with processes(valkey, 2) as ((one, other), store):
        neo, admin = register_user(one), register_user(one, "morpheus")
        user = store.users.by_email("morpheus@example.com")
        assert user
        store.users.change(user.id, lambda stored: stored.with_changes(now(), role=Role.ADMIN))
        for path in ("/movies/603", "/watchlist"):
            through(neo, other)("GET", path)
        assert neo("POST", "/admin/cache/flush").status_code == 403
        answer = admin("POST", "/admin/cache/flush")
        assert (answer.status_code, answer.json()) == (200, {"flushed": True})
        for path in ("/movies/603", "/watchlist"):
            assert through(neo, other)("GET", path).headers["x-cache"] == "MISS"
