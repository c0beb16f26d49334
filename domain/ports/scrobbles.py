"""The port for the reports of media players."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.scrobbles import Playback


class PlaybackReader(Protocol):
    """Understands what players send."""

    def __call__(self, payload: Mapping[str, object]) -> Playback:
        """What a payload, an object of JSON, reports. Values of other types than expected count as absent.

        Raises UnknownPayload if it has the form of no player.
        """
        ...
