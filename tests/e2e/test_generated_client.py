"""A client made from the OpenAPI document by a maintained generator takes the whole journey."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e.commands import matinee, serving

GENERATOR = str(Path(sys.executable).parent / "openapi-python-client")
SECRET = "a secret of more than thirty-two bytes for tests"


@pytest.fixture
def client_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the generated package, importable."""
    document = tmp_path / "openapi.json"
    document.write_text(matinee("openapi", cwd=tmp_path).stdout, encoding="utf-8")
    target = tmp_path / "matinee_client"
    command = [GENERATOR, "generate", "--path", str(document), "--output-path", str(target), "--meta", "none"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "ERROR" not in made.stdout
    assert "unable to parse" not in made.stdout.lower(), made.stdout
    monkeypatch.syspath_prepend(str(tmp_path))
    return "matinee_client"


def test_a_generated_client_registers_searches_rates_lists_and_exports(
    tmp_path: Path, client_package: str
) -> None:
    def api(path: str) -> Any:
        return importlib.import_module(f"{client_package}.api.{path}")

    models: ModuleType = importlib.import_module(f"{client_package}.models")
    package: ModuleType = importlib.import_module(client_package)
    with serving(tmp_path, JWT_SECRET=SECRET) as server:
        base = str(server.client.base_url).removesuffix("/api/v1/").removesuffix("/api/v1")
        account = models.RegisterIn(username="ada", email="ada@example.org", password="correct horse battery")
        with package.Client(base_url=base) as stranger:
            signed_in = api("accounts.post_register").sync(client=stranger, body=account)
        assert isinstance(signed_in, models.SignedInOut), signed_in

        with package.AuthenticatedClient(base_url=base, token=signed_in.access_token) as ada:
            found = api("movies.get_movies_search").sync(client=ada, q="godfahter")
            film = found.data[0]
            assert film.title == "The Godfather"

            rated = api("ratings.post_rating").sync(
                client=ada, body=models.RatingIn(movie_id=film.id, rating=8.5)
            )
            assert (rated.rating, rated.movie_rating.average_rating, rated.movie_rating.ratings_count) == (
                8.5,
                8.5,
                1,
            )
            again = api("ratings.post_rating").sync(
                client=ada, body=models.RatingIn(movie_id=film.id, rating=9)
            )
            assert (again.status_code, again.code) == (409, "already_rated")

            listed = api("watchlist.post_item").sync(
                client=ada, body=models.ItemIn(movie_id=film.id, is_favorite=True)
            )
            assert (listed.movie.title, listed.is_favorite) == ("The Godfather", True)

            export = api("accounts.get_export").sync(client=ada)
            assert [rating.rating for rating in export.ratings] == [8.5]
            assert [item.movie.title for item in export.watchlist] == ["The Godfather"]
            assert export.user.email == "ada@example.org"
        assert server.stop() == 0
