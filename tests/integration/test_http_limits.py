"""Rate limits over HTTP."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from redis import Redis

from adapters.testkit.samples import facts
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    Client,
    SignedInUser,
    account,
    application,
    call,
    client_over,
    filled_store,
    register_user,
)

PLENTY = "1000000/minute"


@contextmanager
def processes(valkey: Valkey | None, number: int = 1, **settings: Any) -> Iterator[list[Client]]:
    store = filled_store([THE_MATRIX, facts(604)])
    chosen = {"public_catalogue": "false", **settings}
    with ExitStack() as stack:
        made = (client_over(store, redis=valkey.url if valkey else None, **chosen) for _ in range(number))
        yield [stack.enter_context(each) for each in made]
    store.close()


def called_from(hosts: Sequence[str], app: Litestar, path: str, **more: Any) -> list[int]:
    """The responses to one request from each of these addresses, in order."""

    async def calls() -> list[int]:
        async with app.lifespan():
            return [(await call(app, path, client=(host, 1), **more)).status for host in hosts]

    return asyncio.run(calls())


def statuses(somebody: SignedInUser, number: int, path: str = "/auth/me") -> list[int]:
    return [somebody("GET", path).status_code for _ in range(number)]


def test_a_user_over_the_rate_limit_gets_a_retry_after(valkey: Valkey) -> None:
    with processes(valkey, rate_limit="5/minute") as (client,):
        neo = register_user(client)
        assert statuses(neo, 5) == [200] * 5
        refused = neo("GET", "/auth/me")
        assert refused.status_code == 429
        assert refused.json()["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit-limit"] == "5"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert 1 <= int(refused.headers["ratelimit-reset"]) <= 60


def test_every_response_has_rate_limit_headers(valkey: Valkey) -> None:
    with processes(valkey, rate_limit="5/minute") as (client,):
        neo = register_user(client)
        standing = [neo("GET", "/movies/603").headers["ratelimit-remaining"] for _ in range(3)]
        assert standing == ["4", "3", "2"]


@pytest.mark.parametrize("processes_number", [1, 2])
def test_a_user_has_one_limit_over_all_processes(valkey: Valkey, processes_number: int) -> None:
    with processes(valkey, processes_number, rate_limit="10/minute") as clients:
        neo = register_user(clients[0])
        found = []
        for number in range(12):
            client = clients[number % len(clients)]
            found.append(client.get("/api/v1/auth/me", headers=neo.headers).status_code)
        assert found == [200] * 10 + [429] * 2


def test_users_with_one_address_have_separate_limits(valkey: Valkey) -> None:
    with processes(valkey, rate_limit="5/minute") as (client,):
        neo, trinity = register_user(client), register_user(client, "trinity")
        assert statuses(neo, 6)[-1] == 429
        assert statuses(trinity, 5) == [200] * 5


def test_requests_without_a_token_are_counted_by_address(valkey: Valkey) -> None:
    with processes(valkey, rate_limit="5/minute", public_catalogue="true") as (client,):
        assert [client.get("/api/v1/movies").status_code for _ in range(6)] == [200] * 5 + [429]


def test_requests_with_invalid_tokens_are_limited(valkey: Valkey) -> None:
    with processes(valkey, rate_limit="3/minute") as (client,):
        headers = {"Authorization": "Bearer not.a.token"}
        tried = [client.get("/api/v1/auth/me", headers=headers).status_code for _ in range(5)]
        assert tried == [401] * 3 + [429] * 2


def test_health_and_documentation_are_never_limited(valkey: Valkey) -> None:
    with processes(valkey, rate_limit="1/minute", public_catalogue="true") as (client,):
        assert [client.get("/api/v1/movies").status_code for _ in range(2)] == [200, 429]
        for path in (
            "/health",
            "/health/live",
            "/health/ready",
            "/health/redis",
            "/docs",
            "/docs/openapi.json",
        ):
            assert client.get(f"/api/v1{path}").status_code == 200
            assert "ratelimit-limit" not in client.get(f"/api/v1{path}").headers


def test_logins_to_an_account_are_limited_over_all_addresses(valkey: Valkey) -> None:
    store = filled_store([THE_MATRIX])
    app = application(store, redis=valkey.url, auth_rate_limit="3/minute")
    body = b'{"email": "neo@example.com", "password": "wrong password"}'
    headers = {"Content-Type": "application/json"}
    hosts = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    found = called_from(hosts, app, "/api/v1/auth/login", method="POST", headers=headers, body=body)
    assert found == [401, 401, 401, 429]
    store.close()


def test_logins_from_an_address_are_limited_over_all_accounts(valkey: Valkey) -> None:
    with processes(valkey, auth_rate_limit="3/minute") as (client,):
        found = [
            client.post(
                "/api/v1/auth/login",
                json={"email": f"user{number}@example.com", "password": "wrong password"},
            ).status_code
            for number in range(4)
        ]
        assert found == [401, 401, 401, 429]


def test_a_login_calls_redis_twice_to_count(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url) as redis, processes(valkey) as (client,):
        redis.config_resetstat()
        wrong = {"email": "neo@example.com", "password": "wrong password"}
        assert client.post("/api/v1/auth/login", json=wrong).status_code == 401
        commands: Any = redis.info("commandstats")
        assert commands["cmdstat_eval"]["calls"] == 2


def test_a_process_that_stops_returns_the_requests_that_it_has_leased(valkey: Valkey) -> None:
    remaining = []
    for _ in range(2):
        with processes(valkey, rate_limit="100/minute", public_catalogue="true") as (client,):
            remaining += [client.get("/api/v1/movies").headers["ratelimit-remaining"] for _ in range(2)]
    assert remaining == ["99", "98", "97", "96"]


def test_registrations_count_as_login_attempts(valkey: Valkey) -> None:
    with processes(valkey, auth_rate_limit="2/minute") as (client,):
        found = [
            client.post("/api/v1/auth/register", json=account(name)).status_code
            for name in ("a1b", "b1c", "c1d")
        ]
        assert found == [201, 201, 429]
        answer = client.post("/api/v1/auth/login", json={"email": "a1b@example.com", "password": PASSWORD})
        assert answer.status_code == 429


def test_without_redis_each_process_counts_in_memory(valkey: Valkey) -> None:
    with processes(valkey, 2, rate_limit="5/minute") as (one, other):
        neo = register_user(one)
        valkey.kill()
        for client in (one, other):
            found = [client.get("/api/v1/auth/me", headers=neo.headers).status_code for _ in range(6)]
            assert found == [200] * 5 + [429]


@pytest.mark.parametrize("outage", ["killed", "frozen"])
def test_an_outage_of_redis_allows_no_further_login_attempts(valkey: Valkey, outage: str) -> None:
    with processes(valkey, auth_rate_limit="5/hour") as (client,):
        wrong = {"email": "neo@example.com", "password": "wrong password"}

        def attempts(number: int) -> list[int]:
            return [client.post("/api/v1/auth/login", json=wrong).status_code for _ in range(number)]

        assert attempts(3) == [401] * 3
        if outage == "killed":
            valkey.kill()
            assert attempts(4) == [401, 401, 429, 429]
        else:
            valkey.freeze()
            assert attempts(4) == [401, 401, 429, 429]
            valkey.thaw()
            assert attempts(2) == [429, 429]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/auth/me", {"password": "wrong"}),
        ("POST", "/auth/password", {"current_password": "wrong", "new_password": "there is no spoon"}),
        ("PATCH", "/auth/me", {"email": "one@example.com", "current_password": "wrong"}),
        ("PATCH", "/auth/me", {"username": "TheOne", "current_password": "wrong"}),
    ],
)
def test_every_call_that_verifies_a_password_counts_as_a_login_attempt(
    valkey: Valkey, method: str, path: str, body: dict[str, str]
) -> None:
    with processes(valkey, auth_rate_limit="3/hour") as (client,):
        neo = register_user(client)  # one attempt
        found = [neo(method, path, body) for _ in range(4)]
        assert [each.status_code for each in found] == [403, 403, 429, 429]
        assert int(found[-1].headers["retry-after"]) > 60
        assert neo("GET", "/auth/me").status_code == 200
        assert neo("PATCH", "/auth/me", {"username": "TheOne"}).status_code == 200


def test_a_stolen_token_allows_no_further_attempts_to_guess_a_password(valkey: Valkey) -> None:
    store = filled_store([THE_MATRIX])
    app = application(store, redis=valkey.url, auth_rate_limit="4/hour")
    with TestClient(app) as client:
        neo = register_user(client)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {neo.access_token}"}
    hosts = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    body = b'{"password": "wrong password"}'
    found = called_from(hosts, app, "/api/v1/auth/me", method="DELETE", headers=headers, body=body)
    assert found == [403, 403, 403, 429]
    login = b'{"email": " NEO@example.com", "password": "wrong password"}'
    found = called_from(("10.0.0.5",), app, "/api/v1/auth/login", method="POST", headers=headers, body=login)
    assert found == [429]
    store.close()


def test_without_a_configured_redis_a_process_counts_in_memory() -> None:
    with processes(None, rate_limit="2/minute", public_catalogue="true") as (client,):
        assert [client.get("/api/v1/movies").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("a-unix-socket", "a-unix-socket", True),
    ],
)
def test_the_first_64_bits_of_an_ipv6_address_are_counted(
    valkey: Valkey, one: str, other: str, *, same: bool
) -> None:
    store = filled_store([THE_MATRIX])
    app = application(store, redis=valkey.url, rate_limit="1/minute")
    assert called_from((one, other), app, "/api/v1/movies") == ([200, 429] if same else [200, 200])
    store.close()
