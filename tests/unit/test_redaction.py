"""Redaction of secrets in logs and errors."""

import json
from time import thread_time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.redaction import credentials_in, redact
from entrypoints.observability.redaction import Redactor, secrets_of
from entrypoints.settings import Settings

SECRET = 'k"ey\\with é and /slash+plus'
SETTINGS = Settings(
    jwt_secret="j" * 20 + "-signs-all-tokens",
    tmdb_access_token="v4-token-of-tmdb",
    tmdb_api_key="0123456789abcdef",
    mongodb_uri="mongodb://matinee:m0ngo%21pw@a:1,b:2/matinee?replicaSet=rs0",
    redis_url="redis://:r3dis/pw@127.0.0.1:6379/0",
    queue_url="redis://worker:kju@127.0.0.1:6379/1",
)


def strangers(text: str) -> str:
    """Redact a text without known secrets."""
    return Redactor([]).text(text)


@pytest.mark.parametrize(
    "secret", ["signs-all-tokens", "v4-token", "0123456789abcdef", "m0ngo!pw", "r3dis/pw"]
)
def test_every_secret_of_the_settings_is_redacted_anywhere(secret: str) -> None:
    redactor = Redactor(secrets_of(SETTINGS))
    whole = next(each for each in secrets_of(SETTINGS) if secret in each)

    for text in (f"it is {whole}.", f"x{whole}y", f"{{'a': '{whole}'}}", repr(whole), json.dumps([whole])):
        assert secret not in redactor.text(text)


def test_a_secret_is_redacted_in_any_encoding() -> None:
    redactor = Redactor([SECRET])

    for text in (SECRET, repr(SECRET), json.dumps(SECRET), "k%22ey%5Cwith+%C3%A9+and+%2Fslash%2Bplus"):
        assert "slash" not in redactor.text(text), text


def test_a_short_password_is_redacted_only_as_a_whole_word() -> None:
    redactor = Redactor(secrets_of(SETTINGS))

    assert redactor.text("a kjustice, and kju alone") == "a kjustice, and *** alone"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abc.def.SECRET", "Authorization: "),
        ("authorization=Basic SECRET==", "authorization="),
        ("[(b'authorization', b'Bearer SECRET'), (b'host', b'x')]", "[(b'authorization', b'"),
        ("got bearer   SECRET-token-value", "got bearer   "),
        ("mongodb://user:SECRET@host/db", "mongodb://"),
        ("https://api.example/3/movie?api_key=SECRET&page=1", "https://api.example/3/movie?api_key="),
        ("{'password': 'SECRET', 'a': 1}", "{'password': '"),
        ('{"refresh_token": "SECRET"}', '{"refresh_token": "'),
        ("new_password=SECRET", "new_password="),
        ("JWT_SECRET : SECRET", "JWT_SECRET : "),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJTRUNSRVQifQ.SECRETSECRET", ""),
        ("8e7b1c04d9b44b6f9a2d3c51.SECRETk3v0cXb5J1nQe8y0000", ""),
        ("/hooks/matinee_SECRETk3v0cXb5J1nQe8y0000SECRETk3v0cXb5J1nQe8.SECRET", "/hooks/"),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$SECRET", ""),
    ],
)
def test_text_that_looks_like_a_secret_is_redacted(text: str, kept: str) -> None:
    masked = strangers(text)

    assert "CRET" not in masked.replace("JWT_SECRET", "")
    assert masked.startswith(kept)
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "TMDB refuses the credential, check TMDB_ACCESS_TOKEN (401)",
        "GET /api/v1/movies/603",
        "2 of 3 pages",
        "http://127.0.0.1:8080/api/v1/docs",
        "The Secret Garden",
    ],
)
def test_other_text_is_not_redacted(text: str) -> None:
    assert strangers(text) == text


@pytest.mark.parametrize(
    ("url", "text", "redacted"),
    [
        ("mongodb://annabel:p%40ss@db1:27017/x", "annabel:p%40ss or p@ss at db1", "***:*** or *** at db1"),
        (
            "redis://:r3dis%2Fpw@127.0.0.1:1/0",
            "r3dis/pw and r3dis%2Fpw at 127.0.0.1:1",
            "*** and *** at 127.0.0.1:1",
        ),
        ("redis://:a/b:c@h", "a/b:c, a/b, b:c", "***, ***/***, ***:***"),
        ("redis://:a+b%20c@h", "a+b c, a b c", "***, ***"),
        ("redis://:kju@h", "a kjustice, and kju alone", "a kjustice, and *** alone"),
        ("redis://:a-long-secret@h", "xa-long-secrety", "x***y"),
        ("redis://worker:work-er@h", "worker and work-er", "*** and ***"),
        ("mongodb://db1/x", "no user at db1", "no user at db1"),
    ],
)
def test_an_error_shows_neither_name_nor_password_of_a_url(url: str, text: str, redacted: str) -> None:
    assert redact(text, credentials_in(url)) == redacted


@pytest.mark.parametrize("name", ["password", "new_password", "Authorization", "refresh_token", "set-cookie"])
def test_a_field_with_the_name_of_a_secret_is_redacted(name: str) -> None:
    assert Redactor([]).field(name, {"deep": ["SECRET"]}) == "***"
    assert Redactor([]).value({"headers": {name: "SECRET"}}) == {"headers": {name: "***"}}


def test_an_empty_secret_redacts_nothing() -> None:
    assert Redactor(["", ""]).text("abc") == "abc"
    assert Redactor([]).field("token", None) is None


class Odd:
    """An object whose repr contains secrets."""

    def __repr__(self) -> str:
        return "Odd(password='SECRET', url=redis://:SECRET@h)"


def test_fields_of_any_type_are_redacted() -> None:
    redactor = Redactor(["SECRET-value"])
    deep: Any = "SECRET-value"
    for _ in range(8):
        deep = [deep]
    redacted = redactor.value(
        {"odd": Odd(), "bytes": b"SECRET-value", "error": ValueError("SECRET-value"), "deep": deep,
         1: {2.5, "SECRET-value"}, "SECRET-value": 1, "nan": float("nan"), "fine": [1.5, None, True]}
    )  # fmt: skip

    written = msgspec.json.encode(redacted).decode()
    assert "SECRET" not in written
    assert '"nan":"nan"' in written
    assert '"fine":[1.5,null,true]' in written


def test_control_characters_are_escaped() -> None:
    redacted = Redactor([]).value("a\r\x1b[2J\x00\u2028\ud800\x85b\n\tc")

    assert redacted == r"a\r\x1b[2J\x00\u2028\ud800\x85b" + "\n\tc"


@given(st.text(), st.text(min_size=1))
def test_no_surrounding_text_prevents_redaction(around: str, secret: str) -> None:
    redactor = Redactor([f"<{secret}-long-enough>"])

    assert f"<{secret}-long-enough>" not in redactor.text(f"{around}<{secret}-long-enough>{around}")


@pytest.mark.parametrize(
    "piece", ["token", "password=", "bearer ", "://", "a", "eyJ", "authorization ", "$argon2"]
)
def test_redaction_takes_linear_time(piece: str) -> None:
    def took(text: str) -> float:
        began = thread_time()
        strangers(text)
        return thread_time() - began

    short, long = piece * 2_000, piece * 20_000
    ratio = min(took(long) for _ in range(3)) / max(min(took(short) for _ in range(5)), 1e-4)
    assert ratio < 60, "it grows faster than the text"
