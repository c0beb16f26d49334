"""Search in the catalogue, and at TMDB for what can be added to it."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody
from msgspec import UNSET, UnsetType

from application import catalogue
from application.additions import SearchSource, SourceResults
from domain.errors import InvalidFields, Unavailable
from domain.ids import MovieId
from domain.movies import Movie
from domain.search import Match
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.pagination import PageRequest, parse_page
from entrypoints.http.requests import HttpRequest, unset_to_none
from entrypoints.http.resources.additions import AddMovieIn, FilmAdder
from entrypoints.http.resources.search import SearchQuery, SearchWords
from entrypoints.http.responses import Response, json_response
from entrypoints.http.thread_pools import SourceThreads
from entrypoints.web.filters import Decade, choices, chosen_values, years_of
from entrypoints.web.forms import FormErrors, read_form, submit
from entrypoints.web.guard import page_opt, require_viewer
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer, texts_of, viewer_of
from entrypoints.web.responses import see_other

MAX_SUGGESTIONS = 6

SOURCE_TIMEOUT = 2.5
"""Seconds for which the page waits for TMDB. What the catalogue has is not kept back any longer."""


class AddFoundIn(AddMovieIn, frozen=True, kw_only=True):
    """A film to add, and the search that has found it, which is shown again if that fails."""

    q: SearchWords | UnsetType = UNSET


class SearchPageQuery(SearchQuery, frozen=True, kw_only=True):
    """The parameters of a search, and a decade in place of two years."""

    decade: Decade | UnsetType = UNSET

    @property
    def years(self) -> tuple[int | None, int | None]:
        """The first and the last year."""
        return years_of(self.decade) or super().years


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A film at TMDB; `held` is whether the catalogue has it."""

    movie: Movie
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What TMDB has found; `next_link` leads to more of it. `rows` are None if TMDB did not answer."""

    rows: tuple[Offer, ...] | None
    next_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchView:
    """Shows a search, also after a film could not be added."""

    search_movies: catalogue.SearchMovies
    translate_movies: catalogue.TranslateMovies
    search_source: SearchSource
    source_threads: SourceThreads
    render: Renderer

    async def __call__(self, request: HttpRequest, errors: FormErrors | None = None) -> Response:
        """The films of the catalogue, and for users those at TMDB below the first of them. With
        `source=tmdb`, those at TMDB alone.
        """
        page = parse_page(SearchPageQuery, request)
        query, errors = page.query, errors or FormErrors()
        if query.personal:
            require_viewer(request.scope)
        movies: tuple[Movie, ...] = ()
        values: dict[str, Any] = {"chosen": {}}
        if not query.at_source:
            found, movies = await sync_to_thread(self._search, request, page)
            values = {
                "genres": found.genres,
                "total": found.total,
                "chosen": chosen_values(query),
                "next_link": next_link(page, found.last if found.more else None, found.total),
                "choices": choices(texts_of(request.scope), found.genres.values()),
            }
        offers = None
        if not values["chosen"]:  # TMDB's search has no such filters
            offers = await self._offers(request, query, {movie.id for movie in movies})
        return self.render(
            request.scope,
            "search.html",
            status=errors.status,
            text=query.q,
            movies=movies,
            at_source=query.at_source,
            offers=offers,
            errors=errors,
            **values,
        )

    def _search(
        self, request: HttpRequest, page: PageRequest[SearchPageQuery]
    ) -> tuple[catalogue.SearchResults, tuple[Movie, ...]]:
        """What the catalogue has found, and its movies in the language of the page."""
        query, viewer = page.query, viewer_of(request.scope)
        found = self.search_movies(
            text=query.q,
            limit=query.limit,
            skip=query.skip,
            after=page.position if isinstance(page.position, Match) else None,
            wanted=query.movie_filter(viewer.id if viewer else None),
            genre=unset_to_none(query.genre),
        )
        return found, self.translate_movies(found.movies, self.render.movie_language(request.scope))

    async def _offers(
        self, request: HttpRequest, query: SearchQuery, shown: Collection[MovieId]
    ) -> Offers | None:
        """What TMDB has found besides the films that are shown; None where it is not searched: for those who
        could not add anything, and after the first page.
        """
        is_first = query.at_source or (query.number == 1 and not query.has_cursor)
        if viewer_of(request.scope) is None or not is_first:
            return None
        if not await sync_to_thread(self.search_source.can_add):
            return None
        number = query.number if query.at_source else 1
        search = self.source_threads.shared((query.q, number), self.search_source, text=query.q, page=number)
        try:
            found = await asyncio.wait_for(search, SOURCE_TIMEOUT)
        except (Unavailable, TimeoutError):
            return Offers(rows=None)
        more = urlencode({"q": query.q, "source": "tmdb", "page": number + 1})
        return Offers(rows=_offered(found, shown), next_link=f"/search?{more}" if found.more else None)


def _offered(found: SourceResults, shown: Collection[MovieId]) -> tuple[Offer, ...]:
    now = datetime.now(UTC)
    return tuple(
        Offer(movie=row.held or Movie.from_facts(row.facts, now), held=row.held is not None)
        for row in found.rows
        if row.id not in shown
    )


@get("/search", opt=page_opt(Access.READERS))
async def get_search(
    request: HttpRequest, search_view: Injected[SearchView], render: Injected[Renderer]
) -> Response:
    """The films that a search finds, best match first. Without a text, the form alone."""
    if not request.scope["query_string"]:
        return render(
            request.scope, "search.html", text="", movies=(), chosen={}, offers=None, errors=FormErrors()
        )
    return await search_view(request)


@post("/search", opt=page_opt(Access.USERS))
async def post_search(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    add_film: Injected[FilmAdder],
    search_view: Injected[SearchView],
) -> Response:
    """Add a film that TMDB has found, and go to its page."""
    form = read_form(request, body)

    async def act() -> Response:
        added = await add_film(form.parse(AddFoundIn).ref, request, caller.user)
        return see_other(f"/movies/{added.movie.id}")

    async def show_again(errors: FormErrors) -> Response:
        request.scope["query_string"] = urlencode({"q": form.shown.get("q") or "?"}).encode()
        return await search_view(request, errors)

    return await submit(act, show_again, request.scope)


@get("/search/suggestions", sync_to_thread=True, opt=page_opt(Access.READERS))
def get_suggestions(
    request: HttpRequest,
    search_movies: Injected[catalogue.SearchMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """A few films for the beginning of a title, for the script of the search box."""
    try:
        text = parse_page(SearchQuery, request).query.q
    except InvalidFields:  # such as a text without a letter: nothing to suggest
        return json_response([])
    found = search_movies(text=text, limit=MAX_SUGGESTIONS)
    movies = translate_movies(found.movies, render.movie_language(request.scope))
    return json_response([_suggestion(movie) for movie in movies])


def _suggestion(movie: Movie) -> dict[str, str]:
    released = movie.facts.release_date
    return {
        "title": movie.facts.title,
        "year": str(released.year) if released else "",
        "path": f"/movies/{movie.id}",
    }


ROUTES = (get_search, post_search, get_suggestions)
