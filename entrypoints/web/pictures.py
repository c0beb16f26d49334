"""Addresses of the posters on the pages, by the setting IMAGES."""

import re
from dataclasses import dataclass

from domain.movies import Movie

HOST = "https://image.tmdb.org"

WIDTHS = (185, 342, 500, 780)
"""The widths of posters that browsers choose from; TMDB's sizes are named after them."""

PATH = re.compile(r"/[A-Za-z0-9_-]{1,64}\.(?:jpe?g|png|webp)")
"""The form of a poster's path at TMDB; others are not shown."""


@dataclass(frozen=True, slots=True)
class PosterAddress:
    """The addresses of a poster: the default, and all with their widths, as in `srcset`.

    `direct` is whether they are at another host, which sends no generated poster in place of one that fails.
    """

    src: str
    srcset: str
    direct: bool


class Posters:
    """Finds the addresses. `mode` is `proxy`, `direct` or `off`."""

    def __init__(self, mode: str) -> None:
        self._mode = mode

    @property
    def host(self) -> str:
        """The host of pictures besides our own; empty if there is none."""
        return HOST if self._mode == "direct" else ""

    def __call__(self, movie: Movie) -> PosterAddress | None:
        """The addresses; None for a film that has only a generated poster."""
        path = movie.facts.poster_path
        if self._mode == "off" or path is None or not PATH.fullmatch(path):
            return None
        urls = {width: self._url(width, path, movie) for width in WIDTHS}
        srcset = ", ".join(f"{url} {width}w" for width, url in urls.items())
        return PosterAddress(urls[342], srcset, direct=self._mode == "direct")

    def _url(self, width: int, path: str, movie: Movie) -> str:
        if self._mode == "direct":
            return f"{HOST}/t/p/w{width}{path}"
        return f"/images/w{width}{path}?movie={movie.id}"
