"""Typing errors: the edit distance, and that errors are tolerated at all positions."""

import string
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.search import Query, allowed_distance, compact, edit_distance, key, terms
from tests.unit.searching import TITLES, accepts, all_mistyped, finds, found, index_finds, mistyped

few_letters = st.text("abc", max_size=9)
titles = st.lists(st.text("abcd", min_size=1, max_size=14), min_size=1, max_size=4).map(" ".join)


def test_the_allowed_distance_grows_with_length() -> None:
    assert [allowed_distance(length) for length in (1, 2, 3, 11, 12, 90)] == [0, 0, 1, 1, 2, 2]


def test_the_distances_of_all_short_texts_are_those_of_the_textbook() -> None:
    texts = ["".join(letters) for length in range(5) for letters in product("abc", repeat=length)]
    for one, other in product(texts, texts):
        _check_distance(one, other)


@given(few_letters, few_letters)
@example("tmrix", "matrix")
@example("ca", "abc")
@example("abc", "ca")
def test_distances_are_those_of_the_textbook(one: str, other: str) -> None:
    _check_distance(one, other)


def _check_distance(one: str, other: str) -> None:
    distance = _distance(one, other)
    for limit in (0, 1, 2):
        assert edit_distance(one, other, limit) == (distance if distance <= limit else None), (one, other)


def _distance(one: str, other: str) -> int:
    """The unrestricted distance of Damerau and Levenshtein: the table of R. Lowrance and R. A. Wagner, "An
    extension of the string-to-string correction problem", 1975.
    """
    far = len(one) + len(other)
    table = {(-1, j): far for j in range(-1, len(other) + 1)}
    table |= {(i, -1): far for i in range(-1, len(one) + 1)}
    table |= {(0, j): j for j in range(len(other) + 1)} | {(i, 0): i for i in range(len(one) + 1)}
    seen: dict[str, int] = {}
    for i, char in enumerate(one, 1):
        equal = 0
        for j, opposite in enumerate(other, 1):
            k, m = seen.get(opposite, 0), equal
            swapped = table[k - 1, m - 1] + (i - k - 1) + 1 + (j - m - 1) if k and m else far
            table[i, j] = min(
                table[i - 1, j - 1] + (char != opposite), table[i, j - 1] + 1, table[i - 1, j] + 1, swapped
            )
            equal = j if char == opposite else equal
        seen[char] = i
    return table[len(one), len(other)]


@given(
    st.sampled_from([title for title in TITLES if len(compact(key(title))) > 2 and "½" not in title]),
    st.data(),
)
def test_one_typing_error_is_tolerated(title: str, data: st.DataObject) -> None:
    typed = data.draw(mistyped(title.lower()))
    assert title in found(typed)


@given(st.sampled_from([title for title in TITLES if len(compact(key(title))) >= 14]), st.data())
def test_two_typing_errors_are_tolerated_in_a_long_title(title: str, data: st.DataObject) -> None:
    typed = data.draw(mistyped(data.draw(mistyped(title.lower()))))
    assert title in found(typed)


@pytest.mark.parametrize("title", [title for title in TITLES if len(compact(key(title))) > 2])
def test_every_single_typing_error_is_tolerated(title: str) -> None:
    for typed in all_mistyped(key(title)):
        assert accepts(typed, title), typed
        assert index_finds(typed, title), typed


@pytest.mark.unmeasured  # under coverage it takes four times as long, and executes what others do
@pytest.mark.parametrize(
    "title",
    [
        "Interstellar",  # 12 letters, the minimum for two errors
        "Stalker Rising",  # 13
        "The Godfathers",  # 13, in two words
        "Reconnaissance",  # 14, letters repeated
        "La Vita e Bella",  # in words too short for typing errors
        "Matrix Reloaded",  # 14, in two words
        "The Matrix Reloaded",
        "Independence Day",  # words with two and one tolerated errors
    ],
)
def test_every_pair_of_typing_errors_in_a_long_title_is_tolerated(title: str) -> None:
    whole, filed = compact(key(title)), terms([title])
    for typed in {twice for once in all_mistyped(title) for twice in all_mistyped(once)}:
        query = Query(typed)
        if allowed_distance(max(len(query.compact), len(whole))) == 2:
            # If all words are common, only the whole title is looked up with errors.
            term_queries = (*query.strict_term_queries(), *query.lenient_term_queries(query.typed_words))
            assert accepts(typed, title), typed
            assert any(finds(term_query, filed) for term_query in term_queries), typed


@pytest.mark.unmeasured  # likewise
@pytest.mark.parametrize("length", range(10, 18))
def test_every_pair_of_typing_errors_in_a_long_word_is_tolerated(length: int) -> None:
    word = string.ascii_lowercase[:length]
    filed = terms([f"{word} and others"])
    for typed in {twice for once in all_mistyped(word) for twice in all_mistyped(once)}:
        if allowed_distance(max(len(typed), length)) == 2:
            # The last term query has the near words.
            *_, near_words = Query(f"others {typed}").lenient_term_queries(())
            assert finds(near_words, filed), typed


@given(titles, titles)
@example("ab", "a b")
@example("a b", "abcde")
@example("abcd ab", "abc")
def test_the_index_finds_everything_that_ranking_accepts(typed: str, title: str) -> None:
    assert not accepts(typed, title) or index_finds(typed, title)


@given(titles, st.data())
def test_the_index_finds_a_part_of_a_title_with_errors_if_ranking_accepts_it(
    title: str, data: st.DataObject
) -> None:
    part = data.draw(st.lists(st.sampled_from(title.split()), min_size=1).map(" ".join))
    typed = data.draw(mistyped(part))
    if any(char.isalnum() for char in typed):
        typed = data.draw(mistyped(typed))
    assert not accepts(typed, title) or index_finds(typed, title)
