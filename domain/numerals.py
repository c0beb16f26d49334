"""Numbers in titles: digits, Roman numerals and English number words, in one normalized form.

`Rocky II`, `Rocky 2` and `rocky two` are all normalized to `rocky`, `#2`. Ordinals have a form of their own:
`13th` and `thirteenth` are both `#13th`.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NUMBER_MARK = "#"
"""The first character of a normalized number. No folded word begins with it."""

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
"""First halves of years that are spoken as two numbers, such as nineteen eighty-four."""

_ROMAN = re.compile(r"(x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_ONES = {"i": 1, "v": 5, "iv": 4, "ix": 9}
_BEFORE_A_NUMBER = frozenset({"part", "episode", "chapter", "volume", "vol", "book", "teil", "partie"})
_ORDINAL_ENDINGS = frozenset({"st", "nd", "rd", "th"})
_THOUSANDS = re.compile(r"(?<=\d)-(?=\d{3}(?!\d))")
_PARTS = re.compile(r"\d+|[^\d\s-]+")
_MAYBE_NUMBER = re.compile(rf"\d|\b(?:[ivx]+|{'|'.join([*_CARDINALS, *_ORDINALS])})\b")
"""Matches in every key that may contain a number. Most titles contain none, and need no further work."""


def normalize_numbers(title_key: str) -> tuple[str, ...]:
    """The words of a key, with `#` and the value for each number; empty if the key contains no number.

    Letters and digits that are joined are separated: `oceans11` becomes `oceans`, `#11`. A single Roman
    letter is a number only in positions where titles number their sequels: never first, and `i` only last or
    after a word such as `part`.
    """
    if not _MAYBE_NUMBER.search(title_key):
        return ()
    parts = _PARTS.findall(_THOUSANDS.sub("", title_key))
    tokens = tuple(_tokens(parts))
    return tokens if any(map(is_number, tokens)) else ()


def is_number(part: str) -> bool:
    """Whether a normalized word is a number."""
    return part.startswith(NUMBER_MARK)


def _tokens(parts: Sequence[str]) -> Iterator[str]:
    index = 0
    while index < len(parts):
        part, used = _token_at(parts, index)
        yield part
        index += used


def _token_at(parts: Sequence[str], index: int) -> tuple[str, int]:
    """The normalized word or number that begins at an index, and the number of parts that it consists of."""
    part = parts[index]
    if part.isdecimal():
        digits = "".join(str(unicodedata.decimal(digit)) for digit in part)
        if _ORDINAL_ENDINGS.intersection(parts[index + 1 : index + 2]):
            return f"{NUMBER_MARK}{digits}th", 2
        return f"{NUMBER_MARK}{digits}", 1
    spelled = _spelled(parts, index)
    if spelled:
        return f"{NUMBER_MARK}{spelled.value}{'th' if spelled.ordinal else ''}", spelled.used
    roman = _roman(part) if _may_be_roman(parts, index) else 0
    return (f"{NUMBER_MARK}{roman}", 1) if roman else (part, 1)


class _Spelled(NamedTuple):
    """A number in words, and how many words it has."""

    value: int
    ordinal: bool
    used: int


def _spelled(parts: Sequence[str], index: int) -> _Spelled | None:
    """The number below a million that is spelled by the words from an index on."""
    found = _below_hundred(parts, index)
    if not found or found.ordinal:
        return found
    value, ordinal, used = found
    if value in _CENTURIES:
        rest = _below_hundred(parts, index + used)
        if rest and rest.value >= 10:
            return _Spelled(value * 100 + rest.value, rest.ordinal, used + rest.used)
    for scale, worth, lesser in (("hundred", 100, _below_hundred), ("thousand", 1000, _spelled)):
        if parts[index + used : index + used + 1] == [scale]:
            value, used = value * worth, used + 1
            joined = parts[index + used : index + used + 1] == ["and"]
            rest = lesser(parts, index + used + joined)
            if rest and rest.value < worth:
                value, ordinal, used = value + rest.value, rest.ordinal, used + joined + rest.used
    return _Spelled(value, ordinal, used)


def _below_hundred(parts: Sequence[str], index: int) -> _Spelled | None:
    """The number below 100 that is spelled by one or two words from an index on, such as `twenty one`."""
    match parts[index : index + 2]:
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


def _may_be_roman(parts: Sequence[str], index: int) -> bool:
    if len(parts[index]) > 1:
        return True
    if not index:
        return False
    return parts[index] != "i" or index == len(parts) - 1 or parts[index - 1] in _BEFORE_A_NUMBER


def _roman(part: str) -> int:
    """The value of a Roman numeral up to 39; 0 for anything else."""
    match = _ROMAN.fullmatch(part)
    if match is None:
        return 0
    tens, ones = match.groups()
    return 10 * len(tens) + (_ROMAN_ONES.get(ones) or sum(_ROMAN_ONES[digit] for digit in ones))
