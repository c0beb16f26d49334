"""Uploads: request bodies that are too large for memory, and are written to disk as they arrive."""

import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BytesIO
from typing import IO, Any, BinaryIO, NamedTuple, cast

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from domain.errors import Fault, FaultCode, InvalidFields
from domain.imports.uploads import MAX_PACKED_BYTES
from domain.ports.imports import UPLOAD_PIECE
from entrypoints.http import BASE
from entrypoints.http.exceptions import BodyTooLarge, UnsupportedContentEncoding
from entrypoints.http.requests import HttpRequest

UPLOAD = "upload"
"""The key in the state of a scope under which the server stores a body that is on disk."""

PATHS = frozenset({f"{BASE}/me/imports", "/import"})
"""The paths to which uploads are sent."""

CREDENTIALS = frozenset({b"authorization", b"cookie"})
"""An upload has one of these headers; a body without them may be no larger than others."""

MEMORY_BYTES = 256 * 1024
"""Bytes of an upload that are kept in memory."""

MAX_PARTS = 100
"""Parts of a form."""

FILE_NAME_HEADER = "X-File-Name"

MAX_FIELD_BYTES = 1000
"""Bytes of a field of a form beside its files."""


class Upload:
    """A request body on disk. The file is deleted when it is closed, or no longer referred to."""

    def __init__(self, closed: Callable[[], None]) -> None:
        """`closed` is called once."""
        self.size = 0
        self.file = _temporary_file()
        self._close = weakref.finalize(self, _close, self.file, closed)

    def write(self, data: bytes) -> None:
        """Append data."""
        self.size += len(data)
        self.file.write(data)

    def close(self) -> None:
        """Delete the file. It may be called again."""
        self._close()


class UploadedFile(NamedTuple):
    """A file that was uploaded, its name, and the other fields of its form."""

    file: BinaryIO
    name: str
    fields: Mapping[str, str]


def _temporary_file() -> IO[bytes]:
    """A file that is deleted when it is closed."""
    return tempfile.SpooledTemporaryFile(MEMORY_BYTES)


def _close(file: IO[bytes], closed: Callable[[], None]) -> None:
    file.close()
    closed()


def is_upload(scope: Mapping[str, Any]) -> bool:
    """Whether the body of a request may be as large as an upload."""
    return (
        scope["method"] == "POST"
        and scope["path"] in PATHS
        and any(name in CREDENTIALS for name, _ in scope["headers"])
    )


def upload_of(scope: Mapping[str, Any]) -> Upload | None:
    """The body of a request, if it is on disk."""
    found: Upload | None = scope["state"].get(UPLOAD)
    return found


@contextmanager
def uploaded_file(request: HttpRequest, body: bytes) -> Iterator[UploadedFile]:
    """The file that a request uploads: its body or, of a form, its files, several as a zip.

    Raises InvalidFields if there is none, BodyTooLarge, and UnsupportedContentEncoding.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UnsupportedContentEncoding
    upload = upload_of(request.scope)
    with ExitStack() as stack:
        if upload:
            stack.callback(upload.close)
        stream: IO[bytes] = upload.file if upload else BytesIO(body)
        stream.seek(0)
        fields: dict[str, str] = {}
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind == "multipart/form-data":
            file, name = _form_file(stream, options, stack, fields)
        else:
            file, name = stream, request.headers.get(FILE_NAME_HEADER, "")
        size = file.seek(0, 2)
        if not size:
            raise InvalidFields([Fault("file", FaultCode.REQUIRED, "is required, and must not be empty")])
        if size > MAX_PACKED_BYTES:
            raise BodyTooLarge
        file.seek(0)
        yield UploadedFile(cast("BinaryIO", file), name, fields)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a file in pieces for a store."""
    while piece := file.read(UPLOAD_PIECE):
        yield piece


def _form_file(
    stream: IO[bytes], options: Mapping[str, str], stack: ExitStack, fields: dict[str, str]
) -> tuple[IO[bytes], str]:
    """The file of a form; several as a zip. Other fields are added to `fields`. Raises InvalidFields."""
    try:
        files = list(_files(stream, options.get("boundary", ""), stack, fields))
    except MultipartError:
        message = "must be multipart/form-data"
        raise InvalidFields([Fault("body", FaultCode.MALFORMED, message, subject="the body")]) from None
    if not files:
        return BytesIO(), ""
    if len(files) == 1:
        return files[0]
    archive = stack.enter_context(_temporary_file())
    with zipfile.ZipFile(cast("BinaryIO", archive), "w", zipfile.ZIP_STORED) as writer:
        for number, (file, name) in enumerate(files):
            file.seek(0)
            with writer.open(name or f"file {number + 1}", "w") as member:
                for piece in pieces(file):
                    member.write(piece)
    return archive, "files.zip"


def _files(
    stream: IO[bytes], boundary: str, stack: ExitStack, fields: dict[str, str]
) -> Iterator[tuple[IO[bytes], str]]:
    """The files of a form that have a name and a content. The beginning of other fields goes to `fields`."""
    name: str | None = None
    field: str | None = None
    file: IO[bytes] | None = None
    with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
        for event in parser.parse_blocking(stream.read, UPLOAD_PIECE):
            if isinstance(event, MultipartSegment):
                name, field = event.filename, None if event.filename else event.name
                file = stack.enter_context(_temporary_file()) if name else None
            elif event and file:
                file.write(event)
            elif event and field and field not in fields:
                fields[field] = bytes(event[:MAX_FIELD_BYTES]).decode(errors="replace")
            elif not event and file and name and file.tell():
                yield file, name
