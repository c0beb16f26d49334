"""Databases of earlier versions are migrated with all their data."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters import system
from adapters.sqlite.rows import (
    Cell,
    details_row,
    insert,
    item_row,
    moment,
    movie_row,
    rating_row,
    run_row,
    user_row,
)
from adapters.sqlite.schema import (
    MIGRATIONS,
    add_orders,
    add_translations,
    apply_migrations,
    index_rated_movies_only,
)
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.terms import add_people, term_entries
from adapters.testkit.movies import SORTINGS, expected, list_by_cursor, list_by_page
from adapters.testkit.samples import (
    distinct_facts,
    listed,
    new_account,
    new_item,
    new_rating,
    new_viewing,
    noon,
    random_facts,
    store_page,
)
from adapters.testkit.samples import facts as facts_of
from domain.browsing import MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import RunId, UserId, movie_id
from domain.languages import Language
from domain.movies import Movie
from domain.people import search_with_people
from domain.ratings import RatingOrder, Score, Tally
from domain.search import Query, search, sortable
from domain.sync import Entity, SourceName, SyncRun
from domain.users import LastAdmin, Role

ANN = UserId("a" * 24)


def earlier(path: Path, version: int) -> sqlite3.Connection:
    """An empty database with an earlier version of the schema."""
    connection = sqlite3.connect(path, isolation_level=None)
    apply_migrations(connection, MIGRATIONS[:version])
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


def run_row_of_version_2(run: SyncRun) -> dict[str, Cell]:
    """A run as versions before the sixth stored it."""
    return {
        name: value
        for name, value in run_row(run).items()
        if name not in ("source", "problems_dropped", "unread", "plan")
    }


@pytest.mark.parametrize("by", RatingOrder)
def test_ratings_and_runs_of_version_2_are_listed_in_every_order(tmp_path: Path, by: RatingOrder) -> None:
    ratings = [new_rating(ANN, movie_id(number), 1 + number % 5, 1 + number % 7) for number in range(1, 30)]
    runs = [
        SyncRun(
            id=RunId(f"{number:024x}"),
            entity=Entity.GENRES,
            started_at=noon(1 + number // 3),
            source=SourceName.DEMO,
        ).finished(noon(20))
        for number in range(9)
    ]
    with closing(earlier(tmp_path / "matinee.db", 2)) as connection:
        for table, row in (
            *(("ratings", rating_row(rating)) for rating in ratings),
            *(("synclogs", run_row_of_version_2(run)) for run in runs),
        ):
            connection.execute(insert(table, row), row)
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    assert store.inspect().missing == ()
    for descending in (True, False):
        ordered = sorted(ratings, key=lambda rating: rating.id)
        ordered.sort(key=lambda rating: rating.cursor(by).value, reverse=descending)  # type: ignore[arg-type,return-value]
        assert store.ratings.of_user(ANN, by, descending=descending, limit=50) == ordered
    assert store.runs.recent(20) == sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    store.close()


def test_the_last_active_admin_of_version_8_is_still_protected(tmp_path: Path) -> None:
    ann, bob = new_account("ann", role=Role.ADMIN), new_account("bob", role=Role.ADMIN, disabled=True)
    with closing(earlier(tmp_path / "matinee.db", 8)) as connection:
        for row in map(user_row, (ann, bob)):
            row["runs_the_place"] = row.pop("is_active_admin")
            del row["language"]
            connection.execute(insert("users", row), row)
        connection.execute("UPDATE counters SET value = 2 WHERE name = 'users'")
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    assert store.inspect().missing == ()
    assert {user.id: user for user in store.users.page(9)} == {ann.id: ann, bob.id: bob}
    with pytest.raises(LastAdmin):
        store.users.remove(ann.id)
    store.users.remove(bob.id)
    store.prepare()
    assert store.users.count() == 1
    store.close()


def test_lists_searches_and_locks_of_version_9_are_unchanged(tmp_path: Path) -> None:
    movies = [listed(Movie.from_facts(each, noon())) for each in random_facts(60)]
    ann, until = new_account("ann"), noon(9)
    items = [new_item(ann.id, movie.id, 1 + number % 5) for number, movie in enumerate(movies)]
    with closing(earlier(tmp_path / "matinee.db", 9)) as connection:
        for movie in movies:
            row = movie_row(movie)
            row["listed"] = row.pop("visible")
            del row["details_version"], row["other_titles"]
            connection.execute(insert("movies", row), row)
            if movie.visible:
                facts = movie.facts
                entries = term_entries(
                    facts.tmdb_id,
                    (facts.title, facts.original_title),
                    released=facts.release_date,
                    imdb_id=facts.imdb_id,
                    popularity=facts.popularity,
                )
                connection.executemany("INSERT INTO movie_terms VALUES (?, ?, ?)", entries)
        for item in items:
            connection.execute(insert("watchlists", item_row(item)), item_row(item))
        row = user_row(ann)
        del row["language"]
        connection.execute(insert("users", row), row)
        connection.execute("INSERT INTO locks VALUES ('sync:movies', 'me', ?)", (moment(until),))
        visible = sum(movie.visible for movie in movies)
        connection.execute("UPDATE counters SET value = ? WHERE name = 'listed'", (visible,))
        connection.execute("UPDATE counters SET value = 1 WHERE name = 'users'")
    store = SqliteStore(path=tmp_path / "matinee.db", clock=noon)
    store.prepare()
    assert (store.inspect().missing, store.inspect().damage) == ((), ())
    assert store.movies.count(MovieFilter()) == visible
    for sorting in SORTINGS:
        assert list_by_cursor(store, MovieFilter(), sorting) == expected(movies, MovieFilter(), sorting)
    for movie in movies:
        found = {match.id for match in search(Query(movie.facts.title), store.movies.find)}
        assert (movie.id in found) is movie.visible
    assert store.locks.acquire("sync:movies", "you", timedelta(minutes=1)) == until
    assert store.users.page(9) == [ann]
    newest_first = sorted(items, key=lambda item: item.id)
    newest_first.sort(key=lambda item: item.added_at, reverse=True)
    assert store.watchlists.of_user(ann.id, favorite=None, limit=99) == newest_first
    viewing = new_viewing(ann.id, movies[0].id, noon().date())
    store.viewings.add(viewing)
    assert store.viewings.of_user(ann.id, limit=9) == [viewing]
    assert store.recommendations.rule() == 0
    store.recommendations.hide(ann.id, movies[0].id, noon())
    assert store.recommendations.is_hidden(ann.id, movies[0].id)
    store_page(store, facts_of(999, adult=True), day=2)
    assert store.movies.count(MovieFilter()) == visible
    store.close()


def test_movies_of_version_10_are_complete_once_their_details_are_read_again(tmp_path: Path) -> None:
    movies = [listed(Movie.from_facts(distinct_facts(number, 2), noon())) for number in (1, 2)]
    with closing(earlier(tmp_path / "matinee.db", 10)) as connection:
        for movie in movies:
            row = movie_row(movie)
            del row["details_version"], row["other_titles"]
            connection.execute(insert("movies", row), row)
    store = SqliteStore(path=tmp_path / "matinee.db", clock=noon)
    store.prepare()
    assert store.inspect().missing == ()
    before = replace(movies[0].facts, details_version=None)
    assert store.movies.get(movie_id(1)).facts == before
    assert store.movies.incomplete("1", 9) == [1, 2]

    store_page(store, distinct_facts(1, 2), day=2)

    assert store.movies.get(movie_id(1)).facts == distinct_facts(1, 2)
    assert store.movies.incomplete("1", 9) == [2]
    assert store.movies.clear_texts(noon(3), noon(9), 9) == 2
    store.close()


def test_movies_of_version_11_are_translated_once_their_details_are_read_again(tmp_path: Path) -> None:
    movie = Movie.from_facts(replace(distinct_facts(1, 2), translations=()), noon())
    with closing(earlier(tmp_path / "matinee.db", MIGRATIONS.index(add_translations))) as connection:
        row, details = movie_row(movie), details_row(movie)
        del row["other_titles"], details["translations"], details["people"]
        connection.execute(insert("movies", row), row)
        connection.execute(insert("movie_details", details), details)
    store = SqliteStore(path=tmp_path / "matinee.db", clock=noon)
    store.prepare()
    assert store.movies.get(movie.id) == movie
    german = Language("de-DE")
    assert store.movies.translations([movie.id], german) == {}

    store_page(store, distinct_facts(1, 2), day=2)

    assert store.movies.get(movie.id).facts == distinct_facts(1, 2)
    assert store.movies.translations([movie.id], german)[movie.id].title == "Titel 2"
    assert [match.id for match in search(Query("titel 2"), store.movies.find)] == [movie.id]
    store.close()


def test_people_of_version_13_are_found(tmp_path: Path) -> None:
    path = tmp_path / "matinee.db"
    known = replace(distinct_facts(1, 2), title="Ran", directors=("Akira Kurosawa",), popularity=None)
    movies = [Movie.from_facts(each, noon()) for each in (known, replace(known, tmdb_id=2, adult=True))]
    with closing(earlier(path, MIGRATIONS.index(add_people))) as connection:
        for movie in movies:
            details = details_row(movie)
            del details["people"]
            for table, row in (("movies", movie_row(movie)), ("movie_details", details)):
                connection.execute(insert(table, row), row)
    store = SqliteStore(path=path, clock=noon)
    store.prepare()

    def found(text: str) -> list[int]:
        matches = search_with_people(Query(text), store.movies.find, store.movies.find_people)
        return [movie.facts.tmdb_id for movie in store.movies.by_ids([match.id for match in matches])]

    assert found("kurosawa") == found("cy 2") == [1]
    store_page(store, replace(known, directors=(), cast=()), day=2)
    assert found("kurosawa") == []
    store.close()


def migrated(path: Path, movies: list[Movie]) -> SqliteStore:
    """A store of an earlier version after its migration, whose lists have these movies in every order."""
    store = SqliteStore(path=path, clock=noon)
    store.prepare()
    assert (store.inspect().missing, store.inspect().damage) == ((), ())
    for sorting in SORTINGS:
        ordered = expected(list(map(listed, movies)), MovieFilter(), sorting)
        assert list_by_cursor(store, MovieFilter(), sorting) == ordered
        assert list_by_page(store, MovieFilter(), sorting) == ordered
    return store


def test_lists_of_the_version_before_have_the_new_orders_and_no_articles(tmp_path: Path) -> None:
    titles = ("The Zoo", "Ant", "Die Hard", "A Bee")
    movies = [
        Movie.from_facts(replace(each, title=title, original_title=title, original_language="en"), noon())
        for each, title in zip(random_facts(len(titles)), titles, strict=True)
    ]
    with closing(earlier(tmp_path / "matinee.db", MIGRATIONS.index(add_orders))) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(movies)")}
        for movie in movies:
            row = {name: cell for name, cell in movie_row(movie).items() if name in columns}
            row["sort_title"] = sortable(movie.facts.title)
            connection.execute(insert("movies", row), row)
        connection.execute("UPDATE counters SET value = ? WHERE name = 'visible_movies'", (len(movies),))
    store = migrated(tmp_path / "matinee.db", movies)
    by_title = list_by_cursor(store, MovieFilter(), Sorting(SortBy.TITLE, SortOrder.ASC))
    assert [movie.facts.title for movie in by_title] == ["Ant", "A Bee", "Die Hard", "The Zoo"]
    store.close()


def test_rated_and_unrated_movies_of_an_earlier_version_are_listed_by_ratings(tmp_path: Path) -> None:
    movies = [Movie.from_facts(each, noon()) for each in random_facts(60)]
    rated = {movie.id: Tally.of([Score.of(1 + place % 9)]) for place, movie in enumerate(movies[::3])}
    movies = [replace(movie, tally=rated.get(movie.id, movie.tally)) for movie in movies]
    with closing(earlier(tmp_path / "matinee.db", MIGRATIONS.index(index_rated_movies_only))) as connection:
        for movie in movies:
            row = movie_row(movie)
            connection.execute(insert("movies", row), row)
        visible = sum(movie.visible for movie in movies)
        connection.execute("UPDATE counters SET value = ? WHERE name = 'visible_movies'", (visible,))
    migrated(tmp_path / "matinee.db", movies).close()
