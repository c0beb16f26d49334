"""`matinee serve`: the one process that starts, watches and stops all others. docs/architecture.md tells how.

It stays small: what needs the store, the API's framework or a client of Redis happens in its children. It is
the composition root of processes, as the container is that of objects.
"""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import inf
from time import monotonic
from types import FrameType

from adapters.redis.embedded import NOISE, EmbeddedRedis
from entrypoints import data_directory
from entrypoints.processes import metrics_directory
from entrypoints.processes.banner import banner, say
from entrypoints.processes.child_process import Child, Process, ending
from entrypoints.processes.data_directory_lock import occupying
from entrypoints.processes.listening_socket import listening
from entrypoints.processes.parent_death import dying_with
from entrypoints.settings import Settings, as_environment

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ORDERLY = 0.2
"""Seconds for which the next in the order of stopping waits for the one before it."""

SERVICES_STOP = 8.9
"""Seconds in which all but Valkey stop: the API gives requests under way eight. What stays is killed."""

ALL_STOP = 9.3
"""Seconds in which Valkey stops too."""

HEAD_START = 10.0
"""Seconds after which worker and scheduler start although the API is not up: people wait for it."""

BANNER_DELAY = 5.0
"""Seconds for which the banner waits for worker and scheduler, lest their first lines scroll it away."""

SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells processes where they share their metrics."""

BACKLOG = 2048
"""Connections that wait while the API starts, or starts again."""


def supervise(settings: Settings) -> int:
    """Run everything on this machine until SIGINT, SIGTERM or SIGHUP; the exit code.

    Raises DataDirectoryUnusable, DataDirectoryTaken, AddressTaken, EmbeddedRedisMissing or another
    Unavailable before anything runs.
    """
    directory = data_directory.prepare(settings.data_path)
    with ExitStack() as stack:
        stack.enter_context(occupying(directory))
        listener = stack.enter_context(listening(settings))
        redis = None if settings.redis_url else EmbeddedRedis(directory)
        if redis:
            stack.callback(redis.clean)
        metrics = metrics_directory.made(directory)
        stack.callback(metrics_directory.remove, metrics)
        environment = as_environment(settings) | {"DATA_DIR": str(directory)}
        os.environ.pop(SHARED_METRICS, None)  # one of our own, or each process counts for itself
        if metrics:
            environment[SHARED_METRICS] = str(metrics)
        if redis:
            environment["REDIS_URL"] = redis.url
        return Supervisor(environment, listener, redis, partial(banner, settings, listener)).run()


class Supervisor:
    """The children of one `serve`, from the first start to the last stop."""

    def __init__(
        self,
        environment: dict[str, str],
        listener: socket.socket,
        redis: EmbeddedRedis | None,
        banner: Callable[[], str],
    ) -> None:
        """The environment is what the children get beyond our own; the banner is shown when all are up."""
        self._environment = os.environ | environment
        self._listener = listener
        self._tie = dying_with(os.getpid())
        self._leash, self._leash_end = os.pipe()
        self._gate, self._gate_end = os.pipe()
        self._reports, self._reports_end = os.pipe()
        os.set_blocking(self._reports, False)
        self._up: set[str] = set()
        self._banner = banner
        self._banner_due = inf
        self._prepared = False
        self._stopping = False
        self._redis = [Child("valkey", lambda: redis.start(self._tie), noise=NOISE)] if redis else []
        self._api = Child("api", self._start_api)
        self._prepare = Child("prepare", lambda: self._spawn("prepare"))
        self._worker = Child("worker", lambda: self._spawn("worker"))
        self._scheduler = Child("scheduler", lambda: self._spawn("scheduler"))

    def run(self) -> int:
        """Prepare, serve, stop. The exit code: that of preparing if it fails, else 0."""
        with self._signals() as wakeup:
            try:
                code = self._until_prepared(wakeup)
                if code == 0 and not self._stopping:
                    self._open()
                    self._until_stopped(wakeup)
            finally:
                self._stop()
        return code

    def _until_prepared(self, wakeup: int) -> int:
        """Open and fill the store, by a child, while the API is loaded; its exit code, or 0 if stopped.

        The child may report that it goes on while the service begins: then this is over, too.
        """
        watched = [*self._redis, self._prepare, self._api]
        while not self._stopping:
            for child in self._redis:
                child.attend()
            self._prepare.begin()
            self._api.attend()
            self._rest(wakeup, watched)
            code = self._prepare.ended()
            if code is not None and code >= 0:
                self._prepared = code == 0
                return code
            if code is not None:
                self._prepare.postpone(ending(code))
            elif "prepare" in self._up:
                return 0
        return 0

    def _open(self) -> None:
        """Let clients connect, and the API answer them."""
        self._listener.listen(BACKLOG)
        os.close(self._gate_end)
        self._worker.due = self._scheduler.due = monotonic() + HEAD_START

    def _until_stopped(self, wakeup: int) -> None:
        children = [*self._redis, self._api, self._worker, self._scheduler]
        while not self._stopping:
            for child in children:
                child.attend()
            if not self._prepared:
                self._go_on_preparing()
            self._show_banner()
            self._rest(wakeup, children if self._prepared else [*children, self._prepare])

    def _go_on_preparing(self) -> None:
        """See that what was left to be prepared is done while the service runs."""
        code = self._prepare.ended()
        self._prepared = code == 0
        if code:
            self._prepare.postpone(ending(code))
        if not self._prepared:
            self._prepare.begin()

    def _show_banner(self) -> None:
        """Show it once, when all is up or has had its time: as the last of what starting has to say."""
        if monotonic() >= self._banner_due or self._up >= {"api", "worker", "scheduler"}:
            if self._banner_due < inf:
                say(self._banner())
            self._banner_due = inf

    def _hear(self) -> None:
        """Take up which children have reported that they are up."""
        with suppress(BlockingIOError):
            reported = os.read(self._reports, 4096).decode().split()
            if "api" in reported and "api" not in self._up:
                self._banner_due = monotonic() + BANNER_DELAY
                self._worker.due = self._scheduler.due = 0.0
            self._up.update(reported)

    def _stop(self) -> None:
        """Stop everything in order: what makes work, what does it, what asks for it, what remembers it."""
        began = monotonic()
        self._listener.close()
        for child in (self._scheduler, self._worker):
            child.tell(signal.SIGTERM)
            child.gone(monotonic() + ORDERLY)
        for child in (self._prepare, self._api):
            child.tell(signal.SIGTERM)
        _see_off((self._scheduler, self._worker, self._prepare, self._api), began + SERVICES_STOP)
        for child in self._redis:
            child.tell(signal.SIGTERM)
        _see_off(self._redis, began + ALL_STOP)

    def _start_api(self) -> Process:
        return self._spawn("api", listener=self._listener.fileno(), gate=self._gate)

    def _spawn(self, role: str, **descriptors: int) -> Process:
        """Start ourselves, the way we were started, in a role; the descriptors go along."""
        descriptors |= {"leash": self._leash, "reports": self._reports_end}
        handed = [f"--{name}={descriptor}" for name, descriptor in descriptors.items()]
        return subprocess.Popen(  # noqa: S603  ourselves
            [*_ourselves(), "child", role, *handed],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=list(descriptors.values()),
            # Ctrl-C on a terminal goes to the whole group: children are to be stopped by us, in order.
            start_new_session=True,
            preexec_fn=self._tie,  # noqa: PLW1509  we have one thread
        )

    def _rest(self, wakeup: int, children: Iterable[Child]) -> None:
        """Wait until a child ends, speaks or is due, or a signal comes."""
        voices = {child.output: child for child in children if child.output is not None}
        waits = [wait for child in children if (wait := child.wait) is not None]
        if self._banner_due < inf:
            waits.append(max(0.0, self._banner_due - monotonic()))
        ready, _, _ = select.select([wakeup, self._reports, *voices], [], [], min(waits, default=None))
        for descriptor in ready:
            if descriptor in voices:
                voices[descriptor].listen()
        self._hear()
        with suppress(BlockingIOError):
            os.read(wakeup, 4096)

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Note signals instead of dying by them; yields a descriptor that can be read when one came."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        handlers = {
            each: signal.signal(each, self._asked_to_stop)
            for each in STOPPING
            if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN  # as nohup has it
        }
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield reading
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
            signal.set_wakeup_fd(before)
            os.close(reading)
            os.close(writing)

    def _asked_to_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002  a handler's signature
        if self._stopping and signum == signal.SIGINT:  # asked again: no more patience
            for child in (self._scheduler, self._worker, self._prepare, self._api, *self._redis):
                child.tell(signal.SIGKILL)
        self._stopping = True


def _see_off(children: Iterable[Child], until: float) -> None:
    """Wait for the ends of children until a time of the monotonic clock, and kill those that stay."""
    for child in children:
        if not child.gone(until):
            child.tell(signal.SIGKILL)
            child.gone(until + 1)
        child.listen()


def _ourselves() -> list[str]:
    """The command that started this process, without its arguments."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]
