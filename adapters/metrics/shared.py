"""Metrics shared between processes: each keeps its own in memory, and a copy in a file for the others.

The files have the format of Prometheus' client, which reads them. The client would write them through a
memory map of a sparse file, and a process that touches such a map on a full disk is killed by SIGBUS. Here a
map is used only where all its pages are allocated in memory (tmpfs); elsewhere the file is written with
`pwrite`. If that fails, the copy is written again later.
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
"""The initial size of a file in bytes; it doubles when it is full."""

HEADER = 8
"""Bytes before the first entry: the number of bytes in use, and padding."""

RETRY_AFTER = 1.0
"""Seconds between attempts to write a file that could not be written."""

MOUNTS = Path("/proc/self/mountinfo")

UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, struct.error)
"""The exceptions of reading a damaged file."""

USED = struct.Struct("i")
FIGURE = struct.Struct("dd")

log = logging.getLogger("matinee.metrics")


class SharedFile:
    """The figures of one process by their keys; other processes read them at `path`, unless it is None.

    Not thread-safe. Raises nothing: figures that cannot be written stay in memory.
    """

    def __init__(self, path: Path | None, *, retry_after: float = RETRY_AFTER) -> None:
        self._path = path
        self._retry_after = retry_after
        self._data = bytearray(HEADER)
        self._offsets: dict[str, int] = {}
        self._file: int | None = None
        self._map: mmap | None = None
        self._stale = True
        self._retry_at = 0.0
        self._warned = False
        if path:
            self._load(path)
        self._synchronize()

    def read(self, key: str) -> float:
        """Return a figure, 0 if it was never written."""
        value: float = FIGURE.unpack_from(self._data, self._offset_of(key))[0]
        return value

    def write(self, key: str, value: float) -> None:
        """Set a figure, in memory and in the file."""
        offset, figure = self._offset_of(key), FIGURE.pack(value, 0.0)
        self._data[offset : offset + FIGURE.size] = figure
        if self._map is not None:
            self._map[offset : offset + FIGURE.size] = figure
        elif self._stale:
            self._synchronize()
        else:
            self._attempt(lambda: self._write_at(offset, figure))

    def close(self) -> None:
        """Close the file."""
        self._unmap()
        if self._file is not None:
            os.close(self._file)
        self._file, self._path, self._stale = None, None, True

    def _offset_of(self, key: str) -> int:
        """The offset of a figure; adds the entry if there is none."""
        offset = self._offsets.get(key)
        if offset is None:
            start = len(self._data)
            offset = self._append(key, 0.0)
            if self._stale:
                self._synchronize()
            else:
                self._attempt(lambda: self._write_from(start))
        return offset

    def _append(self, key: str, value: float) -> int:
        """Add an entry in memory; return the offset of its figure."""
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + USED.size) % 8)
        self._data += USED.pack(len(encoded)) + padded + FIGURE.pack(value, 0.0)
        offset = self._offsets[key] = len(self._data) - FIGURE.size
        return offset

    def _load(self, path: Path) -> None:
        """Continue with the figures of the process that had the file before."""
        try:
            found = _figures_in(path)
        except FileNotFoundError:
            return
        except UNREADABLE as error:
            log.warning("%s cannot be read, its figures start again from 0: %s", path, error)
            return
        for key, value in found:
            self._append(key, value)

    def _synchronize(self) -> None:
        """Write the whole file, unless that was tried less than `retry_after` seconds ago."""
        if self._path and monotonic() >= self._retry_at:
            self._retry_at = monotonic() + self._retry_after
            self._attempt(lambda: self._write_from(HEADER))

    def _write_from(self, start: int) -> None:
        """Write all entries from an offset on, then the number of bytes in use. Raises OSError."""
        size = SIZE
        while size < len(self._data):
            size *= 2
        file = self._opened()
        if _in_memory(file) and (self._map is None or len(self._map) != size):
            self._unmap()
            os.posix_fallocate(file, 0, size)  # a sparse page would raise SIGBUS when memory is full
            self._map = mmap(file, size)
        USED.pack_into(self._data, 0, len(self._data))
        self._write_at(start, bytes(self._data[start:]))
        self._write_at(0, bytes(self._data[:HEADER]))

    def _opened(self) -> int:
        if self._file is None:
            assert self._path  # noqa: S101  for the type checker
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file

    def _unmap(self) -> None:
        if self._map is not None:
            self._map.close()
        self._map = None

    def _write_at(self, offset: int, data: bytes) -> None:
        """Write to the file. Raises OSError."""
        if self._map is not None:
            self._map[offset : offset + len(data)] = data
        elif os.pwrite(self._opened(), data, offset) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _attempt(self, write: Callable[[], None]) -> None:
        """Write; a failure is logged once, and repeated later."""
        try:
            write()
        except OSError as error:
            self._unmap()
            self._stale = True
            if not self._warned:
                log.warning("Metrics are not shared, %s cannot be written: %s", self._path, error)
            self._warned = True
        else:
            self._stale = self._warned = False


def _in_memory(file: int) -> bool:
    """Whether a file is on a tmpfs, where allocated pages stay allocated."""
    return _is_tmpfs(os.fstat(file).st_dev)


@cache
def _is_tmpfs(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    mounts = (line.partition(" - ") for line in lines)
    return any(
        about.split(maxsplit=3)[2] == number and kind.startswith("tmpfs ") for about, _, kind in mounts
    )


def _figures_in(path: Path) -> list[tuple[str, float]]:
    """The figures of a file by their keys. Raises an error of `UNREADABLE`."""
    found = []
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
        _name, _sample, _labels, _help = json.loads(key)
        found.append((key, value))
    return found


class Value(Protocol):
    """The class of a figure in Prometheus' client."""

    def inc(self, amount: float) -> None: ...
    def get(self) -> float: ...


def shared_values(directory: Path, slot: Callable[[], int | None]) -> Callable[..., Value]:
    """A value class for Prometheus' client that keeps figures in a directory, in files of the process's slot.

    `slot` returns another number in a forked process, and None if there is no slot.
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
            """Do nothing: files cannot hold exemplars."""

        def get_exemplar(self) -> None:
            """Return None: files cannot hold exemplars."""

    return SharedValue


class _Figures:
    """The files of this process, one for each kind of metric."""

    def __init__(self, directory: Path, slot: Callable[[], int | None]) -> None:
        self.lock = Lock()
        self._directory = directory
        self._slot = slot
        self._current_slot: int | None = None
        self._files: dict[str, SharedFile] = {}

    def file(self, kind: str) -> SharedFile:
        """The file of a kind. The caller holds the lock."""
        slot = self._slot()
        if slot != self._current_slot:  # after a fork: the parent's figures are not this process's
            for file in self._files.values():
                file.close()
            self._files, self._current_slot = {}, slot
        if kind not in self._files:
            path = self._directory / f"{kind}_{slot}.db" if slot else None
            self._files[kind] = SharedFile(path)
        return self._files[kind]


def readable(directory: Path) -> Iterator[str]:
    """The readable files of a directory."""
    for path in sorted(directory.glob("*.db")):
        try:
            _figures_in(path)
        except UNREADABLE as error:
            log.debug("%s is left out of the metrics: %s", path, error)
        else:
            yield str(path)
