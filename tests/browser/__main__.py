"""`make screenshots`: every page of the demo catalogue, at two widths in two colour schemes."""

import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import Visit, launched
from tests.e2e.commands import matinee, serving

PAGES = {
    "home": "/",
    "filtered": "/?genre=18&decade=1990&sort_by=title&sort_order=asc",
    "search": "/search?q=godfathr",
    "nothing-found": "/search?q=qqqqqqqq",
    "movie": "/movies/603",
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
SIGNED_OUT = {"welcome": "/", "sign-in": "/sign-in", "join": "/join"}
WIDTHS = {"phone": (360, 740), "laptop": (1280, 800)}
PASSWORD = "a long walk home"


def main(target: Path) -> None:
    """Write the pictures into a directory."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        directory = Path(folder)
        with serving(directory, RATE_LIMIT="100000/minute", AUTH_RATE_LIMIT="100000/minute") as server:
            base_url = str(server.client.base_url.copy_with(path="")).rstrip("/")
            matinee(
                "users", "create", "--admin", "--email", "ada@example.org", "--username", "ada", "--data-dir",
                str(directory / "matinee-data"), cwd=directory, stdin=f"{PASSWORD}\n",
            )  # fmt: skip
            for name, (width, height) in WIDTHS.items():
                for scheme in ("light", "dark"):
                    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
                    visit = Visit(browser, base_url, **options)
                    for page, path in SIGNED_OUT.items():
                        shoot(visit, path, target / f"{page}-{name}-{scheme}.png")
                    visit.sign_in("ada", PASSWORD)
                    use(visit)
                    for page, path in PAGES.items():
                        shoot(visit, path, target / f"{page}-{name}-{scheme}.png")
                    visit.context.close()
    print(f"{len(list(target.glob('*.png')))} pictures are in {target}")


def use(visit: Visit) -> None:
    """Rate and list films, so that the lists are not empty."""
    for number, score in ((603, "8.5"), (238, "10"), (194, "9")):
        visit.open(f"/movies/{number}")
        visit.page.locator(f"label:has(input[name=rating][value='{score}'])").click()
        visit.page.fill("#review", "Every frame of it.")
        visit.page.click("text=Save my rating")
        visit.page.click("text=Seen today")
    for number in (680, 155):
        visit.open(f"/movies/{number}")
        visit.page.fill("#note", "With the children")
        visit.page.locator("form[action$='/watchlist'] button").click()


def shoot(visit: Visit, path: str, target: Path) -> None:
    """Take a picture of a whole page."""
    visit.open(path)
    visit.page.screenshot(path=target, full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
