"""How movies, genres and runs become rows of the embedded store, and back."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import date, datetime

from adapters.sqlite.database import SORT_COLUMNS
from domain.browsing import sort_values
from domain.ids import GenreId, MovieId, RunId
from domain.movies import Genre, Movie, MovieFacts
from domain.ratings import Tally
from domain.search import Candidate, key
from domain.sync import Entity, Status, SyncRun

Cell = str | int | float | None

PLAIN_FACTS = (
    "tmdb_id", "imdb_id", "title", "original_title", "original_language", "overview", "poster_path",
    "backdrop_path", "runtime", "popularity", "vote_average", "vote_count",
)  # fmt: skip
"""Facts that a column holds as they are."""

RUN_COUNTS = (
    "pages_failed",
    "fetched",
    "inserted",
    "updated",
    "unchanged",
    "skipped",
    "duplicates",
    "requests",
)

CANDIDATE = "id, title, original_title, title_key, original_key, popularity"


def movie_row(movie: Movie) -> dict[str, Cell]:
    """All columns of a movie, its tally's among them."""
    facts = movie.facts
    sorts = sort_values(movie)
    return {
        **{name: getattr(facts, name) for name in PLAIN_FACTS},
        "id": movie.id,
        "adult": facts.adult,
        "detailed": facts.detailed,
        "genres": ",".join(facts.genres),
        "created_at": moment(movie.created_at),
        "updated_at": moment(movie.updated_at),
        "synced_at": moment(movie.synced_at),
        "removed_at": moment(movie.removed_at) if movie.removed_at else None,
        "listed": movie.listed,
        "title_key": key(facts.title),
        "original_key": key(facts.original_title),
        "tally": json.dumps(movie.tally.counts) if movie.tally.count else None,
        **{column: sorts[sort] for sort, column in SORT_COLUMNS.items()},
    }


def movie_of(row: sqlite3.Row) -> Movie:
    """The movie that a row holds."""
    facts = MovieFacts(
        **{name: row[name] for name in PLAIN_FACTS},
        release_date=date.fromisoformat(row["release_date"]) if row["release_date"] else None,
        adult=bool(row["adult"]),
        genres=tuple(GenreId(genre) for genre in row["genres"].split(",") if genre),
        detailed=bool(row["detailed"]),
    )
    return Movie(
        id=MovieId(row["id"]),
        facts=facts,
        tally=Tally(tuple(json.loads(row["tally"]))) if row["tally"] else Tally(),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        synced_at=datetime.fromisoformat(row["synced_at"]),
        removed_at=datetime.fromisoformat(row["removed_at"]) if row["removed_at"] else None,
    )


def candidate_of(row: sqlite3.Row) -> Candidate:
    """What ranking needs of a movie."""
    identifier, title, original, title_key, original_key, popularity = row
    return Candidate(MovieId(identifier), (title, original), (title_key, original_key), popularity)


def genre_row(genre: Genre) -> dict[str, Cell]:
    """All columns of a genre."""
    return {
        "id": genre.id,
        "tmdb_id": genre.tmdb_id,
        "name": genre.name,
        "created_at": moment(genre.created_at),
        "updated_at": moment(genre.updated_at),
    }


def genre_of(row: sqlite3.Row) -> Genre:
    """The genre that a row holds."""
    return Genre(
        id=GenreId(row["id"]),
        tmdb_id=row["tmdb_id"],
        name=row["name"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def run_row(run: SyncRun) -> dict[str, Cell]:
    """All columns of a run; totals and error are for people who read the table."""
    return {
        **{name: getattr(run, name) for name in RUN_COUNTS},
        "id": run.id,
        "entity": run.entity,
        "status": run.status,
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at) if run.finished_at else None,
        "pages_total": run.pages_total,
        "pages_done": run.pages_done,
        "error": run.error,
        "complete": run.complete,
        "last_page": run.last_page,
        "done": json.dumps(sorted(run.done)),
        "inherited": json.dumps(sorted(run.inherited)),
        "problems": json.dumps(run.problems),
    }


def run_of(row: sqlite3.Row) -> SyncRun:
    """The run that a row holds."""
    return SyncRun(
        **{name: row[name] for name in RUN_COUNTS},
        id=RunId(row["id"]),
        entity=Entity(row["entity"]),
        status=Status(row["status"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        finished_at=datetime.fromisoformat(row["finished_at"]) if row["finished_at"] else None,
        last_page=row["last_page"],
        done=frozenset(json.loads(row["done"])),
        inherited=frozenset(json.loads(row["inherited"])),
        problems=tuple(json.loads(row["problems"])),
    )


def moment(at: datetime) -> str:
    """A time as text that sorts by time."""
    return at.isoformat(timespec="milliseconds")


def insert(table: str, row: Mapping[str, Cell]) -> str:
    """An INSERT of named columns."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"
