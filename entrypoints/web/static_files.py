"""The style sheet, the script and the icon. Their names have a hash, so that browsers keep them for good."""

from functools import cache
from hashlib import blake2b
from importlib.resources import files

from entrypoints.http.responses import Response

MEDIA_TYPES = {
    "icon.svg": b"image/svg+xml",
    "matinee.js": b"text/javascript; charset=utf-8",
    "style.css": b"text/css; charset=utf-8",
}
"""The files that are served, with their media types."""

IMMUTABLE = b"public, max-age=31536000, immutable"


@cache
def static_files() -> dict[str, Response]:
    """The responses by the name with the hash, such as `style.5f0e6a3c9d8b.css`."""
    return {static_name(name): _response(name) for name in MEDIA_TYPES}


@cache
def static_name(name: str) -> str:
    """The name of a file with the hash of its content."""
    stem, _, suffix = name.partition(".")
    return f"{stem}.{blake2b(_content(name), digest_size=6).hexdigest()}.{suffix}"


def static_url(name: str) -> str:
    """The path of a file. Raises FileNotFoundError if there is none."""
    return f"/static/{static_name(name)}"


def _response(name: str) -> Response:
    return Response(_content(name), media_type=MEDIA_TYPES[name], cache=IMMUTABLE)


def _content(name: str) -> bytes:
    return files("entrypoints.web").joinpath("static", name).read_bytes()
