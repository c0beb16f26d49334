"""Who counts where. Processes that are scraped together keep their figures in files of one directory.

Prometheus' client names the files for processes by their numbers, of which there is no end: a worker has a
new process for every job. Here each process takes the lowest slot that nobody holds, and goes on counting in
the files that the last one left there. So there are as many files as processes ever ran at once, sums never
fall, and nobody must be told who has died: a slot is held by a lock, which ends with its process.
"""

import os
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import count
from pathlib import Path
from typing import IO


class Slots:
    """The slots of a directory, which is made if need be."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._process = 0
        self._slot = 0
        self._held: IO[str] | None = None

    def mine(self) -> int:
        """The number of this process's slot; a process that was forked gets one of its own."""
        if self._process != os.getpid():
            self._claim()
        return self._slot

    def living(self) -> Iterator[tuple[int, int]]:
        """The slots that are held now, each with the number of its process."""
        for path in sorted(self.directory.glob("*.slot")):
            with path.open("r", encoding="ascii") as file:
                if not _taken(file) and (process := file.read()).isdigit():
                    yield int(path.stem), int(process)

    def leave(self) -> None:
        """Let another process have this one's slot."""
        if self._held:
            self._held.close()
        self._held, self._process = None, 0

    def _claim(self) -> None:
        self.leave()  # our parent's, if we are a child: it goes on holding its own
        for slot in count(1):
            file = (self.directory / f"{slot}.slot").open("a", encoding="ascii")
            if _taken(file):
                break
            file.close()
        self._held, self._slot, self._process = file, slot, os.getpid()
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()


def _taken(file: IO[str]) -> bool:
    """Whether a slot was free, and is held by way of this file now."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
