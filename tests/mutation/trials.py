"""Tries faults: a process collects the tests of a module, and each fault is tried in a fork of it."""

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from itertools import pairwise
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.coverage_map import CoverageMap, fingerprint
from tests.mutation.coverage_plugin import clear_caches, starts_processes
from tests.mutation.operators import ACTIVE, Mutant, instrumented

PRELOADED = (
    "hypothesis", "hypothesis.stateful", "litestar", "litestar.testing", "msgspec", "httpx", "pymongo",
    "redis", "rq", "structlog", "argon2", "jwt", "prometheus_client", "click", "rich.console",
    "zxcvbn", "dependency_injector.providers",
)  # fmt: skip
"""Third-party modules that tests import. They are imported once, before any fork."""

PLUGINS = ("xdist", "xdist.looponfail", "pytest_cov", "schemathesis", "faker")
FIXTURE_PLUGINS = (
    "anyio", "valkey",
    "tests.contracts.mongo_server", "tests.contracts.valkey_server", "tests.integration.sync_use_cases",
)  # fmt: skip
"""Plugins that pytest need not load: PLUGINS are used by no test here, FIXTURE_PLUGINS by no unit test. Some
of them import all of the core.
"""

MIN_TIME_LIMIT = 20
"""The minimum limit for the processor time of a test in seconds. A fault with which a test exceeds its limit
counts as one that never ends.
"""

TIME_LIMIT_FACTOR = 20
"""This multiple of the time of the test under coverage, with few examples, is added to MIN_TIME_LIMIT."""

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

MIN_PROCESSOR_SHARE = 0.05
"""The minimum share of a processor that a working process uses. One that uses less is waiting or polling."""

IDLE_TIMEOUT = 60
"""Seconds after which a waiting process is killed."""

WAITING_SECONDS = 2
"""Seconds after which a waiting process does not count as a job, so that another fault is tried meanwhile."""

MAX_WAITING_PER_JOB = 8
"""The maximum number of waiting processes for each job."""


class Verdict(Enum):
    """The result of trying a fault."""

    KILLED = 1
    SURVIVED = 0
    OUT_OF_TIME = 2


class Loader(SourceFileLoader):
    """Loads a module with all its faults, one of which may be active from the beginning."""

    def __init__(self, fullname: str, path: str, active: int) -> None:
        super().__init__(fullname, path)
        self.active = active

    def get_code(self, fullname: str) -> CodeType:
        return instrumented_code(self.name, Path(self.path))

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[ACTIVE] = self.active
        super().exec_module(module)


@cache
def instrumented_code(module: str, path: Path) -> CodeType:
    """The compiled code of a module with all its faults."""
    tree, _ = instrumented(module, path.read_text(encoding="utf-8"))
    return compile(tree, path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Finds the module that is loaded with faults, and no other."""

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


class CollectedTests:
    """A plugin of pytest that calls a function with the collected tests instead of running them."""

    def __init__(self, wanted: set[str], function: Callable[[dict[str, pytest.Item]], None]) -> None:
        self.wanted, self.function = wanted, function

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item
            for item in items
            if not self.wanted.isdisjoint((item.nodeid, item.nodeid.partition("::")[0]))
            and not starts_processes(item)
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.function({item.nodeid: item for item in session.items})
        return True


@dataclass(frozen=True, slots=True)
class TrialContext:
    """The parameters of trying the faults of one module."""

    module: str
    path: Path
    coverage: CoverageMap
    jobs: int
    folder: Path
    """The folder for logs, and for files with the test that each process is running."""

    results: Path
    """The folder with a file for each fault that was tried. The verdict that
    a test detects the fault is valid until the module or the test changes; the verdict that none does, until
    any source or test changes.
    """

    progress: Callable[[str], None]

    def verdict_on(self, mutant: Mutant) -> Verdict | None:
        """The verdict of an earlier run, if it is still valid."""
        file = self.results / str(mutant.number)
        if not file.exists():
            return None
        value, test, state = json.loads(file.read_text())
        verdict = Verdict(value)
        return verdict if state == self._state(verdict, test) else None

    def record(self, mutant: Mutant, verdict: Verdict, test: str) -> None:
        """Write the verdict on a fault, and the test that detected it."""
        temporary = self.folder / f"{mutant.number}.tmp"
        temporary.write_text(json.dumps([verdict.value, test, self._state(verdict, test)]))
        temporary.rename(self.results / str(mutant.number))

    def _state(self, verdict: Verdict, test: str) -> str:
        file = self.coverage.root / test.partition("::")[0]
        return self.coverage.state if verdict is Verdict.SURVIVED or not file.is_file() else fingerprint(file)


def try_mutants(mutants: list[Mutant], context: TrialContext) -> dict[Mutant, Verdict]:
    """Try faults of a module; return the verdicts."""
    for name in PRELOADED:
        importlib.import_module(name)
    context.results.mkdir(parents=True, exist_ok=True)
    untried = [mutant for mutant in mutants if context.verdict_on(mutant) is None]
    if any(not mutant.at_import for mutant in untried):
        os.waitpid(
            fork_and_run(
                lambda: _try_in_forks([mutant for mutant in untried if not mutant.at_import], context)
            ),
            0,
        )
    at_import = [mutant for mutant in untried if mutant.at_import]
    if at_import:
        instrumented_code(context.module, context.path)  # once, for all forks
        forks = Forks(
            context,
            len(at_import),
            "when the module is imported",
            partial(_passes_without_fault, context=context),
        )
        for mutant in at_import:
            forks.add(mutant, partial(_try_at_import, mutant, context.coverage.tests_for(mutant), context))
        forks.wait()
    verdicts = {}
    for mutant in mutants:
        verdict = context.verdict_on(mutant)
        if verdict is None:
            log = context.folder / "log"
            sys.exit(f"{mutant} was not tried: {log.read_text()[-3000:] if log.exists() else context.folder}")
        verdicts[mutant] = verdict
    return verdicts


def fork_and_run(work: Callable[[], int]) -> int:
    """Call a function in a fork; return the process id. The exit code is the result, or 1 after an error."""
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
    """Forks that each try one fault. At most `jobs` of them work at the same time; others may be waiting."""

    def __init__(self, context: TrialContext, count: int, when: str, passes: Callable[[str], bool]) -> None:
        self.context, self.count, self.when, self.passes = context, count, when, passes
        self.running: dict[int, Mutant] = {}
        self.done = 0
        self.passing_tests: set[str] = set()
        """The tests that have detected a fault, and are known to pass without one."""
        self.processor_times: dict[int, tuple[float, float]] = {}
        """For each process, its processor time when it was last found working, and the time of that."""
        self.last_check = 0.0

    def add(self, mutant: Mutant, work: Callable[[], int]) -> None:
        jobs = self.context.jobs
        while self._working() >= jobs or len(self.running) >= jobs * (1 + MAX_WAITING_PER_JOB):
            self._collect_ended()
        self.running[fork_and_run(work)] = mutant

    def _working(self) -> int:
        now = time.monotonic()
        return sum(
            now - self.processor_times.get(pid, (0, now))[1] <= WAITING_SECONDS for pid in self.running
        )

    def wait(self) -> None:
        while self.running:
            self._collect_ended()

    def _collect_ended(self) -> None:
        for pid, mutant in list(self.running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self.running[pid]
                self.processor_times.pop(pid, None)
                self._record(mutant, _verdict(status))
        if time.monotonic() - self.last_check > 1:
            self.last_check = time.monotonic()
            for pid in self.running:
                self._end_if_idle(pid)
        time.sleep(0.005)

    def _end_if_idle(self, pid: int) -> None:
        now, used = time.monotonic(), sum(map(_processor_seconds, tree := _process_tree(pid)))
        known, since = self.processor_times.get(pid, (-1.0, now))
        if used - known >= MIN_PROCESSOR_SHARE * (now - since):
            self.processor_times[pid] = used, now
        elif now - since > IDLE_TIMEOUT:
            for member in reversed(tree):
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)

    def _record(self, mutant: Mutant, verdict: Verdict) -> None:
        file = self.context.folder / f"{mutant.number}.test"
        test = file.read_text() if file.exists() else ""
        if verdict is not Verdict.SURVIVED and test not in self.passing_tests:
            if not self.passes(test):
                self.context.progress(f"this test fails without a fault: {test}; see {self.context.folder}")
                os._exit(1)
            self.passing_tests.add(test)
        self.context.record(mutant, verdict, test)
        self.done += 1
        if self.done % 25 == 0:
            self.context.progress(f"    {self.done} of {self.count} faults {self.when}")


def _process_tree(pid: int) -> list[int]:
    """A process and its descendants, parents first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(process for child in children for process in _process_tree(int(child)))]


def _processor_seconds(pid: int) -> float:
    """The processor time of a process in seconds."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _verdict(status: int) -> Verdict:
    """The verdict of a process that has ended. Its exit code is the value of a verdict."""
    return Verdict.OUT_OF_TIME if os.WIFSIGNALED(status) else Verdict(os.WEXITSTATUS(status))


def _try_in_forks(mutants: list[Mutant], context: TrialContext) -> int:
    """Collect the tests of a module with all its faults, and try each in a fork; return the exit code."""
    tests = {mutant: context.coverage.tests_for(mutant)[0] for mutant in mutants}

    def run_collected(items: dict[str, pytest.Item]) -> None:
        def passes(test: str) -> bool:
            none = replace(mutants[0], number=0)
            _, status = os.waitpid(fork_and_run(partial(_fails, none, [items[test]], context)), 0)
            return _verdict(status) is Verdict.SURVIVED

        forks = Forks(context, len(mutants), "when a line is executed", passes)
        for mutant, names in tests.items():
            forks.add(mutant, partial(_fails, mutant, [items[name] for name in names], context))
        forks.wait()

    wanted = {name for names in tests.values() for name in names}
    return _run_pytest(context, 0, wanted, run_collected, context.folder / "log")


def _try_at_import(mutant: Mutant, groups: list[list[str]], context: TrialContext) -> int:
    """Try a fault that is active when the module is imported. Tests detect it if they fail, or cannot be
    collected. Returns the value of a verdict.
    """
    for index, names in enumerate(filter(None, groups)):
        log = context.folder / f"log of {mutant.number}.{index}"
        _, status = os.waitpid(fork_and_run(partial(_fails_at_import, mutant, names, context, log)), 0)
        if verdict := _verdict(status).value:
            return verdict
    return Verdict.SURVIVED.value


def _fails_at_import(mutant: Mutant, names: list[str], context: TrialContext, log: Path) -> int:
    _set_time_limit(MIN_TIME_LIMIT)
    _record_current_test(mutant, names[0].partition("::")[0], context)
    outcomes: list[bool] = []

    def run_collected(items: dict[str, pytest.Item]) -> None:
        lost = any("::" in name and name not in items for name in names)
        order = sorted(items, key=lambda name: context.coverage.seconds.get(name, 0))
        outcomes.append(lost or bool(_fails(mutant, [items[name] for name in order], context)))

    code = _run_pytest(context, mutant.number, set(names), run_collected, log)
    return int(bool(code) or outcomes != [False])


def _passes_without_fault(test: str, context: TrialContext) -> bool:
    """Whether a test passes, or the tests of a file can be collected, in a process without a fault."""
    log = context.folder / "log without a fault"
    outcomes: list[bool] = []

    def run_collected(items: dict[str, pytest.Item]) -> None:
        chosen = [item for name, item in items.items() if name == test]
        none = Mutant(0, context.module, "", "", "", range(0), at_import=True)
        outcomes.append(not _fails(none, chosen, context))

    def work() -> int:
        code = _run_pytest(context, 0, {test}, run_collected, log)
        return int(bool(code) or outcomes != [True])

    _, status = os.waitpid(fork_and_run(work), 0)
    return status == 0


def _record_current_test(mutant: Mutant, test: str, context: TrialContext) -> None:
    """Record the test that a fault is tried with, since the process may be killed during the test."""
    (context.folder / f"{mutant.number}.test").write_text(test)


def _run_pytest(
    context: TrialContext,
    active: int,
    wanted: set[str],
    run_collected: Callable[[dict[str, pytest.Item]], None],
    log: Path,
) -> int:
    """Collect tests in this process, and call a function with them; return the exit code of pytest."""
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.meta_path.insert(0, Finder(context.module, context.path, active))
    files = sorted({name.partition("::")[0] for name in wanted})
    unneeded = PLUGINS + (FIXTURE_PLUGINS if all(file.startswith("tests/unit") for file in files) else ())
    options = [word for plugin in unneeded for word in ("-p", f"no:{plugin}")]
    options += ["-q", "-p", "no:cacheprovider", "--capture=sys", "--hypothesis-profile=mutants"]
    options += ["--assert=plain", "--tb=native"]  # the reason of a failure is not used
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(context.folder)  # in which each fork creates its own folder
    return int(pytest.main([*options, *files], plugins=[CollectedTests(wanted, run_collected)]))


def _fails(mutant: Mutant, items: list[pytest.Item], context: TrialContext) -> int:
    """Run tests with an active fault until one fails; return the value of a verdict."""
    # The tests may not have imported the module.
    vars(importlib.import_module(mutant.module))[ACTIVE] = mutant.number
    clear_caches()  # which have what was computed without the fault
    for item, following in pairwise([*items, None]):
        assert item
        _record_current_test(mutant, item.nodeid, context)
        _set_time_limit(MIN_TIME_LIMIT + TIME_LIMIT_FACTOR * context.coverage.seconds.get(item.nodeid, 0))
        if _failed(item, following):
            return Verdict.KILLED.value
    return Verdict.SURVIVED.value


def _set_time_limit(seconds: float) -> None:
    """Let the kernel kill this process after this much more processor time."""
    limit = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _failed(item: pytest.Item, following: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))
