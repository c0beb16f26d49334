"""Run all outages at length, and print what clients observed during each."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.outages import change_feed, consistency
from tests.outages.environment import Environment, on_one_machine, on_several_hosts
from tests.outages.scenarios import REDIS, STORAGE, TMDB, Outage, OutageResult, run_outage

SCENARIOS: dict[str, tuple[Callable[[Path], AbstractContextManager[Environment]], Sequence[Outage]]] = {
    "one machine, SQLite": (on_one_machine, (*REDIS, *TMDB)),
    "several processes, MongoDB's wire": (on_several_hosts, (*REDIS, *STORAGE, *TMDB)),
}


CONSISTENCY = "two API processes, readers and writers"
CHANGE_FEED = "a copy through the change feed"


def main() -> int:
    """Run the scenarios; the exit code is 1 if there was a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30, help="that each outage lasts")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two requests of a client")
    parser.add_argument("--only", default="", help="outages with this in their name")
    options = parser.parse_args()
    violations = 0
    for name, (open_environment, outages) in SCENARIOS.items():
        selected = [outage for outage in outages if options.only in outage.name]
        if not selected:
            continue
        print(f"\n{name}")
        with tempfile.TemporaryDirectory() as folder, open_environment(Path(folder)) as environment:
            for outage in selected:
                result = run_outage(
                    environment,
                    outage,
                    clients=options.clients,
                    seconds=options.seconds,
                    pause=options.pause,
                )
                violations += print_result(result)
            violations += print_tracebacks(environment)
    if options.only in CONSISTENCY:
        print(f"\n{CONSISTENCY}")
        violations += run_consistency(options.seconds * 2)
    if options.only in CHANGE_FEED:
        for name, (open_environment, _) in SCENARIOS.items():
            print(f"\n{CHANGE_FEED}: {name}")
            violations += run_change_feed(open_environment, options.seconds * 20)
    return 1 if violations else 0


def run_change_feed(
    open_environment: Callable[..., AbstractContextManager[Environment]], seconds: float
) -> int:
    """Keep a copy through the change feed while 16 clients write and API processes are killed; print the
    result, and return the number of violations.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        open_environment(Path(folder), API_PROCESSES="2") as environment,
    ):
        result = change_feed.run(environment, writers=16, seconds=seconds, kills=2)
        print(f"  {_counts(result.statuses)}")
        copied = {kind: len(entries) for kind, entries in result.copy.entries.items()}
        print(f"  {result.reads} reads, {result.kills} kills, {copied}, {result.copy.removed} removed")
        print_violations(result.violations[:20])
        return len(result.violations) + print_tracebacks(environment)


def run_consistency(seconds: float) -> int:
    """Read and write while Redis and API processes fail; print the result, and return the number of
    violations.
    """
    variables = {"API_PROCESSES": "2", "RATE_LIMIT": f"{consistency.RATE_LIMIT}/minute"}
    with tempfile.TemporaryDirectory() as folder, on_one_machine(Path(folder), **variables) as environment:
        result = consistency.run(environment, writers=16, readers=64, seconds=seconds, seed=1)
        print(f"  {dict(result.failures)}")
        print(f"  {result.ended_sessions} sessions ended")
        print(f"  {_counts(result.statuses)}")
        slowest = {operation: round(duration * 1000) for operation, duration in result.slowest.items()}
        print("  slowest", slowest, "ms")
        print(f"  maximum requests of one user in a minute: {result.max_requests_per_minute}")
        violations = result.all_violations(processes=2)
        print_violations(violations[:20])
        return len(violations) + print_tracebacks(environment)


def _counts(statuses: dict[tuple[str, int], int]) -> str:
    return " ".join(
        f"{operation} {status}:{count}" for (operation, status), count in sorted(statuses.items())
    )


def print_result(result: OutageResult) -> int:
    """Print the result of an outage, and return the number of violations."""
    print(f"  {result.outage.name}: health {result.health}, recovered after {result.recovery_time:.1f} s")
    for name, period in (("before", result.before), ("during", result.during), ("after", result.after)):
        print(f"    {name:7} {period}")
    violations = result.violations()
    print_violations(violations)
    sys.stdout.flush()
    return len(violations)


def print_violations(violations: Sequence[str]) -> None:
    for violation in violations:
        print(f"    VIOLATION: {violation}")


def print_tracebacks(environment: Environment) -> int:
    """Print the ends of logs that have a traceback, and return the number of these logs."""
    names = [name for name in environment.processes if "Traceback" in environment.log(name)]
    for name in names:
        print_violations([f"a traceback in the log of {name}"])
        print(environment.log(name)[-3000:])
    return len(names)


if __name__ == "__main__":
    raise SystemExit(main())
