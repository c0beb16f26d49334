"""The contract of Locks. The `store` fixture must read the time from the `clock` fixture, a ManualClock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from adapters.store import Store
from adapters.testkit.samples import noon

MINUTE = timedelta(minutes=1)


class ManualClock:
    """A clock that shows a fixed time until it is advanced."""

    def __init__(self) -> None:
        self.now = noon()

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Set the clock forward."""
        self.now += by


class LocksContract:
    """Acquiring, renewing, transferring and releasing locks."""

    def test_a_free_lock_can_be_acquired(self, store: Store) -> None:
        assert store.locks.acquire("sync:movies", "me", MINUTE) is None

    def test_acquiring_a_held_lock_returns_its_expiry(self, store: Store, clock: ManualClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.advance(MINUTE / 2)
        assert store.locks.acquire("sync:movies", "you", MINUTE) == noon() + MINUTE

    def test_locks_with_other_names_are_free(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        assert store.locks.acquire("sync:genres", "you", MINUTE) is None

    def test_the_holder_can_acquire_its_lock_again(self, store: Store, clock: ManualClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.advance(MINUTE / 2)
        assert store.locks.acquire("sync:movies", "me", MINUTE) is None
        assert store.locks.acquire("sync:movies", "you", MINUTE) == noon() + MINUTE * 1.5

    def test_a_lock_that_is_not_renewed_expires(self, store: Store, clock: ManualClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.advance(MINUTE)
        assert store.locks.acquire("sync:movies", "you", MINUTE) is None
        assert not store.locks.renew("sync:movies", "me", MINUTE)

    def test_a_renewed_lock_expires_later(self, store: Store, clock: ManualClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.advance(MINUTE / 2)
        assert store.locks.renew("sync:movies", "me", MINUTE)
        clock.advance(MINUTE * 0.75)
        assert store.locks.acquire("sync:movies", "you", MINUTE) == noon() + MINUTE * 1.5

    def test_a_lock_that_was_never_acquired_cannot_be_renewed(self, store: Store) -> None:
        assert not store.locks.renew("sync:movies", "me", MINUTE)

    def test_a_released_lock_is_free(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        store.locks.release("sync:movies", "me")
        assert store.locks.acquire("sync:movies", "you", MINUTE) is None

    def test_only_the_holder_can_release_a_lock(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        store.locks.release("sync:movies", "you")
        assert store.locks.acquire("sync:movies", "you", MINUTE) is not None

    def test_a_transferred_lock_has_a_new_expiry(self, store: Store, clock: ManualClock) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)
        clock.advance(MINUTE * 2)
        assert store.locks.transfer("sync:movies", "me", "you", MINUTE)
        assert not store.locks.renew("sync:movies", "me", MINUTE)
        assert store.locks.acquire("sync:movies", "me", MINUTE) == noon() + MINUTE * 3

    def test_only_the_holder_can_transfer_a_lock(self, store: Store) -> None:
        assert not store.locks.transfer("sync:movies", "me", "you", MINUTE)
        store.locks.acquire("sync:movies", "me", MINUTE)
        assert not store.locks.transfer("sync:movies", "they", "you", MINUTE)
        assert store.locks.renew("sync:movies", "me", MINUTE)

    def test_concurrent_transfers_of_a_lock_succeed_once(self, store: Store) -> None:
        store.locks.acquire("sync:movies", "me", MINUTE)

        def passed_on(to: int) -> bool:
            return store.locks.transfer("sync:movies", "me", str(to), MINUTE)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(passed_on, range(8))).count(True) == 1

    def test_concurrent_attempts_to_acquire_a_lock_succeed_once(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda me: store.locks.acquire("sync:movies", str(me), MINUTE), range(8)))
        assert answers.count(None) == 1
