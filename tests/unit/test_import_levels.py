"""The chains of imports within `entrypoints` are short and have no cycles, so that a reader gets to the end.

Imports within functions are not counted: they keep small processes small.
"""

import ast
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Imports = Mapping[str, set[str]]


def module_imports() -> Imports:
    """The modules of `entrypoints`, each with those that it imports."""
    paths = {module_name(path): path for path in (ROOT / "entrypoints").rglob("*.py")}
    return {
        name: {each for each in imported_names(ast.parse(path.read_text()).body) if each in paths} - {name}
        for name, path in paths.items()
    }


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(body: Iterable[ast.stmt]) -> Iterable[str]:
    """The names that statements at the top of a module may import as modules."""
    for statement in body:
        match statement:
            case ast.Import():
                yield from (each.name for each in statement.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{each.name}" for each in statement.names)
            case ast.If() | ast.Try():
                yield from imported_names(statement.body)


def package_imports(modules: Imports) -> Imports:
    """The same for the packages in `entrypoints`, and the modules beside them."""
    found: dict[str, set[str]] = {}
    for name, imported in modules.items():
        package = top(name)
        found.setdefault(package, set()).update(map(top, imported))
        found[package].discard(package)
    return found


def top(module: str) -> str:
    return ".".join(module.split(".")[:2])


def levels(imports: Imports) -> dict[str, int]:
    """The number of modules in the longest chain of imports that begins with each. Raises CycleError."""
    found: dict[str, int] = {}
    for name in TopologicalSorter(imports).static_order():
        found[name] = 1 + max((found[each] for each in imports[name]), default=0)
    return found


MODULES = module_imports()


@pytest.mark.parametrize(
    ("imports", "most"),
    [(MODULES, 8), (package_imports(MODULES), 6)],
    ids=["modules", "packages"],
)
def test_chains_of_imports_are_short_and_have_no_cycles(imports: Imports, most: int) -> None:
    found = levels(imports)
    assert max(found.values()) <= most, sorted(found, key=lambda name: -found[name])[:5]


def test_every_import_at_the_top_of_a_module_is_seen() -> None:
    assert "entrypoints.http.app" in MODULES["entrypoints.processes.api"]
    assert "entrypoints.data_directory" in MODULES["entrypoints.cli.context"]
    assert "entrypoints.container" in MODULES["entrypoints.cli.users"]
    assert "entrypoints.container" not in MODULES["entrypoints.processes.scheduler"]
