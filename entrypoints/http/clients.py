"""The names of the programs that log in, from the header `User-Agent`.

People who look at their sessions have to tell them apart. A browser and a system are sufficient for that; the
header itself, with versions and models, could identify people, and is not kept.
"""

import re

from entrypoints.http.requests import HttpRequest

BROWSERS = {
    "Edge": r"\bEdg(e|A|iOS)?/",
    "Opera": r"\b(OPR|OPT|Opera)/",
    "Samsung Internet": r"\bSamsungBrowser/",
    "Firefox": r"\b(Firefox|FxiOS)/",
    "Chrome": r"\b(Chrome|Chromium|HeadlessChrome|CriOS)/",
    "Safari": r"\bSafari/",
}
"""Patterns by browser. Most browsers also claim to be others, which come later."""

SYSTEMS = {
    "Android": r"\bAndroid\b",
    "iPhone": r"\biPhone\b",
    "iPad": r"\biPad\b",
    "Windows": r"\bWindows\b",
    "macOS": r"\bMac OS X\b|\bMacintosh\b",
    "ChromeOS": r"\bCrOS\b",
    "Linux": r"\bLinux\b",
}
"""Patterns by system. Android also claims to be Linux, and an iPhone to be like macOS."""

MAX_PRODUCT_LENGTH = 40
"""Characters of the name of a program that is not a browser."""

PRODUCT = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_PRODUCT_LENGTH - 1}}}(?![A-Za-z0-9_.-])")
"""The name at the head of the header of other programs, such as `curl`."""


def client_name(request: HttpRequest) -> str | None:
    """The name of the program that sent a request, such as `Firefox (Linux)` or `curl`; None if it does not
    say.
    """
    user_agent = request.headers.get("user-agent", "")
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    if browser:
        return f"{browser} ({system})" if system else browser
    product = PRODUCT.match(user_agent)
    return product[0] if product else None


def _first(patterns: dict[str, str], text: str) -> str | None:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), None)
