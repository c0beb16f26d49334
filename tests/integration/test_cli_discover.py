"""`matinee sync discover`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli import matinee
from tests.tmdb_simulator import TmdbSimulator

FILMS = [
    {"id": number, "title": f"Film {number}", "release_date": f"{1990 + number}-05-01", "vote_count": number}
    for number in range(1, 9)
]


@pytest.fixture(scope="module")
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(FILMS) as tmdb:
        yield tmdb


def discover(folder: Path, tmdb: TmdbSimulator, *options: str, filters: str | None = None) -> Result:
    variables = {
        "DATA_DIR": str(folder),
        "TMDB_ACCESS_TOKEN": "t",
        "TMDB_BASE_URL": tmdb.url,
        "TMDB_EXPORTS_URL": tmdb.exports_url,
        "TMDB_REQUESTS_PER_SECOND": "1000",
        "SYNC_DISCOVER_FILTERS": filters,
    }
    return CliRunner().invoke(matinee, ["sync", "discover", *options], env=variables)


def counts(answer: Result) -> dict[str, str]:
    rows = (line.strip("│ ").split() for line in answer.stdout.splitlines() if "│" in line)
    return {row[0]: row[-1] for row in rows if row}


def test_options_are_filters_and_without_them_the_settings_are(tmp_path: Path, tmdb: TmdbSimulator) -> None:
    some = discover(tmp_path, tmdb, "--year-from", "1993", "--year-to", "1994", filters="year=1998")
    regular = discover(tmp_path, tmdb, filters="min_votes=8")
    exported = discover(tmp_path, tmdb, "--exported-min-popularity", "0")

    assert [each.exit_code for each in (some, regular, exported)] == [0, 0, 0], some.output
    assert "sync discover: success" in some.stdout
    assert [counts(each)["inserted"] for each in (some, regular, exported)] == ["2", "1", "5"]


def test_every_bad_option_is_named(tmp_path: Path, tmdb: TmdbSimulator) -> None:
    bad = discover(tmp_path, tmdb, "--year", "19", "--min-votes", "many")
    mixed = discover(tmp_path, tmdb, "--exported-min-popularity", "5", "--year-from", "1990")
    unknown = discover(tmp_path, tmdb, "--genre", "dramma")

    assert [each.exit_code for each in (bad, mixed, unknown)] == [2, 2, 2]
    assert "--year must be a year from 1870 to 2100; --min-votes must be a whole number" in bad.stderr
    assert "--exported-min-popularity must stand alone" in mixed.stderr
    assert "genre must be the TMDB number or name of a genre, not 'dramma'" in unknown.stderr
