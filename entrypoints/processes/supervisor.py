"""`matinee serve`: the process that starts, supervises and stops all others; see docs/architecture.md.

It stays small: only its children open the store, import the API's framework or connect to Redis.
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

from adapters.redis.embedded import IGNORED_WARNING, EmbeddedRedis
from entrypoints import console, data_directory
from entrypoints.processes import metrics_directory
from entrypoints.processes.banner import banner
from entrypoints.processes.child_process import SYNCS_REFUSED, ChildProcess, Process, describe_exit
from entrypoints.processes.data_directory_lock import locked
from entrypoints.processes.listening_socket import bound_socket
from entrypoints.processes.parent_death import die_with
from entrypoints.settings import SHARED_METRICS, Settings, as_environment

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

STOP_INTERVAL = 0.2
"""Seconds to wait for each of scheduler and worker before the next process is stopped."""

SERVICES_STOP_TIMEOUT = 8.9
"""Seconds in which everything but Valkey must stop, or it is killed. The API gives open requests eight."""

STOP_TIMEOUT = 9.3
"""Seconds in which Valkey must stop as well."""

API_HEAD_START = 10.0
"""Seconds after which worker and scheduler start even if the API is not up."""

BANNER_TIMEOUT = 5.0
"""Seconds to wait for worker and scheduler before the banner is shown, which should be the last output."""

BACKLOG = 2048
"""Connections that may wait while the API starts."""


def run(settings: Settings) -> int:
    """Run all processes on this machine until SIGINT, SIGTERM or SIGHUP; return the exit code.

    Raises DataDirectoryUnusable, DataDirectoryTaken, CannotListen, EmbeddedRedisMissing or another
    Unavailable before any process is started.
    """
    directory = data_directory.prepare(settings.data_path)
    with ExitStack() as stack:
        stack.enter_context(locked(directory))
        listener = stack.enter_context(bound_socket(settings))
        redis = None if settings.redis_url else EmbeddedRedis(directory)
        if redis:
            stack.callback(redis.clean)
        metrics = metrics_directory.create(directory)
        stack.callback(metrics_directory.remove, metrics)
        environment = as_environment(settings) | {"DATA_DIR": str(directory)}
        os.environ.pop(SHARED_METRICS, None)  # an inherited one may belong to another service
        if metrics:
            environment[SHARED_METRICS] = str(metrics)
        if redis:
            environment["REDIS_URL"] = redis.url
        number = settings.number_of_api_processes
        return Supervisor(environment, listener, redis, partial(banner, settings, listener), number).run()


class Supervisor:
    """The child processes of one `serve`, from the first start to the last stop."""

    def __init__(
        self,
        environment: dict[str, str],
        listener: socket.socket,
        redis: EmbeddedRedis | None,
        banner: Callable[[], str],
        api_processes: int = 1,
    ) -> None:
        """Children get `environment` beside our own; `banner` makes the text to print when all are up."""
        self._environment = os.environ | environment
        self._listener = listener
        self._die_with_us = die_with(os.getpid())
        self._lifeline, self._lifeline_end = os.pipe()
        self._gate, self._gate_end = os.pipe()
        self._reports, self._reports_end = os.pipe()
        os.set_blocking(self._reports, False)
        self._ready: set[int] = set()
        self._banner = banner
        self._banner_due = inf
        self._answers = False
        self._prepared = False
        self._syncs_refused = False
        self._stopping = False
        self._redis = (
            [ChildProcess("valkey", lambda: redis.start(self._die_with_us), noise=IGNORED_WARNING)]
            if redis
            else []
        )
        names = ["api"] if api_processes == 1 else [f"api-{number + 1}" for number in range(api_processes)]
        self._apis = [
            ChildProcess(name, partial(self._start_api, core))
            for name, core in zip(names, cores_for(api_processes), strict=True)
        ]
        self._prepare = ChildProcess("prepare", lambda: self._spawn("prepare"))
        self._worker = ChildProcess("worker", lambda: self._spawn("worker"))
        self._scheduler = ChildProcess("scheduler", self._start_scheduler)

    def run(self) -> int:
        """Prepare the store, serve, and stop; return the exit code: that of `prepare` if it fails, else 0."""
        with self._signals() as wakeup:
            try:
                code = self._until_prepared(wakeup)
                if code == 0 and not self._stopping:
                    self._start_listening()
                    self._until_stopped(wakeup)
            finally:
                self._stop()
        return code

    def _until_prepared(self, wakeup: int) -> int:
        """Have a child open and fill the store while the API loads; return its exit code, or 0 if stopped.

        This also ends when the child reports that it continues in the background.
        """
        watched = [*self._redis, self._prepare, *self._apis]
        while not self._stopping:
            for child in self._redis:
                child.supervise()
            self._prepare.start()
            for api in self._apis:
                api.supervise()
            self._wait(wakeup, watched)
            code = self._prepare.poll()
            if code is not None and code >= 0:
                self._note_end_of_prepare(code)
                return 0 if self._prepared else code
            if code is not None:
                self._prepare.postpone(describe_exit(code))
            elif self._is_up(self._prepare):
                return 0
        return 0

    def _start_listening(self) -> None:
        """Let clients connect, and open the gate of the API processes."""
        self._listener.listen(BACKLOG)
        os.close(self._gate_end)
        self._worker.due = self._scheduler.due = monotonic() + API_HEAD_START

    def _until_stopped(self, wakeup: int) -> None:
        children = [*self._redis, *self._apis, self._worker, self._scheduler]
        while not self._stopping:
            for child in children:
                child.supervise()
            if not self._prepared:
                self._continue_preparing()
            self._show_banner()
            self._wait(wakeup, children if self._prepared else [*children, self._prepare])

    def _continue_preparing(self) -> None:
        """Let `prepare` finish in the background; start it again if it fails."""
        code = self._prepare.poll()
        if code is not None:
            self._note_end_of_prepare(code)
            if not self._prepared:
                self._prepare.postpone(describe_exit(code))
        if not self._prepared:
            self._prepare.start()

    def _note_end_of_prepare(self, code: int) -> None:
        self._syncs_refused = code == SYNCS_REFUSED
        self._prepared = code == 0 or self._syncs_refused

    def _show_banner(self) -> None:
        """Print the banner once, when all processes are up or `BANNER_TIMEOUT` has passed."""
        if self._banner_due == inf:
            return
        if monotonic() >= self._banner_due or all(
            map(self._is_up, (*self._apis, self._worker, self._scheduler))
        ):
            console.echo(self._banner())
            self._banner_due = inf

    def _read_reports(self) -> None:
        """Note which children have reported that they are up."""
        with suppress(BlockingIOError):
            self._ready.update(map(int, os.read(self._reports, 4096).split()))
        if not self._answers and any(map(self._is_up, self._apis)):
            self._answers = True
            self._banner_due = monotonic() + BANNER_TIMEOUT
            self._worker.due = self._scheduler.due = 0.0

    def _is_up(self, child: ChildProcess) -> bool:
        """Whether the process of a child has reported that it is up."""
        return child.process is not None and child.process.pid in self._ready

    def _stop(self) -> None:
        """Stop all in order: the scheduler, the worker, the API processes, and Valkey last."""
        began = monotonic()
        self._listener.close()
        for child in (self._scheduler, self._worker):
            child.send_signal(signal.SIGTERM)
            child.wait(monotonic() + STOP_INTERVAL)
        for child in (self._prepare, *self._apis):
            child.send_signal(signal.SIGTERM)
        services = (self._scheduler, self._worker, self._prepare, *self._apis)
        _wait_or_kill(services, began + SERVICES_STOP_TIMEOUT)
        for child in self._redis:
            child.send_signal(signal.SIGTERM)
        _wait_or_kill(self._redis, began + STOP_TIMEOUT)

    def _start_api(self, core: int | None) -> Process:
        process = self._spawn("api", listener=self._listener.fileno(), gate=self._gate)
        if core is not None:
            with suppress(OSError):  # the core may have been taken from us, or the process have ended
                os.sched_setaffinity(process.pid, {core})
        return process

    def _start_scheduler(self) -> Process:
        return self._spawn("scheduler", "--no-syncs" if self._syncs_refused else "--syncs")

    def _spawn(self, role: str, *arguments: str, **descriptors: int) -> Process:
        """Start `matinee child ROLE` by the command that started us; the child inherits the descriptors."""
        descriptors |= {"lifeline": self._lifeline, "reports": self._reports_end}
        options = [*arguments, *(f"--{name}={descriptor}" for name, descriptor in descriptors.items())]
        return subprocess.Popen(  # noqa: S603  our own command
            [*_own_command(), "child", role, *options],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=list(descriptors.values()),
            # A terminal sends Ctrl-C to the whole process group, but we stop the children in order.
            start_new_session=True,
            preexec_fn=self._die_with_us,  # noqa: PLW1509  this process has one thread
        )

    def _wait(self, wakeup: int, children: Iterable[ChildProcess]) -> None:
        """Wait until a child ends, writes or is due, or a signal arrives."""
        outputs = {child.output: child for child in children if child.output is not None}
        delays = [delay for child in children if (delay := child.delay) is not None]
        if self._banner_due < inf:
            delays.append(max(0.0, self._banner_due - monotonic()))
        ready, _, _ = select.select([wakeup, self._reports, *outputs], [], [], min(delays, default=None))
        for descriptor in ready:
            if descriptor in outputs:
                outputs[descriptor].log_output()
        self._read_reports()
        with suppress(BlockingIOError):
            os.read(wakeup, 4096)

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Handle the stop signals; yield a descriptor that is readable after a signal."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        handlers = {
            each: signal.signal(each, self._on_stop_signal)
            for each in STOP_SIGNALS
            if each is not signal.SIGHUP
            or signal.getsignal(each) is not signal.SIG_IGN  # ignored under nohup
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

    def _on_stop_signal(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002  a handler's signature
        if self._stopping and signum == signal.SIGINT:  # a second Ctrl-C kills
            for child in (self._scheduler, self._worker, self._prepare, *self._apis, *self._redis):
                child.send_signal(signal.SIGKILL)
        self._stopping = True


def cores_for(api_processes: int) -> list[int | None]:
    """The core on which each API process is kept, or None for each that may use all.

    Threads on several cores pass the interpreter's lock from one to another, which makes a request up to
    twice as expensive. So several processes get a core each, if there are as many, and a single one stays
    free to avoid a core that others use.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if not 1 < api_processes <= len(cores):
        return [None] * api_processes
    return list(cores[:api_processes])


def _wait_or_kill(children: Iterable[ChildProcess], deadline: float) -> None:
    """Wait for children until a time of the monotonic clock; kill those that still run."""
    for child in children:
        if not child.wait(deadline):
            child.send_signal(signal.SIGKILL)
            child.wait(deadline + 1)
        child.log_output()


def _own_command() -> list[str]:
    """The command that started this process, without the arguments of `matinee`."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]
