"""How much memory processes hold."""

import os
import resource
import sys
from pathlib import Path


def held_by(process: int) -> int | None:
    """The bytes of memory that a process of this machine holds; None if that cannot be told.

    Of this process itself its peak is told where the system does not tell the present.
    """
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return _peak() if process == os.getpid() else None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
