"""API tokens: their rules, and their texts."""

import pytest

from adapters.security.tokens import SignedApiTokens
from adapters.testkit.api_tokens import new_api_token
from adapters.testkit.samples import duration, new_account, noon
from domain.api_tokens import MAX_NAME_LENGTH, PREFIX, ReadOnlyToken, Scope, SessionRequired, validate_name
from domain.errors import InvalidText
from domain.ids import SessionId, UserId
from domain.users import Caller

ANN = UserId("a" * 24)
SECRET, OTHER = b"a secret of more than thirty-two bytes", b"another secret of over thirty-two bytes"


def test_the_name_of_a_token_has_no_outer_white_space() -> None:
    assert validate_name("  Living room\t") == "Living room"


@pytest.mark.parametrize(
    ("name", "rule"),
    [(" ", "must not be empty"), ("x" * (MAX_NAME_LENGTH + 1), "at most"), ("\x00", "control")],
)
def test_an_invalid_name_is_refused(name: str, rule: str) -> None:
    with pytest.raises(InvalidText, match=rule) as caught:
        validate_name(name)
    assert caught.value.field == "name"


def test_a_token_expires_at_its_time_or_never() -> None:
    token = new_api_token(ANN, expires_at=noon(3))
    assert (token.expired(noon(3) - duration(0.001)), token.expired(noon(3))) == (False, True)
    assert not new_api_token(ANN).expired(noon(31))


def test_only_a_token_with_the_scope_write_may_write() -> None:
    user = new_account()
    reader = Caller(user=user, api_token=new_api_token(ANN, scope=Scope.READ))
    reader.require_scope(writes=False)
    with pytest.raises(ReadOnlyToken):
        reader.require_scope(writes=True)
    for other in (
        Caller(user=user, session=SessionId("b" * 24)),
        Caller(user=user, api_token=new_api_token(ANN)),
    ):
        other.require_scope(writes=True)


def test_an_api_token_is_no_session() -> None:
    user, session = new_account(), SessionId("b" * 24)
    assert Caller(user=user, session=session).required_session() == session
    with pytest.raises(SessionRequired):
        Caller(user=user, api_token=new_api_token(ANN)).required_session()


def test_texts_of_tokens_are_recognized_by_their_signature() -> None:
    texts = SignedApiTokens(SECRET)
    made = {texts.issue() for _ in range(50)}
    assert len(made) == 50
    assert all(each.startswith(PREFIX) and len(each) == len(PREFIX) + 87 for each in made)
    assert all(map(texts.issued, made))
    text = made.pop()
    for forged in (text[:-1], f"{text}x", text.replace(".", ""), f"{PREFIX}é", PREFIX, "x" * 5000, ""):
        assert not texts.issued(forged)
    assert not SignedApiTokens(OTHER).issued(text)
    assert SECRET.decode() not in repr(texts)
