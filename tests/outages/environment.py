"""The processes of a service, and the servers that it uses: Redis, the database and TMDB."""

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
from tests.outages.proxy import TcpProxy, running_proxy
from tests.ports import free_port
from tests.tmdb_simulator import Catalogue, TmdbSimulator, make_movies

SECRET = "a secret of more than thirty-two bytes for tests"
START_TIMEOUT = 60.0
MOVIES = 60


@dataclass
class Environment:
    """A running service and the servers that it uses. `base_urls` has a URL for each host of the API.
    `database_proxy` is None if the store is SQLite.
    """

    folder: Path
    base_urls: list[str]
    redis: Valkey
    tmdb: TmdbSimulator
    variables: dict[str, str]
    database_proxy: TcpProxy | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def movie_ids(self) -> list[str]:
        """The TMDB numbers of the movies of the catalogue."""
        response = httpx.get(f"{self.base_urls[0]}/movies?limit=100&fields=tmdb_id", timeout=20)
        return [str(movie["tmdb_id"]) for movie in response.raise_for_status().json()["data"]]

    def start(self, name: str, *arguments: str) -> None:
        """Start a process with a name, and write its log to a file of that name."""
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
        """Terminate all processes, and kill those that have not ended after 12 seconds."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        """The log of a process."""
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
def on_one_machine(folder: Path, **more: str) -> Iterator[Environment]:
    """`matinee serve` with SQLite, and with a Redis that can be stopped; `more` are environment variables."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_valkey(folder / "redis"))
        tmdb = stack.enter_context(TmdbSimulator(Catalogue(make_movies(MOVIES, seed=1))))
        variables = {**_variables(redis, tmdb), "PORT": str(free_port()), **more}
        base = f"http://127.0.0.1:{variables['PORT']}/api/v1"
        environment = Environment(folder, [base], redis, tmdb, variables)
        stack.callback(environment.stop)
        environment.start("serve", "serve")
        wait_until_ready(environment)
        yield environment


@contextmanager
def on_several_hosts(
    folder: Path, apis: int = 2, workers: int = 1, schedulers: int = 1, **more: str
) -> Iterator[Environment]:
    """API processes, workers and schedulers that share a server with MongoDB's wire protocol, as on several
    hosts; `more` are environment variables of all processes.
    """
    with ExitStack() as stack:
        redis = stack.enter_context(running_valkey(folder / "redis"))
        tmdb = stack.enter_context(TmdbSimulator(Catalogue(make_movies(MOVIES, seed=1))))
        address = stack.enter_context(running_secantus(folder))
        proxy = stack.enter_context(running_proxy(urlsplit(address).port or 0))
        uri = f"mongodb://127.0.0.1:{proxy.port}/outages?directConnection=true"
        variables = {**_variables(redis, tmdb), "MONGODB_URI": uri, **more}
        environment = Environment(folder, [], redis, tmdb, variables, proxy)
        stack.callback(environment.stop)
        for entity in ("genres", "movies"):
            completed = matinee("sync", entity, cwd=folder, **variables)
            assert completed.returncode == 0, completed.stderr
        for number in range(apis):
            port = str(free_port())
            environment.start(f"api{number}", "api", "--port", port)
            environment.base_urls.append(f"http://127.0.0.1:{port}/api/v1")
        for number in range(workers):
            environment.start(f"worker{number}", "worker")
        for number in range(schedulers):
            environment.start(f"scheduler{number}", "scheduler")
        wait_until_ready(environment)
        yield environment


def wait_until_ready(environment: Environment) -> None:
    """Wait until the API is ready on every host."""
    for base_url in environment.base_urls:
        until = time.monotonic() + START_TIMEOUT
        while not _is_ready(base_url):
            ended = {name: process.poll() for name, process in environment.processes.items()}
            assert set(ended.values()) == {None}, (ended, [environment.log(name) for name in ended])
            assert time.monotonic() < until, environment.processes.keys()
            time.sleep(0.05)


def _is_ready(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
