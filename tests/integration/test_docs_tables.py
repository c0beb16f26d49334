"""The tables and lists of the documents have exactly what the code has."""

import ast
import json
import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.mongo.database import STANDALONE
from adapters.mongo.schema import INDEXES
from adapters.redis.embedded import PID_FILE, QUEUE, SOCKET, EmbeddedRedisMissing
from adapters.redis.epoch import FILE as EPOCH_FILE
from adapters.security.secrets import FILE as SECRET_FILE
from adapters.sqlite.schema import MIGRATIONS as SQLITE_MIGRATIONS
from adapters.tmdb import outcomes
from application.sync_runner import NEVER_STARTED
from domain.ids import UserId
from domain.sync import Entity, SyncRunning
from entrypoints.cli import errors, matinee, ratings, syncs
from entrypoints.container import DATABASE, PICTURES
from entrypoints.http import BASE
from entrypoints.http.access_log import RequestRecord, log_request
from entrypoints.http.endpoints import Access, endpoint_of
from entrypoints.http.errors import codes, problem_of
from entrypoints.http.exceptions import (
    BodyTooLarge,
    HeadTooLarge,
    MalformedRequest,
    RequestTimeout,
    ServerStopping,
    TooManyConnections,
)
from entrypoints.observability.formatter import LineFormatter
from entrypoints.observability.redaction import Redactor
from entrypoints.processes import scheduler
from entrypoints.processes.child_process import FIRST_DELAY, describe_exit
from entrypoints.processes.data_directory_lock import DataDirectoryTaken
from entrypoints.processes.listening_socket import CannotListen
from entrypoints.settings import Settings, as_environment
from tests.integration.deployment_files import locked
from tests.integration.http_service import Client, any_application, serving
from tests.integration.test_docs import ROOT, text

Row = list[str]

CELL = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def tables(path: str) -> Iterator[tuple[Row, list[Row]]]:
    """The tables of a document: headings and rows."""
    for found in re.finditer(r"^(\|.+\|)\n\|[-|]+\|\n((?:\|.+\|\n)*)", text(path), re.MULTILINE):
        yield cells(found[1]), [cells(line) for line in found[2].splitlines()]


def cells(line: str) -> Row:
    return [cell.strip().replace("\\|", "|") for cell in CELL.split(line)[1:-1]]


def table(path: str, *heading: str) -> list[Row]:
    """The rows of the only table with this heading."""
    (rows,) = [rows for headed, rows in tables(path) if headed == list(heading)]
    return rows


def words(cell: str) -> list[str]:
    """The texts between backticks."""
    return CODE.findall(cell)


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands of the command line by name."""
    with click.Context(group) as context:
        for each in group.list_commands(context):
            command = group.get_command(context, each)
            assert command
            if isinstance(command, click.Group):
                yield from commands(command, f"{path}{each} ")
            elif not command.hidden:
                yield f"{path}{each}", command


def usage(words_typed: str) -> tuple[str, set[str], list[str]]:
    """The command, the options and the arguments of a line such as `users delete EMAIL [--yes]`."""
    typed = re.sub(r"(--[\w-]+) [^\[\s]+", r"\1", words_typed.removeprefix("matinee "))
    parts = [part.strip("[]") for part in typed.split()]
    named = [part for part in parts if not part.startswith("--")]
    return (
        " ".join(part for part in named if part.islower()),
        {part for part in parts if part.startswith("--")},
        [part for part in named if part.isupper()],
    )


def test_every_command_is_documented_with_its_options() -> None:
    documented = [
        usage(words(row[0])[0]) for row in table("docs/operating.md", "command", "does") if row[0] != ""
    ]
    shown = {command: (options, arguments) for command, options, arguments in documented}
    for command, known in commands(matinee):
        options = {name for each in known.params if isinstance(each, click.Option) for name in each.opts}
        arguments = [
            str(each.human_readable_name) for each in known.params if isinstance(each, click.Argument)
        ]
        assert shown.pop(command) == (options - {"--help", "--demo"}, arguments), command
    assert shown == {"": ({"--version"}, []), "sync genres|movies|changes|discover": ({"--demo"}, [])}


def test_every_exit_code_is_documented() -> None:
    rows = table("docs/operating.md", "exit code", "meaning")
    documented = {int(code) for row in rows for code in row[0].split(", ")}
    ours = {0, 1, 2, *syncs.EXIT_CODES.values(), ratings.DRIFT_CODE, errors.BROKEN_PIPE_CODE}
    assert documented == ours | {130, 143}  # 128 and the number of SIGINT, of SIGTERM


def test_every_error_code_is_documented_with_its_status() -> None:
    rows = table("docs/api.md", "code", "status", "meaning")
    documented = {code: int(row[1]) for row in rows for code in words(row[0])}
    rest = re.search(r"but no call answers them: (.+?)\. An HTTP", " ".join(text("docs/api.md").split()))
    assert rest
    for codes_of_status, status in re.findall(r"((?:`\w+`(?:, | and )?)+) \((\d+)", rest[1]):
        documented |= dict.fromkeys(words(codes_of_status), int(status))
    assert documented == {code: status for code, (status, _) in codes().items() if code != "error"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving() as client:
        yield client


def test_every_metric_is_documented_with_its_labels(client: Client) -> None:
    documented = {
        words(name_cell)[0]: set(words(labels_cell.partition(": ")[0]))
        for names, labels_cell, _ in table("docs/operating.md", "series", "labels", "meaning")
        for name_cell in names.split(", ")
    }
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    ours = {family.name: family for family in families if family.name.startswith("matinee_")}
    for series, labels in documented.items():
        family = ours.pop(series.removesuffix("_total"), None)
        had = {label for sample in family.samples for label in sample.labels} if family else set()
        assert had - {"le"} <= labels, series
    assert [family for family in ours if not family.endswith("_created")] == []


def test_every_outcome_of_a_tmdb_request_is_documented() -> None:
    (row,) = [
        row
        for row in table("docs/operating.md", "series", "labels", "meaning")
        if row[0] == "`matinee_tmdb_requests_total`"
    ]
    returned = re.findall(
        r'"(\w+)"', Path(outcomes.__file__).read_text(encoding="utf-8").partition("def outcome")[2]
    )
    assert set(words(row[1])[1:]) == {"ok", *returned, *outcomes.OUTCOMES.values()}


def test_every_reason_for_closing_a_connection_is_documented() -> None:
    rows = table("docs/operating.md", "what", "limit", "`reason`", "what the client gets")
    kinds = RequestTimeout, HeadTooLarge, BodyTooLarge, MalformedRequest, TooManyConnections, ServerStopping
    refusals = [kind() for kind in kinds]
    closed = {"silent", "idle", "stalled", "descriptors"}
    assert {reason for row in rows for reason in words(row[2])} == closed | {
        problem_of(each).code for each in refusals
    }
    for each in refusals:
        documented = problem_of(each)
        shown = [row[3] for row in rows if words(row[2]) == [documented.code]]
        assert any(cell.startswith(str(documented.status)) for cell in shown), documented.code


def test_the_documented_log_line_has_the_fields_of_a_real_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (shown,) = re.findall(r"```json\n(.+?)\n```", text("docs/operating.md"), re.DOTALL)
    record = RequestRecord(
        request_id="1",
        method="GET",
        route="/api/v1/movies/{id}",
        path="/api/v1/movies/603",
        status=200,
        seconds=0.0025,
        user=UserId("8e7b1c04d9b44b6f9a2d3c51"),
        cache="HIT",
    )
    with caplog.at_level(logging.INFO):
        log_request(record)
    line = json.loads(LineFormatter(Redactor([]), "api", for_people=False).format(caplog.records[-1]))
    line.pop("message", None)  # an attribute that pytest adds to the record
    assert list(json.loads(shown)) == list(line)
    (row,) = [row for row in table("docs/operating.md", "field", "meaning") if "`role`" in row[0]]
    assert set(words(row[1])) == set(roles())


def roles() -> Iterator[str]:
    """The roles of processes in the log."""
    for file in (ROOT / "entrypoints/cli").glob("*.py"):
        yield from re.findall(
            r'(?:role=|role: str = |running_role\(|configure\(.+, )"(\w+)"', file.read_text(encoding="utf-8")
        )


def test_every_job_is_documented_with_its_time() -> None:
    rows = table("docs/operating.md", "job", "when")
    documented = " ".join(cell for row in rows for cell in row)
    for entry in scheduler.cron_entries(Settings()):
        minute, hour, *_ = entry.cron.split()
        at = f"every hour at :{int(minute):02}" if hour == "*" else f"{int(hour):02}:{int(minute):02}"
        setting = [name for name, value in as_environment(Settings()).items() if value == entry.cron]
        assert at in documented or f"`{setting[0]}`" in documented, entry.name
    assert len(scheduler.cron_entries(Settings())) == len(rows) + 1  # two syncs share a row


def test_the_readme_has_the_times_of_the_nightly_jobs() -> None:
    times = {entry.name: entry.cron.split()[:2] for entry in scheduler.cron_entries(Settings())}
    at = {job: f"{int(hour):02}:{int(minute):02}" for job, (minute, hour) in times.items() if hour != "*"}
    documented = " ".join(text("README.md").split())
    assert (
        f"genres at {at['sync-genres']}, popular movies at {at['sync-movies']}, changes at {at['sweep']}"
        in documented
    )


def test_every_collection_is_documented() -> None:
    ours = {*INDEXES, "locks", "counters", "neighbours", "rating_changes"}
    (listed,) = re.findall(r"Collections are (.+?)\.", " ".join(text("docs/operating.md").split()))
    assert set(words(listed)) == ours
    deployment = text("docs/deployment.md")
    sharded = set(re.findall(r'shardCollection\("matinee\.(\w+)"', deployment))
    (whole,) = re.findall(r"Leave (`users`.+?) unsharded", deployment, re.DOTALL)
    assert sharded | set(words(whole)) == ours
    assert sharded & set(words(whole)) == set()


def test_every_file_of_the_data_directory_is_documented() -> None:
    documented = {
        name.strip("/") for row in table("docs/operating.md", "file", "what") for name in words(row[0])
    }
    logs_of_sqlite = {f"{DATABASE}-wal", f"{DATABASE}-shm"}
    assert documented == {
        DATABASE,
        *logs_of_sqlite,
        SECRET_FILE,
        EPOCH_FILE,
        QUEUE,
        SOCKET,
        PID_FILE,
        PICTURES,
        "metrics",
    }


def test_the_documented_check_shows_the_present_schema() -> None:
    shown = re.findall(r"SQLite answers, its schema has version (\d+)", text("docs/operating.md"))
    assert shown == [str(len(SQLITE_MIGRATIONS))]


def test_every_cached_call_is_documented() -> None:
    rows = table("docs/api.md", "call", "invalidated at once by")
    documented = {call for row in rows for call in words(row[0])}
    assert documented == {f"GET {path}" for path, call in calls() if call.cached}


def test_every_public_call_is_documented() -> None:
    (documented,) = re.findall(
        r"Every call except (.+?) requires `Authorization", " ".join(text("docs/api.md").split())
    )
    for path, call in calls():
        if call.access is Access.EVERYONE:
            word = path if path.startswith("/auth") else path.split("/")[1]
            assert word in documented, path
    assert set(words(documented)) <= {path for path, call in calls() if call.access is Access.EVERYONE}


def calls() -> Iterator[tuple[str, Any]]:
    """The operations of the API by path."""
    for route in any_application().routes:
        for handler in getattr(route, "route_handlers", ()):
            call = endpoint_of(handler.opt)
            if call and route.path.startswith(BASE):
                yield route.path_format.removeprefix(BASE), call


def test_every_field_of_every_response_is_documented(client: Client) -> None:
    document = BLOCK.sub("", text("docs/api.md"))
    documented = {
        word for code in words(re.sub("``.+?``", "", document)) for word in re.findall(r"\w+", code)
    }
    documented |= set(re.findall(r'"(\w+)"', text("docs/api.md")))
    schemas = client.get("/api/v1/docs/openapi.json").json()["components"]["schemas"]
    named = {field for schema in schemas.values() for field in schema.get("properties", ())}
    assert sorted(named - documented) == []


def test_every_default_of_a_list_of_movies_is_documented(client: Client) -> None:
    listing = client.get("/api/v1/docs/openapi.json").json()["paths"]["/api/v1/movies"]["get"]
    known = {each["name"]: str(each["schema"].get("default", "")) for each in listing["parameters"]}
    documented = {
        name: row[1].strip("`")
        for row in table("docs/api.md", "parameter", "default", "meaning")
        for name in words(row[0])
    }
    assert documented == known | {"fields": "all"}


def defaults() -> Iterator[Any]:
    for path in ("README.md", "docs/operating.md"):
        for variable, default, _ in table(path, "variable", "default", "meaning"):
            for one, value in zip(words(variable), default.split(", "), strict=True):
                yield pytest.param(one, value.strip("`"), id=f"{path}:{one}")


@pytest.mark.parametrize(("variable", "documented"), list(defaults()))
def test_every_setting_has_the_documented_default(variable: str, documented: str) -> None:
    (default,) = [
        field.default for field in msgspec.structs.fields(Settings) if field.encode_name == variable
    ]
    assert documented == ("unset" if default is None else str(default).removesuffix(".0") or "empty")


def test_every_directory_is_documented() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [Path(line) for line in listing.splitlines()]
    folders = {each.parts[0] for each in files if len(each.parts) > 1 and not each.parts[0].startswith(".")}
    of_tests = {each.parts[1] for each in files if each.parts[0] == "tests" and len(each.parts) > 2}
    (layout,) = re.findall(r"## Layout\n\n```\n(.+?)```", text("README.md"), re.DOTALL)
    assert set(re.findall(r"^(\w+)/ ", layout, re.MULTILINE)) == folders
    assert [each for each in of_tests if f"{each}/" not in layout] == []
    documented = [words(row[0])[0] for row in table("CONTRIBUTING.md", "folder", "holds")]
    assert sorted(documented) == sorted(f"tests/{each}" for each in of_tests)


def test_the_documented_releases_are_the_locked_ones() -> None:
    releases = {name.lower(): version for name, (version, _) in locked("requirements.lock").items()}
    for row in re.findall(
        r"^\| ([\w-]+) \|.* \| ([^|]+) \|$", text("docs/adr/0014-dependencies.md"), re.MULTILINE
    ):
        if row[0] != "package":
            assert row[1] == releases[row[0].lower()], row[0]
    (many,) = re.findall(r"in (\d+) packages", text("docs/adr/0014-dependencies.md"))
    server = re.findall(r"^\S+==\S+(.*)", text("requirements-server.lock"), re.MULTILINE)
    elsewhere = ("sys_platform == 'win32'", "python_full_version <")  # Windows, and older Pythons
    assert int(many) == len(
        [marker for marker in server if not marker.startswith(tuple(f" ; {e}" for e in elsewhere))]
    )


def test_the_documented_openapi_version_is_that_of_the_document(client: Client) -> None:
    (documented,) = re.findall(r"the OpenAPI (\d\.\d) document", text("docs/api.md"))
    assert client.get("/api/v1/docs/openapi.json").json()["openapi"].startswith(f"{documented}.")


MESSAGES = [
    str(DataDirectoryTaken(Path("…"), 4711)),
    str(CannotListen("127.0.0.1", 8080, "in use")),
    str(EmbeddedRedisMissing()),
    STANDALONE,
    str(SyncRunning(Entity.MOVIES)),
    NEVER_STARTED,
    f"api {describe_exit(-9)}; it is started again in {FIRST_DELAY} s",
]
"""Messages that the operators' document repeats, or their beginnings."""


def test_every_documented_message_exists() -> None:
    """Texts between backticks that are neither a command nor a setting are messages."""
    sections = text("docs/operating.md").partition("## Troubleshooting")[2]
    read = "\n".join([*MESSAGES, *code_of("adapters/sqlite/files.py"), *code_of("adapters/tmdb/client.py")])
    started = re.findall(r"`api was killed [^`]+`", text("docs/operating.md"))
    for shown in words(" ".join([*BLOCK.sub("", sections).split(), *started])):
        if " " in shown and not re.match(r"matinee |docker |GET |POST |Authorization|X-Cache", shown):
            assert shown.removeprefix(DATABASE).rstrip(" …") in read, shown


def code_of(path: str) -> list[str]:
    """The string constants of a module."""
    return [
        node.value
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
