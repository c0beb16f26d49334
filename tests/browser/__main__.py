"""`make screenshots`: takes screenshots of every page, at two widths and in two colour schemes."""

import sys
import tempfile
from pathlib import Path

from adapters.system import now
from tests.browser.chromium import BrowserWindow, running_browser
from tests.e2e.commands import RunningServer, matinee, serving
from tests.tmdb_simulator import Catalogue, TmdbSimulator, make_movies

PAGES = {
    "home": "/",
    "filtered": "/?genre=18&decade=1990&sort_by=title&sort_order=asc",
    "search": "/search?q=godfathr",
    "nothing-found": "/search?q=qqqqqqqq",
    "movie": "/movies/603",
    "movie-not-rated": "/movies/27205",
    "watchlist": "/watchlist",
    "favourites": "/watchlist?favorite=true",
    "ratings": "/ratings",
    "recommendations": "/recommendations",
    "diary": "/diary",
    "calendar": "/diary/calendar",
    "statistics": "/statistics",
    "import": "/import",
    "account": "/account",
    "admin": "/admin",
    "users": "/admin/users",
    "invitations": "/admin/invitations",
    "not-found": "/nothing",
}
EMPTY = {
    f"empty-{name}": f"/{path}"
    for name, path in {
        "watchlist": "watchlist",
        "ratings": "ratings",
        "recommendations": "recommendations",
        "diary": "diary",
        "calendar": "diary/calendar",
        "statistics": "statistics",
        "import": "import",
    }.items()
}
"""The pages of an account without data."""

SIGNED_OUT = {"welcome": "/", "sign-in": "/sign-in", "join": "/join"}
WIDTHS = {"phone": (360, 740), "laptop": (1280, 800)}
PASSWORD = "a long walk home"
ATTEMPTS = 90
"""How often to look for recommendations, at intervals of a second."""

HIGH_LIMITS = {"RATE_LIMIT": "100000/minute", "AUTH_RATE_LIMIT": "100000/minute"}

EXPORT = """Date,Name,Year,Letterboxd URI,Rating
2024-01-02,The Matrix,1999,u,4.5
2024-01-03,Heat,1995,u,4
2024-02-03,Se7en,1995,u,5
2024-02-04,Spirited Away,2001,u,
2024-02-05,A Film that Nobody Has Ever Made,1901,u,3
2024-02-06,Alien,1979,u,eleven
"""


class Screenshots:
    """Browser windows of two widths and two colour schemes, of which screenshots are taken."""

    def __init__(self, target: Path, windows: dict[str, BrowserWindow]) -> None:
        self.target, self.windows = target, windows

    def take(self, pages: dict[str, str]) -> None:
        """Take a screenshot of each page in each window."""
        for suffix, window in self.windows.items():
            for name, path in pages.items():
                window.open(path)
                window.page.screenshot(path=self.target / f"{name}-{suffix}.png", full_page=True)

    def sign_in(self, name: str) -> BrowserWindow:
        """Sign in in all windows; return one of them."""
        for window in self.windows.values():
            window.context.clear_cookies()
            window.sign_in(name, PASSWORD)
        return next(iter(self.windows.values()))


def main(target: Path) -> None:
    """Write the screenshots into a directory."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:

        def screenshots(server: RunningServer) -> Screenshots:
            base_url = str(server.client.base_url.copy_with(path="")).rstrip("/")
            return Screenshots(
                target,
                {
                    f"{name}-{scheme}": BrowserWindow(
                        browser, base_url, viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                    for name, (width, height) in WIDTHS.items()
                    for scheme in ("light", "dark")
                },
            )

        demo, tmdb = Path(folder, "demo"), Path(folder, "tmdb")
        demo.mkdir()
        tmdb.mkdir()
        with serving(demo, **HIGH_LIMITS) as server:
            capture_demo(demo, server, screenshots(server))
        with (
            TmdbSimulator(Catalogue(make_movies(60))) as source,
            serving(
                tmdb, TMDB_ACCESS_TOKEN="t", TMDB_BASE_URL=source.url, TMDB_SYNC_PAGES="1", **HIGH_LIMITS
            ) as server,
        ):
            capture_tmdb_search(tmdb, screenshots(server))
    print(f"{len(list(target.glob('*.png')))} pictures are in {target}")


def capture_demo(directory: Path, server: RunningServer, screenshots: Screenshots) -> None:
    """The pages of the demo catalogue: signed out, of an account without data, and of one with data."""
    create_user(directory, "eve")
    create_user(directory, "ada", "--admin")
    screenshots.take(SIGNED_OUT)
    screenshots.sign_in("eve")
    screenshots.take(EMPTY)
    window = screenshots.sign_in("ada")
    add_entries(window)
    create_recommendations(server, window)
    year, month = now().year, f"{now().year}-03"
    table = upload(
        window, directory / "table.csv", "What;When;Verdict\nThe Matrix (1999);4/3/2024;9\n", "csv"
    )
    ready, applied = (upload(window, directory / f"{name}.csv", EXPORT) for name in ("review", "applied"))
    window.page.click("text=Apply")
    window.page.wait_for_selector("text=Undo")
    token = "[action='/account/tokens']"
    window.open("/account")
    window.page.fill(f"{token} #name", "Living room player")
    window.page.click(f"{token} button")
    screenshots.take(
        PAGES
        | {
            "year-in-review": f"/statistics?year={year}",
            "month": f"/diary/calendar?month={month}",
            "diary-of-year": f"/diary?year={year}",
            "import-review": ready,
            "import-table": table,
            "import-applied": applied,
            "import-not-found": f"{ready}?class=unmatched",
        }
    )


def capture_tmdb_search(directory: Path, screenshots: Screenshots) -> None:
    """Searches that show films of TMDB, for an account that may add them."""
    create_user(directory, "ada")
    screenshots.sign_in("ada")
    searches = {f"offers-{word}": f"/search?q={word}" for word in ("hollow", "qqqqqqqq")}
    screenshots.take({"home-tmdb": "/", **searches})


def create_user(directory: Path, name: str, *options: str) -> None:
    """Create an account."""
    completed = matinee(
        "users", "create", "--email", f"{name}@example.org", "--username", name, *options, "--data-dir",
        str(directory / "matinee-data"), cwd=directory, stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr


def add_entries(window: BrowserWindow) -> None:
    """Add ratings, entries of the watchlist and viewings, so that lists and charts are not empty."""
    for number, score in ((603, "8.5"), (238, "10"), (194, "9"), (346, "6.5"), (129, "9.5"), (424, "10")):
        window.open(f"/movies/{number}")
        window.page.locator(f"label:has(input[name=rating][value='{score}'])").click()
        window.page.fill("#review", "Every frame of it.")
        window.page.click("text=Save my rating")
        window.page.click("text=Seen today")
    year = now().year
    for number, month in ((550, 1), (680, 2), (155, 3), (11, 3), (278, 3), (105, 6), (389, 9)):
        window.open(f"/movies/{number}")
        window.page.click("text=Seen on another day")
        window.page.fill("#seen-watched_on", f"{year}-{month:02}-{number % 28 + 1:02}")
        window.page.click("text=Save in the diary")
    for number in (496243, 372058, 807):
        window.open(f"/movies/{number}")
        window.page.fill("#note", "With the children")
        window.page.set_checked("[name=is_favorite]", number == 807)
        window.page.locator("form[action$='/watchlist'] button").click()


def create_recommendations(server: RunningServer, window: BrowserWindow) -> None:
    """Add ratings of other users, and wait until there are recommendations."""
    for number in range(6):
        account = {"username": f"user{number}", "email": f"user{number}@example.org", "password": PASSWORD}
        session = server.client.post("/auth/register", json=account).raise_for_status().json()
        ratings = [{"movie_id": movie, "rating": 9} for movie in (603, 424, 27205, 157336, 105, 98)]
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        server.client.put("/me/ratings", json=ratings, headers=headers).raise_for_status()
    for _ in range(ATTEMPTS):
        window.open("/recommendations")
        if window.page.locator("main h2").count():
            return
        window.page.wait_for_timeout(1000)
    raise TimeoutError


def upload(window: BrowserWindow, file: Path, content: str, source: str | None = None) -> str:
    """Upload a file, and wait until it has been read; return the path of the import."""
    file.write_text(content)
    window.open("/import")
    window.page.set_input_files("#file", file)
    if source:
        window.page.select_option("#source", source)
    window.page.click("text=Upload")
    window.page.wait_for_url("**/import/*")
    window.page.wait_for_selector("text=Ready for you to review")
    return str(window.page.url.removeprefix(window.base_url))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
