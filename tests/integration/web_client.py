"""A client of the pages, which sends what a browser sends, and parses the pages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from adapters.sqlite.store import SqliteStore
from domain.movies import MovieFacts
from tests.integration.http_service import PASSWORD, Client, serving_with_store

BROWSER = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin"}


class Page(HTMLParser):
    """The text, the links, the forms and the ids of a page."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.sources: list[str] = []
        self.inline: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag not in self.VOID:
            self.open.append(tag)
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a":
            self.links.append(values["href"])
        elif tag == "form":
            self.forms.append((values.get("method", "get"), values["action"], {}))
        elif tag in {"input", "textarea", "select"} and self.forms and values.get("type") != "radio":
            if "name" not in values:  # for password managers; it is not sent
                return
            self.forms[-1][2][values["name"]] = values.get("value", "")
        elif tag in {"script", "img", "link"}:
            self.sources.append(values.get("src") or values["href"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Ignore elements of SVG without content."""

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

    def page(self, path: str, status: int = 200) -> Page:
        """Open a page and parse it."""
        response = self.open(path)
        assert response.status_code == status, response.text
        return Page(response.text)

    def send(self, path: str, **fields: str) -> Any:
        """Send a form."""
        return self.client.post(path, data=fields, headers=self.headers, follow_redirects=False)

    def join(self, name: str = "neo", **fields: str) -> "Browser":
        """Create an account, and sign in to it."""
        account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        response = self.send("/join", **{**account, **fields})
        assert response.status_code == 303, response.text
        return self


@contextmanager
def browsing_with_store(*movies: MovieFacts, **options: Any) -> Iterator[tuple[Browser, SqliteStore]]:
    """A browser on the pages over these movies, and their store. The catalogue is not public."""
    with serving_with_store(*movies, **{"web": "true", **options}) as (client, store):
        yield Browser(client), store


def cookies_of(response: Any) -> list[str]:
    """The cookies that a response sets, without their values."""
    return [re.sub(r"=[^;]*", "=…", cookie, count=1) for cookie in response.headers.get_list("set-cookie")]
