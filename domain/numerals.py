"""Numbers in titles: digits, Roman numerals and English number words, read as one and the same.

`Rocky II`, `Rocky 2` and `rocky two` have one reading: `rocky`, `#2`. Ordinals have readings of their own:
`#13th` for both `13th` and `thirteenth`.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

MARK = "#"
"""Begins the reading of a number; no folded word begins with it."""

_UNITS = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
_TEENS = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905

_SMALL = {word: value for value, word in enumerate(_UNITS + _TEENS)}
_ROUND = {word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)}
_SCALES = {"hundred": 100, "thousand": 1000}
_IRREGULAR = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12,
}  # fmt: skip
_REGULAR = ("four", "six", "seven", *(word for word in _TEENS if word != "twelve"))
_SMALL_ORDINALS = _IRREGULAR | {f"{word}th": _SMALL[word] for word in _REGULAR}
_ROUND_ORDINALS = {f"{word[:-1]}ieth": value for word, value in _ROUND.items()}
_CENTURIES = range(18, 21)
"""What begins a year that is read as two numbers: nineteen eighty-four."""

_ROMAN = re.compile(r"(x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "iv": 4, "ix": 9}
_BEFORE_A_NUMBER = frozenset({"part", "episode", "chapter", "volume", "vol", "book", "teil", "partie"})
_ORDINAL_ENDINGS = frozenset({"st", "nd", "rd", "th"})
_THOUSANDS = re.compile(r"(?<=\d)-(?=\d{3}(?!\d))")
_PARTS = re.compile(r"\d+|[^\d\s-]+")
_SIGN = re.compile(rf"\d|\b(?:[ivx]+|{'|'.join([*_SMALL, *_ROUND, *_SMALL_ORDINALS, *_ROUND_ORDINALS])})\b")
"""What a key holds that may hold a number; most titles are done with here."""


def read_numbers(title_key: str) -> tuple[str, ...]:
    """The words of a key with `#` and its value in place of each number; empty if it holds none.

    Letters and digits written together are read apart: `oceans11` is `oceans`, `#11`. A single Roman letter
    is a number only where titles number their sequels: never first, and `i` only last or after a word such as
    `part`.
    """
    if not _SIGN.search(title_key):
        return ()
    parts = _PARTS.findall(_THOUSANDS.sub("", title_key))
    read = tuple(_read(parts))
    return read if any(part.startswith(MARK) for part in read) else ()


def is_number(part: str) -> bool:
    """Whether a part of a reading is a number."""
    return part.startswith(MARK)


def _read(parts: Sequence[str]) -> Iterator[str]:
    place = 0
    while place < len(parts):
        part, used = _number_at(parts, place)
        yield part
        place += used


def _number_at(parts: Sequence[str], place: int) -> tuple[str, int]:
    """What stands at a place, and how many parts it takes."""
    part = parts[place]
    if part.isdecimal():
        digits = "".join(str(unicodedata.decimal(digit)) for digit in part)
        if parts[place + 1 : place + 2] and parts[place + 1] in _ORDINAL_ENDINGS:
            return f"{MARK}{digits}th", 2
        return f"{MARK}{digits}", 1
    value, ordinal, used = _spelled(parts, place)
    if used:
        return f"{MARK}{value}{'th' if ordinal else ''}", used
    roman = _roman(part) if _may_be_roman(parts, place) else 0
    return (f"{MARK}{roman}", 1) if roman else (part, 1)


_Spelled = tuple[int, bool, int]
"""A number in words: its value, whether it is an ordinal, and how many words it takes; 0 if there is none."""

_NONE: _Spelled = (0, False, 0)


def _spelled(parts: Sequence[str], place: int) -> _Spelled:
    """The number that the words from a place spell, below a million."""
    value, ordinal, used = _below_hundred(parts, place)
    if not used or ordinal:
        return value, ordinal, used
    if value in _CENTURIES:
        rest, ordinal, more = _below_hundred(parts, place + used)
        if more and rest >= 10:
            return value * 100 + rest, ordinal, used + more
    for scale in ("hundred", "thousand"):
        if parts[place + used : place + used + 1] == [scale]:
            value, used = value * _SCALES[scale], used + 1
            joined = parts[place + used : place + used + 1] == ["and"]
            rest, ordinal, more = _below_scale(parts, place + used + joined, _SCALES[scale])
            if more:
                value, used = value + rest, used + joined + more
    return value, ordinal, used


def _below_scale(parts: Sequence[str], place: int, scale: int) -> _Spelled:
    """The number at a place if it is less than the scale named before it."""
    found = _spelled(parts, place) if scale > 100 else _below_hundred(parts, place)
    return found if found[0] < scale else _NONE


def _below_hundred(parts: Sequence[str], place: int) -> _Spelled:
    word, unit = (*parts[place : place + 2], "", "")[:2]
    if word in _ROUND:
        for units, ordinal in ((_SMALL, False), (_SMALL_ORDINALS, True)):
            if 0 < units.get(unit, 0) < 10:
                return _ROUND[word] + units[unit], ordinal, 2
        return _ROUND[word], False, 1
    if word in _SMALL:
        return _SMALL[word], False, 1
    ordinal_value = _SMALL_ORDINALS.get(word) or _ROUND_ORDINALS.get(word)
    return (ordinal_value, True, 1) if ordinal_value else _NONE


def _may_be_roman(parts: Sequence[str], place: int) -> bool:
    if len(parts[place]) > 1:
        return True
    if not place:
        return False
    return parts[place] != "i" or place == len(parts) - 1 or parts[place - 1] in _BEFORE_A_NUMBER


def _roman(part: str) -> int:
    """The value of a Roman numeral up to 39; 0 for anything else."""
    match = _ROMAN.fullmatch(part)
    if match is None:
        return 0
    tens, ones = match.groups()
    return 10 * len(tens) + (_ROMAN_DIGITS.get(ones) or sum(_ROMAN_DIGITS[digit] for digit in ones))
