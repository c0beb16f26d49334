"""JSON documents, read entry by entry: the document as a whole is never in memory."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

from adapters.imports.tables import SAMPLE_BYTES
from domain.ports.imports import ImportFile

MAX_ENTRY = 2_000_000
"""Characters of one entry."""

_SPACE = re.compile(r"[ \t\r\n]*")


class MalformedDocument(ValueError):  # noqa: N818
    """The text is not JSON, or has an entry that is too large."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a document: an item of the list with the name `of`, or of the document itself if it is "".

    `number` counts the items from 1; it is 0 for a value that is no list.
    """

    of: str
    number: int
    value: Any


class _Text:
    """A text that is decoded as it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        first = stream.read(SAMPLE_BYTES)
        wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        self._decoder = codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")("replace")
        self.text = self._decoder.decode(first)
        self.at = 0
        self._ended = False

    def fill(self) -> bool:
        """Read more. False at the end."""
        if self._ended:
            return False
        data = self._stream.read(max(SAMPLE_BYTES, len(self.text) - self.at))
        self._ended = not data
        self.text = self.text[self.at :] + self._decoder.decode(data, final=not data)
        self.at = 0
        return True

    def peek(self) -> str:
        """The next character after white space; "" at the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.fill():
                return ""

    def expect(self, wanted: str) -> str:
        """Take the next character, one of these. Raises MalformedDocument."""
        found = self.peek()
        if not found or found not in wanted:
            raise MalformedDocument(f"{found!r} in place of {wanted!r}")
        self.at += 1
        return found

    def value(self) -> Any:  # noqa: ANN401  any JSON
        """Take a whole value. Raises MalformedDocument."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except RecursionError:
                raise MalformedDocument("too deeply nested") from None
            except ValueError as error:
                if len(self.text) - self.at > MAX_ENTRY or not self.fill():
                    raise MalformedDocument(str(error)) from None
                continue
            # A number at the end of what was read may go on.
            if end == len(self.text) and self.fill():
                continue
            self.at = end
            return value


def _number(text: str) -> int | None:
    return int(text) if len(text) < 30 else None


_DECODER = json.JSONDecoder(parse_int=_number, parse_constant=lambda _: None)


def entries(stream: BinaryIO) -> Iterator[Entry]:
    """The items of a document that is a list; of an object, the items of the lists in it, and other values
    as single entries. Raises MalformedDocument, after the entries before the fault.
    """
    text = _Text(stream)
    if text.peek() == "[":
        yield from _items(text, "")
    else:
        text.expect("{")
        while text.peek() != "}":
            key = text.value()
            text.expect(":")
            if not isinstance(key, str):
                raise MalformedDocument("a key that is no text")
            if text.peek() == "[":
                yield from _items(text, key)
            else:
                yield Entry(key, 0, text.value())
            if text.peek() != "}":
                text.expect(",")
        text.expect("}")


def _items(text: _Text, of: str) -> Iterator[Entry]:
    text.expect("[")
    number = 0
    while text.peek() != "]":
        number += 1
        yield Entry(of, number, text.value())
        if text.peek() != "]":
            text.expect(",")
    text.expect("]")


@lru_cache(maxsize=1)
def sample(file: ImportFile) -> Sequence[Entry]:
    """The first entries of a document, or none if it is not JSON. One format after another asks for them."""
    found: list[Entry] = []
    with file.open() as stream:
        if stream.peek(1000).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] not in {b"[", b"{"}:  # type: ignore[attr-defined]
            return []
        try:
            for entry in entries(stream):
                found.append(entry)
                if len(found) == 20:
                    break
        except MalformedDocument:
            pass
    return found


def part(value: object, *path: str) -> Any:  # noqa: ANN401  any JSON
    """The value at the end of a path of keys; None if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def items(value: object) -> list[dict[str, Any]]:
    """The objects in a list; none if the value is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
