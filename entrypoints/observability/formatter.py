"""The format of the log: each record as one line, as JSON or as text for people, without secrets."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from entrypoints import log_context
from entrypoints.batched_log import NANOSECONDS_PER_MS, BatchedEvent, Lines
from entrypoints.observability.redaction import Redactor

RESERVED_FIELDS = frozenset({"timestamp", "level", "role", "process", "logger", "color_message"})
"""Extra fields that are dropped: we set them ourselves, and uvicorn's `color_message` repeats the message."""

COLOUR = re.compile("\x1b\\[[0-9;]*m")
"""Colours that RQ adds to names when standard output is a terminal."""

RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({})))
"""What every record has. All else are extra fields."""

Render = Callable[[dict[str, Any]], str]
"""Makes a line of its fields, the first of which are `timestamp` and ours."""

_encoder = msgspec.json.Encoder()


class LineFormatter(logging.Formatter):
    """Formats a record with its extra fields and the id of the request, redacted, as one line."""

    def __init__(self, redactor: Redactor, role: str, *, for_people: bool) -> None:
        self._redactor = redactor
        self._role = role
        self._for_people = for_people
        self._render = _renderer_for_people() if for_people else _json
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as a line. One that cannot be formatted is replaced by its place in the code, since
        its message may be what fails.
        """
        if isinstance(record, Lines):
            return str(record.msg)
        try:
            return self._render(self._fields(record))
        except Exception as error:  # noqa: BLE001  whatever an argument's own code may raise
            replacement = logging.makeLogRecord({"name": record.name, "levelno": logging.ERROR})
            replacement.levelname = "ERROR"
            replacement.msg = (
                f"a line at {record.pathname}:{record.lineno} cannot be written: {type(error).__name__}"
            )
            return self._render(self._fields(replacement))

    def lines(self, logger: str, message: str, events: Sequence[BatchedEvent]) -> list[str]:
        """Format events of one logger at level info. Each line equals that of a record with these fields that
        is logged outside of a request, but costs a tenth.
        """
        own_fields = self._own_fields("info", os.getpid(), logger)
        own_fields["event"] = self._redactor.field("event", message)
        all_fields = self._redact_all([event.fields() for event in events])
        stamps = [_timestamp_of_ms(event.at // NANOSECONDS_PER_MS) for event in events]
        if self._for_people:
            return [
                self._render({"timestamp": stamp, **own_fields, **fields})
                for stamp, fields in zip(stamps, all_fields, strict=True)
            ]
        encode = _encoder.encode
        constant = encode(own_fields).decode()[1:-1]
        return [
            f'{{"timestamp":"{stamp}",{constant},{encode(fields).decode()[1:]}'
            for stamp, fields in zip(stamps, all_fields, strict=True)
        ]

    def _redact_all(self, all_fields: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The fields of events, redacted. One search shows that most batches have nothing to redact."""
        if self._keeps(all_fields):
            return all_fields
        return [fields if self._keeps([fields]) else self._redacted_others(fields) for fields in all_fields]

    def _keeps(self, all_fields: Sequence[Mapping[str, Any]]) -> bool:
        """Whether redaction certainly changes none of these fields."""
        names = set(chain.from_iterable(all_fields))
        texts = {value for fields in all_fields for value in fields.values() if isinstance(value, str)}
        return (
            RESERVED_FIELDS.isdisjoint(names)
            and self._redactor.keeps_names(names)
            and self._redactor.keeps(texts)
        )

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields of a record: ours, and all others redacted."""
        own_fields = self._own_fields(record.levelname.lower(), record.process, record.name)
        message = record.getMessage()
        others: dict[str, Any] = {
            "event": COLOUR.sub("", message) if record.name.partition(".")[0] == "rq" else message
        }
        if record.stack_info:
            others["stack_info"] = record.stack_info
        if request_id := log_context.request_id.get():
            others["request_id"] = request_id
        others |= {name: value for name, value in vars(record).items() if name not in RECORD_ATTRIBUTES}
        if record.exc_info:
            others["exception"] = self.formatException(record.exc_info)
        return {"timestamp": _timestamp(record.created), **own_fields, **self._redacted_others(others)}

    def _own_fields(self, level: str, process: int | None, logger: str) -> dict[str, Any]:
        return {"level": level, "role": self._role, "process": process, "logger": logger}

    def _redacted_others(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """All fields but ours, redacted."""
        return {
            name: self._redactor.field(name, value)
            for name, value in fields.items()
            if name not in RESERVED_FIELDS
        }


def _json(fields: dict[str, Any]) -> str:
    return _encoder.encode(fields).decode()


def _renderer_for_people() -> Render:
    from structlog.dev import ConsoleRenderer  # noqa: PLC0415  it imports rich and asyncio

    renderer = ConsoleRenderer(colors=sys.stderr.isatty())
    return lambda fields: str(renderer(None, "", fields))


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=256)  # many events of a batch have the same
def _timestamp_of_ms(milliseconds: int) -> str:
    return _timestamp(milliseconds / 1000)
