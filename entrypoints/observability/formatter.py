"""The format of the log: each record as one line, as JSON or as text for people, without secrets."""

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter

from entrypoints.batched_log import NANOSECONDS_PER_MS, BatchedEvent, Lines
from entrypoints.observability.redaction import Redactor

RESERVED_FIELDS = frozenset({"timestamp", "level", "role", "process", "logger", "color_message"})
"""Extra fields that are dropped: we set them ourselves, and uvicorn's `color_message` repeats the message."""

COLOUR = re.compile("\x1b\\[[0-9;]*m")
"""Colours that RQ adds to names when standard output is a terminal."""

Event = MutableMapping[str, Any]

_encoder = msgspec.json.Encoder()


class LineFormatter(ProcessorFormatter):
    """Formats a record with its extra fields and those bound to the request, redacted, as one line."""

    def __init__(self, redactor: Redactor, role: str, *, for_people: bool) -> None:
        self._redactor = redactor
        self._role = role
        self._for_people = for_people
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if for_people else _json
        self._renderer = renderer
        super().__init__(
            processors=[
                structlog.contextvars.merge_contextvars,
                ExtraAdder(),
                structlog.processors.format_exc_info,
                self._complete,
                renderer,
            ]
        )

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as a line. One that cannot be formatted is replaced by its place in the code, since
        its message may be what fails.
        """
        if isinstance(record, Lines):
            return str(record.msg)
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001  whatever an argument's own code may raise
            replacement = logging.makeLogRecord({"name": record.name, "levelno": logging.ERROR})
            replacement.levelname = "ERROR"
            replacement.msg = (
                f"a line at {record.pathname}:{record.lineno} cannot be written: {type(error).__name__}"
            )
            return super().format(replacement)

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
                str(self._renderer(None, "", {"timestamp": stamp, **own_fields, **fields}))
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

    def _complete(self, _: object, __: str, event: Event) -> Mapping[str, Any]:
        """Add our fields, and redact all others."""
        record: logging.LogRecord = event.pop("_record")
        event.pop("_from_structlog")
        own_fields = self._own_fields(record.levelname.lower(), record.process, record.name)
        if record.name.partition(".")[0] == "rq":
            event["event"] = COLOUR.sub("", str(event["event"]))
        return {"timestamp": _timestamp(record.created), **own_fields, **self._redacted_others(event)}

    def _own_fields(self, level: str, process: int | None, logger: str) -> dict[str, Any]:
        return {"level": level, "role": self._role, "process": process, "logger": logger}

    def _redacted_others(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """All fields but ours, redacted."""
        return {
            name: self._redactor.field(name, value)
            for name, value in fields.items()
            if name not in RESERVED_FIELDS
        }


def _json(_: object, __: str, event: Event) -> str:
    return _encoder.encode(event).decode()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=256)  # many events of a batch have the same
def _timestamp_of_ms(milliseconds: int) -> str:
    return _timestamp(milliseconds / 1000)
