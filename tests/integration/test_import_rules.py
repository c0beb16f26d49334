"""The import rules also apply to new modules."""

import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

MAX_LEVELS = 8
"""From `__main__` at the top to `validation` at the bottom."""

PLANTED = {
    "domain/fresh.py": "import yaml",
    "domain/ports/fresh.py": "from application import accounts",
    "application/fresh.py": "def lazily(): import requests",
    "application/fresher.py": "from adapters import system",
    "adapters/fresh/store.py": "from adapters.sqlite import rows",
    "adapters/fresh/cases.py": "from application import accounts",
    "adapters/fresh/settings.py": "from entrypoints import settings",
    "entrypoints/fresh.py": "from adapters.sqlite.store import SqliteStore",
    "entrypoints/http/fresh.py": "from adapters import system",
    "entrypoints/processes/fresh.py": "from adapters.redis import worker",
}
"""Modules of all layers, each with a forbidden import."""


def planted_in(folder: Path) -> str:
    """The output of the linter for our packages with these modules added."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests/import_rules.py", folder / "tests")
    for path, code in PLANTED.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(f"{code}\n", encoding="utf-8")
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert linted.returncode == 1, linted.stderr
    return linted.stdout


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    return planted_in(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("path", PLANTED)
def test_a_new_module_is_held_to_the_import_rules(output: str, path: str) -> None:
    module = path.removesuffix(".py").replace("/", ".")
    assert [line for line in output.splitlines() if module in line and "KEPT" not in line]


def test_the_code_keeps_the_import_rules(output: str) -> None:
    broken = [line for line in output.splitlines() if "may not import" in line or "->" in line]
    planted = [path.removesuffix(".py").replace("/", ".") for path in PLANTED]
    assert [line for line in broken if not any(module in line for module in planted)] == []


def test_every_shipped_package_is_checked() -> None:
    assert PROJECT["tool"]["importlinter"]["root_packages"] == PACKAGES


def part_of(module: str) -> str:
    """The part of `entrypoints/` that a module belongs to: a package such as `http`, or a module."""
    return module.split(".")[1] if "." in module else ""


@pytest.fixture(scope="module")
def parts() -> dict[str, set[str]]:
    """The parts of `entrypoints`, and the parts that each imports, also within functions."""
    graph = grimp.build_graph("entrypoints", cache_dir=None, exclude_type_checking_imports=True)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        imported = {part_of(each) for each in graph.find_modules_directly_imported_by(module)}
        found.setdefault(part_of(module), set()).update(imported - {part_of(module)})
    return found


def test_the_entry_points_have_few_levels_and_no_import_cycles(
    parts: dict[str, set[str]],
) -> None:
    levels = TopologicalSorter(parts)
    levels.prepare()  # raises CycleError
    heights = 0
    while levels.is_active():
        levels.done(*levels.get_ready())
        heights += 1
    assert heights <= MAX_LEVELS
