"""The validation of accounts, reviews and notes."""

import string
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import users
from domain.errors import InvalidText
from domain.ids import ItemId, MovieId, RatingId, UserId
from domain.ratings import Rating, Score
from domain.texts import MAX_TEXT_LENGTH, clean_text, validate_text
from domain.users import PageLanguage, Role, User
from domain.watchlist import WatchlistItem

MONDAY, TUESDAY = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
ADA = User(
    id=UserId("a" * 24),
    username="Ada",
    email="Ada@Example.org",
    password_hash="$argon2id$",
    created_at=MONDAY,
    updated_at=MONDAY,
)


@given(st.text(string.ascii_letters + string.digits + "_.-", min_size=3, max_size=30))
def test_a_user_name_has_3_to_30_letters_digits_and_some_signs(text: str) -> None:
    assert users.validate_username(text) == text


@pytest.mark.parametrize(
    "text", ["", "ab", "a" * 31, "a b c", "né-né", "abc\n", "a\x00bc", "abc\u200b", "<b>x</b>"]
)
def test_any_other_user_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidText, match="username must be 3 to 30"):
        users.validate_username(text)


@pytest.mark.parametrize(
    ("text", "common", "rule"),
    [
        ("short", False, "8 to 128 characters"),
        ("x" * 129, False, "8 to 128 characters"),
        ("password1", True, "most common"),
        ("nul\x00nul\x00nul", False, "control characters"),
        ("half\ud800half", False, "control characters"),
    ],
)
def test_an_invalid_password_is_refused(text: str, common: bool, rule: str) -> None:
    with pytest.raises(InvalidText, match=rule) as caught:
        users.validate_password(text, common=common, field="new_password")
    assert caught.value.field == "new_password"
    assert text not in str(caught.value)


def test_a_password_has_8_to_128_characters() -> None:
    for length in (8, 128):
        assert users.validate_password("x" * length, common=False) == "x" * length
    for length in (7, 129):
        with pytest.raises(InvalidText, match="password must be 8 to 128 characters"):
            users.validate_password("x" * length, common=False)


def test_a_password_is_not_normalized() -> None:
    assert users.validate_password(" e\u0301 with space ", common=False) == " e\u0301 with space "


def test_user_names_and_addresses_are_compared_without_case() -> None:
    assert (ADA.folded_username, ADA.folded_email) == ("ada", "ada@example.org")


def test_only_the_given_fields_of_an_account_change() -> None:
    assert ADA.with_changes(TUESDAY) == replace(ADA, updated_at=TUESDAY)
    assert ADA.with_changes(
        TUESDAY, username="Eve", email="eve@example.org", password_hash="$", role=Role.ADMIN, disabled=True
    ) == User(
        id=ADA.id,
        username="Eve",
        email="eve@example.org",
        password_hash="$",
        role=Role.ADMIN,
        disabled=True,
        created_at=MONDAY,
        updated_at=TUESDAY,
    )
    german = ADA.with_changes(TUESDAY, language=PageLanguage.GERMAN)
    assert german == replace(ADA, language=PageLanguage.GERMAN, updated_at=TUESDAY)
    assert german.with_changes(TUESDAY).language is PageLanguage.GERMAN
    assert german.with_changes(TUESDAY, language=None).language is None
    disabled = ADA.with_changes(MONDAY, disabled=True, role=Role.ADMIN)
    assert disabled.with_changes(TUESDAY, disabled=False, role=Role.USER) == replace(ADA, updated_at=TUESDAY)
    changed = ADA.with_changes(TUESDAY, role=Role.ADMIN)
    assert (changed.role, changed.username, changed.updated_at, changed.created_at) == (
        Role.ADMIN,
        "Ada",
        TUESDAY,
        MONDAY,
    )
    assert changed.is_active_admin
    assert not changed.with_changes(TUESDAY, disabled=True).is_active_admin
    assert not ADA.is_active_admin


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_a_text_is_stored_in_nfc(text: str) -> None:
    kept = validate_text("note", text, MAX_TEXT_LENGTH)
    assert validate_text("note", kept, MAX_TEXT_LENGTH) == kept
    assert kept.encode().decode() == kept


@given(st.text(), st.characters(categories=("Cs", "Cc"), exclude_characters="\t\n\r\x80\x85\x9f"), st.text())
def test_a_text_with_a_control_character_or_surrogate_is_refused(before: str, odd: str, after: str) -> None:
    if odd < "\x80" or odd > "\xff":
        with pytest.raises(InvalidText, match="note must not hold control characters"):
            validate_text("note", before + odd + after, MAX_TEXT_LENGTH)


@pytest.mark.parametrize(
    ("text", "kept"),
    [(None, None), ("", None), ("  \n", None), (" good\nfilm ", "good\nfilm"), ("e\u0301", "é")],
)
def test_a_review_has_no_outer_white_space(text: str | None, kept: str | None) -> None:
    assert clean_text("review", text) == kept


def test_a_review_has_a_maximum_length() -> None:
    assert clean_text("review", "x" * MAX_TEXT_LENGTH)
    with pytest.raises(InvalidText, match="review must be at most 2,000 characters"):
        clean_text("review", "x" * (MAX_TEXT_LENGTH + 1))


def test_only_the_given_fields_of_a_rating_change() -> None:
    rating = Rating(
        id=RatingId("b" * 24), user=ADA.id, movie=MovieId("c" * 24), score=Score.of(8), review="good",
        created_at=MONDAY, updated_at=MONDAY,
    )  # fmt: skip
    better = rating.changed(TUESDAY, score=Score.of(9))
    assert (better.score, better.review, better.created_at, better.updated_at) == (
        Score.of(9),
        "good",
        MONDAY,
        TUESDAY,
    )
    assert (better.changed(TUESDAY, review=None).review, better.changed(TUESDAY, review="great").review) == (
        None,
        "great",
    )


def test_only_the_given_fields_of_an_item_change() -> None:
    item = WatchlistItem(
        id=ItemId("d" * 24),
        user=ADA.id,
        movie=MovieId("c" * 24),
        note="soon",
        added_at=MONDAY,
        updated_at=MONDAY,
    )
    favorite = item.toggled(TUESDAY)
    assert (favorite.is_favorite, favorite.note, favorite.added_at, favorite.updated_at) == (
        True,
        "soon",
        MONDAY,
        TUESDAY,
    )
    assert not favorite.toggled(TUESDAY).is_favorite
    assert (item.changed(TUESDAY, note=None).note, item.changed(TUESDAY, is_favorite=True).note) == (
        None,
        "soon",
    )


def test_accounts_are_sorted_by_creation_time_then_by_id() -> None:
    later = replace(ADA, created_at=TUESDAY)
    assert str(ADA.cursor.value) < str(later.cursor.value)
    assert ADA.cursor.id == ADA.id


def test_a_new_account_is_an_enabled_user_by_default() -> None:
    assert (ADA.role, ADA.disabled) == (Role.USER, False)
    assert [str(role) for role in Role] == ["user", "admin"]
