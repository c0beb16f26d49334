"""Pictures of movies, such as posters, in the sizes that their source offers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as a file: its bytes and its media type, such as `image/jpeg`."""

    content: bytes
    media_type: str
