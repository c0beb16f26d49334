"""The garbage collector of processes that run one task."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from entrypoints.memory import GC_THRESHOLD, collect_less


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector as Python sets it up, now and afterwards."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Node:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_exists_is_left_out_of_later_collections() -> None:
    collect_less()

    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == GC_THRESHOLD


def test_new_cycles_are_collected_still() -> None:
    collect_less()
    reference = weakref.ref(Node())
    gc.collect()

    assert reference() is None
