"""Clients for an address of Redis: one server, a primary known to Sentinels, or a Cluster."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis, RedisCluster
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel

SENTINEL = "redis+sentinel"
CLUSTER = "redis+cluster"

OnConnect = Callable[[Any], None]
OnConnectAsync = Callable[[Any], Awaitable[None]]

RUN_ID = re.compile(rb"run_id:([0-9a-f]+)")


def client(url: str, timeout: float, on_connect: OnConnect | None = None) -> Redis:
    """A synchronous client that sends each command once; `timeout` is in seconds.

    `on_connect` sets up each new connection in place of redis-py, except to a Cluster.
    """
    options: dict[str, Any] = {**_options(timeout), "retry": Retry(NoBackoff(), 0)}
    match urlsplit(url).scheme:
        case "redis+sentinel":
            hosts, name, login = _sentinels(url)
            sentinel: Any = Sentinel(hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
            primary: Redis = sentinel.master_for(name, redis_connect_func=on_connect, **login, **options)
            return primary
        case "redis+cluster":
            # The commands used here are the same.
            return RedisCluster.from_url(_plain(url), retry=options["retry"], **_timeouts(timeout))  # type: ignore[return-value]
        case _:
            return Redis.from_url(url, redis_connect_func=on_connect, **options)


def async_client(url: str, timeout: float, on_connect: OnConnectAsync | None = None) -> AsyncRedis:
    """Like `client`, for an event loop. It connects on first use."""
    options: dict[str, Any] = {**_options(timeout), "retry": AsyncRetry(NoBackoff(), 0)}
    match urlsplit(url).scheme:
        case "redis+sentinel":
            hosts, name, login = _sentinels(url)
            sentinel: Any = AsyncSentinel(hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
            primary: AsyncRedis = sentinel.master_for(name, redis_connect_func=on_connect, **login, **options)
            return primary
        case "redis+cluster":
            return AsyncRedisCluster.from_url(_plain(url), retry=options["retry"], **_timeouts(timeout))  # type: ignore[return-value]
        case _:
            return AsyncRedis.from_url(url, redis_connect_func=on_connect, **options)


def clustered(url: str) -> bool:
    """Whether an address names a Cluster."""
    return urlsplit(url).scheme == CLUSTER


def run_id(info: Mapping[str, Any] | bytes | str) -> bytes:
    """The `run_id` in the reply to INFO; empty for a Cluster, which has several servers."""
    if isinstance(info, Mapping):
        return str(info.get("run_id", "")).encode()
    found = RUN_ID.search(info if isinstance(info, bytes) else info.encode())
    return found[1] if found else b""


def _options(timeout: float) -> dict[str, Any]:
    # A feature of one vendor's service, which costs each connection a round trip.
    return {**_timeouts(timeout), "maint_notifications_config": MaintNotificationsConfig(enabled=False)}


def _timeouts(timeout: float) -> dict[str, Any]:
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "client_name": "matinee"}


def _plain(url: str) -> str:
    return url.replace(f"{CLUSTER}://", "redis://", 1)


def _sentinels(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """Hosts of the Sentinels, name of the primary and login, from an address of the form
    `redis+sentinel://[user:password@]host:port,host:port/name[?db=0]`.
    """
    parts = urlsplit(url)
    login, _, servers = parts.netloc.rpartition("@")
    user, _, password = login.rpartition(":") if ":" in login else ("", "", login)
    hosts = []
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        hosts.append((host or server, int(port) if host else 26379))
    found = {"username": unquote(user) or None, "password": unquote(password) or None}
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return hosts, parts.path.strip("/") or "mymaster", {**found, "db": int(database)}
