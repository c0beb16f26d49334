"""What TMDB sends, and what it says in the domain's terms.

TMDB's own document is wrong about nulls and numbers, and new keys come unannounced. So the structs name the
keys that we read and leave their values open; each value is read by itself, and one that makes no sense is
unknown, which spoils neither its movie nor its page.
"""

import json
import math
import re
import textwrap
from collections.abc import Iterable
from datetime import date
from typing import TypeVar

import msgspec

from domain.ids import IMDB_ID, LARGEST_TMDB_NUMBER, GenreId, genre_id
from domain.movies import GenreFacts, MovieFacts
from domain.sync import PAGES_OF_A_LIST, ChangedPage, ListedPage, Unread

T = TypeVar("T")

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
BEST_VOTE = 10.0
LONGEST_REASON = 200

LARGEST_CODE = 99
"""TMDB numbers its errors; there were 47 in 2025."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: no store keeps them."""

WHITE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u180e\u200b\u2060\ufeff"
"""White space, with NBSP, and what is white space without width."""

INVISIBLE = WHITE + "\u00ad\u200c\u200d\u200e\u200f"
"""With marks that shape or turn the letters beside them: the end of a Malayalam word may need one."""


class Unusable(Exception):  # noqa: N818  the two read as what they say of a body or a row
    """A body of which nothing can be made; the same request may bring a better one."""


class Unreadable(Exception):  # noqa: N818
    """A row that makes no sense; asking again would bring the same."""


class PagePayload(msgspec.Struct):
    """A page of /movie/popular or /movie/changes."""

    results: list[object]
    total_pages: object = None


class MoviePayload(msgspec.Struct):
    """A movie: a row of a list has `genre_ids`, its own page `genres` instead, `imdb_id` and `runtime`."""

    id: object = None
    title: object = None
    original_title: object = None
    original_language: object = None
    overview: object = None
    poster_path: object = None
    backdrop_path: object = None
    release_date: object = None
    popularity: object = None
    vote_average: object = None
    vote_count: object = None
    adult: object = None
    genre_ids: object = None
    genres: object = None
    imdb_id: object = None
    runtime: object = None


class NamedPayload(msgspec.Struct):
    """A genre, in the list of genres and on a movie's own page; a row of /movie/changes has an `id` too."""

    id: object = None
    name: object = None


class GenresPayload(msgspec.Struct):
    """/genre/movie/list."""

    genres: list[object]


class RefusalPayload(msgspec.Struct):
    """The body of an error: a code and a sentence, or in older ones a list of sentences."""

    status_code: object = None
    status_message: object = None
    errors: object = None


def decoded(body: bytes) -> object:
    """The JSON of a body. Raises Unusable.

    The standard library's decoder, since msgspec's refuses a whole page for one lone surrogate in one title.
    """
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), object_hook=_encodable)
    except (ValueError, RecursionError) as error:
        raise Unusable("something other than JSON") from error


def _encodable(read: dict[str, object]) -> dict[str, object]:
    """An object whose names msgspec can read: it raises UnicodeEncodeError for a lone surrogate in one."""
    return {name.encode(errors="replace").decode(): value for name, value in read.items()}


def listed(body: object, page: int) -> ListedPage:
    """A page of a list of movies. Raises Unusable if there are no rows to go through."""
    payload = _shaped(body, PagePayload)
    movies: list[MovieFacts] = []
    unreadable: list[str] = []
    for place, row in enumerate(payload.results, 1):
        try:
            movies.append(movie(row))
        except Unreadable as error:
            unreadable.append(f"row {place}: {error}")
    # Clamped here too, for nothing is lost by it: no movie on a page beyond can be had.
    pages = min(_pages(payload, page), PAGES_OF_A_LIST)
    return ListedPage(total_pages=pages, movies=tuple(movies), unreadable=tuple(unreadable))


def changed(body: object, page: int) -> ChangedPage:
    """A page of the numbers of changed movies. Raises Unusable if there are no rows to go through."""
    payload = _shaped(body, PagePayload)
    return ChangedPage(total_pages=_pages(payload, page), tmdb_ids=tuple(_numbers(payload.results)))


def genres(body: object) -> tuple[GenreFacts, ...]:
    """The list of genres; rows without number or name are left out. Raises Unusable if there is no list."""
    rows = (_lenient(row) for row in _shaped(body, GenresPayload).genres)
    told = ((_number(row.id), _text(row.name)) for row in rows)
    return tuple(GenreFacts(tmdb_id=number, name=name) for number, name in told if number and name)


def detail(body: object, asked: int) -> MovieFacts | Unread:
    """A movie's own page. Raises Unusable if it is not the page of any movie."""
    number = _number(_shaped(body, MoviePayload).id)
    if number is None:
        raise Unusable("something other than a movie")
    if number != asked:
        return Unread(asked, f"TMDB answered with movie {number} instead")
    try:
        return movie(body, detailed=True)
    except Unreadable as error:
        return Unread(asked, str(error))


def movie(row: object, *, detailed: bool = False) -> MovieFacts:
    """What a row of a list, or a movie's own page, says of a movie. Raises Unreadable."""
    try:
        said = msgspec.convert(row, MoviePayload)
    except msgspec.ValidationError as error:
        raise Unreadable("no object") from error
    number, title, original_title = _number(said.id), _text(said.title), _text(said.original_title)
    if number is None:
        raise Unreadable("no id")
    if not (any_title := title or original_title):
        raise Unreadable(f"movie {number} has no title")
    return MovieFacts(
        tmdb_id=number,
        title=any_title,
        original_title=original_title or any_title,
        original_language=_language(said.original_language),
        overview=_text(said.overview),
        poster_path=_path(said.poster_path),
        backdrop_path=_path(said.backdrop_path),
        release_date=_day(said.release_date),
        popularity=_float(said.popularity),
        vote_average=_vote(said.vote_average),
        vote_count=_whole(said.vote_count),
        adult=said.adult is True,
        genres=_genres(said),
        imdb_id=_imdb_id(said.imdb_id) if detailed else None,
        # TMDB's 0 is a runtime that nobody has entered.
        runtime=(_whole(said.runtime) or None) if detailed else None,
        detailed=detailed,
    )


def refusal(body: object) -> tuple[int | None, str | None]:
    """The status code and the reason of TMDB's own error body, the reason on one short line.

    Each is None if it is missing; so are both for a body that TMDB did not write.
    """
    try:
        payload = msgspec.convert(body, RefusalPayload)
    except msgspec.ValidationError:
        return None, None
    code = _number(payload.status_code)
    if code is not None and code > LARGEST_CODE:  # an HTTP status, by which proxies number their errors
        return None, None
    sentences = payload.errors if isinstance(payload.errors, list) else [payload.status_message]
    texts = filter(None, map(_text, sentences))
    reason = textwrap.shorten(" ".join(texts), LONGEST_REASON, placeholder=" …")
    return code, reason or (f"code {code}" if code else None)


def _shaped(body: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise Unusable("JSON of another shape than it should have") from error


def _lenient(row: object) -> NamedPayload:
    """A row with a number; an empty one if it is no object."""
    return msgspec.convert(row, NamedPayload) if isinstance(row, dict) else NamedPayload()


def _pages(payload: PagePayload, page: int) -> int:
    total = _whole(payload.total_pages)
    return page if total is None else total


def _genres(said: MoviePayload) -> tuple[GenreId, ...]:
    """Genres in TMDB's order, each once."""
    numbers = _numbers(said.genres) if isinstance(said.genres, list) else _bare_numbers(said.genre_ids)
    return tuple(map(genre_id, dict.fromkeys(numbers)))


def _numbers(rows: Iterable[object]) -> list[int]:
    """The numbers of rows that have one."""
    return [number for row in rows if (number := _number(_lenient(row).id))]


def _bare_numbers(value: object) -> list[int]:
    return [number for item in value if (number := _whole(item))] if isinstance(value, list) else []


def _number(value: object) -> int | None:
    """One of TMDB's numbers, which are positive. A text is none: who knows what else is wrong there."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= LARGEST_TMDB_NUMBER else None


def _whole(value: object) -> int | None:
    """A count, from 0 to what fits 31 bits, read from an int, a whole float or a text of digits."""
    number = _float(value)
    if number is None or not number.is_integer():
        return None
    return int(number) if 0 <= number <= LARGEST_TMDB_NUMBER else None


def _float(value: object) -> float | None:
    """A finite number, read from an int, a float or a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _vote(value: object) -> float | None:
    number = _float(value)
    return number if number is not None and 0 <= number <= BEST_VOTE else None


def _text(value: object) -> str | None:
    """A text without outer white space, otherwise as it is; None if nothing of it can be seen."""
    if not isinstance(value, str):
        return None
    text = UNSTORABLE.sub("", value).strip(WHITE)
    return text if text.strip(INVISIBLE) else None


def _language(value: object) -> str | None:
    text = _text(value)
    return text.lower() if text else None


def _path(value: object) -> str | None:
    text = _text(value)
    return text if text and text.startswith("/") else None


def _imdb_id(value: object) -> str | None:
    text = _text(value)
    return text if text and IMDB_ID.fullmatch(text) else None


def _day(value: object) -> date | None:
    text = _text(value)
    if not text or not DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
