"""Numbers in titles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numerals import is_number, normalize_numbers
from domain.search import key

SAME = [
    ("Rocky II", "rocky 2", "Rocky Two", "rocky ⅱ"),
    ("Ocean's 11", "Ocean's Eleven", "ocean's XI"),
    ("12 Monkeys", "Twelve Monkeys"),
    ("21 Jump Street", "Twenty-One Jump Street", "twenty one jump street"),
    ("Forty Guns", "40 guns"),
    ("101 Dalmatians", "One Hundred and One Dalmatians", "one hundred one dalmatians"),
    ("The 400 Blows", "the four hundred blows"),
    ("20,000 Leagues Under the Sea", "Twenty Thousand Leagues Under the Sea", "20000 leagues under the sea"),
    ("2001: A Space Odyssey", "two thousand and one a space odyssey"),
    ("1984", "Nineteen Eighty-Four"),
    ("The 6th Sense", "The Sixth Sense"),
    ("Friday the 13th", "friday the thirteenth"),
    ("25th Hour", "twenty-fifth hour"),
    ("The 2nd Wave", "the second wave"),
    ("90th Floor", "ninetieth floor"),
    ("Star Wars: Episode I", "star wars episode one", "Star Wars: Episode 1"),
    ("Star Trek V: The Final Frontier", "star trek 5 the final frontier"),
    ("Saw X", "saw ten"),
    ("Apollo ١٣", "apollo 13"),
    ("1,001 Nights", "one thousand and one nights", "1001 nights"),
    ("250,000 Reasons", "two hundred and fifty thousand reasons"),
]


@pytest.mark.parametrize("titles", SAME, ids=lambda titles: titles[0])
def test_all_spellings_of_a_number_are_normalized_alike(titles: tuple[str, ...]) -> None:
    (reading,) = {normalize_numbers(key(title)) for title in titles}
    assert any(map(is_number, reading))


CARDINALS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen
""".split()  # noqa: SIM905
ORDINALS = """
zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
fifteenth sixteenth seventeenth eighteenth nineteenth
""".split()  # noqa: SIM905
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
ROUND_ORDINALS = (
    "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth".split()  # noqa: SIM905
)


def test_every_number_in_words_below_a_hundred_is_recognized() -> None:
    for value, (word, ordinal) in enumerate(zip(CARDINALS, ORDINALS, strict=True)):
        assert normalize_numbers(f"{word} days") == (f"#{value}", "days")
        assert normalize_numbers(f"the {ordinal} day") == (("the", f"#{value}th", "day") if value else ())
    for tens, word, ordinal in zip(range(20, 100, 10), TENS, ROUND_ORDINALS, strict=True):
        assert normalize_numbers(f"{word} days") == (f"#{tens}", "days")
        assert normalize_numbers(f"the {ordinal} day") == ("the", f"#{tens}th", "day")
        for ones in range(1, 10):
            assert normalize_numbers(f"{word} {CARDINALS[ones]} days") == (f"#{tens + ones}", "days")
            assert normalize_numbers(f"{word} {ORDINALS[ones]} day") == (f"#{tens + ones}th", "day")


@pytest.mark.parametrize(
    "word", ["twelveth", "oneth", "fiveth", "twentyth", "zeroth", "hundredth", "onehundred"]
)
def test_other_words_are_no_numbers(word: str) -> None:
    assert normalize_numbers(f"the {word} day") == ()


@pytest.mark.parametrize(("digits", "ending"), [("1", "st"), ("2", "nd"), ("3", "rd"), ("4", "th")])
def test_digits_with_an_ordinal_ending_are_an_ordinal(digits: str, ending: str) -> None:
    assert normalize_numbers(key(f"the {digits}{ending} day")) == ("the", f"#{digits}th", "day")
    assert normalize_numbers(key(f"{digits} {digits}{ending} days")) == (f"#{digits}", f"#{digits}th", "days")


@pytest.mark.parametrize("word", ["Part", "Episode", "Chapter", "Volume", "Vol.", "Book", "Teil", "Partie"])
def test_a_single_i_is_a_number_after_a_word_such_as_part(word: str) -> None:
    assert normalize_numbers(key(f"{word} I: The Start")) == (word.lower().strip("."), "#1", "the", "start")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rocky II", "Rocky III"),
        ("The Thirteenth Floor", "13 Floor"),
        ("Twelve", "Twenty"),
        ("One, Two, Three", "123"),
        ("Fifty-Fifty", "5050"),
        ("Saw IV", "Saw VI"),
        ("One Thousand", "One"),
    ],
)
def test_different_numbers_are_normalized_differently(one: str, other: str) -> None:
    assert normalize_numbers(key(one)) != normalize_numbers(key(other))


@pytest.mark.parametrize(
    "title",
    [
        "I, Robot",
        "V for Vendetta",
        "X-Men",
        "As I Lay Dying",
        "The Mix",
        "Civic Duty",
        "A Hundred Reasons",
        "Thousand Acres",
        "",
        "Someone and Anything",
    ],
)
def test_a_title_without_a_number_has_no_normalized_form(title: str) -> None:
    assert normalize_numbers(key(title)) == ()


@pytest.mark.parametrize(
    ("title", "reading"),
    [
        ("Halloween H20", ("halloween", "h", "#20")),
        ("oceans11", ("oceans", "#11")),
        ("9/11", ("#9", "#11")),
        ("Two and a Half Men", ("#2", "and", "a", "half", "men")),
        ("One Hundred and Counting", ("#100", "and", "counting")),
        ("Two Hundred Twenty", ("#220",)),
        ("Twenty Five Hundred", ("#2500",)),
        ("One Thousand Two Thousand", ("#1000", "#2000")),
        ("One Hundred First Kisses", ("#101th", "kisses")),
        ("Eighteen Twelve", ("#1812",)),
        ("Twenty Zero", ("#20", "#0")),
        ("Twenty Tenth", ("#2010th",)),
        ("Agent 007", ("agent", "#007")),
        ("XXXIX Steps", ("#39", "steps")),
        ("II: The Return", ("#2", "the", "return")),
        ("Rocky I", ("rocky", "#1")),
        ("Me and I and Two", ("me", "and", "i", "and", "#2")),
        ("One Thousand One Thousand", ("#1000", "#1000")),
        ("Two Thousand Five Thousand", ("#2000", "#5000")),
        ("One Hundred Twenty Thousand and One Days", ("#120001", "days")),
        ("Seventeen Seventy-Six", ("#17", "#76")),
        ("Twenty-One Fifty", ("#21", "#50")),
        ("Nineteen Fifth", ("#19", "#5th")),
        ("Nineteen Ten", ("#1910",)),
        ("Twenty Ten", ("#2010",)),
        ("Thirty Ten", ("#30", "#10")),
        ("Nineteen Nine", ("#19", "#9")),
        ("Fifth Hundred", ("#5th", "hundred")),
    ],
)
def test_numbers_are_recognized_in_context(title: str, reading: tuple[str, ...]) -> None:
    assert normalize_numbers(key(title)) == reading


@given(st.text())
def test_any_title_can_be_normalized(title: str) -> None:
    reading = normalize_numbers(key(title))
    assert not reading or any(map(is_number, reading))


def test_every_roman_numeral_up_to_39_is_recognized() -> None:
    ones = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
    romans = ["X" * tens + one for tens in range(4) for one in ones]
    for number, roman in enumerate(romans[1:], 1):
        assert normalize_numbers(key(f"Part {roman}")) == ("part", f"#{number}")
    for other in ("XL", "XXXX", "IIII", "VV", "VIV", "IXI", "IL"):
        assert normalize_numbers(key(f"Part {other}")) == ()
