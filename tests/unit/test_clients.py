"""The names of the programs that log in."""

from typing import Any

import pytest
from litestar import Request

from entrypoints.http.clients import client_name

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


def named(user_agent: str | None) -> str | None:
    headers = [] if user_agent is None else [(b"user-agent", user_agent.encode("latin-1"))]
    scope: Any = {"type": "http", "headers": headers, "query_string": b""}
    return client_name(Request(scope))


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox (Linux)"),
        (f"{MOZILLA} (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox (Android)"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0 Safari/537.36", "Chrome (Windows)"),
        (f"{MOZILLA} (X11; CrOS x86_64 14541) {WEBKIT} Chrome/140.0 Safari/537.36", "Chrome (ChromeOS)"),
        (f"{MOZILLA} (X11; Linux) {WEBKIT} HeadlessChrome/140.0 Safari/537.36", "Chrome (Linux)"),
        (f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/140.0 Safari/537.36 Edg/140.0", "Edge (Windows)"),
        (f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/140.0 Safari/537.36 OPR/120", "Opera (Windows)"),
        (
            f"{MOZILLA} (Linux; Android 14) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
            "Samsung Internet (Android)",
        ),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 14_7) {WEBKIT} Version/18 Safari/605.1", "Safari (macOS)"),
        (
            f"{MOZILLA} (iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT} CriOS/140.0 Mobile Safari/604.1",
            "Chrome (iPhone)",
        ),
        (f"{MOZILLA} (iPad; CPU OS 18_0 like Mac OS X) {WEBKIT} Version/18 Safari/604.1", "Safari (iPad)"),
        ("Firefox/140.0", "Firefox"),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("Jellyfin", "Jellyfin"),
        ("Some App 1.2 (build 7)", "Some"),
    ],
)
def test_browsers_and_other_programs_are_named(user_agent: str, name: str) -> None:
    assert named(user_agent) == name


@pytest.mark.parametrize(
    "user_agent", [None, "", " ", "<b>curl</b>", "\xe9", "-", "5", "x" * 41, "x" * 100_000]
)
def test_what_is_not_the_name_of_a_program_is_none(user_agent: str | None) -> None:
    assert named(user_agent) is None
