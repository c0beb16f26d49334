"""Uploads made of texts, for tests of the formats of imports."""

import io
import zipfile
from collections.abc import Mapping

from adapters.imports.reader import Reading, read_upload
from domain.imports.rows import ImportedRow, SourceFormat


def archive(files: Mapping[str, str | bytes]) -> io.BytesIO:
    """A zip of files by their paths."""
    upload = io.BytesIO()
    with zipfile.ZipFile(upload, "w", zipfile.ZIP_DEFLATED) as writer:
        for path, content in files.items():
            writer.writestr(path, content)
    return upload


def reading(
    content: str | bytes | Mapping[str, str | bytes],
    name: str = "upload",
    wanted: SourceFormat | None = None,
    **columns: str,
) -> Reading:
    """Begin to read a file, or an archive of files."""
    if isinstance(content, Mapping):
        return read_upload(archive(content), f"{name}.zip", wanted, columns)
    data = content.encode() if isinstance(content, str) else content
    return read_upload(io.BytesIO(data), name, wanted, columns)


def rows(
    content: str | bytes | Mapping[str, str | bytes], name: str = "upload", **columns: str
) -> list[ImportedRow]:
    """The rows of a file, or of an archive of files."""
    return list(reading(content, name, None, **columns).rows())
