"""The validation of e-mail addresses."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain import emails
from domain.errors import InvalidText

INVISIBLE = "must not hold spaces, control characters or other invisible characters"
ANGLES = "must not hold angle brackets"
NO_ADDRESS = "must be an e-mail address"
DOTS = "must not have a dot at either end of what is before the @, or two in a row"
LOCAL = "must have only letters, digits, dots and !#$%&'*+-/=?^_`{|}~ before the @"
DOMAIN = "must have a domain of letters, digits and hyphens"


@pytest.mark.parametrize(
    "text",
    [
        "a@b.de",
        "first.last+tag@sub.example.co.uk",
        "o'brien!#$%&*-/=?^_`{|}~@example.org",
        "ü@exämple.org",
        "ада@пример.рф",
        "用户@例子.广告",
        "x@xn--bcher-kva.example",
        "x@3com.example",
        "x@a-b--c.example",
        "x@example.x1",
        "x@123.456.example",
        "l" * 64 + "@example.org",
        "é" * 32 + "@example.org",
        "x@" + "l" * 63 + ".example",
        "x@" + "ü" * 57 + ".example",  # 63 bytes in DNS
        "x@" + ".".join(["例" * 20] * 9 + ["e" * 10]),  # 253
        "x@" + ".".join(["l" * 49] * 5) + ".de",
        "a.b.c@example.org",
        "\u0939\u093f\u0928\u094d\u0926\u0940@example.org",
        "x@हिन्दी.example",
    ],
)
def test_valid_addresses_are_accepted(text: str) -> None:
    assert emails.validate_email(text) == text
    assert emails.validate_email(f" {text}\n") == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", NO_ADDRESS),
        ("ada", NO_ADDRESS),
        ("@b.de", NO_ADDRESS),
        ("a@", NO_ADDRESS),
        ("a@b", NO_ADDRESS),
        ("a@@b.de", NO_ADDRESS),
        ("a@b.de@c.de", NO_ADDRESS),
        ("a@b..de", NO_ADDRESS),
        ("a@.de", NO_ADDRESS),
        ("a@b.", NO_ADDRESS),
        ("a@b.de.", NO_ADDRESS),
        ('"a"@b.de', LOCAL),
        ("a,b@c.de", LOCAL),
        ("a(b)@c.de", LOCAL),
        ("a;b:c@d.de", LOCAL),
        ("a[b]\\@c.de", LOCAL),
        ("a\ufffcb@c.de", LOCAL),
        ("a\ufffd@c.de", LOCAL),
        ("a\U0001d159@c.de", LOCAL),
        ("\u2709@c.de", LOCAL),
        ("a\u00b7b@c.de", LOCAL),
        ("a\u2024b@c.de", LOCAL),
        ("a\uff20b@c.de", LOCAL),
        ("\u0301a@c.de", LOCAL),
        ("a.\u0301b@c.de", LOCAL),
        (".a@x.org", DOTS),
        ("a.@x.org", DOTS),
        ("a..b@x.org", DOTS),
        (".@x.org", DOTS),
        ("..@example.org", DOTS),
        ("a b@c.de", INVISIBLE),
        ("a@b.de\n.x", INVISIBLE),
        ("a\x00@b.de", INVISIBLE),
        ("a\x7f@b.de", INVISIBLE),
        ("a\x85b@b.de", INVISIBLE),
        ("a\u00a0b@b.de", INVISIBLE),
        ("a\u00adb@b.de", INVISIBLE),
        ("a\u200bb@b.de", INVISIBLE),
        ("a@b\u200d.de", INVISIBLE),
        ("\u200fa@b.de", INVISIBLE),
        ("a@b.de\u202e", INVISIBLE),
        ("a\u2066b@b.de", INVISIBLE),
        ("\ufeffa@b.de", INVISIBLE),
        ("a\u2060b@b.de", INVISIBLE),
        ("a\u3164@b.de", INVISIBLE),
        ("a\u115f@b.de", INVISIBLE),
        ("a\u034f@b.de", INVISIBLE),
        ("a\ufe00@b.de", INVISIBLE),
        ("a\ufe0f@b.de", INVISIBLE),
        ("a\U000e0100@b.de", INVISIBLE),
        ("a\U000e01ef@b.de", INVISIBLE),
        ("a\U000e0041@b.de", INVISIBLE),
        ("a\u180b@b.de", INVISIBLE),
        ("a\u180f@b.de", INVISIBLE),
        ("a\u2800@b.de", INVISIBLE),
        ("a\u2028b@b.de", INVISIBLE),
        ("a\ue000b@b.de", INVISIBLE),
        ("half\ud800@b.de", INVISIBLE),
        ("<a@b.de>", ANGLES),
        ("Ada <a@b.de>", INVISIBLE),
        ("a<script>@b.de", ANGLES),
        ("a@b.de>", ANGLES),
        ("a\uff1cb\uff1e@b.de", ANGLES),
        ("a\ufe64b@b.de", ANGLES),
        ("a\u2039b@b.de", ANGLES),
        ("a@b_c.de", DOMAIN),
        ("a@-b.de", DOMAIN),
        ("a@b-.de", DOMAIN),
        ("a@b.-de", DOMAIN),
        ("a@b.d/e", DOMAIN),
        ("a@[127.0.0.1]", DOMAIN),
        ("a@127.0.0.1", DOMAIN),
        ("a@b.123", DOMAIN),
        ("a@b.de:25", DOMAIN),
        ("a@\uff42.de", DOMAIN),
        ("a@b\u3002de", NO_ADDRESS),
        ("a@\u0301b.de", DOMAIN),
        ("a@I\u2764.ws", DOMAIN),
        ("a@b\u00b2.de", DOMAIN),
        ("a@" + "l" * 64 + ".de", "parts are at most 63 bytes long"),
        ("a@" + "ü" * 58 + ".de", "parts are at most 63 bytes long"),
        ("a@" + ".".join(["例" * 20] * 9 + ["e" * 11]), "domain of at most 253 bytes"),
        ("a@" + ".".join(["用户例子广告中文邮件地址"] * 7) + ".de", "domain of at most 253 bytes"),
        ("l" * 65 + "@b.de", "at most 64 bytes before the @"),
        ("é" * 33 + "@b.de", "at most 64 bytes before the @"),
        ("a@" + ".".join(["l" * 50] * 5) + ".de", "at most 254 characters"),
    ],
)
def test_an_invalid_address_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(InvalidText) as caught:
        emails.validate_email(text)
    assert caught.value.field == "email"
    assert rule in caught.value.rule


def test_the_longest_address_has_254_characters() -> None:
    longest = "l" * 60 + "@" + ".".join(["l" * 63] * 3) + ".e"
    assert len(longest) == 254
    assert emails.validate_email(longest)
    with pytest.raises(InvalidText, match="at most 254 characters"):
        emails.validate_email(longest + "e")


def test_an_address_is_stored_in_nfc() -> None:
    assert emails.validate_email("caf\u0065\u0301@example.org") == "caf\u00e9@example.org"
    assert emails.normalized(" e\u0301 ") == "\u00e9"


@given(st.text(max_size=40))
@example("a@b.de")
@example("\u212bngstr\xf6m@b.de")
def test_any_text_is_refused_or_is_a_valid_address_unchanged(text: str) -> None:
    try:
        address = emails.validate_email(text)
    except InvalidText:
        return
    assert emails.validate_email(address) == address == unicodedata.normalize("NFC", address)
    assert not set(address) & set("<> \t\n\u200b")
