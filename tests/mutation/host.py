"""Processes in which faults are in force: one that has collected the tests of a module, and its forks."""

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from itertools import pairwise
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.coverage_map import CoverageMap
from tests.mutation.operators import ACTIVE, Mutant, instrumented

PRELOADED = (
    "hypothesis", "hypothesis.stateful", "litestar", "litestar.testing", "msgspec", "httpx", "pymongo",
    "redis", "rq", "structlog", "argon2", "jwt", "prometheus_client", "click", "rich.console",
    "zxcvbn", "dependency_injector.providers",
)  # fmt: skip
"""What tests import of others: loaded once, before any fork."""

LEAST_SECONDS = 20
"""Of processor time in one test before a fault counts as one that never ends; more if the test takes long
without it.
"""

WALL = 120
"""Seconds after which a test that only waits is ended."""


class Verdict(Enum):
    """What became of a fault."""

    KILLED = 1
    SURVIVED = 0
    OUT_OF_TIME = 2


class Loader(SourceFileLoader):
    """Loads a module with all its faults in it, one of which may be in force from the beginning."""

    def __init__(self, fullname: str, path: str, active: int) -> None:
        super().__init__(fullname, path)
        self.active = active

    def get_code(self, fullname: str) -> CodeType:
        tree, _ = instrumented(self.name, Path(self.path).read_text(encoding="utf-8"))
        return compile(tree, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[ACTIVE] = self.active
        super().exec_module(module)


class Finder(MetaPathFinder):
    """Finds the one module that is to have faults."""

    def __init__(self, module: str, path: Path, active: int) -> None:
        self.module, self.path, self.active = module, path, active

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec
        spec.loader = Loader(fullname, str(self.path), self.active)
        return spec


class Loop:
    """Takes the place of pytest's loop over the tests."""

    def __init__(self, wanted: set[str], then: Callable[[dict[str, pytest.Item]], None]) -> None:
        self.wanted, self.then = wanted, then

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item
            for item in items
            if not self.wanted.isdisjoint((item.nodeid, item.nodeid.partition("::")[0]))
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.then({item.nodeid: item for item in session.items})
        return True


def try_mutants(
    module: str, path: Path, mutants: list[Mutant], known: CoverageMap, jobs: int, folder: Path
) -> dict[Mutant, Verdict]:
    """The verdicts on some faults of a module."""
    for name in PRELOADED:
        importlib.import_module(name)
    tests = {mutant: known.of(mutant) for mutant in mutants}
    results = folder / "results"
    results.mkdir()
    os.waitpid(in_fork(lambda: _host(module, path, tests, jobs, folder)), 0)
    forks = Forks(jobs, results)
    at_import = [mutant for mutant in mutants if mutant.at_import]
    if at_import and _host_of_one(path, replace(at_import[0], number=0), tests[at_import[0]], folder):
        sys.exit(f"without a fault tests of {module} fail: see {folder}")
    for mutant in at_import:
        forks.add(mutant, partial(_host_of_one, path, mutant, tests[mutant], folder))
    forks.wait()
    found = {}
    for mutant in mutants:
        result = results / str(mutant.number)
        if not result.exists():
            sys.exit(f"{mutant} was not tried: {(folder / 'log').read_text()[-3000:]}")
        found[mutant] = Verdict(int(result.read_text()))
    return found


def in_fork(work: Callable[[], int]) -> int:
    """Let a fork do something and end with what that returns, or with 1 if it raises; the fork's id."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        code = work()
    except BaseException:  # noqa: BLE001  a fault may raise anything, and must not get out of here
        traceback.print_exc()
    finally:
        os._exit(code)


class Forks:
    """At most so many forks at a time, each trying one fault; what became of them is written into files."""

    def __init__(self, jobs: int, results: Path) -> None:
        self.jobs, self.results = jobs, results
        self.running: dict[int, Mutant] = {}

    def add(self, mutant: Mutant, work: Callable[[], int]) -> None:
        while len(self.running) >= self.jobs:
            self._reap()
        self.running[in_fork(work)] = mutant

    def wait(self) -> None:
        while self.running:
            self._reap()

    def _reap(self) -> None:
        for pid, mutant in list(self.running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self.running[pid]
                self._note(mutant, status)
        time.sleep(0.002)

    def _note(self, mutant: Mutant, status: int) -> None:
        verdict = _verdict(status)
        (self.results / str(mutant.number)).write_text(str(verdict.value))


def _verdict(status: int) -> Verdict:
    """What the end of a process says; an exit code is a verdict's value."""
    return Verdict.OUT_OF_TIME if os.WIFSIGNALED(status) else Verdict(os.WEXITSTATUS(status))


def _host(module: str, path: Path, tests: dict[Mutant, list[list[str]]], jobs: int, folder: Path) -> int:
    """Collect the tests of a module with all its faults in it, and try each in a fork; an exit code."""
    tried = {mutant: names for mutant, (names, *_) in tests.items() if not mutant.at_import}

    def loop(items: dict[str, pytest.Item]) -> None:
        seconds = _seconds_without_faults(items, folder)
        forks = Forks(jobs, folder / "results")
        for mutant, names in tried.items():
            forks.add(mutant, partial(_fails, mutant, [items[name] for name in names], seconds))
        forks.wait()

    return _pytest(
        module, path, 0, {name for names in tried.values() for name in names}, loop, folder / "log"
    )


def _host_of_one(path: Path, mutant: Mutant, parts: list[list[str]], folder: Path) -> int:
    """Whether tests fail, or cannot even be collected, if a fault was there when all was imported: the value
    of a verdict.
    """
    for place, names in enumerate(filter(None, parts)):
        log = folder / f"log of {mutant.number}.{place}"
        _, status = os.waitpid(in_fork(partial(_fails_from_import, path, mutant, names, log)), 0)
        if verdict := _verdict(status).value:
            return verdict
    return Verdict.SURVIVED.value


def _fails_from_import(path: Path, mutant: Mutant, names: list[str], log: Path) -> int:
    _limit(LEAST_SECONDS)
    outcomes: list[bool] = []

    def loop(items: dict[str, pytest.Item]) -> None:
        lost = any("::" in name and name not in items for name in names)
        outcomes.append(lost or _fails(mutant, list(items.values()), {}))

    code = _pytest(mutant.module, path, mutant.number, set(names), loop, log)
    return int(bool(code) or outcomes != [False])


def _pytest(
    module: str,
    path: Path,
    active: int,
    wanted: set[str],
    loop: Callable[[dict[str, pytest.Item]], None],
    log: Path,
) -> int:
    """Collect tests in this process and do something with them."""
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.meta_path.insert(0, Finder(module, path, active))
    options = ["-q", "-p", "no:cacheprovider", "--capture=sys", "--hypothesis-profile=mutants"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning", f"--basetemp={log}.tmp"]
    files = sorted({name.partition("::")[0] for name in wanted})
    return int(pytest.main([*options, *files], plugins=[Loop(wanted, loop)]))


def _seconds_without_faults(items: dict[str, pytest.Item], folder: Path) -> dict[str, float]:
    """The processor time of each test; all must pass."""
    file = folder / "seconds.json"
    if not (child := os.fork()):
        seconds = {}
        for item, following in pairwise([*items.values(), None]):
            began = time.process_time()
            if item and _failed(item, following):
                print("without a fault this fails:", item.nodeid, flush=True)
                os._exit(1)
            if item:
                seconds[item.nodeid] = time.process_time() - began
        file.write_text(json.dumps(seconds))
        os._exit(0)
    os.waitpid(child, 0)
    return {str(name): float(spent) for name, spent in json.loads(file.read_text()).items()}


def _fails(mutant: Mutant, items: list[pytest.Item], seconds: dict[str, float]) -> bool:
    """Whether a test fails with a fault in force."""
    vars(importlib.import_module(mutant.module))[ACTIVE] = mutant.number  # perhaps no test has imported it
    for item, following in pairwise([*items, None]):
        assert item
        _limit(LEAST_SECONDS + 5 * seconds.get(item.nodeid, 0))
        if _failed(item, following):
            return True
    return False


def _limit(seconds: float) -> None:
    """Have the kernel end this process after so much more processor time, or if it only waits."""
    most = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    signal.alarm(WALL)


def _failed(item: pytest.Item, following: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))
