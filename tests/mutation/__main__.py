"""`make mutants`: plants faults in the core, one at a time, and counts those that tests detect.

python -m tests.mutation [--jobs N] [--only MODULE ...] [--survivors] [--quick]

First the tests are run under coverage, to measure which lines each executes. Then each fault is tried with
the tests that execute it until one fails: those named after its module, at most 80 of files that import the
module, and at most 80 others. The examples of hypothesis are those of `make test`, and time limits are of
processor time, so that the result is the same each time. survivors.toml has reasons for faults that survive.

The results are stored in .mutants/: an interrupted run continues where it was, and after a change only faults
that it can affect are tried again. Delete the folder to start from the beginning.
"""

import argparse
import os
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from time import monotonic

from tests.mutation.coverage_map import CoverageMap, fingerprint, measure
from tests.mutation.operators import Mutant, instrumented
from tests.mutation.trials import TrialContext, Verdict, try_mutants

ROOT = Path(__file__).parents[2]
REASONS = Path(__file__).with_name("survivors.toml")
REQUIRED_PERCENTAGE = 95.0
"""The percentage of the faults that tests must detect."""


def main() -> int:
    """Try the faults, and print the results; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at the same time")
    parser.add_argument("--only", nargs="*", metavar="MODULE", help="such as domain.ratings")
    parser.add_argument("--survivors", action="store_true", help="only those that survivors.toml lists")
    parser.add_argument("--quick", action="store_true", help="without the tests of use cases")
    options = parser.parse_args()
    sys.dont_write_bytecode = False  # otherwise each fork would compile all modules that it imports
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    reasons = {
        (entry["module"], entry["where"], entry["before"], entry["after"]): entry["reason"]
        for entry in tomllib.loads(REASONS.read_text(encoding="utf-8")).get("survivor", [])
    }
    started = monotonic()
    coverage = measure(ROOT, options.jobs, quick=options.quick)
    print(f"{len(coverage.tests)} tests; their coverage was measured in {monotonic() - started:.0f} s")
    verdicts: dict[Mutant, Verdict] = {}
    for module in options.only or modules():
        _, mutants = instrumented(module, path_of(module).read_text(encoding="utf-8"))
        if options.survivors:
            mutants = [mutant for mutant in mutants if mutant.name in reasons]
        verdicts |= try_module(module, mutants, coverage, options.jobs)
    return report(verdicts, reasons, monotonic() - started)


def modules() -> list[str]:
    """The modules of the core, without those of packages."""
    files = [*ROOT.glob("domain/**/*.py"), *ROOT.glob("application/**/*.py")]
    names = {str(file.relative_to(ROOT).with_suffix("")).replace("/", ".") for file in files}
    return sorted(name for name in names if not name.endswith(".__init__"))


def path_of(module: str) -> Path:
    """The source file of a module."""
    return ROOT / f"{module.replace('.', '/')}.py"


def try_module(module: str, mutants: list[Mutant], coverage: CoverageMap, jobs: int) -> dict[Mutant, Verdict]:
    """Try faults of a module, and print a summary; return the verdicts."""
    started = monotonic()
    path = path_of(module)
    results = ROOT / ".mutants" / "verdicts" / f"{module}-{fingerprint(path)}"
    with tempfile.TemporaryDirectory() as folder, os.fdopen(os.dup(1), "w", buffering=1) as output:
        progress = partial(print, file=output)
        context = TrialContext(module, path, coverage, jobs, Path(folder), results, progress)
        verdicts = try_mutants(mutants, context)
    count = Counter(verdicts.values())
    print(
        f"{module:28} {len(verdicts):4} faults, {count[Verdict.SURVIVED]:3} survived,"
        f" {count[Verdict.OUT_OF_TIME]:2} ran out of time, {monotonic() - started:5.0f} s",
    )
    for mutant, verdict in verdicts.items():
        if verdict is Verdict.SURVIVED:
            print(f"    {mutant}")
    return verdicts


def report(
    verdicts: dict[Mutant, Verdict], reasons: dict[tuple[str, str, str, str], str], seconds: float
) -> int:
    """Print the totals, and the differences from survivors.toml; return the exit code."""
    survivors = [mutant for mutant, verdict in verdicts.items() if verdict is Verdict.SURVIVED]
    killed = 100 * (1 - len(survivors) / max(1, len(verdicts)))
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} killed ({killed:.1f} %) in {seconds:.0f} s")
    print_mutants(
        "survived without a reason in survivors.toml", (m for m in survivors if m.name not in reasons)
    )
    dead = {mutant.name: mutant for mutant, verdict in verdicts.items() if verdict is not Verdict.SURVIVED}
    alive = {mutant.name for mutant in survivors}
    obsolete = (dead[name] for name in reasons if name in dead.keys() - alive)
    print_mutants("killed, though survivors.toml lists them", obsolete)
    return 0 if killed >= REQUIRED_PERCENTAGE else 1


def print_mutants(title: str, mutants: Iterable[Mutant]) -> None:
    """Print faults under a title, if there are any."""
    lines = [f"    {mutant}" for mutant in mutants]
    if lines:
        print(f"{title}:", *lines, sep="\n")


sys.exit(main())
