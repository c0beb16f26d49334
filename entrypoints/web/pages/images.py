"""Pictures of films through this host: TMDB's sizes of TMDB's posters and backdrops, and nothing else."""

import re

from litestar import get
from litestar.exceptions import NotFoundException

from application.catalogue import GetMovie, GetPicture
from domain.errors import NotFound
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.exceptions import ServerFull
from entrypoints.http.requests import HttpRequest
from entrypoints.http.responses import NO_STORE, Header, Response
from entrypoints.http.thread_pools import BoundedThreadPool
from entrypoints.web.guard import page_opt
from entrypoints.web.posters import movie_poster, poster
from entrypoints.web.static_files import IMMUTABLE

SIZES = frozenset({"w92", "w154", "w185", "w300", "w342", "w500", "w780", "w1280", "original"})
"""The sizes of posters and backdrops."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.(?:jpe?g|png|webp)")

THREADS = 64
"""Pictures that are read or fetched at a time. Browsers request six at a time."""

KEPT_PRIVATELY = IMMUTABLE.replace(b"public", b"private")


class PictureThreads(BoundedThreadPool):
    """Threads for pictures, so that a slow host of pictures delays nothing else."""

    def __init__(self) -> None:
        super().__init__("pictures", THREADS)


class PictureResponse(Response):
    """A picture. It is compressed already."""

    __slots__ = ()

    def represent(
        self,
        *,
        accept_encoding: bytes,  # noqa: ARG002
        if_none_match: bytes,
        cache_control: bytes,
        is_get: bool = True,
    ) -> tuple[int, list[Header], bytes]:
        return super().represent(
            accept_encoding=b"", if_none_match=if_none_match, cache_control=cache_control, is_get=is_get
        )


@get("/images/{size:str}/{name:str}", opt=page_opt(Access.READERS, limited=False))
async def get_image(
    request: HttpRequest,
    get_picture: Injected[GetPicture],
    get_movie: Injected[GetMovie],
    picture_threads: Injected[PictureThreads],
) -> Response:
    """A picture, or the generated poster of the film that `movie` names while there is none."""
    size, name = request.path_params["size"], request.path_params["name"]
    if size not in SIZES or not NAME.fullmatch(name):
        raise NotFoundException
    try:
        picture = await picture_threads(get_picture, size=size, name=name)
    except ServerFull:
        picture = None
    if picture is None:
        return await picture_threads(_generated, get_movie, request.query_params.get("movie"), name)
    return PictureResponse(picture.content, media_type=picture.media_type.encode(), cache=KEPT_PRIVATELY)


def _generated(get_movie: GetMovie, ref: str | None, name: str) -> Response:
    """The poster of a film; one without a title for a film that the catalogue lacks, such as TMDB's."""
    try:
        shown = get_movie(ref=ref or "")
        svg = movie_poster(shown.movies[0], shown.genres)
    except NotFound:
        svg = poster("", name=name)
    return Response(svg.encode(errors="replace"), media_type=b"image/svg+xml", cache=NO_STORE)


ROUTES = (get_image,)
