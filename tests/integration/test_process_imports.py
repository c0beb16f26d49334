"""What processes import: it decides how soon they are ready, and how much memory they use."""

import json
import subprocess
import sys

import pytest

ROLES = "entrypoints.cli.services, entrypoints.processes."

LIBRARIES = frozenset(
    {"dependency_injector", "httpx", "jinja2", "litestar", "msgspec", "redis", "rq", "uvicorn"}
)


def imported(modules: str) -> set[str]:
    """The names of all modules that a new process has imported after these."""
    code = f"import json, sys, {modules}; print(json.dumps(list(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(found.stdout))


@pytest.mark.parametrize(
    ("role", "libraries"),
    [
        ("supervisor", {"msgspec"}),
        ("worker", {"msgspec", "redis", "rq"}),
        ("scheduler", {"msgspec", "redis", "rq"}),
    ],
)
def test_each_role_imports_only_the_libraries_that_it_uses(role: str, libraries: set[str]) -> None:
    names = imported(ROLES + role)

    assert names & LIBRARIES == libraries
    assert not {"application", "domain.search", "entrypoints.container", "concurrent_log_handler"} & names


def test_the_ports_import_no_entities() -> None:
    names = {name for name in imported("domain.ports") if name.startswith("domain.")}

    assert {name for name in names if not name.startswith("domain.ports")} == {"domain.errors"}
