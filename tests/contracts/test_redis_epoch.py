"""The epoch that processes of a machine share: it ends when one of them could not invalidate copies."""

import asyncio
import logging
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from adapters.redis.cache import RedisResponseCache
from adapters.redis.epoch import SIZE, SharedEpoch
from adapters.redis.invalidation import RedisCacheInvalidation, invalidate_all
from adapters.redis.local_cache import Lease
from domain.ids import movie_id
from tests.ports import free_port
from tests.waiting import eventually

MOVIE = movie_id(603)
KEY = f"movies:detail:{MOVIE}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache-epoch"


def held_lease(epoch: SharedEpoch) -> Lease:
    lease = Lease(lambda: 1.0, duration=99.0, epoch=epoch)
    lease.renew(1.0)
    return lease


def rate_without_redis(path: Path) -> None:
    """Change a rating in a process that does not reach Redis."""
    breaker = RedisBreaker(f"redis://127.0.0.1:{free_port()}", flush=invalidate_all, epoch=SharedEpoch(path))
    with RedisCacheInvalidation(breaker, max_wait=0).movies([MOVIE]):
        pass
    breaker.close()


def test_a_change_is_seen_by_all_that_share_the_file(path: Path) -> None:
    one, other = SharedEpoch(path), SharedEpoch(path)
    first = other.current()
    assert one.change() == one.current() == other.current() != first
    assert other.change() == one.current() != first


def test_the_epoch_outlasts_its_processes(path: Path) -> None:
    changed = SharedEpoch(path).change()
    assert SharedEpoch(path).current() == changed
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_cut_short_is_filled_again(path: Path) -> None:
    path.write_bytes(b"abc")
    assert len(SharedEpoch(path).current()) == SIZE


def test_where_no_file_can_be_opened_each_process_has_an_epoch_of_its_own(path: Path) -> None:
    path.mkdir()
    one, other = SharedEpoch(path), SharedEpoch(path)
    before = other.current()
    assert one.change() == one.current() != before
    assert other.current() == before


def test_a_change_that_cannot_be_written_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    epoch = SharedEpoch(path)
    before = epoch.current()
    path.unlink()
    with caplog.at_level(logging.WARNING):
        assert epoch.change() == before
    assert "Other processes do not notice that an invalidation has failed" in caplog.text


def test_copies_of_an_earlier_epoch_are_not_used(path: Path) -> None:
    lease = held_lease(SharedEpoch(path))
    cache = lease.cache(10)
    cache.put(cache.begin(KEY), "key", "copy", [KEY], 3600)
    fill = cache.begin(KEY)
    assert cache.get("key") == "copy"

    rate_without_redis(path)
    assert cache.get("key") is None

    lease.renew(1.0)
    cache.put(fill, "later", "copy", [KEY], 3600)
    assert (cache.get("key"), cache.get("later")) == (None, None)
    cache.put(cache.begin(KEY), "new", "copy", [KEY], 3600)
    assert cache.get("new") == "copy"


def test_redis_is_flushed_before_another_process_uses_it_again(path: Path, redis_url: str) -> None:
    async def work() -> None:
        breaker = RedisBreaker(redis_url, flush=invalidate_all, timeout=2.0, epoch=SharedEpoch(path))
        cache = RedisResponseCache[str](breaker, seconds=60, dump=str.encode, load=bytes.decode)

        async def respond(text: str) -> tuple[str, bool | None]:
            async def build() -> str:
                return text

            response, hit, _ = await cache(KEY, "", build)
            await cache.finish()
            return response, hit

        try:
            assert await respond("old") == ("old", False)
            assert await respond("again") == ("old", True)
            await asyncio.to_thread(rate_without_redis, path)
            assert await respond("new") == ("new", None)
            await asyncio.to_thread(eventually, lambda: not breaker.is_open, timeout=10, interval=0.01)
            assert await respond("newer") == ("newer", False)
        finally:
            await breaker.disconnect()
            breaker.close()

    asyncio.run(work())


def test_a_process_does_not_flush_twice_because_of_its_own_epoch(path: Path, redis_url: str) -> None:
    flushes: list[Redis] = []
    breaker = RedisBreaker(redis_url, flush=flushes.append, timeout=2.0, epoch=SharedEpoch(path))

    def fail(_: Redis) -> None:
        raise RedisConnectionError("broken")

    breaker.ping()
    assert not breaker.invalidate(fail)
    eventually(lambda: not breaker.is_open, timeout=10, interval=0.01)
    breaker.ping()
    assert len(flushes) == 1
    breaker.close()


def test_a_process_that_can_start_no_thread_does_not_use_redis_in_a_new_epoch(
    path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = RedisBreaker(redis_url, flush=invalidate_all, timeout=2.0, epoch=SharedEpoch(path))
    breaker.ping()

    def no_thread(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    SharedEpoch(path).change()
    with monkeypatch.context() as patch:
        patch.setattr("adapters.redis.breaker.Thread", no_thread)
        for _ in range(2):
            with pytest.raises(RedisUnavailable, match="another process has missed an invalidation"):
                breaker.ping()
    with pytest.raises(RedisUnavailable, match="another process has missed an invalidation"):
        breaker.ping()
    eventually(lambda: not breaker.is_open, timeout=10, interval=0.01)
    breaker.ping()
    breaker.close()
