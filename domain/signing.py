"""Rules for secrets that sign tokens, which exclude guessable ones."""

from itertools import pairwise

MIN_SECRET_BYTES = 32
"""The size of the hash of HS256, below which RFC 7518, 3.2, does not allow a key."""

MIN_DISTINCT_BYTES = 8
"""One in 30 million random secrets of 32 hex digits has fewer different characters."""

MIN_PATTERN_BYTES = 16
"""A repeated text that is shorter than this is refused: it is as easy to guess as the text itself."""

MIN_STEPS = 10
"""Different pairs of adjacent characters that a secret must have, not counting neighbours on a keyboard or in
ASCII. None of 400,000 random secrets of 32 hex digits had fewer than 12.
"""

KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
"""Rows of keys. Each row is shifted a little to the right of the row above it."""

_POSITIONS = {ord(key): (row, place) for row, keys in enumerate(KEYBOARD) for place, key in enumerate(keys)}


def weakness(secret: bytes) -> str | None:
    """The rule that a secret breaks, as the predicate of a sentence; None if it breaks none."""
    if len(secret) < MIN_SECRET_BYTES:
        return f"must be at least {MIN_SECRET_BYTES} bytes long"
    if len(set(secret)) < MIN_DISTINCT_BYTES:
        return f"must have at least {MIN_DISTINCT_BYTES} different characters: use a random one"
    # A repeated text shorter than these has too few different bytes, which was checked above.
    if any(secret[period:] == secret[:-period] for period in range(MIN_DISTINCT_BYTES, MIN_PATTERN_BYTES)):
        return f"must not repeat a text shorter than {MIN_PATTERN_BYTES} bytes: use a random one"
    steps = {pair for pair in pairwise(secret.lower()) if not _are_neighbours(*pair)}
    if len(steps) < MIN_STEPS:
        return "must not be rows of a keyboard, an alphabet or a text with repetitions: use a random one"
    return None


def _are_neighbours(one: int, other: int) -> bool:
    """Whether two characters are equal, or neighbours in ASCII or on a keyboard."""
    if abs(one - other) <= 1:
        return True
    if one not in _POSITIONS or other not in _POSITIONS:
        return False
    (row, place), (next_row, next_place) = sorted((_POSITIONS[one], _POSITIONS[other]))
    below = next_row - row == 1 and next_place - place in (-1, 0)
    return below or (row == next_row and next_place - place == 1)
