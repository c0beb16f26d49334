"""Fixtures and hooks for all tests, and the profiles of hypothesis.

`make test` is deterministic: the profile `steady` generates the same examples each time. `make fuzz`
generates others each time; a failing one becomes an `@example`. With a seed on the command line, the examples
of that seed are generated: `pytest -m hypothesis --hypothesis-seed=7`.
"""

import gc
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

pytest_plugins = [
    "tests.contracts.mongo_server",
    "tests.contracts.valkey_server",
    "tests.integration.sync_use_cases",
]

# The time of an example is not checked, since the machine may be busy.
WITHOUT_DEADLINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("steady", WITHOUT_DEADLINE, derandomize=True, database=None)
settings.register_profile("seeded", WITHOUT_DEADLINE, database=None, print_blob=True)
settings.register_profile("fuzz", WITHOUT_DEADLINE, max_examples=1000, print_blob=True)
settings.register_profile(
    "mutants", WITHOUT_DEADLINE, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.register_profile("coverage", WITHOUT_DEADLINE, derandomize=True, database=None, max_examples=10)
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers. A profile that is named on the command line is loaded by hypothesis itself."""
    config.addinivalue_line("markers", "unmeasured: a test that coverage ignores")
    config.addinivalue_line("markers", "measured: a test that coverage measures in any case")
    if config.getoption("--hypothesis-seed") is not None and not config.getoption("--hypothesis-profile"):
        settings.load_profile("seeded")


UNIT_TESTS = Path(__file__).parent / "unit"

UNMEASURED = pytest.StashKey[bool]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the tests that coverage ignores: property tests, those with the marker `unmeasured`, and outside
    of tests/unit all but the first case of a test with parameters. The marker `measured` excepts a test.

    Coverage makes a test take twice as long, and a hundred examples execute the lines that one does. With
    contexts, as in `make mutants`, it needs every test that executes a line.
    """
    measures_all = config.getoption("cov_context", default=None) is not None
    functions: set[str] = set()
    for item in items:
        function, _, _ = item.nodeid.partition("[")
        repeated = function in functions and UNIT_TESTS not in item.path.parents
        marked = any(map(item.get_closest_marker, ("hypothesis", "unmeasured")))
        measured = measures_all or item.get_closest_marker("measured")
        item.stash[UNMEASURED] = not measured and (repeated or marked)
        functions.add(function)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector ignore the objects that are created when ten thousand tests are collected.
    They exist until the end, and to traverse them repeatedly took a fifth of the time of the tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def traced_as_the_test() -> Iterator[None]:
    """Let coverage measure work in a thread pool exactly if it measures the test that submits the work.

    A thread keeps the trace function with which it was started, and pools exist longer than the test that
    started their threads. Otherwise the measured lines would depend on which thread is free.
    """
    submit = ThreadPoolExecutor.submit

    def submit_with_trace(
        self: ThreadPoolExecutor, work: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        return submit(self, partial(_with_current_trace, work), *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", submit_with_trace)
        yield


def _with_current_trace(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    measured = threading.gettrace()
    if (sys.gettrace() is None) != (measured is None):
        sys.settrace(measured)
    return work(*args, **kwargs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let coverage ignore a test and its processes.

    The marker `no_cover` of pytest-cov would restart coverage, which adds to its hooks at every restart:
    after a thousand, a fork takes seconds.
    """
    if not item.stash[UNMEASURED]:
        return (yield)
    trace, thread_trace = sys.gettrace(), threading.gettrace()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        sys.settrace(None)
        threading.settrace(None)
        try:
            return (yield)
        finally:
            threading.settrace(thread_trace)
            sys.settrace(trace)
