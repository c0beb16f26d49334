"""A plugin of pytest for the run that measures which tests execute which lines. It deselects the tests that
start processes, and records the processor time of each of the others.
"""

import json
import os
import sys
import time
from collections.abc import Generator
from functools import _lru_cache_wrapper
from pathlib import Path

import pytest

SECONDS_FILE = "MATINEE_MUTANTS_SECONDS"
"""The environment variable with the path of the file for the processor times."""

PROCESS_FIXTURES = frozenset({"valkey", "valkey_server", "redis_url", "secantus", "mongo_uri"})
"""The fixtures that start processes."""


def starts_processes(item: pytest.Item) -> bool:
    """Whether a test uses a fixture that starts a process."""
    return not PROCESS_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def clear_caches() -> None:
    """Forget the results that functions of the domain keep."""
    for name, module in list(sys.modules.items()):
        if name.startswith("domain."):
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()


seconds_by_test: dict[str, float] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that start processes."""
    starting = list(filter(starts_processes, items))
    if starting:
        config.hook.pytest_deselected(items=starting)
        items[:] = [item for item in items if item not in starting]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record the processor time of a test, which executes what other tests have left in caches, too."""
    clear_caches()
    began = time.process_time()
    try:
        return (yield)
    finally:
        seconds_by_test[item.nodeid] = round(time.process_time() - began, 3)


def pytest_sessionfinish() -> None:
    """Write the processor times."""
    Path(os.environ[SECONDS_FILE]).write_text(json.dumps(seconds_by_test))
