"""Secrets that sign tokens: the rules that exclude guessable ones."""

from itertools import pairwise

MIN_SECRET_BYTES = 32
"""As many as the hash of HS256 has (RFC 7518, 3.2)."""

MIN_DISTINCT_BYTES = 8
"""A random secret of 32 hex digits has fewer once in 30 million."""

MIN_PATTERN_BYTES = 16
"""A text that is shorter than this, and repeated, has no more to guess than the text itself."""

MIN_STEPS = 10
"""Different steps from one character to another that a secret has, but for those to a neighbour. Of 400,000
random ones of 32 hex digits none had fewer than 12.
"""

KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
"""Rows of keys, each shifted a little to the right of the one above."""

_PLACES = {ord(key): (row, place) for row, keys in enumerate(KEYBOARD) for place, key in enumerate(keys)}


def weakness(secret: bytes) -> str | None:
    """The rule that a secret breaks, in words that go after its name; None if it can sign."""
    if len(secret) < MIN_SECRET_BYTES:
        return f"must be at least {MIN_SECRET_BYTES} bytes long"
    if len(set(secret)) < MIN_DISTINCT_BYTES:
        return f"must have at least {MIN_DISTINCT_BYTES} different characters: use a random one"
    # A shorter text than these would have fewer different bytes.
    if any(secret[period:] == secret[:-period] for period in range(MIN_DISTINCT_BYTES, MIN_PATTERN_BYTES)):
        return f"must not repeat a text shorter than {MIN_PATTERN_BYTES} bytes: use a random one"
    steps = {pair for pair in pairwise(secret.lower()) if not _are_neighbours(*pair)}
    if len(steps) < MIN_STEPS:
        return "must not be rows of a keyboard, an alphabet or a text with repetitions: use a random one"
    return None


def _are_neighbours(one: int, other: int) -> bool:
    """Whether two characters are equal or follow one another in ASCII or on a keyboard."""
    if abs(one - other) <= 1:
        return True
    if one not in _PLACES or other not in _PLACES:
        return False
    (row, place), (next_row, next_place) = sorted((_PLACES[one], _PLACES[other]))
    below = next_row - row == 1 and next_place - place in (-1, 0)
    return below or (row == next_row and next_place - place == 1)
