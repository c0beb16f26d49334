"""Texts that people write: what every store can keep and every client can show."""

import re
import unicodedata
from enum import Enum
from typing import Final

from domain.errors import FaultCode, InvalidText

MAX_TEXT_LENGTH = 2000
"""Characters of a review or a note."""

_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters but tab and line ends, and half characters."""


class Unchanged(Enum):
    """Stands for "leave it as it is", where None means "remove it"."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


def validate_text(field: str, text: str, longest: int) -> str:
    """The text, composed (NFC), if it is fit to keep. Raises InvalidText."""
    if _UNFIT.search(text):
        raise InvalidText(field, "must not hold control characters", FaultCode.FORBIDDEN_CHARACTERS)
    composed = unicodedata.normalize("NFC", text)
    if len(composed) > longest:
        raise InvalidText(field, f"must be at most {longest:,} characters", FaultCode.TOO_LONG)
    return composed


def clean_text(field: str, text: str | None) -> str | None:
    """A review or a note: plain text without outer space; None if nothing is in it. Raises InvalidText."""
    return validate_text(field, text, MAX_TEXT_LENGTH).strip() or None if text is not None else None
