"""The memory that processes use."""

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a process in bytes: all that is resident, and what of it is backed by no file.

    `resident` counts a page of a file once for each place where it is mapped. `anonymous` is None where it is
    not known.
    """

    resident: int
    anonymous: int | None = None


def memory_of(process: int) -> Memory | None:
    """The memory of a process on this machine; None if it is not known.

    On systems without /proc, the result for this process is its peak, and that for any other None.
    """
    try:
        fields = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
        _, resident, shared, *_ = map(int, fields)
    except (OSError, ValueError):
        return Memory(resident=_peak_bytes()) if process == os.getpid() else None
    page = os.sysconf("SC_PAGE_SIZE")
    return Memory(resident=resident * page, anonymous=(resident - shared) * page)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
