"""Uploads and the files in them, read within limits: bytes are counted as they are unpacked.

An archive's own figures bound what is unpacked: `zipfile` reads no more of a file than its entry claims.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from domain.imports.uploads import MAX_UNPACKED_BYTES, Refusal, UploadRefused

MAX_FILES = 10_000
"""Files of an archive."""

MAX_DIRECTORY_BYTES = 4 * 2**20
"""Bytes of an archive's list of files, which is read into memory at once."""

METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The compression methods that are unpacked. Others need memory in proportion to what an archive claims."""

TAIL_BYTES = 65_557
"""Where the end record of an archive is: its comment has at most 65,535 bytes."""

END, END_64, LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"


class _Counted(io.RawIOBase):
    """A stream that counts what is read from it, and translates errors of archives."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise UploadRefused(Refusal.DAMAGED) from error
        self._left -= len(data)
        if self._left < 0:
            raise UploadRefused(Refusal.TOO_LARGE)
        buffer[: len(data)] = data
        return len(data)


@dataclass(frozen=True)
class SingleFile:
    """An upload that is no archive."""

    path: str
    stream: BinaryIO

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        self.stream.seek(0)
        yield io.BufferedReader(_Counted(self.stream), 65_536)


@dataclass(frozen=True)
class ArchiveFile:
    """One file of an archive."""

    path: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        try:
            stream = self.archive.open(self.info)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
            raise UploadRefused(Refusal.DAMAGED) from error
        with stream:
            yield io.BufferedReader(_Counted(stream), 65_536)


def files_of(upload: BinaryIO, name: str) -> list[SingleFile | ArchiveFile]:
    """The files of an upload: those of an archive, sorted by path, or the upload itself.

    Paths are only names here: nothing is ever unpacked to them. Raises UploadRefused.
    """
    upload.seek(0)
    if upload.read(4) not in {b"PK\3\4", END}:
        return [SingleFile(file_name(name), upload)]
    check_directory(upload)
    try:
        archive = zipfile.ZipFile(upload)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise UploadRefused(Refusal.DAMAGED) from error
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_FILES:
        raise UploadRefused(Refusal.TOO_MANY_FILES)
    if any(info.flag_bits & 1 for info in infos):
        raise UploadRefused(Refusal.ENCRYPTED)
    if any(info.compress_type not in METHODS for info in infos):
        raise UploadRefused(Refusal.DAMAGED)
    if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
        raise UploadRefused(Refusal.TOO_LARGE)
    found = [ArchiveFile(clean_path(info.filename), archive, info) for info in infos]
    return sorted(found, key=lambda file: file.path)


def check_directory(upload: BinaryIO) -> None:
    """Raises UploadRefused for an archive whose list of files is large or is not where it says."""
    size = upload.seek(0, io.SEEK_END)
    upload.seek(max(0, size - TAIL_BYTES))
    tail = upload.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + 22:
        raise UploadRefused(Refusal.DAMAGED)
    (directory_bytes,) = struct.unpack_from("<L", tail, at + 12)
    if tail[max(0, at - 20) : at].startswith(LOCATOR_64):
        record = tail[max(0, at - 76) : at - 20]
        if len(record) < 56 or not record.startswith(END_64):
            raise UploadRefused(Refusal.DAMAGED)
        (directory_bytes,) = struct.unpack_from("<Q", record, 40)
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise UploadRefused(Refusal.TOO_MANY_FILES)


def clean_path(name: str) -> str:
    """A path as it is shown: slashes, no control characters, no segments that lead elsewhere."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    shown = "/".join(part for part in parts if part not in {"/", ".", ".."})
    return "".join(each for each in shown if each.isprintable())[:300] or "file"


def file_name(name: str) -> str:
    """The last segment of a path, as it is shown."""
    return clean_path(name).rsplit("/", 1)[-1]
