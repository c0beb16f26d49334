"""How large the body of a request may be."""

from collections.abc import Mapping
from typing import Any

from domain.api_tokens import PREFIX
from entrypoints.http import BASE

MAX_BULK_BYTES = 1024 * 1024
"""Bytes of the body of a call for many entries, and of what a player sends: Plex adds a picture."""

HOOKS = "hooks"
"""The segment of a path that is followed by an API token: what players call."""

BULK_PATHS = frozenset(f"{BASE}/me/{name}" for name in ("ratings", "watchlist", "viewings"))

CREDENTIALS = b"authorization"
"""A body without this header may be no larger than others."""


def max_body_bytes(scope: Mapping[str, Any], usual: int) -> int:
    """The largest body of a request; `usual` is that of most requests."""
    if scope["method"] == "POST" and scope["path"].startswith(f"{BASE}/{HOOKS}/{PREFIX}"):
        return max(usual, MAX_BULK_BYTES)
    if scope["method"] != "PUT" or scope["path"] not in BULK_PATHS:
        return usual
    signed_in = any(name == CREDENTIALS for name, _ in scope["headers"])
    return max(usual, MAX_BULK_BYTES) if signed_in else usual
