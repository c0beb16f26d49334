"""Workers and schedulers as processes that share one data directory and one Valkey."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from redis import Redis
from rq import Queue

from adapters.redis.queue import QUEUE, RqJobQueue, connect
from application.sync_runs import StartSync
from domain.sync import Entity, Status, SyncRun
from entrypoints.container import Container, running
from entrypoints.settings import Settings
from tests import waiting
from tests.contracts.valkey_server import Valkey
from tests.e2e.commands import unmeasured
from tests.tmdb_simulator import TmdbSimulator

eventually = partial(waiting.eventually, timeout=60, interval=0.05)

PAGES = 12
COLUMNS = "id, tmdb_id, imdb_id, title, original_title, overview, release_date, runtime, popularity, genres"

ROLE = """
import logging
logging.basicConfig(level=logging.INFO)
logging.getLogger("httpx").setLevel(logging.WARNING)
from entrypoints.settings import load
from entrypoints.processes import {module}
{module}.run(load())
"""


@dataclass
class BackgroundProcesses:
    """The workers and schedulers, and the servers that they use."""

    folder: Path
    valkey: Valkey
    tmdb: TmdbSimulator
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "DATA_DIR": str(self.data),
            "REDIS_URL": self.valkey.url,
            "TMDB_ACCESS_TOKEN": "token",
            "TMDB_BASE_URL": self.tmdb.url,
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_SYNC_PAGES": str(PAGES),
        }

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker")

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        return self._start("scheduler")

    def _start(self, module: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", ROLE.format(module=module)],
                env=unmeasured(**self.variables),
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @contextmanager
    def container(self) -> Iterator[Container]:
        names = {name.lower(): value for name, value in self.variables.items()}
        numbers = {"tmdb_requests_per_second": 1000.0, "tmdb_sync_pages": PAGES}
        with running(Settings(**{**names, **numbers})) as container:  # type: ignore[arg-type]
            yield container

    def start_sync(self) -> SyncRun:
        with self.container() as container:
            start: StartSync = container.start_sync()
            return start(entity=Entity.MOVIES)

    def runs(self) -> list[SyncRun]:
        """The runs, the oldest first."""
        with self.container() as container:
            return container.runs().recent(99)[::-1]

    def wait_for_pages(self, pages: int = 2) -> SyncRun:
        """Wait for a run in progress that has stored this number of pages."""

        def run_with_pages() -> SyncRun | None:
            return next((run for run in self.runs() if run.running and run.pages_done >= pages), None)

        run: SyncRun = eventually(run_with_pages)
        return run

    def wait_for_success(self) -> list[SyncRun]:
        """Wait until the last run has succeeded; return all runs."""
        eventually(lambda: self.runs()[-1].status is Status.SUCCESS)
        return self.runs()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.data / "matinee.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def catalogue(self) -> list[tuple[object, ...]]:
        """All stored movies and genres without timestamps."""
        return [
            *self.rows(f"SELECT {COLUMNS} FROM movies ORDER BY id"),
            *self.rows("SELECT * FROM movie_terms ORDER BY 1, 2, 3"),
        ]

    def queue_length(self) -> int:
        jobs = RqJobQueue(self.valkey.url)
        try:
            return jobs.waiting()
        finally:
            jobs.close()

    def queued_ids(self) -> list[str]:
        with self.redis_client() as client:
            return Queue(QUEUE, connection=client).get_job_ids()

    def has_worker(self) -> bool:
        """Whether a worker is registered."""
        with self.redis_client() as client:
            return bool(client.scard("rq:workers"))

    @contextmanager
    def redis_client(self) -> Iterator[Redis]:
        client = connect(self.valkey.url)
        try:
            yield client
        finally:
            client.close()

    def kill(self) -> None:
        """Kill all processes."""
        for process in self.processes:
            process.kill()
            process.wait()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The child processes of a process."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in pids.split()]


def alive(pid: int) -> bool:
    """Whether a process runs and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second error if it ends meanwhile
        return False


def processor_time(pid: int) -> float:
    """The seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
