"""Processes that `serve` starts end when it ends, however it ends.

Two mechanisms: on Linux the kernel kills a process whose parent has ended (`PR_SET_PDEATHSIG`). And each of
our own processes holds the read end of a pipe, its lifeline, whose write end only the supervisor has. When
the pipe closes, the process ends itself.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from threading import Thread

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with(parent: int) -> Callable[[], None]:
    """A `preexec_fn` for a child process: the kernel will kill the child when the parent ends.

    The signal is SIGKILL: a stopped process does not react to SIGTERM, and all data is safe at any moment.
    """

    def bind() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the call
            os._exit(1)

    return bind


def hold_lifeline(descriptor: int) -> None:
    """End this process, and those that are forked from it, when the other end of the pipe is closed."""
    _watch(descriptor)
    os.register_at_fork(after_in_child=lambda: _bind_fork(descriptor))


def _bind_fork(descriptor: int) -> None:
    """Set up both mechanisms again: a fork inherits neither."""
    die_with(os.getppid())()
    _watch(descriptor)


def _watch(descriptor: int) -> None:
    Thread(target=_kill_at_end_of, args=(descriptor,), name="lifeline", daemon=True).start()


def _kill_at_end_of(descriptor: int) -> None:
    os.read(descriptor, 1)  # nothing is ever written: this returns when the last write end is closed
    os.kill(os.getpid(), signal.SIGKILL)
