"""Which tests execute which lines of the core."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.mutation.operators import Mutant

QUICK = ("tests/unit", "tests/contracts/test_stores.py")
INTEGRATION = (
    "use_cases", "account_use_cases", "sync", "sync_runs", "sync_changes", "sync_counts", "sync_invalidation",
    "sync_source", "sweep", "jobs",
    "http_accounts", "http_administration", "http_errors", "http_health", "http_lists", "http_movies",
    "http_operations", "http_ratings", "http_watchlist",
)  # fmt: skip
SLOWER = tuple(f"tests/integration/test_{name}.py" for name in INTEGRATION)
"""Tests of the core that start no process of their own: on one store or none, and of use cases."""

SELECTED = (
    "not TestSqliteFile and not TestMongo and not RealServer and not test_child_process"
    " and not through_every_process"
)


@dataclass(frozen=True)
class CoverageMap:
    """The tests, and the lines that each executes."""

    files: tuple[str, ...]
    tests: frozenset[str]
    by_line: dict[tuple[str, int], frozenset[str]]
    lines: Counter[str]
    """How many lines each test executes."""

    def of(self, mutant: Mutant) -> list[list[str]]:
        """All tests that may notice a fault, in the order to try them: the quick kinds first, and of each
        kind those that execute the least besides. A file stands for all tests in it.

        They are in two parts if the fault is there when the module is imported: the files named after the
        module, for which little has to be collected, and the others.
        """
        file = Path(f"{mutant.module.replace('.', '/')}.py")
        found = {
            test
            for (path, line), tests in self.by_line.items()
            if path == str(file) and (mutant.at_import or line in mutant.lines)
            for test in tests
        }
        near = sorted(test for test in found if test.startswith(f"tests/unit/test_{file.stem}"))
        others = sorted(
            found.difference(near), key=lambda test: (not test.startswith(QUICK), self.lines[test], test)
        )
        if not mutant.at_import:
            return [near + others]
        names = (file.stem, "errors", "vocabulary")
        return [
            [path for name in names for path in self.files if path.startswith(f"tests/unit/test_{name}")],
            others,
        ]


def covered(root: Path, *, quick: bool) -> CoverageMap:
    """Run the tests under coverage, unless nothing has changed since that was done."""
    data = root / ".mutants" / f"{'quick' if quick else 'all'}-{_state(root)}.coverage"
    if not data.exists():
        data.parent.mkdir(exist_ok=True)
        _run(root, data, QUICK if quick else QUICK + SLOWER)
    return _read(root, data)


def _state(root: Path) -> str:
    """A fingerprint of all sources and tests."""
    digest = sha256()
    for folder in ("domain", "application", "adapters", "entrypoints", "tests"):
        for file in sorted(root.glob(f"{folder}/**/*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _run(root: Path, data: Path, pool: tuple[str, ...]) -> None:
    settings = data.with_suffix(".ini")
    settings.write_text("[run]\nsource =\n    domain\n    application\n")
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", SELECTED,
        "--cov", "--cov-context=test", f"--cov-config={settings}", "--cov-report=", *pool,
    ]  # fmt: skip
    half = data.with_suffix(".part")
    ran = subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"COVERAGE_FILE": str(half)},
        check=False,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        sys.exit(f"{ran.stdout[-3000:]}\nthe tests must pass before faults are planted")
    half.rename(data)


def _read(root: Path, data: Path) -> CoverageMap:
    by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
    tests: set[str] = set()
    connection = sqlite3.connect(data)
    rows = connection.execute(
        "SELECT file.path, context.context, line_bits.numbits FROM line_bits"
        " JOIN file ON file.id = file_id JOIN context ON context.id = context_id"
    )
    for path, context, numbits in rows:
        test, _, phase = context.rpartition("|")
        if not test or phase == "teardown":
            continue
        tests.add(test)
        name = str(Path(path).relative_to(root))
        for place, byte in enumerate(numbits):
            for bit in range(8):
                if byte & 1 << bit:
                    by_line[name, place * 8 + bit].add(test)
    connection.close()
    files = tuple(sorted(str(file.relative_to(root)) for file in root.glob("tests/unit/test_*.py")))
    lines = Counter(test for found in by_line.values() for test in found)
    return CoverageMap(
        files, frozenset(tests), {line: frozenset(found) for line, found in by_line.items()}, lines
    )
