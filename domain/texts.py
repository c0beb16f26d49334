"""Validation of reviews, notes and other free texts, so that any store can keep them."""

import re
import unicodedata
from enum import Enum
from typing import Final

from domain.errors import FaultCode, InvalidText

MAX_TEXT_LENGTH = 2000
"""Characters of a review or a note."""

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters except tabs and line ends, and surrogates."""


class Unchanged(Enum):
    """The type of UNCHANGED, the argument for a field that is not changed, if None removes its value."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


def validate_text(field: str, text: str, max_length: int) -> str:
    """Return the text in NFC. Raises InvalidText for control characters or too many characters."""
    if _FORBIDDEN.search(text):
        raise InvalidText(field, "must not hold control characters", FaultCode.FORBIDDEN_CHARACTERS)
    composed = unicodedata.normalize("NFC", text)
    if len(composed) > max_length:
        raise InvalidText(field, f"must be at most {max_length:,} characters", FaultCode.TOO_LONG)
    return composed


def clean_text(field: str, text: str | None) -> str | None:
    """Return a review or note without outer white space; None if it is empty. Raises InvalidText."""
    return validate_text(field, text, MAX_TEXT_LENGTH).strip() or None if text is not None else None
