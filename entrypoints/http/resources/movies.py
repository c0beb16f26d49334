"""Movies: the catalogue, search, and single movies."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from application import catalogue
from domain.browsing import Mine, MovieFilter, OwnFilter, SortBy, Sorting, SortOrder
from domain.errors import Fault, FaultCode
from domain.ids import GenreId, UserId
from domain.movies import Genre, Movie, picture_url
from entrypoints.http.auth import TokenMissing
from entrypoints.http.caching import Caching, shorten, variant
from entrypoints.http.cursors import Position, SortKey
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.languages import LanguageNegotiation, TextLanguage
from entrypoints.http.movie_refs import MOVIE_REF, derived_id
from entrypoints.http.pagination import Direction, PageQuery, PageRequest, parse_page
from entrypoints.http.requests import HttpRequest, caller_of, parse_query, unset_to_none
from entrypoints.http.responses import PRIVATE, Response
from entrypoints.http.schemas import (
    Average,
    Distribution,
    Id,
    Moment,
    PageOut,
    PosterPath,
    Query,
    RatingsCount,
    ReleaseDate,
    TmdbId,
    Weighted,
    rfc3339,
)
from entrypoints.validation import rule


class GenreOut(Struct, frozen=True, kw_only=True):
    """A genre."""

    id: Id
    tmdb_id: Annotated[int, Meta(description="The number that TMDB knows it by.", ge=1, examples=[878])]
    name: Annotated[str, Meta(description="In the language of the catalogue.", examples=["Science Fiction"])]


class CastMemberOut(Struct, frozen=True, kw_only=True):
    """An actor and the character."""

    name: Annotated[str, Meta(description="The actor.", examples=["Carrie-Anne Moss"])]
    character: Annotated[str, Meta(description="The character.", examples=["Trinity"])] | None


POSTERS = "https://image.tmdb.org/t/p/w500"
"""Where TMDB serves posters, 500 pixels wide."""

BACKDROPS = "https://image.tmdb.org/t/p/w1280"
"""Where TMDB serves backdrops, 1,280 pixels wide."""


class MovieOut(Struct, frozen=True, kw_only=True):
    """A movie. What is not known is null. `popularity` and `vote_*` are from TMDB, ratings from our users."""

    id: Id
    tmdb_id: TmdbId
    imdb_id: Annotated[str, Meta(description="The id at IMDb.", examples=["tt0133093"])] | None
    title: Annotated[str, Meta(description="In the language of the response.", examples=["The Matrix"])]
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
    """A movie with the distribution of its ratings, its people, and what else only its page shows."""

    ratings_distribution: Distribution
    tagline: Annotated[str, Meta(description="A slogan.", examples=["Free your mind."])] | None
    directors: Annotated[
        list[str], Meta(description="Their names, in TMDB's order.", examples=[["Lana Wachowski"]])
    ]
    cast: Annotated[list[CastMemberOut], Meta(description="The first ten actors of the credits.")]
    trailer_url: (
        Annotated[
            str,
            Meta(
                description="Address of a trailer.",
                examples=["https://www.youtube.com/watch?v=vKQi3bBA1y8"],
                extra_json_schema={"format": "uri"},
            ),
        ]
        | None
    )
    collection: (
        Annotated[
            str,
            Meta(description="The series of films that it belongs to.", examples=["The Matrix Collection"]),
        ]
        | None
    )
    backdrop_url: (
        Annotated[
            str,
            Meta(
                description="Address of the backdrop, 1,280 pixels wide.",
                examples=["https://image.tmdb.org/t/p/w1280/fNG7i7RqMErkcqhohV2a6cV1Ehy.jpg"],
                extra_json_schema={"format": "uri"},
            ),
        ]
        | None
    )


# Parameters

Year = Annotated[
    int, rule("must be a year from 1870 to 2100", ge=1870, le=2100, description="Year of release.")
]
FirstYear = Annotated[
    int,
    rule("must be a year from 1870 to 2100", ge=1870, le=2100, description="Released in this year or later."),
]
LastYear = Annotated[
    int,
    rule(
        "must be a year from 1870 to 2100", ge=1870, le=2100, description="Released in this year or earlier."
    ),
]
MinRating = Annotated[
    float,
    rule("must be a number from 1 to 10", ge=1, le=10, description="Least `average_rating` (our own users)."),
]
MaxRating = Annotated[
    float,
    rule(
        "must be a number from 1 to 10", ge=1, le=10, description="Greatest `average_rating` (our own users)."
    ),
]
MinVotes = Annotated[
    int,
    rule("must be a whole number from 0", ge=0, le=2**31 - 1, description="Least `vote_count` (TMDB)."),
]
MinRuntime = Annotated[
    int,
    rule("must be a whole number from 0", ge=0, le=2**31 - 1, description="Least `runtime`, in minutes."),
]
MaxRuntime = Annotated[
    int,
    rule("must be a whole number from 0", ge=0, le=2**31 - 1, description="Greatest `runtime`, in minutes."),
]
OWN_KINDS = f"({'|'.join(Mine)})"
OWN_RULE = f"must be one or more of {', '.join(Mine)}, separated by commas"
OWN_PATTERN = f"^{OWN_KINDS}(,{OWN_KINDS})*$"
MineChoice = Annotated[
    str,
    rule(
        OWN_RULE,
        pattern=OWN_PATTERN,
        max_length=100,
        description="Only movies that you have rated, listed, marked as a favourite or seen: any of these, "
        "separated by commas. Needs a token.",
        examples=["listed"],
    ),
]
NotMineChoice = Annotated[
    str,
    rule(
        OWN_RULE,
        pattern=OWN_PATTERN,
        max_length=100,
        description="Without the movies that you have rated, listed, marked as a favourite or seen: all of "
        "these, separated by commas. Needs a token.",
        examples=["seen,rated"],
    ),
]
LanguageChoice = Annotated[
    str,
    rule(
        "must be a language code of two or three letters, or one with a region such as de-DE",
        pattern="^([A-Za-z]{2,3}|[A-Za-z]{2}-[A-Za-z]{2})$",
        max_length=5,
        description="Original language: an ISO 639 code, in any case. With a region (`de-DE`) no filter, but "
        "the language of titles and overviews, in place of `Accept-Language`: one of `TMDB_LANGUAGES`.",
        examples=["en", "de-DE"],
    ),
]
GenreChoice = Annotated[
    str,
    rule(
        "must name one or more genres in at most 500 characters",
        min_length=1,
        max_length=500,
        description="Our id, the TMDB number or the name in any case. `a,b` matches all of them, `a|b` any.",
        examples=["878", "Drama|War"],
    ),
]
SortField = Annotated[
    SortBy,
    rule(
        f"must be one of {', '.join(SortBy)}",
        description="What to sort by. Movies without the value come last.",
    ),
]
MovieFields = Annotated[str, fields_rule(MovieOut, "each movie")]
DetailFields = Annotated[str, fields_rule(MovieDetailOut, "the movie")]


class MovieQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one movie."""

    fields: DetailFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


class MoviesQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters that all lists of movies have."""

    fields: MovieFields | UnsetType = UNSET


class FilterQuery(MoviesQuery, frozen=True, kw_only=True):
    """The parameters of a list of movies with filters."""

    year: Year | UnsetType = UNSET
    year_from: FirstYear | UnsetType = UNSET
    year_to: LastYear | UnsetType = UNSET
    min_rating: MinRating | UnsetType = UNSET
    max_rating: MaxRating | UnsetType = UNSET
    min_votes: MinVotes | UnsetType = UNSET
    runtime_min: MinRuntime | UnsetType = UNSET
    runtime_max: MaxRuntime | UnsetType = UNSET
    language: LanguageChoice | UnsetType = UNSET
    mine: MineChoice | UnsetType = UNSET
    not_mine: NotMineChoice | UnsetType = UNSET

    @property
    def personal(self) -> bool:
        """Whether the list depends on the caller."""
        return self.mine is not UNSET or self.not_mine is not UNSET

    @property
    def years(self) -> tuple[int | None, int | None]:
        """The first and the last year. `year` narrows `year_from` and `year_to`."""
        year, first, last = map(unset_to_none, (self.year, self.year_from, self.year_to))
        return max(filter(None, (year, first)), default=None), min(filter(None, (year, last)), default=None)

    @property
    def text_language(self) -> str | None:
        """The language of titles and overviews: `language` with a region, which is no filter."""
        language = unset_to_none(self.language)
        return language if language and "-" in language else None

    @property
    def original_language(self) -> str | None:
        """The original language to filter by: `language` without a region."""
        language = unset_to_none(self.language)
        return language.lower() if language and not self.text_language else None

    def movie_filter(self, caller: UserId | None) -> MovieFilter:
        """The filter, without the choice of genres. Raises TokenMissing if it needs a caller."""
        year_from, year_to = self.years
        return MovieFilter(
            year_from=year_from,
            year_to=year_to,
            min_rating=unset_to_none(self.min_rating),
            max_rating=unset_to_none(self.max_rating),
            min_votes=unset_to_none(self.min_votes),
            min_runtime=unset_to_none(self.runtime_min),
            max_runtime=unset_to_none(self.runtime_max),
            language=self.original_language,
            own=self._own_filter(caller) if self.personal else None,
        )

    def _own_filter(self, caller: UserId | None) -> OwnFilter:
        if caller is None:
            raise TokenMissing
        return OwnFilter(user=caller, mine=_kinds(self.mine), not_mine=_kinds(self.not_mine))

    def conflicts(self, position: Position | None) -> list[Fault]:
        """The errors of every list, and one for each pair of bounds in the wrong order."""
        faults = super().conflicts(position)
        for low, high, order in (
            ("year_from", "year_to", "after"),
            ("min_rating", "max_rating", "above"),
            ("runtime_min", "runtime_max", "above"),
        ):
            least, greatest = unset_to_none(getattr(self, low)), unset_to_none(getattr(self, high))
            if least is not None and greatest is not None and least > greatest:
                faults.append(Fault(low, FaultCode.CONFLICTING, f"must not be {order} {high}"))
        return faults


def _kinds(choice: str | UnsetType) -> frozenset[Mine]:
    return frozenset(map(Mine, choice.split(","))) if choice is not UNSET else frozenset()


class GenreMoviesQuery(FilterQuery, frozen=True, kw_only=True):
    """The parameters of the movies of a genre: filters and order."""

    sort_by: SortField = SortBy.POPULARITY
    sort_order: Direction = SortOrder.DESC

    @property
    def sorting(self) -> Sorting:
        """The order."""
        return Sorting(self.sort_by, self.sort_order)

    @property
    def sort_key(self) -> SortKey:
        """Movies are sorted by days, times, titles or numbers."""
        keys = {
            SortBy.RELEASE_DATE: SortKey.DAY,
            SortBy.TITLE: SortKey.TEXT,
            SortBy.CREATED_AT: SortKey.TIME,
        }
        return keys.get(self.sort_by, SortKey.NUMBER)


class BrowseQuery(GenreMoviesQuery, frozen=True, kw_only=True):
    """The parameters of the list of all movies."""

    genre: GenreChoice | UnsetType = UNSET


# Cache keys


def list_key(query: FilterQuery, path: Mapping[str, str], owner: UserId | None) -> str | None:
    """`movies:list:{page}:{limit}:{filters}`; the cursor and the genre in the path count as filters. None if
    the list depends on the caller, whose own changes must be seen at once.
    """
    if query.personal:
        return None
    filters = variant(query, path, owner, without={"page", "limit"})
    return f"movies:list:{query.number}:{query.limit}:{shorten(filters)}"


def detail_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str | None:  # noqa: ARG001
    """`movies:detail:{id}`; None if the id cannot be derived from the reference."""
    movie = derived_id(path["id"])
    return f"movies:detail:{movie}" if movie else None


# Endpoints

LIST_MOVIES = Endpoint(
    operation_id="listMovies",
    summary="List movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=BrowseQuery,
    access=Access.READERS,
    linked=True,
    cached=list_key,
)
GET_MOVIE = Endpoint(
    operation_id="getMovie",
    summary="Get a movie",
    tag="Movies",
    answer=MovieDetailOut,
    query=MovieQuery,
    path={"id": MOVIE_REF},
    access=Access.READERS,
    errors=(404,),
    cached=detail_key,
)


@get("/movies", opt=endpoint_opt(LIST_MOVIES))
async def get_movies(
    request: HttpRequest,
    browse_movies: Injected[catalogue.BrowseMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """List the movies of the catalogue, one page at a time, filtered and sorted.

    All filters must match. A movie that lacks the filtered value never matches: one without a release date is
    in no year. Movies with equal sort values are ordered by id, so pages neither overlap nor skip. `page`
    reaches the first 10,000 movies; `cursor` reaches all of them.

    Titles are sorted without their leading article (`The Matrix` under M). `mine` and `not_mine` are about
    the caller: they need a token, and such a list is never cached.
    """
    page = parse_page(BrowseQuery, request)
    query, wanted = page.query, page.query.movie_filter(caller_of(request))
    language = negotiate(request.scope, query.text_language)

    def build() -> Response:
        genre = unset_to_none(query.genre)
        shown = browse_movies(wanted=wanted, genre=genre, sorting=query.sorting, window=page.window)
        return sorted_page(shown, page, translate_movies(shown.movies, language))

    return await caching(query, build, request, language)


@get("/movies/{id:str}", opt=endpoint_opt(GET_MOVIE))
async def get_movie_by_id(
    request: HttpRequest,
    get_movie: Injected[catalogue.GetMovie],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """Get one movie, with the distribution of its ratings, its directors and cast, and a trailer."""
    query, ref = parse_query(MovieQuery, request), request.path_params["id"]
    language = negotiate(request.scope, unset_to_none(query.language))

    def build() -> Response:
        shown = get_movie(ref=ref)
        (movie,) = translate_movies(shown.movies, language)
        return item_response(movie_detail_out(movie, shown.genres), query)

    return await caching(query, build, request, language)


# Conversion


def sorted_page(
    shown: catalogue.MovieResults, page: PageRequest[GenreMoviesQuery], movies: Sequence[Movie]
) -> Response:
    """The response for a page of a sorted list; `movies` are the same, in the language of the response."""
    last = page.query.sorting.cursor(shown.movies[-1]) if shown.movies else None
    return movie_page(shown, page, movies, last)


def movie_page(
    shown: catalogue.MovieResults,
    page: PageRequest[FilterQuery],
    movies: Sequence[Movie],
    last: Position | None,
) -> Response:
    """The response for a page of movies, `movies` in its language; `last` is the position of the last one."""
    meta = page.meta_after(last if shown.more else None, total=shown.total, more=shown.more)
    data = [movie_out(movie, shown.genres) for movie in movies]
    return page.response(PageOut(data=data, meta=meta), cache=PRIVATE if page.query.personal else None)


def genre_out(genre: Genre) -> GenreOut:
    """Convert a genre."""
    return GenreOut(id=genre.id, tmdb_id=genre.tmdb_id, name=genre.name)


def movie_out(movie: Movie, genres: Mapping[GenreId, Genre]) -> MovieOut:
    """Convert a movie, without genres that are not in the catalogue yet."""
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
        poster_url=picture_url(POSTERS, facts.poster_path),
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
        created_at=rfc3339(movie.created_at),
        updated_at=rfc3339(movie.updated_at),
        synced_at=rfc3339(movie.synced_at),
    )


def movie_detail_out(movie: Movie, genres: Mapping[GenreId, Genre]) -> MovieDetailOut:
    """Convert a movie that was read with all its facts."""
    facts = movie.facts
    return MovieDetailOut(
        **asdict(movie_out(movie, genres)),
        ratings_distribution=movie.tally.distribution,
        tagline=facts.tagline,
        directors=list(facts.directors),
        cast=[CastMemberOut(name=each.name, character=each.character) for each in facts.cast],
        trailer_url=facts.trailer_url,
        collection=facts.collection,
        backdrop_url=picture_url(BACKDROPS, facts.backdrop_path),
    )


ROUTES = (get_movies, get_movie_by_id)
