"""A plugin of pytest for the run that learns which tests execute which lines: it leaves out the tests that
start processes, and notes how much processor time each of the others takes.
"""

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

SECONDS = "MATINEE_MUTANTS_SECONDS"
"""The variable that names the file for the processor time of each test."""

PROCESSES = frozenset({"valkey", "valkey_server", "redis_url", "secantus", "mongo_uri"})
"""Fixtures that are processes."""


def starts_processes(item: pytest.Item) -> bool:
    """Whether a test wants a fixture that is a process."""
    return not PROCESSES.isdisjoint(getattr(item, "fixturenames", ()))


spent: dict[str, float] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that start processes."""
    starting = list(filter(starts_processes, items))
    if starting:
        config.hook.pytest_deselected(items=starting)
        items[:] = [item for item in items if item not in starting]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note the processor time of a test."""
    began = time.process_time()
    try:
        return (yield)
    finally:
        spent[item.nodeid] = round(time.process_time() - began, 3)


def pytest_sessionfinish() -> None:
    """Write what was noted."""
    Path(os.environ[SECONDS]).write_text(json.dumps(spent))
