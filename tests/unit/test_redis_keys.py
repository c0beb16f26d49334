"""Which keys a change has Redis forget, on an imitation that needs no server."""

from fakeredis import FakeRedis

from adapters.redis.breaker import Client
from adapters.redis.cache import GENERATION, RedisCacheInvalidation, invalidate_all
from domain.ids import MovieId, UserId

ADA, MATRIX = UserId("a" * 24), MovieId("b" * 24)


class Told:
    """A breaker that is told of changes only."""

    def __init__(self, redis: FakeRedis) -> None:
        self.redis = redis

    def invalidate(self, call: object) -> None:
        assert callable(call)
        call(self.redis)


def holding(*keys: str) -> tuple[FakeRedis, RedisCacheInvalidation]:
    redis = FakeRedis()
    for key in keys:
        redis.set(key, "kept")
    return redis, RedisCacheInvalidation(Told(redis))  # type: ignore[arg-type]


def left(redis: Client) -> set[str]:
    return {key.decode() for key in redis.scan_iter()}


def test_a_rating_has_its_movie_and_its_ratings_forgotten_with_what_is_in_the_making() -> None:
    detail, rating = f"movies:detail:{MATRIX}", f"movies:rating:{MATRIX}"
    redis, invalidation = holding(detail, f"{{{detail}}}:stamp", rating, f"{{{rating}}}:stamp", "genres:all")
    with invalidation.movies([MATRIX]):
        assert len(left(redis)) == 5, "nothing is forgotten before the change is stored"
    assert left(redis) == {"genres:all"}


def test_a_watchlist_has_itself_forgotten() -> None:
    redis, invalidation = holding(f"watchlist:user:{ADA}", f"watchlist:user:{'c' * 24}")
    with invalidation.watchlist(ADA):
        pass
    assert left(redis) == {f"watchlist:user:{'c' * 24}"}


def test_everything_is_forgotten_by_one_word() -> None:
    redis, _ = holding(GENERATION, "movies:list:1:20:", "rq:queue:matinee", "limits:user:1")
    invalidate_all(redis)
    assert left(redis) == {"movies:list:1:20:", "rq:queue:matinee", "limits:user:1"}
