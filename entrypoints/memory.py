"""The memory that processes use."""

import gc
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

GC_THRESHOLD = 5_000
"""Objects that are created before the youngest are searched for cycles; Python's own value is 700."""


def collect_less() -> None:
    """Search for cyclic garbage less often, and not among what exists now.

    For a process that creates many objects and few cycles, such as a sync, which spends a twelfth of its time
    on the search otherwise.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


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
