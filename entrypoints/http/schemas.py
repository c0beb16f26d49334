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

Id = Annotated[
    str,
    Meta(
        description="24 hexadecimal digits.", pattern="^[0-9a-f]{24}$", examples=["8e7b1c04d9b44b6f9a2d3c51"]
    ),
]
Moment = Annotated[
    str,
    Meta(
        description="UTC, with milliseconds.",
        examples=["2026-01-05T10:00:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
TmdbId = Annotated[int, Meta(description="The number that TMDB knows it by.", ge=1, examples=[603])]
PosterPath = Annotated[
    str,
    Meta(
        description="Path of the poster at TMDB's image host.", examples=["/f89U3ADr1oiB1s9GkdPOEpXUk5H.jpg"]
    ),
]
ReleaseDate = Annotated[date, Meta(description="Day of the first release.", examples=["1999-03-30"])]
Average = Annotated[
    float,
    Meta(
        ge=1, le=10, description="Mean score of our users, one decimal. Null if nobody rated.", examples=[8.4]
    ),
]
Weighted = Annotated[
    float,
    Meta(
        ge=1,
        le=10,
        description="Bayesian mean score: near 6.5 while there are few ratings. Null if nobody rated.",
        examples=[7.31],
    ),
]
RatingsCount = Annotated[int, Meta(ge=0, description="How many of our users rated it.", examples=[12])]
Distribution = Annotated[
    dict[str, int],
    Meta(
        description="How many users gave each score; one entry for each of the 19 scores from 1 to 10.",
        examples=[{"1": 0, "8.5": 2}],
    ),
]


class GenreOut(msgspec.Struct, frozen=True, kw_only=True):
    """A genre."""

    id: Id
    tmdb_id: Annotated[int, Meta(description="The number that TMDB knows it by.", ge=1, examples=[878])]
    name: Annotated[str, Meta(description="In the language of the catalogue.", examples=["Science Fiction"])]


class MovieOut(msgspec.Struct, frozen=True, kw_only=True):
    """A movie. What is not known is null. `popularity` and `vote_*` are from TMDB, ratings from our users."""

    id: Id
    tmdb_id: TmdbId
    imdb_id: Annotated[str, Meta(description="The id at IMDb.", examples=["tt0133093"])] | None
    title: Annotated[str, Meta(description="In the language of the catalogue.", examples=["The Matrix"])]
    original_title: Annotated[str, Meta(description="In the original language.", examples=["The Matrix"])]
    original_language: Annotated[str, Meta(description="ISO 639-1 code.", examples=["en"])] | None
    overview: (
        Annotated[str, Meta(description="A summary of the plot.", examples=["A hacker learns the truth."])]
        | None
    )
    poster_path: PosterPath | None
    backdrop_path: (
        Annotated[
            str,
            Meta(
                description="Path of the backdrop at TMDB's image host.",
                examples=["/fNG7i7RqMErkcqhohV2a6cV1Ehy.jpg"],
            ),
        ]
        | None
    )
    poster_url: (
        Annotated[
            str,
            Meta(
                description="Address of the poster, 500 pixels wide.",
                examples=["https://image.tmdb.org/t/p/w500/f89U3ADr1oiB1s9GkdPOEpXUk5H.jpg"],
                extra_json_schema={"format": "uri"},
            ),
        ]
        | None
    )
    release_date: ReleaseDate | None
    runtime: Annotated[int, Meta(description="Minutes.", ge=1, examples=[136])] | None
    popularity: Annotated[float, Meta(description="TMDB's popularity.", ge=0, examples=[98.4])] | None
    vote_average: Annotated[float, Meta(description="Mean vote at TMDB.", ge=0, le=10, examples=[8.2])] | None
    vote_count: Annotated[int, Meta(description="Number of votes at TMDB.", ge=0, examples=[25000])] | None
    adult: Annotated[bool, Meta(description="Whether TMDB marks it as adult.", examples=[False])]
    genres: Annotated[list[GenreOut], Meta(description="In TMDB's order.")]
    average_rating: Average | None
    ratings_count: RatingsCount
    weighted_rating: Weighted | None
    created_at: Annotated[Moment, Meta(description="When it was first stored.")]
    updated_at: Annotated[Moment, Meta(description="When its data last changed.")]
    synced_at: Annotated[Moment, Meta(description="When it was last read from TMDB.")]


class MovieDetailOut(MovieOut, frozen=True, kw_only=True):
    """A movie with the distribution of its ratings."""

    ratings_distribution: Distribution


class MetaOut(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a list a page stands."""

    total: Annotated[int, Meta(description="Number of items on all pages.", ge=0, examples=[260])]
    page: (
        Annotated[int, Meta(description="Number of this page. Null with a cursor.", ge=1, examples=[1])]
        | None
    )
    limit: Annotated[int, Meta(description="Most items on a page.", ge=1, le=100, examples=[20])]
    total_pages: Annotated[int, Meta(description="Number of pages.", ge=0, examples=[13])]
    has_next_page: Annotated[bool, Meta(description="Whether a page follows.", examples=[True])]
    has_prev_page: Annotated[bool, Meta(description="Whether a page comes before.", examples=[False])]
    next_cursor: (
        Annotated[
            str, Meta(description="The `cursor` of the next page. Null on the last.", examples=["WzEsMl0"])
        ]
        | None
    )


class PageOut(msgspec.Struct, Generic[DataT], frozen=True, kw_only=True):
    """A page of a list."""

    data: list[DataT]
    meta: MetaOut


class StartedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A sync that was started."""

    run_id: Annotated[Id, Meta(description="The id of the run, for `GET /admin/sync/runs/{id}`.")]


class RunOut(msgspec.Struct, frozen=True, kw_only=True):
    """A sync run. Its counts grow while it is in progress; a finished run never changes."""

    id: Id
    entity: Annotated[Entity, Meta(description="What it syncs.")]
    status: Annotated[Status, Meta(description="`partial` means that something could not be read.")]
    started_at: Annotated[Moment, Meta(description="When it began, or was queued.")]
    finished_at: Annotated[Moment, Meta(description="When it ended. Null while it is in progress.")] | None
    pages_total: Annotated[
        int, Meta(description="Pages to read; 0 until that is known.", ge=0, examples=[50])
    ]
    pages_done: Annotated[int, Meta(description="Pages that are stored.", ge=0, examples=[48])]
    pages_failed: Annotated[int, Meta(description="Pages that could not be read.", ge=0, examples=[2])]
    fetched: Annotated[int, Meta(description="Rows read: the sum of the next five.", ge=0, examples=[960])]
    inserted: Annotated[int, Meta(description="Rows that were new.", ge=0, examples=[12])]
    updated: Annotated[int, Meta(description="Rows that had changed.", ge=0, examples=[230])]
    unchanged: Annotated[int, Meta(description="Rows that had not changed.", ge=0, examples=[710])]
    skipped: Annotated[
        int, Meta(description="Rows that could not be read; `error` names them.", ge=0, examples=[1])
    ]
    duplicates: Annotated[
        int, Meta(description="Rows that an earlier page had listed already.", ge=0, examples=[7])
    ]
    requests: Annotated[
        int, Meta(description="Requests sent to TMDB, retries included.", ge=0, examples=[300])
    ]
    error: Annotated[str, Meta(description="What went wrong.", examples=["page 7: HTTP 503"])] | None


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
