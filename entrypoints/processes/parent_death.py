"""No process that `serve` starts outlives it, however it ends.

Twice over: on Linux the kernel kills a process whose parent is gone; and everywhere our own processes hold
the reading end of a pipe whose writing end only the supervisor has, so its end is theirs.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from threading import Thread

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def dying_with(parent: int) -> Callable[[], None]:
    """What a new process does before it becomes a program: it ties its life to its parent's.

    Not by SIGTERM: a frozen process would not hear it, and what must be kept is safe at any moment.
    """

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # gone before it could be tied
            os._exit(1)

    return tie


def hold(leash: int) -> None:
    """End this process, and all that are forked from it, when the other end of the pipe is let go."""
    _follow(leash)
    os.register_at_fork(after_in_child=lambda: _fork(leash))


def _fork(leash: int) -> None:
    """Neither the kernel's promise nor a thread goes along into a fork."""
    dying_with(os.getppid())()
    _follow(leash)


def _follow(leash: int) -> None:
    Thread(target=_end_with, args=(leash,), name="leash", daemon=True).start()


def _end_with(leash: int) -> None:
    os.read(leash, 1)  # nobody writes: this returns when the last writer is gone
    os.kill(os.getpid(), signal.SIGKILL)
