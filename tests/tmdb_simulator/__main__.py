"""Runs the simulator as a process. It prints its URL first, and its statistics as JSON when it is stopped."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from .catalogue import Catalogue
from .faults import FaultPlan
from .generated import make_catalogue
from .server import TmdbSimulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        simulator = TmdbSimulator(
            catalogue=_catalogue(options),
            faults=FaultPlan.read(_text(options.faults)),
            recordings=options.recordings,
            token=options.token,
            api_key=options.api_key,
            port=options.port,
        )
        simulator.start()
    except (OSError, ValueError, KeyError) as error:
        parser.error(str(error))
    print(simulator.url, flush=True)
    stopped.wait()
    simulator.stop()
    print(json.dumps(simulator.stats()), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.tmdb_simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="movies as .jsonl or .jsonl.gz")
    parser.add_argument("--movies", type=int, metavar="COUNT", help="invent so many movies instead")
    parser.add_argument("--seed", type=int, default=0, help="of the invented movies")
    parser.add_argument("--recordings", type=Path, metavar="DIR", help="replay these first")
    parser.add_argument("--token", help="demand this bearer token")
    parser.add_argument("--api-key", help="demand this api_key")
    parser.add_argument(
        "--faults", default="[]", metavar="FILE_OR_JSON", help="a list of faults: see faults.Fault"
    )
    return parser


def _catalogue(options: argparse.Namespace) -> Catalogue | None:
    if options.catalogue is not None:
        return Catalogue.load(options.catalogue)
    return None if options.movies is None else make_catalogue(options.movies, options.seed)


def _text(faults: str) -> str:
    return faults if faults.lstrip().startswith("[") else Path(faults).read_text(encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
