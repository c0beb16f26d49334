"""The contract of Store. Its `store` fixture is prepared and empty."""

from adapters.store import Store


class StoreContract:
    """Preparing, inspecting and closing a store."""

    def test_a_prepared_store_answers(self, store: Store) -> None:
        store.ping()

    def test_a_prepared_store_exists(self, store: Store) -> None:
        assert store.exists()

    def test_a_prepared_store_is_not_damaged(self, store: Store) -> None:
        assert store.inspect().damage == ()

    def test_a_prepared_store_has_the_complete_newest_schema(self, store: Store) -> None:
        look = store.inspect()
        assert look.version == look.newest > 0
        assert look.missing == ()

    def test_preparing_again_changes_nothing(self, store: Store) -> None:
        before = store.inspect()
        store.prepare()
        after = store.inspect()
        assert (after.version, after.missing) == (before.version, before.missing)

    def test_a_closed_store_can_be_inspected(self, store: Store) -> None:
        store.close()
        assert store.inspect().version >= 0
