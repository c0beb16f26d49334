"""Paths of this host: where a redirect may lead, and query strings as forms send them."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path of this host: visible ASCII without a backslash, which browsers read as a slash."""

HOME = "/"


def local_path(text: str | None) -> str:
    """The path if a redirect to it stays on this host, else that of the home page."""
    return text if text and LOCAL_PATH.fullmatch(text) else HOME


def requested_path(scope_path: str, query_string: bytes) -> str:
    """The path of a request with its query, as a link."""
    path = urlsplit(scope_path).path if scope_path.isascii() else HOME
    query = query_string.decode("ascii", errors="ignore")
    return local_path(f"{path}?{query}" if query else path)


def without_empty(query_string: bytes) -> bytes:
    """A query string without parameters that are empty: a form sends every field, filled or not."""
    if b"=&" not in query_string and not query_string.endswith(b"="):
        return query_string
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return urlencode([pair for pair in pairs if pair[1]], encoding="latin-1").encode()
