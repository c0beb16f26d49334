"""The home page: popular films with filters, or a welcome where the catalogue is closed."""

from litestar import get

from application import catalogue
from entrypoints.http.endpoints import Injected
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest, unset_to_none
from entrypoints.http.responses import Response
from entrypoints.web.filters import HomeQuery, choices, chosen_values
from entrypoints.web.guard import page_opt, require_viewer
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer, texts_of, viewer_of


@get("/", sync_to_thread=True, opt=page_opt())
def get_home(
    request: HttpRequest,
    browse_movies: Injected[catalogue.BrowseMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """The films of the catalogue, filtered and sorted."""
    viewer = viewer_of(request.scope)
    if not (render.catalogue_is_public or viewer):
        return render(request.scope, "welcome.html")
    page = parse_page(HomeQuery, request)
    query = page.query
    if query.personal:
        require_viewer(request.scope)
    shown = browse_movies(
        wanted=query.movie_filter(viewer.id if viewer else None),
        genre=unset_to_none(query.genre),
        sorting=query.sorting,
        window=page.window,
    )
    last = query.sorting.cursor(shown.movies[-1]) if shown.movies and shown.more else None
    return render(
        request.scope,
        "home.html",
        movies=translate_movies(shown.movies, render.movie_language(request.scope)),
        genres=shown.genres,
        total=shown.total,
        chosen=chosen_values(query),
        next_link=next_link(page, last, shown.total),
        choices=choices(texts_of(request.scope), shown.genres.values()),
    )


ROUTES = (get_home,)
