"""Redirects stay on this host, and empty fields of a form are no parameters."""

import pytest

from entrypoints.web.paths import local_path, requested_path, without_empty


@pytest.mark.parametrize(
    "path", ["/", "/movies/603", "/search?q=a%20b&cursor=x", "/movies/1#my-rating", "/a//b"]
)
def test_a_path_of_this_host_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "movies",
        "//evil.example",
        "/\\evil.example",
        "/movies\\..",
        "https://evil.example/",
        "javascript:alert(1)",
        "/movies\r\nSet-Cookie: a=b",
        "/\t/evil.example",
        " /movies",
        "/ä",
        "/a b",
    ],
)
def test_everything_else_leads_home(path: str | None) -> None:
    assert local_path(path) == "/"


@pytest.mark.parametrize(
    ("path", "query", "requested"),
    [
        ("/watchlist", b"", "/watchlist"),
        ("/watchlist", b"favorite=true", "/watchlist?favorite=true"),
        ("//evil.example/x", b"", "/x"),
        ("/ä", b"", "/"),
        ("/movies/a b", b"", "/"),
        ("/search", b"q=\xff", "/search?q="),
    ],
)
def test_the_requested_path_is_one_of_this_host(path: str, query: bytes, requested: str) -> None:
    assert requested_path(path, query) == requested


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"", b""),
        (b"q=a+b", b"q=a+b"),
        (b"genre=&decade=1990&language=", b"decade=1990"),
        (b"a=&b=%C3%A9+%26", b"b=%C3%A9+%26"),
        (b"a=&b=%ff", b"b=%FF"),
        (b"a=", b""),
    ],
)
def test_empty_parameters_are_left_out(query: bytes, kept: bytes) -> None:
    assert without_empty(query) == kept
