"""The documents: their code runs, their examples are real responses, and their links have targets."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from adapters import system
from adapters.demo import DemoMovieSource
from application.sync import SyncGenres, SyncMovies
from application.sync_runner import SyncRunner
from domain.errors import FaultCode, MatineeError
from entrypoints.http import ATTRIBUTION
from entrypoints.http.errors import ErrorOut
from entrypoints.http.resources.movies import MovieDetailOut
from entrypoints.settings import Settings
from tests.integration.http_service import Client, client_over, now
from tests.stores import store_in_memory

ROOT = Path(__file__).parents[2]
ADRS = sorted((ROOT / "docs/adr").glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *ADRS]

EXAMPLE = re.compile(r"^\$ curl '(?P<url>[^']+)'\n(?P<shown>.+)$", re.MULTILINE)
SIGNED_IN = re.compile(r"^\$ curl (?P<words>.*\$API\S.+)\n(?P<shown>.+)$", re.MULTILINE)
HEADED_CALL = re.compile(r"^### `([A-Z]+) (/\S+)`$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

PYTHON = Sybil([PythonCodeBlockParser()])


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def blocks(path: str) -> list[str]:
    return [str(example.parsed) for example in PYTHON.parse(ROOT / path).examples()]


def examples() -> Iterator[Any]:
    """The calls in a document with the response shown for each."""
    for path in ("README.md", "docs/api.md"):
        for found in EXAMPLE.finditer(text(path)):
            yield pytest.param(found["url"], found["shown"], id=f"{path}:{urlsplit(found['url']).path}")


def anchor(heading: str) -> str:
    """The anchor of a heading, for links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def descendants(kind: type[MatineeError]) -> Iterator[type[MatineeError]]:
    """All subclasses of a class."""
    for each in kind.__subclasses__():
        yield each
        yield from descendants(each)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def assert_shown(shown: str, body: str) -> None:
    """Compare a body with the one in a document, where an ellipsis stands for any value."""
    place = 0
    pieces = shown.split("…")
    for piece in pieces:
        assert piece in body[place:]
        place = body.index(piece, place) + len(piece)
    assert body.startswith(pieces[0])
    assert body.endswith(pieces[-1])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The API over the demo catalogue, which is public."""
    store = store_in_memory(now)
    source = DemoMovieSource()
    runner = SyncRunner(
        source=source,
        runs=store.runs,
        locks=store.locks,
        jobs=system.NoJobQueue(),
        invalidation=system.NoCache(),
        clock=now,
        new_id=system.new_id,
    )
    SyncGenres(runner=runner, genres=store.genres)()
    SyncMovies(runner=runner, movies=store.movies)(pages=500)
    with client_over(store) as client:
        yield client
    store.close()


@pytest.fixture(scope="module")
def paths(client: Client) -> Any:
    """The operations of the OpenAPI document by path."""
    return client.get("/api/v1/docs/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_python_block_of_a_document_runs(path: Path) -> None:
    for example in PYTHON.parse(path).examples():
        example.evaluate()


def test_the_example_of_the_readme_needs_only_python() -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{''.join(blocks('README.md'))}"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, timeout=30)


def test_the_adapter_of_the_guide_passes_its_contract(tmp_path: Path) -> None:
    guided = [block for block in blocks("docs/domain.md") if "MemoryLocks" in block]
    (tmp_path / "test_memory_locks.py").write_text("\n".join(guided), encoding="utf-8")
    documented = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_memory_locks.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert documented.returncode == 0, documented.stdout
    assert "13 passed" in documented.stdout


@pytest.mark.parametrize(("url", "shown"), list(examples()))
def test_documented_calls_have_the_documented_responses(client: Client, url: str, shown: str) -> None:
    address = urlsplit(url)
    answer = client.get(f"{address.path}?{address.query}" if address.query else address.path)
    body = answer.text.replace("1.2.3", version("matinee"))  # the version that test applications have

    status = re.match(r'{"statusCode":(\d+)', shown)
    assert answer.status_code == (int(status[1]) if status else 200)
    assert_shown(shown, body)


def test_the_readmes_calls_of_an_account_have_the_documented_responses(client: Client) -> None:
    known = {"API": "/api/v1", "JSON": "Content-Type: application/json"}
    steps = list(SIGNED_IN.finditer(text("README.md")))
    assert len(steps) == 4
    for step in steps:
        words = [Template(word).substitute(known) for word in shlex.split(step["words"])]
        given = {flag: words[words.index(flag) + 1] for flag in ("-X", "-d") if flag in words}
        headers = dict(after.split(": ") for flag, after in pairwise(words) if flag == "-H")
        method = given.get("-X", "POST" if "-d" in given else "GET")
        (path,) = [word for word in words if word.startswith("/api")]
        answer = client.request(method, path, headers=headers, content=given.get("-d"))
        assert answer.is_success
        assert_shown(step["shown"], answer.text)
        if "access_token" in answer.text:
            known["ME"] = f"Authorization: Bearer {answer.json()['access_token']}"


def test_every_call_is_documented(paths: Any) -> None:
    documented = {
        (method.lower(), f"/api/v1{path}") for method, path in HEADED_CALL.findall(text("docs/api.md"))
    }
    assert documented == {(method, path) for path, calls in paths.items() for method in calls}


def test_every_parameter_is_documented(paths: Any) -> None:
    documented = text("docs/api.md")
    for path, calls in paths.items():
        for call in calls.values():
            for parameter in call["parameters"]:
                assert parameter["in"] != "query" or f"`{parameter['name']}`" in documented, path


def test_every_field_of_a_movie_is_documented() -> None:
    documented = text("docs/api.md")
    assert [field for field in MovieDetailOut.__struct_fields__ if f"`{field}`" not in documented] == []


def test_every_fault_code_is_documented() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \|$", text("docs/api.md"), re.MULTILINE)
    assert [code for code in FaultCode if code not in rows] == []


def test_the_documented_error_has_all_fields() -> None:
    (shown,) = re.findall(r"```json\n(.+?)```", text("docs/api.md"), re.DOTALL)
    fields = {field.encode_name for field in msgspec.structs.fields(ErrorOut) if field.name != "stack"}
    assert set(msgspec.json.decode(shown)) == fields


def test_every_variable_is_documented() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| [^|]+ \|", text("docs/operating.md"), re.MULTILINE)
    assert sorted(rows) == sorted(field.encode_name for field in msgspec.structs.fields(Settings))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_within_the_project_has_a_target(path: Path) -> None:
    for target, section in LINK.findall(path.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        led = path.parent / target if target else path
        assert led.exists(), target
        if section:
            headings = HEADING.findall(led.read_text(encoding="utf-8"))
            assert section in map(anchor, headings), section


def test_the_notice_required_by_tmdb_is_in_the_readme_and_in_the_service(client: Client) -> None:
    assert f"\n{ATTRIBUTION}\n" in text("README.md")
    assert client.get("/api/v1/about").json()["attribution"] == ATTRIBUTION


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_every_decision_has_a_date_and_three_sections(path: Path) -> None:
    documented = path.read_text(encoding="utf-8")
    number = int(path.name[:4])
    assert documented.startswith(f"# {number}. ")
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", documented, re.MULTILINE)
    parts = re.findall(r"^## (\w+)\n\n\S", documented, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences"]


def test_every_decision_is_listed_with_its_title() -> None:
    listed = re.findall(r"^(\d+)\. \[([^\]]+)\]\(adr/([^)]+)\)", text("docs/architecture.md"), re.MULTILINE)
    assert [(number, " ".join(title.split()), file) for number, title, file in listed] == [
        (*path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(". ", 1), path.name)
        for path in ADRS
    ]


def test_every_target_of_make_is_documented() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", text("Makefile"), re.MULTILINE)
    documented = text("CONTRIBUTING.md")
    assert [target for target in targets if target != "help" and f"make {target}" not in documented] == []


def test_the_documented_errors_have_the_documented_kinds() -> None:
    kinds = re.findall(r"^\| `(\w+)` \| [^|]+ \| (`.+`) \|$", text("docs/domain.md"), re.MULTILINE)
    documented = {(kind, name) for kind, names in kinds for name in re.findall(r"`(\w+)`", names)}
    known = {
        (kind.__name__, error.__name__)
        for kind in MatineeError.__subclasses__()
        for error in descendants(kind)
    }
    assert len(kinds) == len(MatineeError.__subclasses__())
    assert documented - known == set()


def test_no_two_decisions_have_the_same_number() -> None:
    numbers = [int(path.name[:4]) for path in ADRS]
    assert numbers == sorted(set(numbers))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    wanted = [
        *project["dependency-groups"]["dev"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
    ]
    rows = re.findall(r"^\| (\S+) \|", text("docs/adr/0014-dependencies.md"), re.MULTILINE)
    assert {re.split(r"[^\w-]", each)[0] for each in wanted} == set(rows) - {
        "package",
        "---",
        "---|---|---|---|---|---",
    }
