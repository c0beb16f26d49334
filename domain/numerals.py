"""Numbers in titles: digits, Roman numerals and English number words, read as one and the same.

`Rocky II`, `Rocky 2` and `rocky two` have one reading: `rocky`, `#2`. Ordinals have readings of their own:
`#13th` for both `13th` and `thirteenth`.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MARK = "#"
"""Begins the reading of a number; no folded word begins with it."""

_UNITS = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
_TEENS = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905

_SMALL = {word: value for value, word in enumerate(_UNITS + _TEENS)}
_ROUND = {word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)}
_IRREGULAR = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12,
}  # fmt: skip
_REGULAR = ("four", "six", "seven", *(word for word in _TEENS if word != "twelve"))
_SMALL_ORDINALS = _IRREGULAR | {f"{word}th": _SMALL[word] for word in _REGULAR}
_ROUND_ORDINALS = {f"{word[:-1]}ieth": value for word, value in _ROUND.items()}
_CARDINALS, _ORDINALS = _SMALL | _ROUND, _SMALL_ORDINALS | _ROUND_ORDINALS
_CENTURIES = range(18, 21)
"""What begins a year that is read as two numbers: nineteen eighty-four."""

_ROMAN = re.compile(r"(x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_ONES = {"i": 1, "v": 5, "iv": 4, "ix": 9}
_BEFORE_A_NUMBER = frozenset({"part", "episode", "chapter", "volume", "vol", "book", "teil", "partie"})
_ORDINAL_ENDINGS = frozenset({"st", "nd", "rd", "th"})
_THOUSANDS = re.compile(r"(?<=\d)-(?=\d{3}(?!\d))")
_PARTS = re.compile(r"\d+|[^\d\s-]+")
_SIGN = re.compile(rf"\d|\b(?:[ivx]+|{'|'.join([*_CARDINALS, *_ORDINALS])})\b")
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
        if _ORDINAL_ENDINGS.intersection(parts[place + 1 : place + 2]):
            return f"{MARK}{digits}th", 2
        return f"{MARK}{digits}", 1
    spelled = _spelled(parts, place)
    if spelled:
        return f"{MARK}{spelled.value}{'th' if spelled.ordinal else ''}", spelled.used
    roman = _roman(part) if _may_be_roman(parts, place) else 0
    return (f"{MARK}{roman}", 1) if roman else (part, 1)


class _Spelled(NamedTuple):
    """A number in words, and how many words it takes."""

    value: int
    ordinal: bool
    used: int


def _spelled(parts: Sequence[str], place: int) -> _Spelled | None:
    """The number that the words from a place spell, below a million."""
    found = _below_hundred(parts, place)
    if not found or found.ordinal:
        return found
    value, ordinal, used = found
    if value in _CENTURIES:
        rest = _below_hundred(parts, place + used)
        if rest and rest.value >= 10:
            return _Spelled(value * 100 + rest.value, rest.ordinal, used + rest.used)
    for scale, worth, lesser in (("hundred", 100, _below_hundred), ("thousand", 1000, _spelled)):
        if parts[place + used : place + used + 1] == [scale]:
            value, used = value * worth, used + 1
            joined = parts[place + used : place + used + 1] == ["and"]
            rest = lesser(parts, place + used + joined)
            if rest and rest.value < worth:
                value, ordinal, used = value + rest.value, rest.ordinal, used + joined + rest.used
    return _Spelled(value, ordinal, used)


def _below_hundred(parts: Sequence[str], place: int) -> _Spelled | None:
    """The number that one word from a place spells, or two, such as `twenty one`."""
    match parts[place : place + 2]:
        case [tens, unit] if tens in _ROUND and 0 < _SMALL.get(unit, 0) < 10:
            return _Spelled(_ROUND[tens] + _SMALL[unit], ordinal=False, used=2)
        case [tens, unit] if tens in _ROUND and 0 < _SMALL_ORDINALS.get(unit, 0) < 10:
            return _Spelled(_ROUND[tens] + _SMALL_ORDINALS[unit], ordinal=True, used=2)
        case [word, *_] if word in _CARDINALS:
            return _Spelled(_CARDINALS[word], ordinal=False, used=1)
        case [word, *_] if word in _ORDINALS:
            return _Spelled(_ORDINALS[word], ordinal=True, used=1)
        case _:
            return None


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
    return 10 * len(tens) + (_ROMAN_ONES.get(ones) or sum(_ROMAN_ONES[digit] for digit in ones))
