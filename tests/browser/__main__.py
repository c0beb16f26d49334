"""`make screenshots`: every page, at two widths in two colour schemes."""

import sys
import tempfile
from pathlib import Path

from adapters.system import now
from tests.browser.chromium import Visit, launched
from tests.e2e.commands import Serving, matinee, serving
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
"""Pages of an account without anything."""

SIGNED_OUT = {"welcome": "/", "sign-in": "/sign-in", "join": "/join"}
WIDTHS = {"phone": (360, 740), "laptop": (1280, 800)}
PASSWORD = "a long walk home"
ATTEMPTS = 90
"""How often to look for recommendations, one second apart."""

PLENTY = {"RATE_LIMIT": "100000/minute", "AUTH_RATE_LIMIT": "100000/minute"}

EXPORT = """Date,Name,Year,Letterboxd URI,Rating
2024-01-02,The Matrix,1999,u,4.5
2024-01-03,Heat,1995,u,4
2024-02-03,Se7en,1995,u,5
2024-02-04,Spirited Away,2001,u,
2024-02-05,A Film that Nobody Has Ever Made,1901,u,3
2024-02-06,Alien,1979,u,eleven
"""


class Pictures:
    """Windows of two widths in two colour schemes, which take pictures of pages."""

    def __init__(self, target: Path, visits: dict[str, Visit]) -> None:
        self.target, self.visits = target, visits

    def take(self, pages: dict[str, str]) -> None:
        """Take a picture of each page in each window."""
        for suffix, visit in self.visits.items():
            for name, path in pages.items():
                visit.open(path)
                visit.page.screenshot(path=self.target / f"{name}-{suffix}.png", full_page=True)

    def sign_in(self, name: str) -> Visit:
        """Sign in with every window; return one of them."""
        for visit in self.visits.values():
            visit.context.clear_cookies()
            visit.sign_in(name, PASSWORD)
        return next(iter(self.visits.values()))


def main(target: Path) -> None:
    """Write the pictures into a directory."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, launched() as browser:

        def pictures(server: Serving) -> Pictures:
            base_url = str(server.client.base_url.copy_with(path="")).rstrip("/")
            return Pictures(
                target,
                {
                    f"{name}-{scheme}": Visit(
                        browser, base_url, viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                    for name, (width, height) in WIDTHS.items()
                    for scheme in ("light", "dark")
                },
            )

        demo, tmdb = Path(folder, "demo"), Path(folder, "tmdb")
        demo.mkdir()
        tmdb.mkdir()
        with serving(demo, **PLENTY) as server:
            shoot_demo(demo, server, pictures(server))
        with (
            TmdbSimulator(Catalogue(make_movies(60))) as source,
            serving(
                tmdb, TMDB_ACCESS_TOKEN="t", TMDB_BASE_URL=source.url, TMDB_SYNC_PAGES="1", **PLENTY
            ) as server,
        ):
            shoot_offers(tmdb, pictures(server))
    print(f"{len(list(target.glob('*.png')))} pictures are in {target}")


def shoot_demo(directory: Path, server: Serving, pictures: Pictures) -> None:
    """The pages over the demo catalogue: signed out, of an account without anything, and of one in use."""
    create_user(directory, "eve")
    create_user(directory, "ada", "--admin")
    pictures.take(SIGNED_OUT)
    pictures.sign_in("eve")
    pictures.take(EMPTY)
    visit = pictures.sign_in("ada")
    use(visit)
    recommend(server, visit)
    year, month = now().year, f"{now().year}-03"
    table = upload(visit, directory / "table.csv", "What;When;Verdict\nThe Matrix (1999);4/3/2024;9\n", "csv")
    ready, applied = (upload(visit, directory / f"{name}.csv", EXPORT) for name in ("review", "applied"))
    visit.page.click("text=Apply")
    visit.page.wait_for_selector("text=Undo")
    token = "[action='/account/tokens']"
    visit.open("/account")
    visit.page.fill(f"{token} #name", "Living room player")
    visit.page.click(f"{token} button")
    pictures.take(
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


def shoot_offers(directory: Path, pictures: Pictures) -> None:
    """What a search finds at TMDB, for an account that may add films."""
    create_user(directory, "ada")
    pictures.sign_in("ada")
    with_a_word = {f"offers-{word}": f"/search?q={word}" for word in ("hollow", "qqqqqqqq")}
    pictures.take({"home-tmdb": "/", **with_a_word})


def create_user(directory: Path, name: str, *options: str) -> None:
    """Create an account."""
    ran = matinee(
        "users", "create", "--email", f"{name}@example.org", "--username", name, *options, "--data-dir",
        str(directory / "matinee-data"), cwd=directory, stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def use(visit: Visit) -> None:
    """Rate, list and see films, so that the lists and the charts are not empty."""
    for number, score in ((603, "8.5"), (238, "10"), (194, "9"), (346, "6.5"), (129, "9.5"), (424, "10")):
        visit.open(f"/movies/{number}")
        visit.page.locator(f"label:has(input[name=rating][value='{score}'])").click()
        visit.page.fill("#review", "Every frame of it.")
        visit.page.click("text=Save my rating")
        visit.page.click("text=Seen today")
    year = now().year
    for number, month in ((550, 1), (680, 2), (155, 3), (11, 3), (278, 3), (105, 6), (389, 9)):
        visit.open(f"/movies/{number}")
        visit.page.click("text=Seen on another day")
        visit.page.fill("#seen-watched_on", f"{year}-{month:02}-{number % 28 + 1:02}")
        visit.page.click("text=Save in the diary")
    for number in (496243, 372058, 807):
        visit.open(f"/movies/{number}")
        visit.page.fill("#note", "With the children")
        visit.page.set_checked("[name=is_favorite]", number == 807)
        visit.page.locator("form[action$='/watchlist'] button").click()


def recommend(server: Serving, visit: Visit) -> None:
    """Let others like films that they have in common, and wait until these are recommended."""
    for number in range(6):
        account = {"username": f"user{number}", "email": f"user{number}@example.org", "password": PASSWORD}
        joined = server.client.post("/auth/register", json=account).raise_for_status().json()
        ratings = [{"movie_id": movie, "rating": 9} for movie in (603, 424, 27205, 157336, 105, 98)]
        headers = {"Authorization": f"Bearer {joined['access_token']}"}
        server.client.put("/me/ratings", json=ratings, headers=headers).raise_for_status()
    for _ in range(ATTEMPTS):
        visit.open("/recommendations")
        if visit.page.locator("main h2").count():
            return
        visit.page.wait_for_timeout(1000)
    raise TimeoutError


def upload(visit: Visit, file: Path, content: str, source: str | None = None) -> str:
    """Upload a file, and wait until it has been read; the path of the import."""
    file.write_text(content)
    visit.open("/import")
    visit.page.set_input_files("#file", file)
    if source:
        visit.page.select_option("#source", source)
    visit.page.click("text=Upload")
    visit.page.wait_for_url("**/import/*")
    visit.page.wait_for_selector("text=Ready for you to review")
    return str(visit.page.url.removeprefix(visit.base_url))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
