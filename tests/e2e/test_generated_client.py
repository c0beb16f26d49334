"""Clients generated from the OpenAPI document by three maintained generators compile strictly and work.

The generators for TypeScript, and the linters of the document, are npm packages: `make clients` installs the
versions that tests/clients/package-lock.json names. Without Node or these packages their tests are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import RunningServer, matinee, serving

CLIENTS = Path(__file__).parents[1] / "clients"
PYTHON_TOOLS = Path(sys.executable).parent
SECRET = "a secret of more than thirty-two bytes for tests"
OFFLINE = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
DOCUMENT = "openapi.json"


def node_is_ready() -> bool:
    """Whether Node and the packages are installed."""
    if not shutil.which("node") or not (CLIENTS / "node_modules/ready").exists():
        return False
    version = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    return int(version.lstrip("v").split(".")[0]) >= 20


needs_node = pytest.mark.skipif(
    not node_is_ready(), reason="needs Node 20 or later and the packages of `make clients`"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    place = tmp_path_factory.mktemp("server")
    with serving(place, JWT_SECRET=SECRET, AUTH_RATE_LIMIT="1000/minute") as server:
        yield server
        assert server.stop() == 0


@pytest.fixture
def place(tmp_path: Path, server: RunningServer) -> Path:
    """A directory with the document of the service and the installed packages."""
    (tmp_path / DOCUMENT).write_bytes(server.client.get("/docs/openapi.json").content)
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    return tmp_path


def run(place: Path, *command: str | Path) -> str:
    """Run a command, which must succeed; return its output."""
    done = subprocess.run(
        command, cwd=place, env=os.environ | OFFLINE, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def node(place: Path, tool: str, *arguments: str) -> str:
    """Run one of the installed tools; return its output."""
    return run(place, place / "node_modules/.bin" / tool, *arguments)


def compile_strictly(place: Path, journey: str, **options: object) -> None:
    """Compile a test program and the generated client under the strictest rules, except for these options."""
    shutil.copy(CLIENTS / f"{journey}.ts", place)
    rules = json.loads((CLIENTS / "tsconfig.json").read_text(encoding="utf-8"))
    rules["compilerOptions"] |= {"outDir": "made", **options}
    (place / "tsconfig.json").write_text(json.dumps({**rules, "files": [f"{journey}.ts"]}), encoding="utf-8")
    node(place, "tsc", "--project", ".")


def base_url(server: RunningServer) -> str:
    return str(server.client.base_url.copy_with(path="")).rstrip("/")


def test_the_command_prints_the_document_that_the_service_shows(place: Path) -> None:
    printed = matinee("openapi", cwd=place).stdout

    assert json.loads(printed) == json.loads((place / DOCUMENT).read_bytes())


def test_the_client_of_openapi_python_client_is_strictly_typed_and_works(
    place: Path, server: RunningServer
) -> None:
    generator = PYTHON_TOOLS / "openapi-python-client"
    output = run(
        place, generator, "generate", "--path", DOCUMENT, "--meta", "none", "--output-path", "client"
    )
    assert "ERROR" not in output
    assert "WARNING" not in output
    shutil.copy(CLIENTS / "openapi_python_client.py", place)
    run(place, sys.executable, "-m", "mypy", "--strict", "client", "openapi_python_client.py")

    assert run(place, sys.executable, "openapi_python_client.py", base_url(server)) == "done\n"


@needs_node
def test_the_client_of_openapi_typescript_is_strictly_typed_and_works(
    place: Path, server: RunningServer
) -> None:
    node(place, "openapi-typescript", DOCUMENT, "--output", "client.ts")
    compile_strictly(place, "openapi_fetch")

    assert run(place, "node", "made/openapi_fetch.js", base_url(server)) == "done\n"


@needs_node
def test_the_client_of_hey_api_is_strictly_typed_and_works(place: Path, server: RunningServer) -> None:
    shutil.copy(CLIENTS / "openapi-ts.config.mjs", place)
    node(place, "openapi-ts", "--file", "openapi-ts.config.mjs")
    # The generator's own code, which does not depend on our document, breaks this rule.
    compile_strictly(place, "hey_api", exactOptionalPropertyTypes=False)

    assert run(place, "node", "made/hey_api.js", base_url(server)) == "done\n"


@needs_node
def test_spectral_reports_nothing(place: Path) -> None:
    (place / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n', encoding="utf-8")

    output = node(place, "spectral", "lint", "--fail-severity", "hint", DOCUMENT)

    assert "No results" in output


@needs_node
def test_redocly_reports_nothing(place: Path) -> None:
    output = node(place, "redocly", "lint", "--extends", "recommended", "--format", "json", DOCUMENT)

    assert json.loads(output[output.index("{") : output.rindex("}") + 1])["problems"] == []
