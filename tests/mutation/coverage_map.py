"""Measures which tests execute which lines of the core."""

import ast
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

from tests.mutation import coverage_plugin
from tests.mutation.operators import Mutant

QUICK = ("tests/unit", "tests/contracts/test_stores.py")
INTEGRATION = (
    "use_cases", "account_use_cases", "sync", "sync_runs", "sync_changes", "sync_counts", "sync_discover",
    "sync_invalidation", "sync_languages", "sync_source", "sync_steps", "sweep", "jobs", "changes", "imports",
    "import_matching", "import_exports", "export_formats", "recommendations", "scrobbles", "movielens",
    "import_runner", "bulk", "viewing_use_cases",
    "http_accounts", "http_additions", "http_administration", "http_api_tokens", "http_bulk", "http_changes",
    "http_errors", "http_export", "http_fields", "http_health", "http_hooks", "http_idempotency",
    "http_imports", "http_languages", "http_lists", "http_movies", "http_operations", "http_ratings",
    "http_recommendations", "http_sessions", "http_statistics", "http_syncs", "http_viewings",
    "http_watchlist",
)  # fmt: skip
SLOWER = (
    "tests/contracts/test_movie_fields.py",
    *(f"tests/integration/test_{name}.py" for name in INTEGRATION),
)
"""Tests of the core that start no processes: with one store or none, and of use cases."""

SELECTED = (
    "not TestSqliteFile and not TestMongo and not RealServer and not test_child_process"
    " and not through_every_process"
)

BATCH = 6
"""The test files that are run together under coverage."""

MAX_TESTS = 80
"""The maximum number of tests whose file imports the module of a fault, and also the maximum number of other
tests, with which the fault is tried, besides the tests named after the module. Those that execute the fewest
lines are chosen. Otherwise a fault in a line that every request executes would be tried with thousands of
tests, with the same result.
"""

FIGURES = "tests/integration/test_docs_figures.py"
SPECIFICATION_TESTS = ("tests/unit/test_errors.py", "tests/unit/test_vocabulary.py", FIGURES)
"""Tests that compare codes, identifiers and figures with the documented ones, and execute no lines."""

SOURCES = ("domain", "application", "adapters", "entrypoints")


@dataclass(frozen=True)
class CoverageMap:
    """The tests, and the lines of the core that each executes."""

    root: Path
    state: str
    """A fingerprint of all sources and tests."""

    executed: dict[str, dict[str, int]]
    """The lines by file of the core and by test, as a set of bits: bit n stands for line n."""

    seconds: dict[str, float]
    """The processor time of each test in seconds, under coverage and with few examples."""

    @property
    def tests(self) -> set[str]:
        """All tests that execute a line of the core."""
        return {test for lines in self.executed.values() for test in lines}

    def tests_for(self, mutant: Mutant) -> list[list[str]]:
        """The tests that may detect a fault, in the order to try them. A file stands for all tests in it.

        If the fault is active when the module is imported, they are in several groups, since each group has
        to be collected again: tests of codes and identifiers; the unit tests named after the module; tests of
        figures in documents; tests that execute lines which name what the fault changes, or lines of the
        function whose default it changes, the quick ones first; and files that name the constant that it
        changes.
        """
        path = Path(f"{mutant.module.replace('.', '/')}.py")
        fault_lines = sum(1 << line for line in mutant.lines)
        wanted_lines = -1 if mutant.at_import else fault_lines
        executing = {test for test, lines in self.executed.get(str(path), {}).items() if lines & wanted_lines}
        names = (path.stem, path.parent.name.removesuffix("s"))  # such as import for domain.imports
        unit_test_files = [
            file for file in self._unit_tests if file.startswith(tuple(f"tests/unit/test_{n}" for n in names))
        ]
        unit_tests = {test for test in executing if test.partition("::")[0] in unit_test_files}
        executing -= unit_tests
        if not mutant.at_import:
            return [self._in_order([*unit_tests, *self._chosen(mutant.module, executing)])]
        naming = {
            test
            for file, lines in self._mentions.get(mutant.binds, {}).items()
            for test, executed in self.executed.get(file, {}).items()
            if executed & lines
        }
        naming |= {test for test, lines in self.executed.get(str(path), {}).items() if lines & fault_lines}
        chosen = self._chosen(mutant.module, executing & naming)
        quick = self._in_order(filter(_is_quick, chosen))
        slow = self._in_order(test for test in chosen if not _is_quick(test))
        specification_files = [
            file
            for file in SPECIFICATION_TESTS
            if self._names[file] & {mutant.binds, mutant.where.partition(".")[0]}
        ]
        return [
            [file for file in specification_files if file != FIGURES],
            unit_test_files,
            [file for file in specification_files if file == FIGURES],
            quick,
            slow,
            self._files_with_constant(mutant.module, mutant.binds) if mutant.binds.isupper() else [],
        ]

    @cached_property
    def _names(self) -> dict[str, set[str]]:
        """The names that each file of SPECIFICATION_TESTS contains."""
        return {file: set(re.findall(r"\w+", (self.root / file).read_text())) for file in SPECIFICATION_TESTS}

    def _chosen(self, module: str, tests: set[str]) -> list[str]:
        """Choose from the tests that execute a line of a module: see MAX_TESTS."""
        direct = {test for test in tests if module in self._imports[test.partition("::")[0]]}
        return self._by_specificity(direct) + self._by_specificity(tests - direct)

    def _by_specificity(self, tests: Iterable[str]) -> list[str]:
        order = sorted(tests, key=lambda test: (not _is_quick(test), self._lines[test], test))
        return order[:MAX_TESTS]

    def _in_order(self, tests: Iterable[str]) -> list[str]:
        return sorted(tests, key=lambda test: (self.seconds[test], test))

    @cached_property
    def _lines(self) -> Counter[str]:
        """The number of lines that each test executes."""
        count: Counter[str] = Counter()
        for lines_by_test in self.executed.values():
            for test, lines in lines_by_test.items():
                count[test] += lines.bit_count()
        return count

    @cached_property
    def _unit_tests(self) -> list[str]:
        return sorted(str(file.relative_to(self.root)) for file in self.root.glob("tests/unit/test_*.py"))

    def _files_with_constant(self, module: str, name: str) -> list[str]:
        """The test files that import a module and contain a name."""
        files = sorted(file for file, imports in self._imports.items() if module in imports)
        return [file for file in files if re.search(rf"\b{name}\b", (self.root / file).read_text())]

    @cached_property
    def _imports(self) -> dict[str, set[str]]:
        """The modules that each test file imports, and the qualified names that it imports from modules."""
        return {
            file: {
                name
                for node in ast.walk(ast.parse((self.root / file).read_text(encoding="utf-8")))
                if isinstance(node, ast.ImportFrom) and node.module
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
            }
            for file in {test.partition("::")[0] for test in self.tests}
        }

    @cached_property
    def _mentions(self) -> dict[str, dict[str, int]]:
        """By name and file of the core: the lines that contain the name."""
        lines: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for folder in ("domain", "application"):
            for file in self.root.glob(f"{folder}/**/*.py"):
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                    match node:
                        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                            lines[name][str(file.relative_to(self.root))] |= 1 << node.lineno
        return lines


def measure(root: Path, jobs: int, *, quick: bool) -> CoverageMap:
    """Run the tests under coverage. The results of an earlier run are used for unchanged files."""
    folder = root / ".mutants" / "map"
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(root, QUICK if quick else QUICK + SLOWER)
    sources = _fingerprint(file for name in SOURCES for file in sorted(root.glob(f"{name}/**/*.py")))
    common = _fingerprint(
        file
        for file in sorted(root.glob("tests/**/*.py"))
        if not file.name.startswith("test_") and file.parent.name != "mutation"
    )
    data = {
        file: folder
        / f"{file.stem}-{sha256((sources + common + fingerprint(file)).encode()).hexdigest()[:16]}"
        for file in files
    }
    missing = [file for file in files if not data[file].exists()]
    with ThreadPoolExecutor(jobs) as pool:
        batches = [pool.submit(_measure_files, root, batch, data) for batch in _batches(missing)]
        for done, batch in enumerate(as_completed(batches), 1):
            batch.result()
            print(f"measured {min(done * BATCH, len(missing))} of {len(missing)} test files")
    executed: dict[str, dict[str, int]] = defaultdict(dict)
    seconds: dict[str, float] = {}
    for file in data.values():
        for test, (test_seconds, lines) in json.loads(file.read_text()).items():
            seconds[test] = test_seconds
            for path, bits in lines.items():
                executed[path][test] = int(bits, 16)
    state = _fingerprint(
        file for name in (*SOURCES, "tests") for file in sorted(root.glob(f"{name}/**/*.py"))
    )
    return CoverageMap(root, state, dict(executed), seconds)


@cache
def fingerprint(file: Path) -> str:
    """A hash of the content of a file."""
    return sha256(file.read_bytes()).hexdigest()[:16]


def _fingerprint(files: Iterable[Path]) -> str:
    return sha256("".join(map(fingerprint, files)).encode()).hexdigest()[:16]


def _files(root: Path, pool: Iterable[str]) -> list[Path]:
    return [
        file
        for name in pool
        for file in (sorted((root / name).glob("test_*.py")) if (root / name).is_dir() else [root / name])
    ]


def _batches(files: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(files), BATCH):
        yield files[start : start + BATCH]


def _measure_files(root: Path, files: list[Path], data: dict[Path, Path]) -> None:
    """Run some test files under coverage, and write the results of each."""
    stem = data[files[0]]
    settings, coverage_data, seconds = (stem.with_suffix(end) for end in (".ini", ".coverage", ".seconds"))
    settings.write_text("[run]\nsource =\n    domain\n    application\n")
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", coverage_plugin.__name__,
        "-k", SELECTED, "--hypothesis-profile=coverage",
        "--cov", "--cov-context=test", f"--cov-config={settings}", "--cov-report=", *map(str, files),
    ]  # fmt: skip
    completed = subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"COVERAGE_FILE": str(coverage_data), coverage_plugin.SECONDS_FILE: str(seconds)},
        check=False,
        capture_output=True,
        text=True,
    )
    if completed.returncode not in (0, 5):  # 5: no tests were selected
        sys.exit(f"{completed.stdout[-3000:]}\nthe tests must pass before faults are planted")
    results: dict[str, dict[str, tuple[float, dict[str, str]]]] = {
        str(file.relative_to(root)): {} for file in files
    }
    for test, test_seconds in json.loads(seconds.read_text()).items():
        results[test.partition("::")[0]][test] = test_seconds, {}
    for test, path, lines in _executed(coverage_data):
        results[test.partition("::")[0]][test][1][str(Path(path).relative_to(root))] = f"{lines:x}"
    for file in files:
        temporary = stem.with_suffix(".tmp")
        temporary.write_text(json.dumps(results[str(file.relative_to(root))]))
        temporary.rename(data[file])
    for file in (settings, coverage_data, seconds):
        file.unlink(missing_ok=True)


def _executed(data: Path) -> Iterator[tuple[str, str, int]]:
    """Tests, files, and the lines that the tests execute in them during setup and call."""
    if not data.exists():
        return
    executed: dict[tuple[str, str], int] = defaultdict(int)
    connection = sqlite3.connect(data)
    rows = connection.execute(
        "SELECT file.path, context.context, line_bits.numbits FROM line_bits"
        " JOIN file ON file.id = file_id JOIN context ON context.id = context_id"
    )
    for path, context, numbits in rows:
        test, _, phase = context.rpartition("|")
        if test and phase != "teardown":
            executed[test, path] |= int.from_bytes(numbits, "little")
    connection.close()
    for (test, path), lines in executed.items():
        yield test, path, lines


def _is_quick(test: str) -> bool:
    return test.startswith(QUICK)
