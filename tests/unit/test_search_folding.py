"""Folding of titles, and the words of a key."""

import string
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.search import compact, key, literal, sortable, words


@pytest.mark.parametrize(
    ("title", "folded"),
    [
        ("Ø Ł Đ Ð Þ Æ Œ ı Ħ Ŧ Ŋ Ə", "o l d d th ae oe i h t n e"),
        ("ø ł đ ð þ æ œ İ ħ ŧ ŋ ə", "o l d d th ae oe i h t n e"),
        ("Façade Ąę Ơ ẞ", "facade ae o ss"),
        ("Fast&Furious", "fast and furious"),
        ("8½", "8 1 2"),
        ("1⁄2", "1 2"),
        ("x²", "x 2"),
        ("Wall-E", "wall-e"),
        ("WALL·E", "wall-e"),
        ("--a--b-- - c", "a-b c"),
        ("¡Three Amigos!", "three amigos"),
        ("? !", "?!"),
        ("Ma\u00adtrix", "matrix"),
        ("M\u0336atrix", "matrix"),
        ("\u05d0\u05b0", "\u05d0"),  # a point of Hebrew, the first in order of combining classes
        ("\u0710\u0711", "\u0710"),  # one of Syriac, the last
        ("\u0628\u064b", "\u0628"),  # and of Arabic
        ("\u0915\u094d\u092f\u093e", "\u0915\u094d\u092f\u093e"),  # vowel signs of Hindi
        ("\u304b\u3099", "\u304c"),  # a voicing mark
    ],
)
def test_a_title_is_folded_to_its_letters_and_digits(title: str, folded: str) -> None:
    assert key(title) == folded


def test_hiragana_and_katakana_are_one() -> None:
    hiragana = "".join(map(chr, range(0x3041, 0x3097))) + "ゝゞ"
    katakana = "".join(map(chr, range(0x30A1, 0x30F7))) + "ヽヾ"
    assert key(katakana) == key(hiragana) == hiragana
    assert key("ガンダム") == key("がんだむ") == key("ｶﾞﾝﾀﾞﾑ")
    assert key("ヷ") == "ヷ", "there is no such Hiragana"


@given(st.text())
def test_folding_is_done_once(text: str) -> None:
    assert key(key(text)) == key(text) or not any(char.isalnum() for char in key(text))
    assert literal(literal(text)) == literal(text)


@given(st.text(string.ascii_letters + string.digits + " ", min_size=1))
def test_case_accents_width_and_punctuation_do_not_count(text: str) -> None:
    assume(text.strip())
    accented = "".join(char + "\u0301" if char in "aeiouAEIOU" else char for char in text)
    wide = "".join(chr(ord(char) + 0xFEE0) if char != " " else char for char in text)
    for variant in (
        text.upper(),
        text.lower(),
        accented,
        unicodedata.normalize("NFC", accented),
        wide,
        f"«{text}!»",
    ):
        assert key(variant) == key(text)


def test_neither_spaces_nor_hyphens_are_left_in_a_compact_key() -> None:
    assert compact("spider-man far from home") == "spidermanfarfromhome"


def test_unspaced_scripts_are_found_by_pairs_of_letters() -> None:
    assert "千尋" in words(key("千と千尋の神隠し"))
    assert words("wall-e star") == ("wall", "e", "walle", "star")
    assert words("20世紀少") == ("20世紀少", "20", "世紀", "紀少", "世", "紀", "少")


@pytest.mark.parametrize(
    "title",
    ["กขค", "ກຂຄ", "ကခဂ", "កខគ", "あいう", "アイウ", "㐀㐁㐂", "千と千", "\U00020000\U00020001\U00020002"],
)
def test_every_script_without_spaces_is_split_into_pairs_and_letters(title: str) -> None:
    one, two, three = list(key(title))
    assert set(words(key(title))) == {one + two + three, one + two, two + three, one, two, three}


def test_a_vowel_sign_alone_is_not_a_word() -> None:
    assert words("\u0e01\u0e34") == ("\u0e01\u0e34", "\u0e01")


@pytest.mark.parametrize("letter", ["a", "я"])
def test_500_words_of_a_title_are_indexed(letter: str) -> None:
    many = [f"{letter}{number}" for number in range(501)]
    assert words(" ".join(many)) == tuple(many[:500])
    assert words(f"{letter} {letter}") == (letter,)


def test_titles_sort_by_letter_not_by_case_or_accent() -> None:
    assert sorted(["Zulu", "amélie", "Élite", "alien", "Ärger"], key=sortable) == [
        "alien",
        "amélie",
        "Ärger",
        "Élite",
        "Zulu",
    ]
    assert sorted(["AB", "A Z"], key=sortable) == ["A Z", "AB"]
    assert sortable("Wall-E:  Él") == "wall-e: el"
    assert sortable("\u0301") != ""


def test_a_title_of_which_folding_leaves_nothing_is_its_own_key() -> None:
    assert key("\u0301 \u0301") == "\u0301\u0301"
    assert key(" ? ! ") == "?!"
