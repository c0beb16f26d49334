"""What goes out over the wire of the catalogue and its syncs, and the one conversion of each thing."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from domain.ids import GenreId
from domain.movies import Genre, Movie
from domain.sync import Entity, Status, SyncRun

DataT = TypeVar("DataT")

Id = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", examples=["8e7b1c04d9b44b6f9a2d3c51"])]
Moment = Annotated[
    str, Meta(examples=["2026-01-05T10:00:00.000Z"], extra_json_schema={"format": "date-time"})
]


class GenreOut(msgspec.Struct, frozen=True, kw_only=True):
    """A genre."""

    id: Id
    tmdb_id: Annotated[int, Meta(description="TMDB's number.", examples=[878])]
    name: Annotated[str, Meta(examples=["Science Fiction"])]


class MovieOut(msgspec.Struct, frozen=True, kw_only=True):
    """A movie. Unknown is null; `popularity` and `vote_*` are TMDB's, ratings are our users' own."""

    id: Id
    tmdb_id: Annotated[int, Meta(description="TMDB's number.", examples=[603])]
    imdb_id: Annotated[str, Meta(examples=["tt0133093"])] | None
    title: Annotated[str, Meta(examples=["The Matrix"])]
    original_title: Annotated[str, Meta(examples=["The Matrix"])]
    original_language: Annotated[str, Meta(description="ISO 639-1.", examples=["en"])] | None
    overview: str | None
    poster_path: Annotated[str, Meta(examples=["/f89U3ADr1oiB1s9GkdPOEpXUk5H.jpg"])] | None
    backdrop_path: str | None
    poster_url: Annotated[str, Meta(description="The poster, 500 pixels wide.")] | None
    release_date: date | None
    runtime: Annotated[int, Meta(description="Minutes.", examples=[136])] | None
    popularity: float | None
    vote_average: float | None
    vote_count: int | None
    adult: bool
    genres: list[GenreOut]
    average_rating: Annotated[float, Meta(ge=1, le=10, description="Null until someone rates.")] | None
    ratings_count: Annotated[int, Meta(ge=0)]
    weighted_rating: (
        Annotated[float, Meta(description="Few ratings count for less. Null until someone rates.")] | None
    )
    created_at: Moment
    updated_at: Annotated[Moment, Meta(description="When a fact last changed.")]
    synced_at: Annotated[Moment, Meta(description="When TMDB last spoke of it.")]


class MovieDetailOut(MovieOut, frozen=True, kw_only=True):
    """A movie with what our users make of it."""

    ratings_distribution: Annotated[
        dict[str, int],
        Meta(description="How many users gave each score from 1 to 10.", examples=[{"1": 0, "8.5": 2}]),
    ]


class MetaOut(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a list a page stands."""

    total: Annotated[int, Meta(description="How many there are in all.", ge=0)]
    page: Annotated[int, Meta(description="Null when the page was asked for by cursor.", ge=1)] | None
    limit: Annotated[int, Meta(ge=1, le=100)]
    total_pages: Annotated[int, Meta(ge=0)]
    has_next_page: bool
    has_prev_page: bool
    next_cursor: Annotated[str, Meta(description="Pass it as `cursor` for what follows.")] | None


class PageOut(msgspec.Struct, Generic[DataT], frozen=True, kw_only=True):
    """A page of a list."""

    data: list[DataT]
    meta: MetaOut


class StartedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A sync that waits for a worker."""

    run_id: Annotated[Id, Meta(description="What `GET /admin/sync/runs/{id}` knows it by.")]


class RunOut(msgspec.Struct, frozen=True, kw_only=True):
    """A sync run. While it is in progress its counts grow; afterwards it never changes."""

    id: Id
    entity: Entity
    status: Status
    started_at: Annotated[Moment, Meta(description="When it began, or was queued.")]
    finished_at: Moment | None
    pages_total: Annotated[int, Meta(description="Pages it has to read; 0 until that is known.", ge=0)]
    pages_done: Annotated[int, Meta(description="Pages it has stored.", ge=0)]
    pages_failed: Annotated[int, Meta(description="Pages it could not read.", ge=0)]
    fetched: Annotated[int, Meta(description="Rows read: the sum of what became of them.", ge=0)]
    inserted: Annotated[int, Meta(ge=0)]
    updated: Annotated[int, Meta(ge=0)]
    unchanged: Annotated[int, Meta(ge=0)]
    skipped: Annotated[int, Meta(description="Rows that could not be read; `error` names them.", ge=0)]
    duplicates: Annotated[int, Meta(description="Rows that a page before had shown.", ge=0)]
    requests: Annotated[int, Meta(description="Requests sent to TMDB, tries included.", ge=0)]
    error: Annotated[str, Meta(description="What went wrong.")] | None


def genre_out(genre: Genre) -> GenreOut:
    """A genre as clients see it."""
    return GenreOut(id=genre.id, tmdb_id=genre.tmdb_id, name=genre.name)


def movie_out(movie: Movie, genres: Mapping[GenreId, Genre]) -> MovieOut:
    """A movie as lists show it; genres that we do not hold yet are left out."""
    facts, tally = movie.facts, movie.tally
    return MovieOut(
        id=movie.id,
        tmdb_id=facts.tmdb_id,
        imdb_id=facts.imdb_id,
        title=facts.title,
        original_title=facts.original_title,
        original_language=facts.original_language,
        overview=facts.overview,
        poster_path=facts.poster_path,
        backdrop_path=facts.backdrop_path,
        poster_url=movie.poster_url,
        release_date=facts.release_date,
        runtime=facts.runtime,
        popularity=facts.popularity,
        vote_average=facts.vote_average,
        vote_count=facts.vote_count,
        adult=facts.adult,
        genres=[genre_out(genres[each]) for each in facts.genres if each in genres],
        average_rating=tally.average,
        ratings_count=tally.count,
        weighted_rating=tally.weighted,
        created_at=moment(movie.created_at),
        updated_at=moment(movie.updated_at),
        synced_at=moment(movie.synced_at),
    )


def movie_detail_out(movie: Movie, genres: Mapping[GenreId, Genre]) -> MovieDetailOut:
    """A movie as its own page shows it."""
    return MovieDetailOut(
        **msgspec.structs.asdict(movie_out(movie, genres)),
        ratings_distribution=movie.tally.distribution,
    )


def run_out(run: SyncRun) -> RunOut:
    """A sync run as admins see it."""
    return RunOut(
        id=run.id,
        entity=run.entity,
        status=run.status,
        started_at=moment(run.started_at),
        finished_at=moment(run.finished_at) if run.finished_at else None,
        pages_total=run.pages_total,
        pages_done=run.pages_done,
        pages_failed=run.pages_failed,
        fetched=run.fetched,
        inserted=run.inserted,
        updated=run.updated,
        unchanged=run.unchanged,
        skipped=run.skipped,
        duplicates=run.duplicates,
        requests=run.requests,
        error=run.error,
    )


def moment(at: datetime) -> str:
    """A time as RFC 3339 has it: UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
