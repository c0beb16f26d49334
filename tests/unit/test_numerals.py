"""Numbers in titles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numerals import is_number, read_numbers
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
def test_however_a_number_is_written_it_reads_alike(titles: tuple[str, ...]) -> None:
    (reading,) = {read_numbers(key(title)) for title in titles}
    assert any(map(is_number, reading))


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
def test_different_numbers_read_differently(one: str, other: str) -> None:
    assert read_numbers(key(one)) != read_numbers(key(other))


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
def test_a_title_without_a_number_has_no_reading(title: str) -> None:
    assert read_numbers(key(title)) == ()


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
    ],
)
def test_numbers_are_read_where_they_stand(title: str, reading: tuple[str, ...]) -> None:
    assert read_numbers(key(title)) == reading


@given(st.text())
def test_any_title_can_be_read(title: str) -> None:
    reading = read_numbers(key(title))
    assert not reading or any(map(is_number, reading))


@given(st.integers(1, 39))
def test_every_roman_numeral_up_to_39_is_read(number: int) -> None:
    tens, ones = divmod(number, 10)
    roman = "X" * tens + ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[ones]
    assert read_numbers(key(f"Part {roman}")) == ("part", f"#{number}")
