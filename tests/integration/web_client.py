"""A client of the pages: what a browser would send, and what it would show."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from adapters.sqlite.store import SqliteStore
from domain.movies import MovieFacts
from tests.integration.http_service import PASSWORD, Client, place

BROWSER = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin"}


class Shown(HTMLParser):
    """The texts, the links and the forms of a page."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.sources: list[str] = []
        self.inline: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in self.VOID:
            self.open.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append((given.get("method", "get"), given["action"], {}))
        elif tag in {"input", "textarea", "select"} and self.forms and given.get("type") != "radio":
            if "name" not in given:  # it is for password managers, and not sent
                return
            self.forms[-1][2][given["name"]] = given.get("value", "")
        elif tag in {"script", "img", "link"}:
            self.sources.append(given.get("src") or given["href"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG without content."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element: {self.open}"

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


class Browser:
    """Opens pages and sends forms, and follows no redirects."""

    def __init__(self, client: Client, **headers: str) -> None:
        self.client = client
        self.headers = {**BROWSER, **headers}

    def open(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers={**self.headers, **headers}, follow_redirects=False)

    def shown(self, path: str, status: int = 200) -> Shown:
        """What a page shows."""
        answer = self.open(path)
        assert answer.status_code == status, answer.text
        return Shown(answer.text)

    def send(self, path: str, **fields: str) -> Any:
        """Send a form."""
        return self.client.post(path, data=fields, headers=self.headers, follow_redirects=False)

    def join(self, name: str = "neo", **more: str) -> "Browser":
        """Create an account, and sign in to it."""
        fields = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, **more}
        answer = self.send("/join", **fields)
        assert answer.status_code == 303, answer.text
        return self


@contextmanager
def visiting(*movies: MovieFacts, **options: Any) -> Iterator[tuple[Browser, SqliteStore]]:
    """A browser on the pages over these movies, and their store. The catalogue is not public."""
    with place(*movies, **{"web": "true", **options}) as (client, store):
        yield Browser(client), store


def cookies_of(answer: Any) -> list[str]:
    """The cookies that a response sets, without their values."""
    return [re.sub(r"=[^;]*", "=…", each, count=1) for each in answer.headers.get_list("set-cookie")]
