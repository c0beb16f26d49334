"""Figures that processes share: each keeps its own in memory, and a copy of them in a file for the others.

The files have the format of Prometheus' client, which reads them. It would write them by a memory map of a
file with holes, and a process that touches such a map on a full disk is killed by SIGBUS. Here a map is used
only where all its pages are allocated in memory (tmpfs); elsewhere the file is written, which can fail
without harm: then the copy is written anew once that works again.
"""

import errno
import json
import logging
import os
import struct
from collections.abc import Callable, Iterator
from functools import cache
from mmap import mmap
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, Protocol

from prometheus_client.mmap_dict import MmapedDict, mmap_key

SIZE = 1 << 16
"""Bytes of a file at first; it doubles when it is full."""

HEADER = 8
"""Bytes before the first entry: how many bytes are in use, and padding."""

RETRY_AFTER = 1.0
"""Seconds between two tries to write a file that could not be written."""

MOUNTS = Path("/proc/self/mountinfo")

UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, struct.error)
"""What reading a file may raise that a crash, or somebody else, has spoilt."""

USED = struct.Struct("i")
FIGURE = struct.Struct("dd")

log = logging.getLogger("matinee.metrics")


class SharedFile:
    """The figures of one process by their keys; `path` is where others read them, None for nowhere.

    Not safe for threads. Raises nothing: what cannot be written is kept in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._data = bytearray(HEADER)
        self._places: dict[str, int] = {}
        self._file: int | None = None
        self._map: mmap | None = None
        self._behind = True
        self._retry_at = 0.0
        self._complained = False
        if path:
            self._load(path)
        self._catch_up()

    def read(self, key: str) -> float:
        """A figure; 0 for one that was never written."""
        value: float = FIGURE.unpack_from(self._data, self._place(key))[0]
        return value

    def write(self, key: str, value: float) -> None:
        """Set a figure, here and in the file."""
        place, figure = self._place(key), FIGURE.pack(value, 0.0)
        self._data[place : place + FIGURE.size] = figure
        if self._map is not None:
            self._map[place : place + FIGURE.size] = figure
        elif self._behind:
            self._catch_up()
        else:
            self._attempt(lambda: self._put(place, figure))

    def close(self) -> None:
        """Let go of the file."""
        self._unmap()
        if self._file is not None:
            os.close(self._file)
        self._file, self._path, self._behind = None, None, True

    def _place(self, key: str) -> int:
        """Where a figure is; the entry is made if need be."""
        place = self._places.get(key)
        if place is None:
            start = len(self._data)
            place = self._append(key, 0.0)
            if self._behind:
                self._catch_up()
            else:
                self._attempt(lambda: self._write_from(start))
        return place

    def _append(self, key: str, value: float) -> int:
        """Add an entry, in memory only; where its figure is."""
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + USED.size) % 8)
        self._data += USED.pack(len(encoded)) + padded + FIGURE.pack(value, 0.0)
        place = self._places[key] = len(self._data) - FIGURE.size
        return place

    def _load(self, path: Path) -> None:
        """Go on with the figures of the process that had the file before."""
        try:
            found = _figures_in(path)
        except FileNotFoundError:
            return
        except UNREADABLE as error:
            log.warning("%s cannot be read, its figures begin anew: %s", path, error)
            return
        for key, value in found:
            self._append(key, value)

    def _catch_up(self) -> None:
        """Bring the file up to what is in memory, unless that was tried only just now."""
        if self._path and monotonic() >= self._retry_at:
            self._retry_at = monotonic() + RETRY_AFTER
            self._attempt(lambda: self._write_from(HEADER))

    def _write_from(self, start: int) -> None:
        """Write all entries from there on, and then how many bytes are in use. Raises OSError."""
        size = SIZE
        while size < len(self._data):
            size *= 2
        file = self._opened()
        if _in_memory(file) and (self._map is None or len(self._map) != size):
            self._unmap()
            os.posix_fallocate(file, 0, size)  # a hole would not bear a touch when the memory is used up
            self._map = mmap(file, size)
        USED.pack_into(self._data, 0, len(self._data))
        self._put(start, bytes(self._data[start:]))
        self._put(0, bytes(self._data[:HEADER]))

    def _opened(self) -> int:
        if self._file is None:
            assert self._path  # noqa: S101  nobody else calls this
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file

    def _unmap(self) -> None:
        if self._map is not None:
            self._map.close()
        self._map = None

    def _put(self, place: int, data: bytes) -> None:
        """Write to the file. Raises OSError."""
        if self._map is not None:
            self._map[place : place + len(data)] = data
        elif os.pwrite(self._opened(), data, place) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _attempt(self, write: Callable[[], None]) -> None:
        """Write; what fails is logged once, and done again later."""
        try:
            write()
        except OSError as error:
            self._unmap()
            self._behind = True
            if not self._complained:
                log.warning("Metrics are not shared, %s cannot be written: %s", self._path, error)
            self._complained = True
        else:
            self._behind = self._complained = False


def _in_memory(file: int) -> bool:
    """Whether a file is on a tmpfs, where allocated pages stay allocated."""
    return _is_tmpfs(os.fstat(file).st_dev)


@cache
def _is_tmpfs(device: int) -> bool:
    place = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    mounts = (line.partition(" - ") for line in lines)
    return any(about.split(maxsplit=3)[2] == place and kind.startswith("tmpfs ") for about, _, kind in mounts)


def _figures_in(path: Path) -> list[tuple[str, float]]:
    """The figures in a file by their keys. Raises what is in UNREADABLE."""
    found = []
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
        _name, _sample, _labels, _help = json.loads(key)
        found.append((key, value))
    return found


class Value(Protocol):
    """What Prometheus' client keeps a figure in."""

    def inc(self, amount: float) -> None: ...
    def get(self) -> float: ...


def shared_values(directory: Path, slot: Callable[[], int | None]) -> Callable[..., Value]:
    """The class by which Prometheus' client keeps figures in a directory, in files of the process's slot.

    `slot` gives another number in a process that was forked, and None if there is none to be had.
    """
    figures = _Figures(directory, slot)

    class SharedValue:
        """One figure."""

        _multiprocess = True

        def __init__(
            self,
            typ: str,
            metric_name: str,
            name: str,
            labelnames: Any,  # noqa: ANN401  as the client has it
            labelvalues: Any,  # noqa: ANN401
            help_text: str,
            **_: object,
        ) -> None:
            self._kind = typ
            self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
            with figures.lock:
                figures.file(typ).read(self._key)

        def inc(self, amount: float) -> None:
            with figures.lock:
                file = figures.file(self._kind)
                file.write(self._key, file.read(self._key) + amount)

        def set(self, value: float, timestamp: float | None = None) -> None:  # noqa: ARG002
            with figures.lock:
                figures.file(self._kind).write(self._key, value)

        def get(self) -> float:
            with figures.lock:
                return figures.file(self._kind).read(self._key)

        def set_exemplar(self, exemplar: object) -> None:
            """Keep none: files have no place for them."""

        def get_exemplar(self) -> None:
            """There is none."""

    return SharedValue


class _Figures:
    """The files of this process, one for each kind of metric."""

    def __init__(self, directory: Path, slot: Callable[[], int | None]) -> None:
        self.lock = Lock()
        self._directory = directory
        self._slot = slot
        self._present: int | None = None
        self._files: dict[str, SharedFile] = {}

    def file(self, kind: str) -> SharedFile:
        """The file of a kind, for a caller that holds the lock."""
        slot = self._slot()
        if slot != self._present:  # a fork: what the parent counted is not ours
            for file in self._files.values():
                file.close()
            self._files, self._present = {}, slot
        if kind not in self._files:
            path = self._directory / f"{kind}_{slot}.db" if slot else None
            self._files[kind] = SharedFile(path)
        return self._files[kind]


def readable(directory: Path) -> Iterator[str]:
    """The files of a directory that hold figures and nothing else."""
    for path in sorted(directory.glob("*.db")):
        try:
            _figures_in(path)
        except UNREADABLE as error:
            log.debug("%s is left out of the metrics: %s", path, error)
        else:
            yield str(path)
