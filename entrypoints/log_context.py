"""What all log lines of a request have in common."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request in whose context code runs; Litestar carries it into threads."""
