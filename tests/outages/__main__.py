"""Play all outages at length, and print what clients saw of each."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.outages import feed, freshness
from tests.outages.place import Place, on_one_machine, on_several_hosts
from tests.outages.scenarios import REDIS, STORAGE, TMDB, Outage, Played, play

SETTINGS: dict[str, tuple[Callable[[Path], AbstractContextManager[Place]], Sequence[Outage]]] = {
    "one machine, SQLite": (on_one_machine, (*REDIS, *TMDB)),
    "several processes, MongoDB's wire": (on_several_hosts, (*REDIS, *STORAGE, *TMDB)),
}


FRESHNESS = "two API processes, readers and writers"
FEED = "a copy through the change feed"


def main() -> int:
    """Play; the exit code is 1 if anything was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30, help="that each outage lasts")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two requests of a client")
    parser.add_argument("--only", default="", help="outages with this in their name")
    options = parser.parse_args()
    faults = 0
    for name, (open_place, outages) in SETTINGS.items():
        wanted = [outage for outage in outages if options.only in outage.name]
        if not wanted:
            continue
        print(f"\n{name}")
        with tempfile.TemporaryDirectory() as folder, open_place(Path(folder)) as place:
            for outage in wanted:
                seen = play(
                    place, outage, clients=options.clients, seconds=options.seconds, pause=options.pause
                )
                faults += tell(seen)
            faults += tracebacks(place)
    if options.only in FRESHNESS:
        print(f"\n{FRESHNESS}")
        faults += print_freshness(options.seconds * 2)
    if options.only in FEED:
        for name, (open_place, _) in SETTINGS.items():
            print(f"\n{FEED}: {name}")
            faults += print_feed(open_place, options.seconds * 20)
    return 1 if faults else 0


def print_feed(open_place: Callable[..., AbstractContextManager[Place]], seconds: float) -> int:
    """Keep a copy while 16 clients write and two API processes are killed; how many promises were broken."""
    with tempfile.TemporaryDirectory() as folder, open_place(Path(folder), API_PROCESSES="2") as place:
        followed = feed.observe(place, writers=16, seconds=seconds, kills=2)
        statuses = " ".join(f"{what} {status}:{n}" for (what, status), n in sorted(followed.statuses.items()))
        print(f"  {statuses}")
        copied = {kind: len(entries) for kind, entries in followed.copy.entries.items()}
        print(f"  {followed.reads} reads, {followed.kills} kills, {copied}, {followed.copy.removed} removed")
        for fault in followed.faults[:20]:
            print(f"    NOT AS PROMISED: {fault}")
        return len(followed.faults) + tracebacks(place)


def print_freshness(seconds: float) -> int:
    """Let readers and writers work while Redis and API processes fail; how many promises were broken."""
    variables = {"API_PROCESSES": "2", "RATE_LIMIT": f"{freshness.LIMIT}/minute"}
    with tempfile.TemporaryDirectory() as folder, on_one_machine(Path(folder), **variables) as place:
        observed, acts = freshness.observe(place, writers=16, readers=64, seconds=seconds, seed=1)
        print(f"  {dict(acts)}")
        print(f"  {observed.sessions} sessions ended")
        statuses = " ".join(f"{what} {status}:{n}" for (what, status), n in sorted(observed.statuses.items()))
        print(f"  {statuses}")
        print("  slowest", {what: round(took * 1000) for what, took in observed.slowest.items()}, "ms")
        print(f"  most requests of one user in a minute: {observed.most_in_a_minute}")
        faults = observed.broken(processes=2)
        for fault in faults[:20]:
            print(f"    NOT AS PROMISED: {fault}")
        return len(faults) + tracebacks(place)


def tell(played: Played) -> int:
    """Print what was seen; how many promises it broke."""
    print(f"  {played.outage.name}: health said {played.said}, healed after {played.healed_after:.1f} s")
    for name, seen in (("before", played.before), ("during", played.during), ("after", played.after)):
        print(f"    {name:7} {seen}")
    for fault in played.faults():
        print(f"    NOT AS PROMISED: {fault}")
    sys.stdout.flush()
    return len(played.faults())


def tracebacks(place: Place) -> int:
    """Print what the processes logged of our own faults."""
    found = [name for name in place.processes if "Traceback" in place.log(name)]
    for name in found:
        print(f"    NOT AS PROMISED: a traceback in the log of {name}")
        print(place.log(name)[-3000:])
    return len(found)


if __name__ == "__main__":
    raise SystemExit(main())
