"""The validation and normalization of CORS origins."""

from pathlib import Path

import pytest

from domain.errors import InvalidFields
from entrypoints.origins import InvalidOrigins, parse_origins
from entrypoints.settings import Settings, load

NOWHERE = Path("/nonexistent/.env")


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("", []),
        ("https://a.example", ["https://a.example"]),
        ("https://a.example/", ["https://a.example"]),
        ("HTTPS://A.Example", ["https://a.example"]),
        ("https://a.example:443", ["https://a.example"]),
        ("http://a.example:80/", ["http://a.example"]),
        ("http://a.example:443", ["http://a.example:443"]),
        ("https://a.example:08443", ["https://a.example:8443"]),
        ("http://localhost:3000", ["http://localhost:3000"]),
        ("http://127.0.0.1:8080", ["http://127.0.0.1:8080"]),
        ("https://1.2.3.4.example", ["https://1.2.3.4.example"]),
        ("https://a.x0", ["https://a.x0"]),
        ("http://[::1]:3000", ["http://[::1]:3000"]),
        ("http://[2001:DB8:0::1]", ["http://[2001:db8::1]"]),
        ("https://bücher.example", ["https://xn--bcher-kva.example"]),
        ("https://my_host.example", ["https://my_host.example"]),
        ("https://*.a.example", ["https://*.a.example"]),
        ("https://*.A.example:8443", ["https://*.a.example:8443"]),
        ("*", ["*"]),
        ("capacitor://localhost", ["capacitor://localhost"]),
        ("chrome-extension://abcdefghijklmnopabcdefghijklmnop", ["chrome-extension://abcdefghijklmnopabcdefghijklmnop"]),
        (" https://a.example ,, https://b.example,", ["https://a.example", "https://b.example"]),
        ("https://a.example,https://A.example/", ["https://a.example"]),
    ],
)  # fmt: skip
def test_an_origin_is_normalized_as_browsers_send_it(text: str, spelt: list[str]) -> None:
    assert parse_origins(text) == spelt


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (",", "must name origins such as https://films.example"),
        (" , ,", "must name origins"),
        ("a.example", "with a scheme"),
        ("localhost:3000", "with a scheme"),
        ("//a.example", "with a scheme"),
        ("https:a.example", "with a scheme"),
        ("https:///a", "with a scheme"),
        ("ftp://a.example", "with a scheme"),
        ("file:///tmp", "with a scheme"),
        ("wss://a.example", "with a scheme"),
        ("https://", "with a scheme"),
        ("https://a.example/app", "without a path, a query or a fragment"),
        ("https://a.example//", "without a path, a query or a fragment"),
        ("https://a.example?x=1", "without a path, a query or a fragment"),
        ("https://a.example?", "without a path, a query or a fragment"),
        ("https://a.example#top", "without a path, a query or a fragment"),
        ("https://a.example#", "without a path, a query or a fragment"),
        ("https://ada:secret@a.example", "without user and password"),
        ("ada:secret@a.example/x?y", "without user and password"),
        ("https://ada@a.example", "without user and password"),
        ("null", "must not hold null"),
        ("NULL", "must not hold null"),
        ("https://a.example:0", "from 1 to 65535"),
        ("https://a.example:65536", "not 'https://a.example:65536'"),
        ("https://a.example:", "from 1 to 65535"),
        ("https://a.example:http", "not 'https://a.example:http'"),
        ("https://a.example:*", "not 'https://a.example:*'"),
        ("https://a b.example", "with a host"),
        ("https://a.example https://b.example", "must hold origins"),
        ("https://a.example;https://b.example", "must hold origins"),
        ("https://a..example", "with a host"),
        ("https://-a.example", "with a host"),
        ("https://" + "a" * 64 + ".example", "with a host"),
        ("https://*", "with a host"),
        ("https://*.example", "* may stand alone, or for the first part of a host"),
        ("https://a.*.example", "with a host"),
        ("https://a*.b.example", "with a host"),
        ("*.a.example", "with a scheme"),
        ("https://1.2.3.999", "with a host"),
        ("https://1.2.3", "with a host"),
        ("https://1.2.3.4.5", "with a host"),
        ("https://01.2.3.4", "with a host"),
        ("https://2130706433", "with a host"),
        ("https://0x7f.1", "with a host"),
        ("https://127.0.0.0x1", "with a host"),
        ("https://films.123", "with a host"),
        ("https://*.2.3.4", "with a host"),
        ("https://[::1", "not 'https://[::1'"),
        ("https://[g::1]", "not 'https://[g::1]'"),
        ("https://a.example, b.example", "with a scheme"),
        ("'https://a.example'", "with a scheme"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(InvalidOrigins) as caught:
        parse_origins(text)
    assert rule in str(caught.value)
    with pytest.raises(InvalidFields) as faults:
        load({"CORS_ORIGINS": text}, NOWHERE)
    assert faults.value.sentences == [f"CORS_ORIGINS {caught.value}"]
    assert "secret" not in str(caught.value)


def test_settings_keep_origins_as_written_and_return_them_normalized() -> None:
    settings = load({"CORS_ORIGINS": "https://A.example/, *"}, NOWHERE)
    assert settings.cors_origins == "https://A.example/, *"
    assert settings.allowed_origins == ["https://a.example", "*"]
    assert Settings().allowed_origins == []
