"""Exports in each format: ours comes back without loss, the others are safe to open and to send on."""

import csv
import io
import json
import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from adapters import system
from adapters.testkit.samples import facts, new_item, new_rating, new_viewing, noon, store_page
from application import export_files
from application.export import ExportUser
from application.export_files import COLUMNS, letterboxd_pieces, table_chunks, zip_chunks
from domain.ids import movie_id
from entrypoints.http.resources.export import json_chunks
from tests.integration.http_service import THE_MATRIX, register_user, serving_with_store
from tests.integration.import_use_cases import ImportUseCases
from tests.stores import store_in_memory

FRIDAY = date(2024, 1, 5)


@pytest.fixture
def use_cases() -> Iterator[ImportUseCases]:
    use_cases = new_use_cases()
    user = use_cases.user.id
    one, two, three = (movie_id(number) for number in (1, 2, 3))
    use_cases.store.ratings.add(new_rating(user, one, 8.5, 2, review='Good,\n"really"', updated_at=noon(3)))
    use_cases.store.ratings.add(new_rating(user, two, 3))
    use_cases.store.watchlists.add(new_item(user, two, 4, is_favorite=True, note="=1+1", updated_at=noon(5)))
    use_cases.store.watchlists.add(new_item(user, three))
    use_cases.store.viewings.add(new_viewing(user, one, FRIDAY, 1, note="at home"))
    use_cases.store.viewings.add(new_viewing(user, one, FRIDAY, 2, rewatch=True, updated_at=noon(6)))
    use_cases.store.viewings.add(new_viewing(user, three, None, 3))
    use_cases.store.recommendations.hide(user, three, noon(7))
    yield use_cases
    use_cases.store.close()


def new_use_cases() -> ImportUseCases:
    store = store_in_memory(system.now)
    store_page(
        store, *(facts(number, title=f"=Film {number}", imdb_id=f"tt{number:07}") for number in (1, 2, 3))
    )
    return ImportUseCases(store)


def parts(use_cases: ImportUseCases) -> Any:
    store = use_cases.store
    export = ExportUser(
        ratings=store.ratings,
        watchlist=store.watchlists,
        viewings=store.viewings,
        recommendations=store.recommendations,
        movies=store.movies,
        genres=store.genres,
    )
    return export(user=use_cases.user)


def exported(use_cases: ImportUseCases) -> bytes:
    return b"".join(json_chunks(use_cases.user, parts(use_cases)))


def without_ids(export: bytes) -> Any:
    """What was exported, without what differs from account to account and from store to store."""
    own = json.loads(export)
    own["hidden"] = [(row["tmdb_id"], row["hidden_at"]) for row in own["hidden"]]
    for section in ("ratings", "watchlist", "viewings"):
        for row in own[section]:
            movie = row["movie"]
            row |= {"id": None, "user": None, "movie": movie["tmdb_id"]}
    return own | {"user": None}


def test_our_own_export_comes_back_without_loss(use_cases: ImportUseCases) -> None:
    elsewhere = new_use_cases()
    before = exported(use_cases)
    done = elsewhere.apply(elsewhere.upload_and_match(before, "matinee.json"))
    assert done.counts == {"new": 8}
    assert without_ids(exported(elsewhere)) == without_ids(before)
    again = elsewhere.upload_and_match(exported(elsewhere), "matinee.json")
    assert again.counts == {"unchanged": 8}
    elsewhere.undo(done)
    assert without_ids(exported(elsewhere)) == without_ids(exported(new_use_cases()))
    elsewhere.store.close()


def test_texts_and_days_come_back_as_they_are() -> None:
    """Those of other services may be HTML, and have days that stand for an unknown one."""
    use_cases, elsewhere, movie = new_use_cases(), new_use_cases(), movie_id(2)
    text = "<b>bold</b> &amp; <a href=x>\x85 \u202e1 < 2 > 0"
    for day in (date(1895, 12, 28), date(1970, 1, 1)):
        use_cases.store.viewings.add(replace(new_viewing(use_cases.user.id, movie, day), note=text))
    use_cases.store.watchlists.add(replace(new_item(use_cases.user.id, movie), note=text))
    use_cases.store.ratings.add(replace(new_rating(use_cases.user.id, movie, 8), review=text))
    before = exported(use_cases)
    assert elsewhere.apply(elsewhere.upload_and_match(before, "matinee.json")).counts == {"new": 4}
    assert without_ids(exported(elsewhere)) == without_ids(before)
    use_cases.store.close()
    elsewhere.store.close()


def test_entries_of_one_time_come_back_in_the_same_order() -> None:
    use_cases, elsewhere, films = new_use_cases(), new_use_cases(), list(range(4, 40))
    for each in (use_cases, elsewhere):
        store_page(each.store, *map(facts, films))
    random.Random(1).shuffle(films)
    for number in films:
        movie = movie_id(number)
        use_cases.store.ratings.add(new_rating(use_cases.user.id, movie, 8))
        use_cases.store.watchlists.add(new_item(use_cases.user.id, movie))
        use_cases.store.viewings.add(new_viewing(use_cases.user.id, movie, FRIDAY))
    before = exported(use_cases)
    elsewhere.apply(elsewhere.upload_and_match(before, "matinee.json"))
    assert without_ids(exported(elsewhere)) == without_ids(before)
    use_cases.store.close()
    elsewhere.store.close()


def test_an_empty_account_exports_and_imports_as_nothing() -> None:
    nobody = new_use_cases()
    assert nobody.upload_and_match(exported(nobody), "matinee.json").error == "empty"
    assert b"".join(table_chunks(parts(nobody))).decode().strip() == ",".join(COLUMNS)
    assert list(letterboxd_pieces(parts(nobody))) == []
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_chunks([])))) as archive:
        assert archive.namelist() == []
    nobody.store.close()


def test_the_table_has_everything_and_no_cell_is_a_formula(use_cases: ImportUseCases) -> None:
    text = b"".join(table_chunks(parts(use_cases))).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["kind"] for row in rows] == ["rating"] * 2 + ["watchlist"] * 2 + ["viewing"] * 3
    assert {row["title"][:2] for row in rows} == {"'="}
    assert [row["note"] for row in rows if row["favorite"] == "true"] == ["'=1+1"]
    assert rows[0]["review"] == 'Good,\n"really"'
    assert [row["watched_on"] for row in rows if row["kind"] == "viewing"] == ["", "2024-01-05", "2024-01-05"]


def test_each_column_of_the_table_has_its_name_and_value(use_cases: ImportUseCases) -> None:
    rating, *_, viewing = csv.DictReader(io.StringIO(b"".join(table_chunks(parts(use_cases))).decode()))
    assert rating == {
        "kind": "rating", "tmdb_id": "1", "imdb_id": "tt0000001", "title": "'=Film 1", "year": "",
        "rating": "8.5", "review": 'Good,\n"really"', "watched_on": "", "rewatch": "", "favorite": "",
        "note": "", "created_at": str(noon(2)), "updated_at": str(noon(3)),
    }  # fmt: skip
    assert (viewing["rewatch"], viewing["note"]) == ("false", "at home")


def test_the_zip_has_the_tables_that_letterboxd_imports(use_cases: ImportUseCases) -> None:
    packed = b"".join(zip_chunks(letterboxd_pieces(parts(use_cases))))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        tables = {
            name: list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            for name in archive.namelist()
        }
    assert {name: len(rows) for name, rows in tables.items()} == {
        "ratings.csv": 2,
        "watchlist.csv": 2,
        "diary.csv": 3,
    }
    film = ["tmdbID", "imdbID", "Title", "Year"]
    assert list(tables["watchlist.csv"][0]) == film
    for name in ("ratings.csv", "diary.csv"):
        assert list(tables[name][0]) == [*film, "Rating10", "WatchedDate", "Rewatch", "Review"]
    (good,) = [row for row in tables["ratings.csv"] if row["tmdbID"] == "1"]
    assert (good["Rating10"], good["imdbID"], good["Title"]) == ("9", "tt0000001", "=Film 1")
    assert [row["Rewatch"] for row in tables["diary.csv"]] == ["false", "true", "false"]
    back = use_cases.upload_and_match(packed, "letterboxd.zip")
    # Letterboxd keeps a viewing without a day, a table not; and it has no halves of ten.
    assert back.counts == {"unchanged": 5, "kept": 1, "no_place": 1}


def test_a_table_that_is_too_large_for_letterboxd_is_split(
    use_cases: ImportUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_files, "MAX_LETTERBOXD_BYTES", 130)
    monkeypatch.setattr(export_files, "CHUNK_BYTES", 10)
    packed = b"".join(zip_chunks(letterboxd_pieces(parts(use_cases))))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
        assert names[:3] == ["ratings.csv", "ratings-2.csv", "watchlist.csv"]
        assert all(archive.read(name).startswith(b"tmdbID,") for name in names)


def test_films_that_vanish_meanwhile_are_left_out(use_cases: ImportUseCases) -> None:
    nothing = [replace(part, movies={}) for part in parts(use_cases)]
    assert len(b"".join(table_chunks(nothing)).splitlines()) == 1
    assert list(letterboxd_pieces(nothing)) == []


def test_a_format_is_chosen_by_its_parameter() -> None:
    with serving_with_store(THE_MATRIX) as (client, _):
        neo = register_user(client)
        neo("PUT", "/movies/603/rating", {"rating": 9})
        table = neo("GET", "/me/export?format=csv")
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert table.headers["content-disposition"] == 'attachment; filename="matinee.csv"'
        assert table.text.splitlines()[1].startswith("rating,603,tt0133093,The Matrix,1999,9,")
        packed = neo("GET", "/me/export?format=letterboxd")
        assert packed.headers["content-type"] == "application/zip"
        assert zipfile.ZipFile(io.BytesIO(packed.content)).namelist() == ["ratings.csv"]
        assert neo("GET", "/me/export?format=xml").json()["details"][0]["field"] == "format"
