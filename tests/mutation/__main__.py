"""`make mutants`: plants one fault after the other in the core, and counts which the tests notice.

python -m tests.mutation [--jobs N] [--only MODULE ...] [--survivors] [--quick]

The tests are run once to learn which lines each executes. Then each fault is tried with the tests that
execute it, until one fails: those named after its module, at most 80 of files that import it, and at most 80
others. The draws of hypothesis are those of `make test`, and time limits count processor time, so that the
result is the same each time. Survivors have their reasons in survivors.toml.

What has been learnt and found is kept in .mutants/: an interrupted run continues there, and after a change
only what it touches is tried again. Delete the folder to begin anew.
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

from tests.mutation.coverage_map import CoverageMap, covered, fingerprint
from tests.mutation.host import Attempts, Verdict, try_mutants
from tests.mutation.operators import Mutant, instrumented

ROOT = Path(__file__).parents[2]
REASONS = Path(__file__).with_name("survivors.toml")
WANTED = 95.0
"""Per cent of the faults that tests must notice."""


def main() -> int:
    """Try all, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at the same time")
    parser.add_argument("--only", nargs="*", metavar="MODULE", help="such as domain.ratings")
    parser.add_argument("--survivors", action="store_true", help="only those that survivors.toml lists")
    parser.add_argument("--quick", action="store_true", help="without the tests of use cases")
    options = parser.parse_args()
    sys.dont_write_bytecode = False  # else each fork would compile all that it imports
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    reasons = {
        (each["module"], each["where"], each["before"], each["after"]): each["reason"]
        for each in tomllib.loads(REASONS.read_text(encoding="utf-8")).get("survivor", [])
    }
    began = monotonic()
    known = covered(ROOT, options.jobs, quick=options.quick)
    print(f"{len(known.tests)} tests; it took {monotonic() - began:.0f} s to learn what they execute")
    verdicts: dict[Mutant, Verdict] = {}
    for module in options.only or modules():
        _, mutants = instrumented(module, path_of(module).read_text(encoding="utf-8"))
        if options.survivors:
            mutants = [mutant for mutant in mutants if mutant.name in reasons]
        verdicts |= tried(module, mutants, known, options.jobs)
    return report(verdicts, reasons, monotonic() - began)


def modules() -> list[str]:
    """All modules of the core that hold anything but declarations."""
    files = [*ROOT.glob("domain/**/*.py"), *ROOT.glob("application/**/*.py")]
    names = {str(file.relative_to(ROOT).with_suffix("")).replace("/", ".") for file in files}
    return sorted(name for name in names if not name.endswith(".__init__"))


def path_of(module: str) -> Path:
    """The source of a module."""
    return ROOT / f"{module.replace('.', '/')}.py"


def tried(module: str, mutants: list[Mutant], known: CoverageMap, jobs: int) -> dict[Mutant, Verdict]:
    """The verdicts on a module's faults."""
    began = monotonic()
    path = path_of(module)
    results = ROOT / ".mutants" / "verdicts" / f"{module}-{fingerprint(path)}"
    with tempfile.TemporaryDirectory() as folder, os.fdopen(os.dup(1), "w", buffering=1) as output:
        progress = partial(print, file=output)
        attempts = Attempts(module, path, known, jobs, Path(folder), results, progress)
        found = try_mutants(mutants, attempts)
    count = Counter(found.values())
    print(
        f"{module:28} {len(found):4} faults, {count[Verdict.SURVIVED]:3} survived,"
        f" {count[Verdict.OUT_OF_TIME]:2} ran out of time, {monotonic() - began:5.0f} s",
    )
    for mutant, verdict in found.items():
        if verdict is Verdict.SURVIVED:
            print(f"    {mutant}")
    return found


def report(
    verdicts: dict[Mutant, Verdict], reasons: dict[tuple[str, str, str, str], str], seconds: float
) -> int:
    """Print the sum; the exit code."""
    survivors = [mutant for mutant, verdict in verdicts.items() if verdict is Verdict.SURVIVED]
    killed = 100 * (1 - len(survivors) / max(1, len(verdicts)))
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} killed ({killed:.1f} %) in {seconds:.0f} s")
    listed("survived without a reason in survivors.toml", (m for m in survivors if m.name not in reasons))
    dead = {mutant.name: mutant for mutant, verdict in verdicts.items() if verdict is not Verdict.SURVIVED}
    alive = {mutant.name for mutant in survivors}
    gone = (dead[name] for name in reasons if name in dead.keys() - alive)
    listed("killed, though survivors.toml lists them", gone)
    return 0 if killed >= WANTED else 1


def listed(title: str, mutants: Iterable[Mutant]) -> None:
    """Print some faults under a title, if there are any."""
    lines = [f"    {mutant}" for mutant in mutants]
    if lines:
        print(f"{title}:", *lines, sep="\n")


sys.exit(main())
