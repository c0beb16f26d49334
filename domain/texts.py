"""Texts that people write: what every store can keep and every client can show."""

import re
import unicodedata
from enum import Enum
from typing import Final

from domain.errors import FaultCode, TextUnfit

LONGEST_TEXT = 2000
"""Characters of a review or a note."""

_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters but tab and line ends, and half characters."""


class Kept(Enum):
    """Stands for "leave it as it is", where None means "remove it"."""

    KEPT = "kept"


KEPT: Final = Kept.KEPT


def fit(field: str, text: str, longest: int) -> str:
    """The text, composed (NFC), if it is fit to keep. Raises TextUnfit."""
    if _UNFIT.search(text):
        raise TextUnfit(field, "must not hold control characters", FaultCode.FORBIDDEN_CHARACTERS)
    composed = unicodedata.normalize("NFC", text)
    if len(composed) > longest:
        raise TextUnfit(field, f"must be at most {longest:,} characters", FaultCode.TOO_LONG)
    return composed


def written(field: str, text: str | None) -> str | None:
    """A review or a note: plain text without outer space; None if nothing is in it. Raises TextUnfit."""
    return fit(field, text, LONGEST_TEXT).strip() or None if text is not None else None
