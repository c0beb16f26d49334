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
from tests.mutation.learning import starts_processes
from tests.mutation.operators import ACTIVE, Mutant, instrumented

PRELOADED = (
    "hypothesis", "hypothesis.stateful", "litestar", "litestar.testing", "msgspec", "httpx", "pymongo",
    "redis", "rq", "structlog", "argon2", "jwt", "prometheus_client", "click", "rich.console",
    "zxcvbn", "dependency_injector.providers",
)  # fmt: skip
"""What tests import of others: loaded once, before any fork."""

PLUGINS = ("xdist", "xdist.looponfail", "pytest_cov", "schemathesis", "faker")
FIXTURES = (
    "anyio", "valkey",
    "tests.contracts.mongo_server", "tests.contracts.valkey_server", "tests.integration.sync_bench",
)  # fmt: skip
"""What pytest need not load: plugins that no test here uses, and fixtures that no unit test uses, among them
those that import all of the core.
"""

LEAST_SECONDS = 20
"""Of processor time in one test before a fault counts as one that never ends; more if the test takes long
without it.
"""

SLOWEST = 20
"""How much longer a test may take than it did under coverage, where property tests draw few examples."""

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

LEAST_SHARE = 0.05
"""The part of a processor with which a process counts as working; with less it waits, and perhaps polls."""

IDLE_SECONDS = 60
"""Seconds after which a process that only waits is ended."""

WAITING_SECONDS = 2
"""Seconds of waiting after which another process may try the next fault meanwhile."""

MOST_WAITING = 8
"""Processes that wait, for each one that works."""


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
        return instrumented_code(self.name, Path(self.path))

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[ACTIVE] = self.active
        super().exec_module(module)


@cache
def instrumented_code(module: str, path: Path) -> CodeType:
    """A module with all its faults in it, compiled."""
    tree, _ = instrumented(module, path.read_text(encoding="utf-8"))
    return compile(tree, path, "exec", dont_inherit=True)


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
            and not starts_processes(item)
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.then({item.nodeid: item for item in session.items})
        return True


@dataclass(frozen=True, slots=True)
class Attempts:
    """What trying the faults of one module takes."""

    module: str
    path: Path
    known: CoverageMap
    jobs: int
    folder: Path
    """For logs, and for the notes which test a process is at."""

    results: Path
    """A file for each fault that has been tried. A later run takes a verdict from there, as long as it holds:
    that tests notice a fault until the module or the test changes, that they do not until any source or test
    does.
    """

    progress: Callable[[str], None]

    def verdict_on(self, mutant: Mutant) -> Verdict | None:
        """What an earlier run found, if that still holds."""
        file = self.results / str(mutant.number)
        if not file.exists():
            return None
        value, test, state = json.loads(file.read_text())
        verdict = Verdict(value)
        return verdict if state == self._state(verdict, test) else None

    def note(self, mutant: Mutant, verdict: Verdict, test: str) -> None:
        """Write down what became of a fault, and which test noticed it."""
        half = self.folder / f"{mutant.number}.half"
        half.write_text(json.dumps([verdict.value, test, self._state(verdict, test)]))
        half.rename(self.results / str(mutant.number))

    def _state(self, verdict: Verdict, test: str) -> str:
        file = self.known.root / test.partition("::")[0]
        return self.known.state if verdict is Verdict.SURVIVED or not file.is_file() else fingerprint(file)


def try_mutants(mutants: list[Mutant], attempts: Attempts) -> dict[Mutant, Verdict]:
    """The verdicts on some faults of a module."""
    for name in PRELOADED:
        importlib.import_module(name)
    attempts.results.mkdir(parents=True, exist_ok=True)
    left = [mutant for mutant in mutants if attempts.verdict_on(mutant) is None]
    if any(not mutant.at_import for mutant in left):
        os.waitpid(in_fork(lambda: _host([each for each in left if not each.at_import], attempts)), 0)
    at_import = [mutant for mutant in left if mutant.at_import]
    if at_import:
        instrumented_code(attempts.module, attempts.path)  # once, for all forks
        forks = Forks(
            attempts, len(at_import), "when the module is imported", partial(_passes_anew, attempts=attempts)
        )
        for mutant in at_import:
            forks.add(mutant, partial(_host_of_one, mutant, attempts.known.of(mutant), attempts))
        forks.wait()
    found = {}
    for mutant in mutants:
        verdict = attempts.verdict_on(mutant)
        if verdict is None:
            log = attempts.folder / "log"
            sys.exit(
                f"{mutant} was not tried: {log.read_text()[-3000:] if log.exists() else attempts.folder}"
            )
        found[mutant] = verdict
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
    """Forks that each try one fault, of which at most so many work at a time; others may wait."""

    def __init__(self, attempts: Attempts, count: int, when: str, passes: Callable[[str], bool]) -> None:
        self.attempts, self.count, self.when, self.passes = attempts, count, when, passes
        self.running: dict[int, Mutant] = {}
        self.done = 0
        self.passing: set[str] = set()
        """Tests that noticed a fault, and pass without one."""
        self.spent: dict[int, tuple[float, float]] = {}
        """The processor time of each process when it was last seen working, and when that was."""
        self.looked = 0.0

    def add(self, mutant: Mutant, work: Callable[[], int]) -> None:
        jobs = self.attempts.jobs
        while self._working() >= jobs or len(self.running) >= jobs * (1 + MOST_WAITING):
            self._reap()
        self.running[in_fork(work)] = mutant

    def _working(self) -> int:
        now = time.monotonic()
        return sum(now - self.spent.get(pid, (0, now))[1] <= WAITING_SECONDS for pid in self.running)

    def wait(self) -> None:
        while self.running:
            self._reap()

    def _reap(self) -> None:
        for pid, mutant in list(self.running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self.running[pid]
                self.spent.pop(pid, None)
                self._note(mutant, _verdict(status))
        if time.monotonic() - self.looked > 1:
            self.looked = time.monotonic()
            for pid in self.running:
                self._end_if_idle(pid)
        time.sleep(0.005)

    def _end_if_idle(self, pid: int) -> None:
        now, used = time.monotonic(), sum(map(_processor_seconds, family := _family(pid)))
        known, since = self.spent.get(pid, (-1.0, now))
        if used - known >= LEAST_SHARE * (now - since):
            self.spent[pid] = used, now
        elif now - since > IDLE_SECONDS:
            for each in reversed(family):
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)

    def _note(self, mutant: Mutant, verdict: Verdict) -> None:
        at = self.attempts.folder / f"{mutant.number}.test"
        test = at.read_text() if at.exists() else ""
        if verdict is not Verdict.SURVIVED and test not in self.passing:
            if not self.passes(test):
                self.attempts.progress(f"without a fault this fails: {test}; see {self.attempts.folder}")
                os._exit(1)
            self.passing.add(test)
        self.attempts.note(mutant, verdict, test)
        self.done += 1
        if self.done % 25 == 0:
            self.attempts.progress(f"    {self.done} of {self.count} faults {self.when}")


def _family(pid: int) -> list[int]:
    """A process and its descendants, parents first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _processor_seconds(pid: int) -> float:
    """The processor time of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _verdict(status: int) -> Verdict:
    """What the end of a process says; an exit code is a verdict's value."""
    return Verdict.OUT_OF_TIME if os.WIFSIGNALED(status) else Verdict(os.WEXITSTATUS(status))


def _host(mutants: list[Mutant], attempts: Attempts) -> int:
    """Collect the tests of a module with all its faults in it, and try each in a fork; an exit code."""
    tests = {mutant: attempts.known.of(mutant)[0] for mutant in mutants}

    def loop(items: dict[str, pytest.Item]) -> None:
        def passes(test: str) -> bool:
            none = replace(mutants[0], number=0)
            _, status = os.waitpid(in_fork(partial(_fails, none, [items[test]], attempts)), 0)
            return _verdict(status) is Verdict.SURVIVED

        forks = Forks(attempts, len(mutants), "when a line is executed", passes)
        for mutant, names in tests.items():
            forks.add(mutant, partial(_fails, mutant, [items[name] for name in names], attempts))
        forks.wait()

    wanted = {name for names in tests.values() for name in names}
    return _pytest(attempts, 0, wanted, loop, attempts.folder / "log")


def _host_of_one(mutant: Mutant, parts: list[list[str]], attempts: Attempts) -> int:
    """Whether tests fail, or cannot even be collected, if a fault was there when all was imported: the value
    of a verdict.
    """
    for place, names in enumerate(filter(None, parts)):
        log = attempts.folder / f"log of {mutant.number}.{place}"
        _, status = os.waitpid(in_fork(partial(_fails_from_import, mutant, names, attempts, log)), 0)
        if verdict := _verdict(status).value:
            return verdict
    return Verdict.SURVIVED.value


def _fails_from_import(mutant: Mutant, names: list[str], attempts: Attempts, log: Path) -> int:
    _limit(LEAST_SECONDS)
    _at(mutant, names[0].partition("::")[0], attempts)
    outcomes: list[bool] = []

    def loop(items: dict[str, pytest.Item]) -> None:
        lost = any("::" in name and name not in items for name in names)
        order = sorted(items, key=lambda name: attempts.known.seconds.get(name, 0))
        outcomes.append(lost or bool(_fails(mutant, [items[name] for name in order], attempts)))

    code = _pytest(attempts, mutant.number, set(names), loop, log)
    return int(bool(code) or outcomes != [False])


def _passes_anew(test: str, attempts: Attempts) -> bool:
    """Whether a test passes, or the tests of a file can be collected, in a process of their own."""
    log = attempts.folder / "log without a fault"
    outcomes: list[bool] = []

    def loop(items: dict[str, pytest.Item]) -> None:
        chosen = [item for name, item in items.items() if name == test]
        none = Mutant(0, attempts.module, "", "", "", range(0), at_import=True)
        outcomes.append(not _fails(none, chosen, attempts))

    def work() -> int:
        code = _pytest(attempts, 0, {test}, loop, log)
        return int(bool(code) or outcomes != [True])

    _, status = os.waitpid(in_fork(work), 0)
    return status == 0


def _at(mutant: Mutant, test: str, attempts: Attempts) -> None:
    """Note which test a fault is tried with, for the case that it is the last."""
    (attempts.folder / f"{mutant.number}.test").write_text(test)


def _pytest(
    attempts: Attempts,
    active: int,
    wanted: set[str],
    loop: Callable[[dict[str, pytest.Item]], None],
    log: Path,
) -> int:
    """Collect tests in this process and do something with them."""
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.meta_path.insert(0, Finder(attempts.module, attempts.path, active))
    files = sorted({name.partition("::")[0] for name in wanted})
    unneeded = PLUGINS + (FIXTURES if all(file.startswith("tests/unit") for file in files) else ())
    options = [word for plugin in unneeded for word in ("-p", f"no:{plugin}")]
    options += ["-q", "-p", "no:cacheprovider", "--capture=sys", "--hypothesis-profile=mutants"]
    options += ["--assert=plain", "--tb=native"]  # nobody reads why a test failed
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(attempts.folder)  # where each fork makes a folder of its own
    return int(pytest.main([*options, *files], plugins=[Loop(wanted, loop)]))


def _fails(mutant: Mutant, items: list[pytest.Item], attempts: Attempts) -> int:
    """Whether a test fails with a fault in force: the value of a verdict."""
    vars(importlib.import_module(mutant.module))[ACTIVE] = mutant.number  # perhaps no test has imported it
    for item, following in pairwise([*items, None]):
        assert item
        _at(mutant, item.nodeid, attempts)
        _limit(LEAST_SECONDS + SLOWEST * attempts.known.seconds.get(item.nodeid, 0))
        if _failed(item, following):
            return Verdict.KILLED.value
    return Verdict.SURVIVED.value


def _limit(seconds: float) -> None:
    """Have the kernel end this process after so much more processor time."""
    most = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _failed(item: pytest.Item, following: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))
