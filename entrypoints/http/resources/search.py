"""Search: in the catalogue, and at TMDB for what the catalogue lacks."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType

from application import additions, catalogue
from domain.errors import Fault, FaultCode
from domain.ids import GenreId, UserId
from domain.movies import Genre, picture_url
from domain.search import Match
from domain.search import Query as SearchText
from entrypoints.http.caching import Caching, shorten
from entrypoints.http.cursors import Position, SortKey
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.field_selection import fields_rule
from entrypoints.http.languages import LanguageNegotiation
from entrypoints.http.pagination import PageRequest, parse_page
from entrypoints.http.requests import HttpRequest, caller_of, unset_to_none
from entrypoints.http.resources.movies import (
    POSTERS,
    FilterQuery,
    GenreChoice,
    GenreOut,
    MovieOut,
    genre_out,
    movie_page,
)
from entrypoints.http.responses import Response
from entrypoints.http.schemas import Id, PageOut, PosterPath, ReleaseDate, TmdbId
from entrypoints.http.thread_pools import SourceThreads
from entrypoints.validation import rule

SOURCE_PAGE_SIZE = 20
"""Movies on a page of TMDB."""

ALLOWED_WITH_SOURCE = frozenset({"q", "source", "page", "limit", "fields"})


class SearchResultOut(MovieOut, frozen=True, kw_only=True):
    """A movie that a search has found. One from TMDB has only what TMDB's list tells; `held` says whether the
    catalogue has it, and only then it has our `id`.
    """

    held: (
        Annotated[bool, Meta(description="Whether the catalogue has it; only with `source=tmdb`.")]
        | UnsetType
    ) = UNSET


class SourceResultOut(Struct, frozen=True, kw_only=True):
    """A movie that TMDB has found: a part of SearchResultOut, which is its schema."""

    id: Id | UnsetType
    tmdb_id: TmdbId
    title: str
    original_title: str
    original_language: str | None
    overview: str | None
    poster_path: PosterPath | None
    backdrop_path: str | None
    poster_url: str | None
    release_date: ReleaseDate | None
    popularity: float | None
    vote_average: float | None
    vote_count: int | None
    adult: bool
    genres: list[GenreOut]
    held: bool


SearchWords = Annotated[
    str,
    rule(
        "must be 1 to 200 characters",
        min_length=1,
        max_length=200,
        description="A title or the beginning of one, or the name of a director or actor. Case, accents and "
        "punctuation do not matter, and in titles one or two typing errors are tolerated. A year may follow "
        "(`dune 2021`). An IMDb id or the address of a film at IMDb or TMDB finds that film.",
        examples=["amelie"],
    ),
]
SearchSourceName = Annotated[
    Literal["tmdb"],
    rule(
        "must be tmdb, or left out to search the catalogue",
        description="`tmdb` searches TMDB instead of the catalogue, in pages of "
        f"{SOURCE_PAGE_SIZE} and in TMDB's order.",
    ),
]
ResultFields = Annotated[str, fields_rule(SearchResultOut, "each movie")]


class SearchQuery(FilterQuery, frozen=True, kw_only=True):
    """The parameters of a search."""

    q: SearchWords
    genre: GenreChoice | UnsetType = UNSET
    source: SearchSourceName | UnsetType = UNSET
    fields: ResultFields | UnsetType = UNSET

    @property
    def at_source(self) -> bool:
        """Whether TMDB is searched."""
        return self.source is not UNSET

    def conflicts(self, position: Position | None) -> list[Fault]:
        """An error if the text contains nothing to search for, and those of every list; for TMDB, which
        filters and sorts in its own way, one for each parameter that it does not know.
        """
        empty = Fault("q", FaultCode.MALFORMED, "must hold a letter or a digit")
        faults = [empty] if SearchText(self.q).empty else []
        if not self.at_source:
            return faults + super().conflicts(position)
        faults += [
            Fault(name, FaultCode.CONFLICTING, "must stand without source=tmdb")
            for name in self.given
            if name not in ALLOWED_WITH_SOURCE
        ]
        if self.limit != SOURCE_PAGE_SIZE:
            message = f"must be {SOURCE_PAGE_SIZE} with source=tmdb"
            faults.append(Fault("limit", FaultCode.CONFLICTING, message))
        return faults + [each for each in super().conflicts(position) if each.field == "page"]

    @property
    def sort_key(self) -> SortKey:
        """Matches are sorted by rank."""
        return SortKey.RANK


def search_key(query: SearchQuery, path: Mapping[str, str], owner: UserId | None) -> str | None:  # noqa: ARG001
    """`movies:search:{query}:{page}`; None if the results depend on the caller."""
    if query.personal:
        return None
    return f"movies:search:{shorten(quote(query.q, safe=' '))}:{query.number}"


SEARCH_MOVIES = Endpoint(
    operation_id="searchMovies",
    summary="Search movies",
    tag="Movies",
    answer=PageOut[SearchResultOut],
    query=SearchQuery,
    access=Access.READERS,
    errors=(501, 502),
    linked=True,
    cached=search_key,
)


@get("/movies/search", opt=endpoint_opt(SEARCH_MOVIES))
async def get_movies_search(
    request: HttpRequest,
    search_movies: Injected[catalogue.SearchMovies],
    search_source: Injected[additions.SearchSource],
    source_threads: Injected[SourceThreads],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """Search for movies by title, in any language that is kept, or original title, best match first.

    Exact titles come first, then titles that begin with the text, then titles that contain all its words,
    then titles that differ by a typing error or two. Equal matches are ordered by popularity.
    A search finds the few hundred most popular movies of each kind of match. The filters are those of the
    list of all movies.

    With `source=tmdb`, TMDB searches all its films; `POST /movies` adds one to the catalogue.
    """
    page = parse_page(SearchQuery, request)
    query, wanted = page.query, page.query.movie_filter(caller_of(request))
    language = negotiate(request.scope, query.text_language)

    def build() -> Response:
        after = page.position if isinstance(page.position, Match) else None
        found = search_movies(
            text=query.q,
            limit=query.limit,
            skip=query.skip,
            after=after,
            wanted=wanted,
            genre=unset_to_none(query.genre),
        )
        return movie_page(found, page, translate_movies(found.movies, language), found.last)

    def build_from_source() -> Response:
        return source_page(search_source(text=query.q, page=query.number), page)

    if query.at_source:
        return await caching(query, build_from_source, request, run=source_threads)
    return await caching(query, build, request, language)


def source_page(found: additions.SourceResults, page: PageRequest[SearchQuery]) -> Response:
    """The response for a page of TMDB's search."""
    meta = page.meta_after(None, total=found.total, more=found.more)
    return page.response(
        PageOut(data=[source_result_out(each, found.genres) for each in found.rows], meta=meta)
    )


def source_result_out(found: additions.SourceResult, genres: Mapping[GenreId, Genre]) -> SourceResultOut:
    """Convert a movie that TMDB has found."""
    facts = found.facts
    return SourceResultOut(
        id=found.id or UNSET,
        tmdb_id=facts.tmdb_id,
        title=facts.title,
        original_title=facts.original_title,
        original_language=facts.original_language,
        overview=facts.overview,
        poster_path=facts.poster_path,
        backdrop_path=facts.backdrop_path,
        poster_url=picture_url(POSTERS, facts.poster_path),
        release_date=facts.release_date,
        popularity=facts.popularity,
        vote_average=facts.vote_average,
        vote_count=facts.vote_count,
        adult=facts.adult,
        genres=[genre_out(genres[each]) for each in facts.genres if each in genres],
        held=found.held is not None,
    )


ROUTES = (get_movies_search,)
