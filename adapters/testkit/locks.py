"""What Locks promises. The `store` of this contract reads its time from a `clock` fixture that can be set
forward.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from adapters.store import Store
from adapters.testkit.samples import noon

MINUTE = timedelta(minutes=1)


class SetClock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = noon()

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by


class LocksContract:
    """Mutual exclusion."""

    def test_a_free_lock_is_taken(self, store: Store) -> None:
        assert store.locks.acquire("sync:movies", "me", MINUTE) is None

    def test_a_held_lock_tells_when_its_time_ends(self, store: Store, clock: SetClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.forward(MINUTE / 2)
        assert store.locks.acquire("sync:movies", "you", MINUTE) == noon() + MINUTE

    def test_locks_of_other_names_are_free(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        assert store.locks.acquire("sync:genres", "you", MINUTE) is None

    def test_the_holder_may_acquire_again(self, store: Store, clock: SetClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.forward(MINUTE / 2)
        assert store.locks.acquire("sync:movies", "me", MINUTE) is None
        assert store.locks.acquire("sync:movies", "you", MINUTE) == noon() + MINUTE * 1.5

    def test_a_silent_holder_loses_its_lock(self, store: Store, clock: SetClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.forward(MINUTE)
        assert store.locks.acquire("sync:movies", "you", MINUTE) is None
        assert not store.locks.renew("sync:movies", "me", MINUTE)

    def test_a_renewed_lock_lasts(self, store: Store, clock: SetClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.forward(MINUTE / 2)
        assert store.locks.renew("sync:movies", "me", MINUTE)
        clock.forward(MINUTE * 0.75)
        assert store.locks.acquire("sync:movies", "you", MINUTE) == noon() + MINUTE * 1.5

    def test_a_lock_never_taken_cannot_be_renewed(self, store: Store) -> None:
        assert not store.locks.renew("sync:movies", "me", MINUTE)

    def test_a_released_lock_is_free(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        store.locks.release("sync:movies", "me")
        assert store.locks.acquire("sync:movies", "you", MINUTE) is None

    def test_only_the_holder_releases(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        store.locks.release("sync:movies", "you")
        assert store.locks.acquire("sync:movies", "you", MINUTE) is not None

    def test_a_lock_is_passed_on_for_a_time_of_its_own(self, store: Store, clock: SetClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.forward(MINUTE * 2)
        assert store.locks.transfer("sync:movies", "me", "you", MINUTE)
        assert not store.locks.renew("sync:movies", "me", MINUTE)
        assert store.locks.acquire("sync:movies", "me", MINUTE) == noon() + MINUTE * 3

    def test_only_the_holder_passes_a_lock_on(self, store: Store) -> None:
        assert not store.locks.transfer("sync:movies", "me", "you", MINUTE)
        store.locks.acquire("sync:movies", "me", MINUTE)
        assert not store.locks.transfer("sync:movies", "they", "you", MINUTE)
        assert store.locks.renew("sync:movies", "me", MINUTE)

    def test_a_lock_is_passed_on_to_one_of_many(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)

        def passed_on(to: int) -> bool:
            return store.locks.transfer("sync:movies", "me", str(to), MINUTE)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(passed_on, range(8))).count(True) == 1

    def test_of_many_at_once_one_gets_it(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda me: store.locks.acquire("sync:movies", str(me), MINUTE), range(8)))
        assert answers.count(None) == 1
