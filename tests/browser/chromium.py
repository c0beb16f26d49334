"""Chromium windows, and checks that every page must pass."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which
from typing import Any
from urllib.parse import urlsplit

import pytest

REQUIRED = "MATINEE_TEST_BROWSER"
"""If this environment variable is `required`, the tests are not skipped without a browser."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
"""The rules of axe for WCAG 2.2 AA."""

PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "has_touch": True}
LAPTOP = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
"""The options of browser windows."""


def executable() -> str:
    """The path of the browser. Skips the test if there is none, or no package that drives it."""
    path = next(filter(None, map(which, NAMES)), None)
    if os.environ.get(REQUIRED) == "required":
        assert path, "there is no Chromium"
        return path
    pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if path is None:
        pytest.skip("there is no Chromium here; Debian's package is named chromium")
    return path


@contextmanager
def running_browser() -> Iterator[Any]:
    """A running browser."""
    path = executable()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  it may not be installed

    with sync_playwright() as playwright:
        # Root, as in containers, cannot use the sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class BrowserWindow:
    """A browser window, which records errors, warnings and requests to other hosts."""

    def __init__(self, browser: Any, base_url: str, **options: Any) -> None:
        self.base_url = base_url
        self.errors: list[str] = []
        self.requests_to_other_hosts: list[str] = []
        self.context = browser.new_context(base_url=base_url, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._record_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._check_host)

    def open(self, path: str) -> None:
        """Go to a page."""
        self.page.goto(path)

    def join(self, name: str, password: str) -> None:
        """Create an account, and sign in to it."""
        self.open("/join")
        self.page.fill("#username", name)
        self.page.fill("#email", f"{name}@example.org")
        self.page.fill("#password", password)
        self.page.click("main form button")
        self.page.wait_for_url("**/")

    def sign_in(self, name: str, password: str) -> None:
        """Sign in."""
        self.open("/sign-in")
        self.page.fill("#email", f"{name}@example.org")
        self.page.fill("#password", password)
        self.page.click("main form button")
        self.page.wait_for_url("**/")

    def check(self) -> None:
        """Assert that the current page is accessible, no wider than the window, and has no layout shifts."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415

        results = Axe().run(self.page, options=WCAG)
        assert results.violations_count == 0, f"{self.page.url}: {results.generate_report()}"
        width = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert width <= 0, f"{self.page.url} is {width} pixels too wide"
        shift = self.page.evaluate(
            "new Promise(done => new PerformanceObserver(list => done(list.getEntries().reduce("
            "(sum, entry) => sum + (entry.hadRecentInput ? 0 : entry.value), 0)))"
            ".observe({type: 'layout-shift', buffered: true}) ?? setTimeout(done, 100, 0))"
        )
        assert shift < 0.01, f"{self.page.url} shifts by {shift}"

    def close(self) -> None:
        """Close the window. Assert that there were no errors, and no requests to other hosts."""
        self.context.close()
        assert self.errors == []
        assert self.requests_to_other_hosts == []

    def _record_message(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{message.text} at {message.location}")

    def _check_host(self, request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.base_url).netloc:
            self.requests_to_other_hosts.append(request.url)


def choose(page: Any, name: str, value: str) -> None:
    """Click a radio button's label."""
    page.locator(f"label:has(input[name={name}][value='{value}'])").click()
