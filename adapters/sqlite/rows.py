"""Conversion of the domain's objects to rows of the embedded store, and back."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from adapters.sqlite.schema import SORT_COLUMNS
from domain.browsing import sort_values
from domain.ids import GenreId, ItemId, MovieId, RatingId, RunId, SessionId, UserId, ViewingId
from domain.languages import Language, Translation
from domain.movies import FACTS, LARGE_FACTS, CastMember, Genre, Movie, MovieFacts
from domain.people import name_keys
from domain.ratings import Rating, Score, Tally
from domain.search import Candidate, key
from domain.sessions import RefreshToken, Session
from domain.sync import Entity, SourceName, Status, SyncRun
from domain.users import PageLanguage, Role, User
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem

Cell = str | int | float | None

Conversion = tuple[Callable[[Any], Cell], Callable[[Any], Any]]
"""Functions that convert a value to that of its column, and back."""


def _json(values: Sequence[object] | Mapping[str, object]) -> str | None:
    """A list or an object as JSON; None for an empty one."""
    return json.dumps(values, ensure_ascii=False) if values else None


def quoted(column: str) -> str:
    """The name of a column that may be a word of SQL, such as `cast`."""
    return f'"{column}"'


CONVERSIONS: Mapping[object, Conversion] = {
    bool: (int, bool),
    date | None: (
        lambda day: day.isoformat() if day else None,
        lambda text: date.fromisoformat(text) if text else None,
    ),
    tuple[GenreId, ...]: (",".join, lambda text: tuple(map(GenreId, filter(None, text.split(","))))),
    tuple[str, ...]: (_json, lambda text: tuple(json.loads(text or "[]"))),
    tuple[int, ...]: (_json, lambda text: tuple(json.loads(text or "[]"))),
    tuple[CastMember, ...]: (
        lambda members: _json([(each.name, each.character) for each in members]),
        lambda text: tuple(CastMember(*each) for each in json.loads(text or "[]")),
    ),
    tuple[Translation, ...]: (
        lambda found: _json({each.language: (each.title, each.overview) for each in found}),
        lambda text: tuple(
            Translation(language=Language(language), title=title, overview=overview)
            for language, (title, overview) in json.loads(text or "{}").items()
        ),
    ),
}
"""The conversion for each type of a fact. Values of other types are stored unchanged."""

STORED_FACTS = [each for each in fields(MovieFacts) if each.name in {*FACTS, "detailed", "details_version"}]

FACT_COLUMNS = {each.name: each.type for each in STORED_FACTS if each.name not in LARGE_FACTS}
"""The type of each fact, by the name of its column in `movies`, which is that of the fact."""

LARGE_COLUMNS = {each.name: each.type for each in STORED_FACTS if each.name in LARGE_FACTS}
"""The type of each large fact, by the name of its column in `movie_details`. Unknown ones are NULL."""

PLAIN_COLUMNS = tuple(name for name, kind in FACT_COLUMNS.items() if kind not in CONVERSIONS)
CONVERTED_COLUMNS = {name: CONVERSIONS[kind] for name, kind in FACT_COLUMNS.items() if kind in CONVERSIONS}

FACT_READERS = tuple((name, from_cell) for name, (_, from_cell) in CONVERTED_COLUMNS.items())

MOVIE_FACTS = (*PLAIN_COLUMNS, *CONVERTED_COLUMNS)
MOVIE_COLUMNS = (*MOVIE_FACTS, "id", "tally", "created_at", "updated_at", "synced_at", "removed_at")
MOVIE = ", ".join(MOVIE_COLUMNS)
"""The columns of `movie_of`. They are read by position: by name costs twice as much."""

FRACTIONS = frozenset(name for name, kind in FACT_COLUMNS.items() if kind in {float, float | None})
"""The columns that hold numbers with a fraction."""

WHOLE_MOVIE = f"{', '.join(map(quoted, LARGE_COLUMNS))}, {MOVIE}"
"""The columns of `whole_movie_of`, from WHOLE_MOVIES."""

WHOLE_MOVIES = "movies LEFT JOIN movie_details ON movie = tmdb_id"

RUN_COUNTS = (
    "pages_failed",
    "inserted",
    "updated",
    "unchanged",
    "skipped",
    "duplicates",
    "requests",
    "problems_dropped",
)

GENRE_COLUMNS = ("id", "tmdb_id", "name", "created_at", "updated_at")
GENRE = ", ".join(GENRE_COLUMNS)
"""The columns of `genre_of`."""

CANDIDATE_COLUMNS = ("id", "title", "original", "title_key", "key_of_original", "other_titles", "digits")
CANDIDATE = (
    "id, title, NULLIF(original_title, title) AS original, title_key,"
    " iif(original_title = title, NULL, original_key) AS key_of_original, other_titles,"
    " iif(popularity IS NULL, NULL, printf('%!.17g', popularity)) AS digits"
)
"""The columns of a search candidate. Most movies have their original title, which is not read twice. The
popularity comes as its digits (see `_exact`), because JSON would be written and parsed twice for a number.
"""

PEOPLE_COLUMNS = ("people", *CANDIDATE_COLUMNS)
PEOPLE = "(SELECT people FROM movie_details WHERE movie_details.movie = tmdb_id) AS people"
PEOPLE_CANDIDATE = f"{PEOPLE}, {CANDIDATE}"
"""The same with the keys of its people."""


KEPT_MOVIES = 1000
"""The movies that are kept for the case that their rows are read again: some five megabytes."""

ROW_SEPARATOR = ",\n"
"""What stands between two rows, and never within one: JSON has an escape for a line break."""


def read_at_once(
    connection: sqlite3.Connection, columns: Iterable[str], statement: str, values: Sequence[Cell]
) -> list[list[Any]]:
    """The rows of a query with these columns, in its order, read in one step."""
    rows: list[list[Any]] = json.loads(f"[{_joined(connection, columns, statement, values)}]")
    return rows


def movies_at_once(connection: sqlite3.Connection, statement: str, values: Sequence[Cell]) -> Iterable[Movie]:
    """The movies of a query with the columns of MOVIE, in its order, read in one step."""
    text = _joined(connection, MOVIE_COLUMNS, statement, values)
    return map(_movie_of_json, text.split(ROW_SEPARATOR)) if text else ()


def _joined(
    connection: sqlite3.Connection, columns: Iterable[str], statement: str, values: Sequence[Cell]
) -> str:
    """The rows of a query as JSON.

    sqlite3 releases the interpreter's lock at every row. Where other threads want the lock, waiting for it
    again costs more than the row, so the rows of lists and searches are joined.
    """
    cells = ", ".join(_exact(name) if name in FRACTIONS else quoted(name) for name in columns)
    joined = f"SELECT group_concat(json_array({cells}), '{ROW_SEPARATOR}') FROM ({statement})"
    cursor = connection.cursor()
    cursor.row_factory = None
    (text,) = cursor.execute(joined, values).fetchone()
    return text or ""


@lru_cache(maxsize=KEPT_MOVIES)
def _movie_of_json(row: str) -> Movie:
    """The movie in a row of MOVIE. Most lists show movies that others have shown, and the whole row is the
    key, so that a movie is never older than its row.
    """
    return movie_of(json.loads(row))


def _exact(column: str) -> str:
    """A number with all its digits, of which SQLite's own conversion to JSON keeps fifteen."""
    return f"iif({column} IS NULL, NULL, json(printf('%!.17g', {column})))"


NO_RATINGS = Tally()
NO_LARGE_FACTS: Mapping[str, Any] = {}


def movie_row(movie: Movie) -> dict[str, Cell]:
    """All columns of a movie, those of its tally included."""
    facts = movie.facts
    sorts = sort_values(movie)
    return {
        **{name: getattr(facts, name) for name in PLAIN_COLUMNS},
        **{name: to_cell(getattr(facts, name)) for name, (to_cell, _) in CONVERTED_COLUMNS.items()},
        "id": movie.id,
        "created_at": moment(movie.created_at),
        "updated_at": moment(movie.updated_at),
        "synced_at": moment(movie.synced_at),
        "removed_at": moment(movie.removed_at) if movie.removed_at else None,
        "visible": movie.visible,
        "title_key": key(facts.title),
        "original_key": key(facts.original_title),
        "other_titles": _json([(title, key(title)) for title in facts.other_titles]),
        **{column: sorts[sort] for sort, column in SORT_COLUMNS.items()},
        **tally_row(movie.tally),
    }


def details_row(movie: Movie) -> dict[str, Cell]:
    """All columns of a movie's row in `movie_details`: the large facts, and the keys of its people."""
    values = {name: getattr(movie.facts, name) for name in LARGE_COLUMNS}
    return (
        {"movie": movie.facts.tmdb_id}
        | {
            name: CONVERSIONS[kind][0](values[name]) if kind in CONVERSIONS else values[name]
            for name, kind in LARGE_COLUMNS.items()
        }
        | {"people": people_cell(movie.facts.people)}
    )


def people_cell(names: Sequence[str]) -> str | None:
    """The keys of names, one a line; None if there are none."""
    return "\n".join(name_keys(names)) or None


def tally_row(tally: Tally) -> dict[str, Cell]:
    """The columns of a movie that depend on users' ratings; `tally` is NULL if there are none."""
    return {
        "tally": json.dumps(tally.counts) if any(tally.counts) else None,
        "ratings_count": tally.count,
        "average_rating": tally.average,
        "weighted_rating": tally.weighted,
    }


def tally_of(text: str | None) -> Tally:
    """The tally in a movie's column `tally`."""
    return Tally(tuple(json.loads(text))) if text else NO_RATINGS


def whole_movie_of(row: Sequence[Any]) -> Movie:
    """The movie in the columns of WHOLE_MOVIE, with all its facts."""
    large = dict(zip(LARGE_COLUMNS, row, strict=False))
    for name, kind in LARGE_COLUMNS.items():
        if kind in CONVERSIONS:
            large[name] = CONVERSIONS[kind][1](large[name])
    return movie_of(row[len(LARGE_COLUMNS) :], large)


def movie_of(row: Sequence[Any], large: Mapping[str, Any] = NO_LARGE_FACTS) -> Movie:
    """The movie in the columns of MOVIE, without large facts, unless these are given."""
    *cells, identifier, tally, created_at, updated_at, synced_at, removed_at = row
    facts = dict(zip(MOVIE_FACTS, cells, strict=True))
    for name, from_cell in FACT_READERS:
        facts[name] = from_cell(facts[name])
    return Movie(
        id=MovieId(identifier),
        facts=MovieFacts(**facts, **large),
        tally=tally_of(tally),
        created_at=datetime.fromisoformat(created_at),
        updated_at=datetime.fromisoformat(updated_at),
        synced_at=datetime.fromisoformat(synced_at),
        removed_at=datetime.fromisoformat(removed_at) if removed_at else None,
    )


def candidate_of(row: Sequence[Any]) -> Candidate:
    """A candidate for ranking, from the columns of CANDIDATE."""
    identifier, title, original, title_key, original_key, others, digits = row
    titles, keys = (
        ((title,), (title_key,)) if original is None else ((title, original), (title_key, original_key))
    )
    if others is not None:
        other_titles, other_keys = zip(*json.loads(others), strict=True)
        titles, keys = titles + other_titles, keys + other_keys
    popularity = None if digits is None else float(digits)
    return Candidate(MovieId(identifier), titles, keys, popularity)


def people_candidate_of(row: Sequence[Any]) -> Candidate:
    """A candidate with the keys of its people, from the columns of PEOPLE_CANDIDATE."""
    people, *candidate = row
    return candidate_of(candidate)._replace(people=tuple(people.split("\n")) if people else ())


def genre_row(genre: Genre) -> dict[str, Cell]:
    """All columns of a genre."""
    return {
        "id": genre.id,
        "tmdb_id": genre.tmdb_id,
        "name": genre.name,
        "created_at": moment(genre.created_at),
        "updated_at": moment(genre.updated_at),
    }


def genre_of(row: Sequence[Any]) -> Genre:
    """The genre in the columns of GENRE."""
    identifier, tmdb_id, name, created_at, updated_at = row
    return Genre(
        id=GenreId(identifier),
        tmdb_id=tmdb_id,
        name=name,
        created_at=datetime.fromisoformat(created_at),
        updated_at=datetime.fromisoformat(updated_at),
    )


def run_row(run: SyncRun) -> dict[str, Cell]:
    """All columns of a run. Totals and error are derived, and stored for people who read the table."""
    return {
        **{name: getattr(run, name) for name in RUN_COUNTS},
        "id": run.id,
        "entity": run.entity,
        "status": run.status,
        "source": run.source,
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at) if run.finished_at else None,
        "pages_total": run.pages_total,
        "pages_done": run.pages_done,
        "fetched": run.fetched,
        "error": run.error,
        "complete": run.complete,
        "last_page": run.last_page,
        "done": json.dumps(sorted(run.done)),
        "inherited": json.dumps(sorted(run.inherited)),
        "unread": json.dumps(sorted(run.unread)),
        "problems": json.dumps(run.problems),
        "plan": run.plan,
    }


def run_of(row: sqlite3.Row) -> SyncRun:
    """The run in a row of `synclogs`."""
    return SyncRun(
        **{name: row[name] for name in RUN_COUNTS},
        id=RunId(row["id"]),
        entity=Entity(row["entity"]),
        status=Status(row["status"]),
        source=SourceName(row["source"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        finished_at=datetime.fromisoformat(row["finished_at"]) if row["finished_at"] else None,
        last_page=row["last_page"],
        done=frozenset(json.loads(row["done"])),
        inherited=frozenset(json.loads(row["inherited"])),
        unread=frozenset(json.loads(row["unread"])),
        problems=tuple(json.loads(row["problems"])),
        plan=row["plan"],
    )


def user_row(user: User) -> dict[str, Cell]:
    """All columns of an account."""
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "folded_username": user.folded_username,
        "folded_email": user.folded_email,
        "password_hash": user.password_hash,
        "role": user.role,
        "disabled": user.disabled,
        "is_active_admin": user.is_active_admin,
        "language": user.language,
        "created_at": moment(user.created_at),
        "updated_at": moment(user.updated_at),
    }


def user_of(row: sqlite3.Row) -> User:
    """The account in a row of `users`."""
    return User(
        id=UserId(row["id"]),
        username=row["username"],
        email=row["email"],
        password_hash=row["password_hash"],
        role=Role(row["role"]),
        disabled=bool(row["disabled"]),
        language=PageLanguage(row["language"]) if row["language"] else None,
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def session_row(session: Session) -> dict[str, Cell]:
    """All columns of a session."""
    tokens = [
        (each.hash, moment(each.expires_at), moment(each.used_at) if each.used_at else None)
        for each in session.tokens
    ]
    return {
        "id": session.id,
        "user": session.user,
        "tokens": json.dumps(tokens),
        "created_at": moment(session.created_at),
        "expires_at": moment(session.expires_at),
        "client": session.client,
    }


def session_of(row: sqlite3.Row) -> Session:
    """The session in a row of `sessions`."""
    tokens = tuple(
        RefreshToken(
            hash=token,
            expires_at=datetime.fromisoformat(expires_at),
            used_at=datetime.fromisoformat(used_at) if used_at else None,
        )
        for token, expires_at, used_at in json.loads(row["tokens"])
    )
    return Session(
        id=SessionId(row["id"]),
        user=UserId(row["user"]),
        tokens=tokens,
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=datetime.fromisoformat(row["expires_at"]),
        client=row["client"],
    )


def rating_row(rating: Rating) -> dict[str, Cell]:
    """All columns of a rating."""
    return {
        "id": rating.id,
        "user": rating.user,
        "movie": rating.movie,
        "half_points": rating.score.half_points,
        "review": rating.review,
        "created_at": moment(rating.created_at),
        "updated_at": moment(rating.updated_at),
    }


def rating_of(row: sqlite3.Row) -> Rating:
    """The rating in a row of `ratings`."""
    return Rating(
        id=RatingId(row["id"]),
        user=UserId(row["user"]),
        movie=MovieId(row["movie"]),
        score=Score(row["half_points"]),
        review=row["review"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def item_row(item: WatchlistItem) -> dict[str, Cell]:
    """All columns of a watchlist item."""
    return {
        "id": item.id,
        "user": item.user,
        "movie": item.movie,
        "is_favorite": item.is_favorite,
        "note": item.note,
        "added_at": moment(item.added_at),
        "updated_at": moment(item.updated_at),
    }


def item_of(row: sqlite3.Row) -> WatchlistItem:
    """The watchlist item in a row of `watchlists`."""
    return WatchlistItem(
        id=ItemId(row["id"]),
        user=UserId(row["user"]),
        movie=MovieId(row["movie"]),
        is_favorite=bool(row["is_favorite"]),
        note=row["note"],
        added_at=datetime.fromisoformat(row["added_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def viewing_row(viewing: Viewing) -> dict[str, Cell]:
    """All columns of a viewing."""
    return {
        "id": viewing.id,
        "user": viewing.user,
        "movie": viewing.movie,
        "watched_on": viewing.watched_on.isoformat() if viewing.watched_on else None,
        "rewatch": viewing.rewatch,
        "note": viewing.note,
        "created_at": moment(viewing.created_at),
        "updated_at": moment(viewing.updated_at),
        "position": viewing.position,
    }


def viewing_of(row: sqlite3.Row) -> Viewing:
    """The viewing in a row of `viewings`."""
    return Viewing(
        id=ViewingId(row["id"]),
        user=UserId(row["user"]),
        movie=MovieId(row["movie"]),
        watched_on=date.fromisoformat(row["watched_on"]) if row["watched_on"] else None,
        rewatch=bool(row["rewatch"]),
        note=row["note"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def moment(at: datetime) -> str:
    """A time as ISO 8601 text with milliseconds; all are UTC, so texts sort as times do."""
    return at.isoformat(timespec="milliseconds")


def insert(table: str, row: Mapping[str, Cell]) -> str:
    """An INSERT statement with a named placeholder for each column."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"


def update(table: str, row: Mapping[str, Cell]) -> str:
    """An UPDATE statement for the row with the id `:id`, with a named placeholder for each column."""
    return (
        f"UPDATE {table} SET {', '.join(f'{name} = :{name}' for name in row if name != 'id')} WHERE id = :id"
    )
