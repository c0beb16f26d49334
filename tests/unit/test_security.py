"""Passwords, tokens and secrets: only our own are accepted."""

import base64
import hashlib
import hmac
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from adapters.security.passwords import Argon2PasswordHasher, is_common
from adapters.security.secrets import FILE, WeakSecret, new_secret, stored_secret
from adapters.security.tokens import MAX_TOKEN_LENGTH, JwtAccessTokens
from adapters.testkit.samples import noon
from domain.errors import StorageUnavailable
from domain.ids import SessionId, UserId
from domain.sessions import AccessClaims
from domain.users import TokenExpired, TokenRejected

SECRET = b"a secret of more than thirty-two bytes for tests"
NOW = noon()
USER, SESSION = UserId("a" * 24), SessionId("b" * 24)
SOUND: dict[str, Any] = {
    "iss": "matinee", "aud": "matinee-api", "sub": USER, "sid": SESSION, "jti": "j",
    "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 900,
}  # fmt: skip

HASHER = Argon2PasswordHasher()
HASH = HASHER.argon2.hash("correct horse", salt=b"a fixed salt, so")


def tokens(*, secret: bytes = SECRET, later: timedelta = timedelta(0)) -> JwtAccessTokens:
    return JwtAccessTokens(secret=secret, lifetime=timedelta(minutes=15), clock=lambda: NOW + later)


def signed(header: dict[str, Any], claims: object, secret: bytes = SECRET) -> str:
    """A correctly signed token with any claims."""
    head, body = (
        base64.urlsafe_b64encode(each if isinstance(each, bytes) else json.dumps(each).encode())
        .rstrip(b"=")
        .decode()
        for each in (header, claims)
    )
    mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def made(**claims: object) -> str:
    """A token like ours with these claims changed; None removes a claim."""
    said = {name: value for name, value in {**SOUND, **claims}.items() if value is not None}
    return signed({"alg": "HS256", "typ": "JWT"}, said)


def refusal(token: str, by: JwtAccessTokens) -> type[TokenRejected] | None:
    """The error of a token; None if it is accepted."""
    try:
        by.read(token)
    except TokenRejected as error:
        return type(error)
    return None


def rejected(token: str, *, by: JwtAccessTokens | None = None) -> bool:
    return refusal(token, by or tokens()) is not None


def test_a_token_names_its_session_until_it_expires() -> None:
    token = tokens().issue(USER, SESSION)
    claims = AccessClaims(session=SESSION, expires_at=NOW.replace(microsecond=0) + timedelta(minutes=15))
    assert tokens().read(token) == claims
    assert tokens(later=timedelta(minutes=14, seconds=59)).read(token) == claims
    assert rejected(token, by=tokens(later=timedelta(minutes=15)))
    assert rejected(token, by=tokens(later=timedelta(days=400)))
    assert rejected(token, by=tokens(later=timedelta(seconds=-1)))


@pytest.mark.parametrize(
    ("claims", "after", "verdict"),
    [
        ({}, timedelta(seconds=900), TokenExpired),
        ({}, timedelta(seconds=900, milliseconds=-1), None),
        ({}, timedelta(seconds=900, milliseconds=1), TokenExpired),
        ({}, timedelta(days=4000), TokenExpired),
        ({}, timedelta(0), None),
        ({}, timedelta(milliseconds=-1), TokenRejected),
        ({"nbf": SOUND["iat"] + 5}, timedelta(seconds=5), None),
        ({"nbf": SOUND["iat"] + 5}, timedelta(seconds=5, milliseconds=-1), TokenRejected),
        ({"exp": SOUND["iat"]}, timedelta(0), TokenExpired),
    ],
)
def test_a_token_is_valid_from_its_issue_and_invalid_at_its_expiry(
    claims: dict[str, int], after: timedelta, verdict: type[Exception] | None
) -> None:
    on_the_second = tokens(later=after - timedelta(microseconds=NOW.microsecond))
    assert refusal(made(**claims), on_the_second) is verdict


def test_an_expired_forged_token_is_rejected_and_not_expired() -> None:
    expired = made(exp=SOUND["iat"] - 1)
    assert refusal(expired, tokens()) is TokenExpired
    for forged in (f"{expired}x", signed({"alg": "HS256"}, SOUND | {"exp": 1}, secret=SECRET[::-1])):
        assert refusal(forged, tokens()) is TokenRejected


def test_a_token_has_only_the_necessary_claims_and_is_unique() -> None:
    first, second = (
        jwt.decode(tokens().issue(USER, SESSION), options={"verify_signature": False}) for _ in "ab"
    )
    assert first.keys() == SOUND.keys()
    assert first["jti"] != second["jti"]
    assert len(tokens().issue(USER, SESSION)) < 400
    assert not rejected(made())


def test_a_token_signed_with_another_secret_is_rejected_by_the_adapter() -> None:
    assert rejected(tokens(secret=SECRET[::-1]).issue(USER, SESSION))


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "hs256", "", None, [], 1]
)
def test_only_our_algorithm_is_accepted_whatever_the_header_says(alg: object) -> None:
    token = signed({"alg": alg, "typ": "JWT"}, SOUND)
    assert rejected(token)
    assert rejected(token.rpartition(".")[0] + ".")


def test_a_public_key_cannot_be_used_as_a_secret() -> None:
    key = b"-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n"
    assert rejected(signed({"alg": "HS256", "typ": "JWT"}, SOUND, secret=key))
    with pytest.raises(WeakSecret, match="must not be a public or private key"):
        tokens(secret=key)


@pytest.mark.parametrize("claim", SOUND)
def test_every_claim_is_required(claim: str) -> None:
    assert rejected(made(**{claim: None}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "elsewhere"), ("iss", ["matinee"]), ("iss", 1),
        ("aud", "another-api"), ("aud", ["matinee-api"]), ("aud", ["matinee-api", "x"]), ("aud", ""),
        ("sub", 1), ("sub", ""), ("sub", f"{USER}\n"),
        ("sid", 1), ("sid", ""), ("sid", "B" * 24), ("sid", f"{SESSION}\n"), ("sid", {"$ne": 1}),
        ("jti", 1), ("jti", ""),
        ("iat", "1"), ("iat", True), ("iat", SOUND["iat"] + 1), ("iat", -1e300), ("nbf", SOUND["iat"] + 1),
        ("exp", str(SOUND["exp"])), ("exp", 1e400), ("exp", float("nan")), ("exp", 0), ("exp", -1),
        ("exp", 10**400),
    ],
)  # fmt: skip
def test_a_claim_of_another_form_is_rejected(claim: str, value: object) -> None:
    assert rejected(made(**{claim: value}))


def test_a_changed_payload_or_signature_is_rejected() -> None:
    head, body, mac = tokens().issue(USER, SESSION).split(".")
    other = made(sid="c" * 24).split(".")[1]
    for forged in (
        f"{head}.{other}.{mac}", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{mac[::-1]}",
        f"{head}.{body}.{mac}.x", f" {head}.{body}.{mac}", f"{head}.{body}.{mac}=", f"{head}.{body}.{mac}\n",
        "", "..",
    ):  # fmt: skip
        assert rejected(forged), forged


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "HS256", "crit": ["exp"]}, SOUND), ({"alg": "HS256", "crit": 1}, SOUND),
        ({"alg": "HS256", "kid": 1}, SOUND), ({"alg": "HS256", "b64": False}, SOUND),
        ({"alg": "HS256"}, []), ({"alg": "HS256"}, b"\xff"), ({}, SOUND),
        ({"alg": "HS256"}, b"[" * 2000), ({"alg": "HS256"}, b""), ([], SOUND),
    ],
)  # fmt: skip
def test_a_correctly_signed_unusual_token_is_rejected(header: dict[str, Any], claims: object) -> None:
    assert rejected(signed(header, claims))


def test_a_very_long_token_is_rejected_unread() -> None:
    assert rejected(made(jti="j" * MAX_TOKEN_LENGTH))
    assert not rejected(made(jti="j" * (MAX_TOKEN_LENGTH // 2)))


@given(st.text() | st.text("abcdefAZ019-_.=", max_size=200))
def test_any_text_is_rejected_and_nothing_else_is_raised(text: str) -> None:
    assert rejected(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SOUND, "nbf"]), json_values, min_size=1))
def test_any_claims_are_accepted_or_rejected(claims: dict[str, object]) -> None:
    rejected(made(**claims))


@given(st.dictionaries(st.sampled_from(["typ", "kid", "crit", "b64", "cty", "alg"]), json_values))
def test_any_header_is_accepted_or_rejected(header: dict[str, object]) -> None:
    rejected(signed({"alg": "HS256", **header}, SOUND))


def test_a_short_secret_cannot_sign() -> None:
    with pytest.raises(WeakSecret, match="JWT_SECRET must be at least 32 bytes long"):
        tokens(secret=SECRET[:31])
    assert "bytes for" not in repr(tokens())


def test_a_password_is_verified_by_its_hash() -> None:
    assert HASHER.verify(HASH, "correct horse")
    assert not HASHER.verify(HASH, "correct horsf")
    assert HASH.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert HASHER.hash("correct horse") != HASH


def test_the_unicode_composition_of_a_password_does_not_matter() -> None:
    assert HASHER.verify(HASHER.hash("caf\u00e9 noir"), "cafe\u0301 noir")


@pytest.mark.parametrize(
    "garbage",
    ["", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=19456,t=2,p=1$AA$AA", "é" * 40,
     "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo", "\udc00", HASH[:-5],
     HASH + "A"],
)  # fmt: skip
def test_a_broken_hash_matches_no_password_and_is_outdated(garbage: str) -> None:
    assert not HASHER.verify(garbage, "correct horse")
    assert isinstance(HASHER.outdated(garbage), bool)


def test_a_password_that_cannot_be_encoded_is_wrong() -> None:
    assert not HASHER.verify(HASH, "half \udc00")


def test_a_hash_with_other_parameters_is_outdated_but_valid() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    assert HASHER.verify(old, "correct horse")
    assert HASHER.outdated(old)
    assert HASHER.outdated("no hash at all")
    assert not HASHER.outdated(HASH)


@pytest.mark.parametrize(
    ("password", "common"),
    [
        ("password", True),
        ("PassWord", True),
        ("12345678", True),
        ("correct horse battery", False),
        ("", False),
    ],
)
def test_common_passwords_are_known_in_any_case(password: str, *, common: bool) -> None:
    assert is_common(password) == common


def test_refresh_secrets_are_long_random_and_without_a_dot() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) >= 43 and "." not in each for each in made)


def test_the_secret_is_created_once_and_private(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    first = stored_secret(directory)
    assert len(first) >= 32
    assert stored_secret(directory) == first
    assert stat.S_IMODE((directory / FILE).stat().st_mode) == 0o600
    assert [each.name for each in directory.iterdir()] == [FILE]


def test_concurrent_processes_get_the_same_secret(tmp_path: Path) -> None:
    for start in range(20):
        with ThreadPoolExecutor(8) as pool:
            got = set(pool.map(stored_secret, [tmp_path / str(start)] * 8))
        assert len(got) == 1


def test_a_secret_that_others_can_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = stored_secret(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    assert stored_secret(tmp_path) == secret
    assert "chmod 600" in caplog.text
    assert secret.decode() not in caplog.text


def test_a_stored_secret_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("short\n")
    with pytest.raises(WeakSecret, match=r"jwt-secret must be at least 32 bytes long") as caught:
        stored_secret(tmp_path)
    assert "short\n" not in str(caught.value)


def test_a_secret_that_cannot_be_stored_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="jwt-secret"):
        stored_secret(tmp_path / "file")
