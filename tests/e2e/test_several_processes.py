"""Two API processes over one store and one Redis: a change in one is visible in the other."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.outages.environment import Environment, on_several_hosts
from tests.outages.load import register_clients

TIMEOUT = 60.0
ATTEMPTS = 10

T = TypeVar("T")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with on_several_hosts(tmp_path_factory.mktemp("several"), workers=0, schedulers=0) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The same, with the default limits."""
    folder = tmp_path_factory.mktemp("strict")
    with on_several_hosts(
        folder, workers=0, schedulers=0, RATE_LIMIT="100/minute", AUTH_RATE_LIMIT="20/minute"
    ) as running:
        yield running


def undisturbed(environment: Environment, attempt: Callable[[int], T]) -> T:
    """The result of an attempt during which no process found Redis unavailable.

    Processes find it unavailable for a moment if the machine is too busy. Then each works alone, as promised,
    which is not tested here.
    """
    for number in range(ATTEMPTS):
        before = unavailabilities(environment)
        result = attempt(number)
        if unavailabilities(environment) == before:
            return result
        time.sleep(1)
    pytest.fail(
        f"the machine is too busy: in {ATTEMPTS} attempts Redis was always unavailable at some moment"
    )


def unavailabilities(environment: Environment) -> int:
    """How often a process has found Redis unavailable."""
    return sum(environment.log(name).count("Redis is unavailable") for name in environment.processes)


def test_a_write_in_one_process_is_visible_in_another_at_once(environment: Environment) -> None:
    (user,) = register_clients(environment.base_urls, 1, environment.movie_ids)
    headers = {"Authorization": f"Bearer {user.token}"}
    one, other = (
        httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT)
        for base_url in environment.base_urls
    )
    with one, other:
        for number in range(2, 21):
            for client in (one, other):
                client.get(f"/movies/{user.movie}")
                assert client.get(f"/movies/{user.movie}").headers.get("x-cache") != "MISS"
            assert one.put(f"/movies/{user.movie}/rating", json={"rating": number / 2}).is_success
            assert other.get(f"/movies/{user.movie}").json()["average_rating"] == number / 2
            assert one.put(f"/movies/{user.movie}/watchlist", json={"note": str(number)}).is_success
            assert other.get("/watchlist").json()["data"][0]["note"] == str(number)
            one, other = other, one


def test_a_logout_in_one_process_is_effective_in_another(environment: Environment) -> None:
    (user,) = register_clients(environment.base_urls, 1, environment.movie_ids)
    headers = {"Authorization": f"Bearer {user.token}"}
    one, other = environment.base_urls
    assert httpx.get(f"{other}/auth/me", headers=headers, timeout=TIMEOUT).status_code == 200
    assert httpx.post(f"{one}/auth/logout", headers=headers, timeout=TIMEOUT).status_code == 204
    assert httpx.get(f"{other}/auth/me", headers=headers, timeout=TIMEOUT).status_code == 401


def test_a_session_that_is_ended_in_one_process_has_ended_in_another(environment: Environment) -> None:
    one, other = environment.base_urls
    account = {"username": "neo", "email": "neo@example.org", "password": "horse staple neo"}
    joined = httpx.post(f"{one}/auth/register", json=account, timeout=TIMEOUT).json()
    mine = {"Authorization": f"Bearer {joined['access_token']}"}
    del account["username"]
    for ended in ("/{id}", ""):
        begun = httpx.post(f"{one}/auth/login", json=account, timeout=TIMEOUT).json()
        headers = {"Authorization": f"Bearer {begun['access_token']}"}
        listed = httpx.get(f"{other}/me/sessions", headers=headers, timeout=TIMEOUT).json()["data"]
        (session,) = (each["id"] for each in listed if each["current"])
        path = f"/me/sessions{ended}".format(id=session)
        assert httpx.delete(f"{one}{path}", headers=mine, timeout=TIMEOUT).status_code == 204
        assert httpx.get(f"{other}/auth/me", headers=headers, timeout=TIMEOUT).status_code == 401
        assert httpx.get(f"{other}/auth/me", headers=mine, timeout=TIMEOUT).status_code == 200


def test_a_thousand_requests_for_one_cold_key_cause_one_rebuild(environment: Environment) -> None:
    """Each of two processes gets 500 requests; a response with MISS is a rebuild."""

    async def send(client: httpx.AsyncClient, number: int, path: str) -> tuple[int, str | None]:
        response = await client.get(f"{environment.base_urls[number % 2]}{path}")
        return response.status_code, response.headers.get("x-cache")

    async def send_all(path: str) -> Counter[tuple[int, str | None]]:
        # The client checks all its idle connections whenever it needs one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits) as client:
            return Counter(await asyncio.gather(*(send(client, number, path) for number in range(1000))))

    result = undisturbed(
        environment,
        lambda turn: asyncio.run(send_all(f"/movies?limit=7&year_from=1890&min_votes={turn + 1}")),
    )
    assert result == {(200, "MISS"): 1, (200, "HIT"): 999}


def test_all_clients_of_a_user_share_one_limit(strict: Environment) -> None:
    async def send_two(token: str, number: int, at_once: asyncio.Semaphore) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with at_once, httpx.AsyncClient(timeout=TIMEOUT, headers=headers) as client:
            responses = [
                await client.get(f"{strict.base_urls[(number + turn) % 2]}/auth/me") for turn in range(2)
            ]
            return sum(response.status_code == 200 for response in responses)

    async def all_of(token: str) -> int:
        at_once = asyncio.Semaphore(10)
        return sum(await asyncio.gather(*(send_two(token, number, at_once) for number in range(100))))

    def passed(_: int) -> int:
        (user,) = register_clients(strict.base_urls, 1, ["603"])
        return asyncio.run(all_of(user.token))

    assert undisturbed(strict, passed) == 100


def test_logins_for_an_account_share_one_limit_over_all_processes(strict: Environment) -> None:
    def tried(turn: int) -> list[int]:
        body = {"email": f"nobody{turn}@example.org", "password": "no such password"}
        urls = [f"{strict.base_urls[number % 2]}/auth/login" for number in range(22)]
        return [httpx.post(url, json=body, timeout=TIMEOUT).status_code for url in urls]

    found = undisturbed(strict, tried)
    assert found[-2:] == [429, 429]
    assert found.count(401) <= 20, "registrations from this address may have counted before"


def test_a_forwarded_address_from_an_untrusted_client_is_ignored(strict: Environment) -> None:
    """Otherwise each request could claim another address, of which all requests are left but that one."""
    httpx.get(f"{strict.base_urls[0]}/genres", timeout=TIMEOUT)
    used = []
    for number in range(3):
        headers = {"X-Forwarded-For": f"10.0.0.{number}"}
        response = httpx.get(f"{strict.base_urls[0]}/genres", headers=headers, timeout=TIMEOUT)
        used.append(int(response.headers["ratelimit-limit"]) - int(response.headers["ratelimit-remaining"]))
    assert min(used) > 1


def test_a_forwarded_address_from_a_trusted_proxy_is_used(tmp_path: Path) -> None:
    with on_several_hosts(
        tmp_path, apis=1, workers=0, schedulers=0, TRUSTED_PROXIES="127.0.0.0/8", RATE_LIMIT="100/minute"
    ) as environment:
        for number in range(3):
            headers = {"X-Forwarded-For": f"10.0.0.{number}"}
            response = httpx.get(f"{environment.base_urls[0]}/genres", headers=headers, timeout=TIMEOUT)
            assert response.headers["ratelimit-remaining"] == "99"
