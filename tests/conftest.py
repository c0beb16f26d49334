"""Fixtures for all tests, and how hypothesis draws.

Nothing that `make test` runs depends on chance: the `steady` profile draws the same examples each time. `make
fuzz` draws others each time; what it finds becomes an `@example`. A seed on the command line asks for the
examples of that seed: `pytest -m hypothesis --hypothesis-seed=7`.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings

pytest_plugins = [
    "tests.contracts.mongo_server",
    "tests.contracts.valkey_server",
    "tests.integration.sync_bench",
]

# How long an example takes says nothing on a machine that others use.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("steady", TIMELESS, derandomize=True, database=None)
settings.register_profile("seeded", TIMELESS, database=None, print_blob=True)
settings.register_profile("fuzz", TIMELESS, max_examples=1000, print_blob=True)
settings.register_profile(
    "mutants", TIMELESS, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """A profile named on the command line is loaded by hypothesis itself."""
    if config.getoption("--hypothesis-seed") is not None and not config.getoption("--hypothesis-profile"):
        settings.load_profile("seeded")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let coverage ignore property tests: it makes them take twice as long, and a hundred examples execute
    the lines that one does. With contexts, as in `make mutants`, it needs every test that executes a line.
    """
    if config.getoption("cov_context", default=None) is None:
        for item in items:
            if item.get_closest_marker("hypothesis"):
                item.add_marker(pytest.mark.no_cover)
