"""The memory that processes use."""

import os
import resource
import sys
from pathlib import Path


def resident_bytes(process: int) -> int | None:
    """The resident memory of a process on this machine, in bytes; None if it is not known.

    On systems without /proc, the result is the peak for this process, and None for any other.
    """
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return _peak_bytes() if process == os.getpid() else None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
