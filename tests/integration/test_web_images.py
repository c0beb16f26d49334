"""Posters through this host: TMDB's sizes and names only, kept for good by browsers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dependency_injector import providers

from adapters.testkit.samples import facts
from domain.pictures import Picture
from entrypoints.http.exceptions import ServerFull
from entrypoints.settings import Settings
from entrypoints.web.pages.images import SIZES, PictureThreads
from tests.integration.http_service import THE_MATRIX, client_over, container_over, filled_store
from tests.integration.web_client import Browser

CONTENT = b"\xff\xd8\xff" + bytes(5000)


class Pictures:
    """A source that has pictures, unless it is away."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.away = False

    def get(self, size: str, name: str) -> Picture | None:
        self.requests.append((size, name))
        return None if self.away else Picture(content=CONTENT, media_type="image/jpeg")


@contextmanager
def viewing(**settings: Any) -> Iterator[tuple[Browser, Pictures]]:
    """A browser where the catalogue is public, and the source of its pictures."""
    chosen = Settings(**{"public_catalogue": "true", "web": "true", **settings})
    store, pictures = filled_store([THE_MATRIX, facts(7, poster_path="/../etc/passwd")]), Pictures()
    container = container_over(store, chosen)
    container.pictures.override(providers.Object(pictures))
    with client_over(
        store, container=container, **{"public_catalogue": "true", "web": "true", **settings}
    ) as client:
        yield Browser(client), pictures
    store.close()


def test_a_poster_is_shown_in_several_sizes_and_without_a_shift() -> None:
    with viewing() as (browser, _):
        page = browser.open("/").text
        movie = browser.open("/movies/603").text
    for text in (page, movie):
        assert 'src="/images/w342/matrix.jpg?movie=cc4609538a1537f6d0f2d3c0"' in text
        assert "/images/w780/matrix.jpg?movie=cc4609538a1537f6d0f2d3c0 780w" in text
        assert 'width="342" height="513" alt=""' in text
    assert "passwd" not in page


@pytest.mark.parametrize("size", sorted(SIZES))
def test_a_picture_is_kept_by_browsers_for_good_and_not_compressed(size: str) -> None:
    with viewing() as (browser, pictures):
        answer = browser.open(f"/images/{size}/matrix.jpg")
        again = browser.open(f"/images/{size}/matrix.jpg", **{"if-none-match": answer.headers["etag"]})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert "content-encoding" not in answer.headers
    assert again.status_code == 304
    assert pictures.requests[0] == (size, "matrix.jpg")


@pytest.mark.parametrize(
    "path",
    [
        "/images/w343/matrix.jpg",
        "/images/w342/matrix.svg",
        "/images/w342/matrix.jpg.exe",
        "/images/w342/..%2f..%2fsecret.jpg",
        "/images/w342/%2e%2e",
        "/images/..%2f/matrix.jpg",
        "/images/w342//evil.example/a.jpg",
        "/images/w342/@evil.example.jpg",
        "/images/w342/" + "a" * 65 + ".jpg",
        "/images/w342/a%00.jpg",
        "/images/w342/",
        "/images/w342",
    ],
)
def test_nothing_else_can_be_fetched(path: str) -> None:
    with viewing() as (browser, pictures):
        assert browser.open(path).status_code == 404
    assert pictures.requests == []


def test_while_tmdb_is_away_the_poster_is_generated() -> None:
    with viewing() as (browser, pictures):
        pictures.away = True
        answers = [
            browser.open(f"/images/w342/matrix.jpg{query}") for query in ("?movie=603", "?movie=9", "")
        ]
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert {each.headers["content-type"] for each in answers} == {"image/svg+xml"}
    assert {each.headers["cache-control"] for each in answers} == {"no-store"}
    assert "The Matrix" in answers[0].text
    assert [each.text.count("<tspan") for each in answers] == [1, 1, 1]
    assert '<tspan x="16" y="38"></tspan>' in answers[1].text == answers[2].text


def test_posters_of_films_that_the_catalogue_lacks_differ_in_colour() -> None:
    with viewing() as (browser, pictures):
        pictures.away = True
        svgs = {browser.open(f"/images/w342/poster{number}.jpg").text for number in range(8)}
    assert len(svgs) == 8


def test_so_it_is_while_all_threads_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = PictureThreads.__call__

    async def busy(threads: PictureThreads, work: Any, *args: Any, **kwargs: Any) -> Any:
        if "size" in kwargs:
            raise ServerFull
        return await calls(threads, work, *args, **kwargs)

    monkeypatch.setattr(PictureThreads, "__call__", busy)
    with viewing() as (browser, _):
        answer = browser.open("/images/w342/matrix.jpg?movie=603")
    assert (answer.status_code, "The Matrix" in answer.text) == (200, True)


def test_pictures_are_for_readers() -> None:
    with viewing(public_catalogue="false") as (browser, pictures):
        assert browser.open("/images/w342/matrix.jpg").status_code == 303
    assert pictures.requests == []


def test_pictures_do_not_count_against_the_limit() -> None:
    with viewing(rate_limit="1/minute") as (browser, _):
        assert {browser.open("/images/w342/matrix.jpg").status_code for _ in range(3)} == {200}


def test_pictures_come_from_tmdb_directly_if_the_operator_wants() -> None:
    with viewing(images="direct") as (browser, pictures):
        answer = browser.open("/movies/603")
        assert browser.open("/images/w342/matrix.jpg").status_code == 404
    assert 'src="https://image.tmdb.org/t/p/w342/matrix.jpg"' in answer.text
    assert "img-src 'self' https://image.tmdb.org; " in answer.headers["content-security-policy"]
    assert pictures.requests == []


def test_without_pictures_all_posters_are_generated() -> None:
    with viewing(images="off") as (browser, _):
        answer = browser.open("/movies/603")
        assert browser.open("/images/w342/matrix.jpg").status_code == 404
    assert "<img" not in answer.text
    assert 'class="generated"' in answer.text


def test_the_source_of_the_service_is_tmdb() -> None:
    container = container_over(filled_store([]), Settings(images_mb=1))
    assert container.get_picture()(size="..", name="a.jpg") is None
    container.cleanup().close()
