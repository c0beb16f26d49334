"""A service in all its processes, and everything that it stands on, to be taken away from it."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.contracts.mongo_server import running_secantus
from tests.contracts.valkey_server import Valkey, running_valkey
from tests.e2e.commands import MATINEE, matinee, unmeasured
from tests.outages.proxy import Cable, cable
from tests.ports import free_port
from tests.tmdb_simulator import Catalogue, TmdbSimulator, make_movies

SECRET = "a secret of more than thirty-two bytes for tests"
READY_WITHIN = 60.0
MOVIES = 60


@dataclass
class Place:
    """Where the service answers, and what it stands on. `database` is None where the store is SQLite."""

    folder: Path
    bases: list[str]
    redis: Valkey
    tmdb: TmdbSimulator
    variables: dict[str, str]
    database: Cable | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def movies(self) -> list[str]:
        """TMDB numbers of movies that are there."""
        answer = httpx.get(f"{self.bases[0]}/movies?limit=100&fields=tmdb_id", timeout=20).raise_for_status()
        return [str(movie["tmdb_id"]) for movie in answer.json()["data"]]

    def start(self, name: str, *arguments: str) -> None:
        """Start a role; its log is in a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*MATINEE, *arguments],
                cwd=self.folder,
                env=unmeasured(**self.variables),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def stop(self) -> None:
        """Stop all of it, in good order if it can."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        """What a role has logged."""
        return (self.folder / f"{name}.log").read_text()


def _variables(redis: Valkey, tmdb: TmdbSimulator) -> dict[str, str]:
    return {
        "PYTHONPATH": str(Path.cwd()),
        "JWT_SECRET": SECRET,
        "REDIS_URL": redis.url,
        "PUBLIC_CATALOGUE": "true",
        "RATE_LIMIT": "1000000/minute",
        "AUTH_RATE_LIMIT": "1000000/minute",
        "TMDB_ACCESS_TOKEN": "token",
        "TMDB_BASE_URL": tmdb.url,
        "TMDB_REQUESTS_PER_SECOND": "100",
        "TMDB_SYNC_PAGES": "3",
        "LOG_LEVEL": "info",
    }


@contextmanager
def on_one_machine(folder: Path, **more: str) -> Iterator[Place]:
    """`matinee serve` over SQLite, with a Redis that we may take away; `more` are variables for it."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_valkey(folder / "redis"))
        tmdb = stack.enter_context(TmdbSimulator(Catalogue(make_movies(MOVIES, seed=1))))
        variables = {**_variables(redis, tmdb), "PORT": str(free_port()), **more}
        base = f"http://127.0.0.1:{variables['PORT']}/api/v1"
        place = Place(folder, [base], redis, tmdb, variables)
        stack.callback(place.stop)
        place.start("serve", "serve")
        ready(place)
        yield place


@contextmanager
def on_several_hosts(
    folder: Path, apis: int = 2, workers: int = 1, schedulers: int = 1, **more: str
) -> Iterator[Place]:
    """Roles over MongoDB's wire protocol, as on hosts of their own; `more` are variables for all of them."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_valkey(folder / "redis"))
        tmdb = stack.enter_context(TmdbSimulator(Catalogue(make_movies(MOVIES, seed=1))))
        address = stack.enter_context(running_secantus(folder))
        wire = stack.enter_context(cable(urlsplit(address).port or 0))
        uri = f"mongodb://127.0.0.1:{wire.port}/outages?directConnection=true"
        variables = {**_variables(redis, tmdb), "MONGODB_URI": uri, **more}
        place = Place(folder, [], redis, tmdb, variables, wire)
        stack.callback(place.stop)
        for entity in ("genres", "movies"):
            done = matinee("sync", entity, cwd=folder, **variables)
            assert done.returncode == 0, done.stderr
        for number in range(apis):
            port = str(free_port())
            place.start(f"api{number}", "api", "--port", port)
            place.bases.append(f"http://127.0.0.1:{port}/api/v1")
        for number in range(workers):
            place.start(f"worker{number}", "worker")
        for number in range(schedulers):
            place.start(f"scheduler{number}", "scheduler")
        ready(place)
        yield place


def ready(place: Place) -> None:
    """Wait until every process answers."""
    for base in place.bases:
        until = time.monotonic() + READY_WITHIN
        while not _answers(base):
            ended = {name: process.poll() for name, process in place.processes.items()}
            assert set(ended.values()) == {None}, (ended, [place.log(name) for name in ended])
            assert time.monotonic() < until, place.processes.keys()
            time.sleep(0.05)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
