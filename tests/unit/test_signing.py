"""Which secrets can sign tokens."""

import pytest

from domain.signing import weakness

RANDOM = b"kq7zx2mw9rtb4vn8sld3fy6hjpc5gauo"
"""32 different bytes."""

EIGHT = b"k2x9p4z7"
RUNS = b"abcdefgh mno def uvw ghi rst jkl xyz pqr 345 bcd".split()
"""Pairs of neighbours. The steps between the pairs are not between neighbours."""

TOO_SHORT = "must be at least 32 bytes long"
TOO_FEW = "must have at least 8 different characters: use a random one"
REPEATED = "must not repeat a text shorter than 16 bytes: use a random one"
ROWS = "must not be rows of a keyboard, an alphabet or a text with repetitions: use a random one"


@pytest.mark.parametrize(
    "secret",
    [
        RANDOM,
        EIGHT + EIGHT[::2] + EIGHT[1::2] + EIGHT[::-1] + EIGHT,
        RANDOM[:16] * 2,
        RANDOM[:15] * 3 + b"!",
        b"".join(RUNS),  # ten steps
    ],
)
def test_a_random_secret_is_accepted(secret: bytes) -> None:
    assert weakness(secret) is None


@pytest.mark.parametrize(
    ("secret", "rule"),
    [
        (b"", TOO_SHORT),
        (RANDOM[:31], TOO_SHORT),
        (b"s" * 32, TOO_FEW),
        (EIGHT[:7] * 4 + EIGHT[6::-1], TOO_FEW),
        (EIGHT * 4, REPEATED),
        (RANDOM[:15] * 3, REPEATED),
        (RANDOM[:15] * 3 + RANDOM[:1], REPEATED),
        (b"".join(RUNS[:-1]), ROWS),  # nine steps
        (b"".join(RUNS[:8]) + b"!xyz!xyz!xyz", ROWS),  # nine, two of them again and again
    ],
)
def test_a_guessable_secret_is_refused_with_the_broken_rule(secret: bytes, rule: str) -> None:
    assert weakness(secret) == rule


@pytest.mark.parametrize(
    "pair",
    b"aa ab ba AB 12 21 09 90 qw wq QW po op lk zx mn 1q q1 2q q2 qa aq wa aw az za sz zs 0p p0".split(),
)
def test_neighbours_on_a_keyboard_or_in_ascii_do_not_count(pair: bytes) -> None:
    eight_steps = b"".join(RUNS[:8])
    assert weakness(eight_steps + b"!" + pair) == ROWS


@pytest.mark.parametrize(
    "pair", b"ac ca 13 31 qe eq ad 1a a1 3q q3 qs sq 0q q0 pa ap 0w qz zq q\xe9 \xe9q \xe9\xeb".split()
)
def test_any_other_pair_of_characters_counts(pair: bytes) -> None:
    eight_steps = b"".join(RUNS[:8])
    assert weakness(eight_steps + b"!" + pair) is None
