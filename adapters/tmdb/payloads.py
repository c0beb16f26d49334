"""TMDB's JSON bodies, and their translation into the domain's terms.

TMDB adds keys without notice, and any value may be invalid. So the structs name the keys that are read and
leave their types open; each value is parsed by itself (`values`). A missing or invalid value is omitted: the
rest of its movie and of its page is used, and the stored value is kept.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from adapters.tmdb import appended, values
from adapters.tmdb.translations import PART, translations
from adapters.tmdb.values import Reader, Unreadable, shown
from domain.languages import Language
from domain.movies import DETAIL_FACTS, GenreFacts, MovieFacts
from domain.sync import ChangedIdsPage, FetchFailed, GenreList, SourcePage

T = TypeVar("T")

MAX_PAGES = 500
"""TMDB sends no page beyond this one, whatever its `total_pages` says."""

MAX_REASON_LENGTH = 200

MAX_STATUS_CODE = 99
"""The largest number accepted as an error code of TMDB; there were 47 in 2025."""

TITLES = ("title", "original_title")

READERS: Mapping[str, Reader[Any]] = {
    "title": values.title,
    "original_title": values.title,
    "original_language": values.language,
    "overview": values.overview,
    "poster_path": values.path,
    "backdrop_path": values.path,
    "release_date": values.day,
    "popularity": values.popularity,
    "vote_average": values.vote,
    "vote_count": values.votes,
    "adult": values.adult,
    "genres": values.genres,
    "imdb_id": values.imdb_id,
    "runtime": values.runtime,
    "tagline": values.tagline,
    "directors": appended.directors,
    "cast": appended.cast,
    "trailer_url": appended.trailer_url,
    "collection": appended.collection,
    "recommended": appended.recommended,
}
"""The reader of each field of a movie."""

KEYS = {
    "directors": "credits",
    "cast": "credits",
    "trailer_url": "videos",
    "collection": "belongs_to_collection",
    "recommended": "recommendations",
    "translations": PART,
}
"""TMDB's key of a field, unless it is the field's own name. Lists have `genre_ids` instead of `genres`."""

DETAILS_VERSION = "2"
"""What the details of a movie consist of. It changes with every field of details that is added."""


DETAIL_READERS = tuple((fact, KEYS.get(fact, fact), read) for fact, read in READERS.items())
LIST_READERS = tuple(each for each in DETAIL_READERS if each[0] not in DETAIL_FACTS)
"""The fields that details and rows of lists have: the field, TMDB's key of it, and its reader."""


class Unusable(Exception):  # noqa: N818  an adjective, like Unreadable
    """A body that cannot be used; the same request may bring a valid one."""


class PagePayload(msgspec.Struct):
    """A page of movies or of changes."""

    results: list[object]
    page: object = None
    total_pages: object = None
    total_results: object = None


class FindPayload(msgspec.Struct):
    """/find: what has an id elsewhere. People and series are not read."""

    movie_results: list[object]


class MoviePayload(msgspec.Struct):
    """A movie. Rows of lists have `genre_ids`; details have `genres` instead, and more keys."""

    id: object = None
    title: object = UNSET
    original_title: object = UNSET
    original_language: object = UNSET
    overview: object = UNSET
    poster_path: object = UNSET
    backdrop_path: object = UNSET
    release_date: object = UNSET
    popularity: object = UNSET
    vote_average: object = UNSET
    vote_count: object = UNSET
    adult: object = UNSET
    genre_ids: object = UNSET
    genres: object = UNSET
    imdb_id: object = UNSET
    runtime: object = UNSET
    tagline: object = UNSET
    belongs_to_collection: object = UNSET
    credits: object = UNSET
    videos: object = UNSET
    recommendations: object = UNSET
    translations: object = UNSET


class GenrePayload(msgspec.Struct):
    """A row of the list of genres."""

    id: object = None
    name: object = None


class GenresPayload(msgspec.Struct):
    """/genre/movie/list."""

    genres: list[object]


class RefusalPayload(msgspec.Struct):
    """The body of an error: a code and a message, or in the older format a list of messages."""

    status_code: object = None
    status_message: object = None
    errors: object = None


def decoded(body: bytes) -> object:
    """The JSON of a body. Raises Unusable.

    msgspec is faster, and rejects a whole page for one lone surrogate in a title. The standard library reads
    what msgspec rejects.
    """
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(body)
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), object_hook=_encodable)
    except (ValueError, RecursionError) as error:
        raise Unusable("something other than JSON") from error


def _encodable(read: dict[str, object]) -> dict[str, object]:
    """Replace lone surrogates in an object's keys, for which msgspec would raise UnicodeEncodeError."""
    return {name.encode(errors="replace").decode(): value for name, value in read.items()}


def listed(body: object, page: int) -> SourcePage:
    """A page of a list of movies that is never empty.

    Raises Unusable if it is another page, has no readable row, or is empty before the end of the list.
    """
    payload = _page(body, page)
    if page == 1 and not payload.results:
        raise Unusable("a first page without movies")
    return _movies(payload, page)


def matching(body: object, page: int) -> SourcePage:
    """A page of the movies that match something, which may be none: then TMDB counts 0 pages, or 1.

    `total_pages` is as TMDB counts them, also those that cannot be read. Raises the same errors as `listed`.
    """
    payload = _page(body, page)
    if page == 1 and not payload.results and payload.total_pages in (0, 1):
        return SourcePage(total_pages=0, movies=(), total=0)
    read = _movies(payload, page)
    return replace(read, total_pages=max(read.total_pages, _count(payload.total_pages) or 0))


def found(body: object) -> MovieFacts | None:
    """The movie that /find has found; None if there is none. Raises Unusable if it cannot be read."""
    rows = _shaped(body, FindPayload).movie_results
    try:
        return movie(rows[0]) if rows else None
    except Unreadable as error:
        raise Unusable(f"no readable movie ({error})") from error


def _movies(payload: PagePayload, page: int) -> SourcePage:
    pages, warnings = _length_of_list(payload, page)
    if not payload.results and page <= pages:
        raise Unusable("a page without movies, before the end of the list")
    movies: list[MovieFacts] = []
    unreadable: list[str] = []
    for place, row in enumerate(payload.results, 1):
        try:
            movies.append(movie(row))
        except Unreadable as error:
            unreadable.append(f"row {place}: {error}")
    _demand_any(movies, unreadable)
    return SourcePage(
        total_pages=pages,
        movies=tuple(movies),
        total=_count(payload.total_results),
        unreadable=tuple(unreadable),
        warnings=warnings,
    )


def changed(body: object, page: int) -> ChangedIdsPage:
    """A page of ids of changed movies.

    Raises Unusable if it is another page, has no readable row, is empty before the last page, or has no valid
    number of pages.
    """
    payload = _page(body, page)
    pages = _count(payload.total_pages)
    if pages is None or (payload.results and not pages):
        raise Unusable(f"{shown(payload.total_pages)} as the number of pages")
    if not payload.results and page <= pages and (page, pages) != (1, 1):
        raise Unusable("a page without changes, before the last page")
    found = values.identities(payload.results)
    numbers = [number for number in found if number]
    unreadable = [f"row {place}: no id" for place, number in enumerate(found, 1) if not number]
    _demand_any(numbers, unreadable)
    return ChangedIdsPage(total_pages=pages, tmdb_ids=tuple(numbers), unreadable=tuple(unreadable))


def genres(body: object) -> GenreList:
    """The list of genres. Raises Unusable if none is readable."""
    read: list[GenreFacts] = []
    unreadable: list[str] = []
    for place, row in enumerate(_shaped(body, GenresPayload).genres, 1):
        try:
            read.append(_genre(row))
        except Unreadable as error:
            unreadable.append(f"row {place}: {error}")
    _demand_any(read, unreadable)
    if not read:
        raise Unusable("a list without genres")
    return GenreList(genres=tuple(read), unreadable=tuple(unreadable))


def details_version(languages: Sequence[Language]) -> str:
    """What the details of a movie consist of, with translations into these languages."""
    return " ".join((DETAILS_VERSION, *sorted(languages)))


def detail(body: object, expected: int, languages: Sequence[Language] = ()) -> MovieFacts | FetchFailed:
    """The details of a movie, with translations into these languages. Raises Unusable if the body is no
    movie.
    """
    payload = _shaped(body, MoviePayload)
    number = values.identity(payload.id)
    if number is None:
        raise Unusable("something other than a movie")
    if number != expected:
        return FetchFailed(expected, f"TMDB answered with movie {number} instead")
    try:
        return _facts(payload, detailed=True, languages=languages)
    except Unreadable as error:
        return FetchFailed(expected, str(error))


def movie(row: object, *, detailed: bool = False, languages: Sequence[Language] = ()) -> MovieFacts:
    """A movie from a row of a list, or from its details, with translations into these languages. Raises
    Unreadable.
    """
    return _facts(_object(row, MoviePayload), detailed=detailed, languages=languages)


def _facts(payload: MoviePayload, *, detailed: bool, languages: Sequence[Language]) -> MovieFacts:
    number = values.identity(payload.id)
    if number is None:
        raise Unreadable("no id")
    if payload.genres is UNSET:
        payload.genres = payload.genre_ids
    facts: dict[str, Any] = {}
    omitted: set[str] = set()
    warnings: list[str] = []
    for fact, sent_as, read in _detail_readers(languages) if detailed else LIST_READERS:
        sent = getattr(payload, sent_as)
        if sent is UNSET:
            omitted.add(fact)
            continue
        try:
            value = read(sent)
        except Unreadable as error:
            value = error.instead
            if not error.certain:
                omitted.add(fact)
            warnings.append(f"movie {number}: {fact} cannot be read: {shown(sent)}")
        if value is not None:
            facts[fact] = value
    titles = [facts[name] for name in TITLES if name in facts]
    if not titles:
        raise Unreadable(f"movie {number} has no title")
    # Either title stands in for a missing one, but does not replace the stored one.
    omitted.update(name for name in TITLES if name not in facts)
    return MovieFacts(
        tmdb_id=number,
        **dict.fromkeys(TITLES, titles[0]) | facts,
        detailed=detailed,
        details_version=details_version(languages) if detailed else None,
        omitted=frozenset(omitted),
        warnings=tuple(warnings),
    )


def _detail_readers(languages: Sequence[Language]) -> Sequence[tuple[str, str, Reader[Any]]]:
    """The readers of the fields that details have, as in LIST_READERS."""
    if not languages:
        return DETAIL_READERS
    return (*DETAIL_READERS, ("translations", PART, partial(translations, languages=languages)))


def refusal(body: object) -> tuple[int | None, str | None]:
    """The status code and the reason of TMDB's own error body, the reason on one short line.

    Each is None if it is missing; so are both for a body that TMDB did not write.
    """
    try:
        payload = msgspec.convert(body, RefusalPayload)
    except msgspec.ValidationError:
        return None, None
    code = values.identity(payload.status_code)
    if code is not None and code > MAX_STATUS_CODE:  # an HTTP status, by which proxies number their errors
        return None, None
    sentences = payload.errors if isinstance(payload.errors, list) else [payload.status_message]
    texts = filter(None, (values.clean(each) for each in sentences if isinstance(each, str)))
    reason = textwrap.shorten(" ".join(texts), MAX_REASON_LENGTH, placeholder=" …")
    return code, reason or (f"code {code}" if code else None)


def _shaped(body: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise Unusable("JSON of an unexpected shape") from error


def _object(row: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise Unreadable("no object") from error


def _page(body: object, wanted: int) -> PagePayload:
    """A page whose number is `wanted` or missing. Caches on the way may answer with another page."""
    payload = _shaped(body, PagePayload)
    try:
        number = values.count()(payload.page)
    except Unreadable:
        number = 0
    if number not in (None, wanted):
        raise Unusable(f"page {shown(payload.page)} instead")
    return payload


def _demand_any(read: Sized, unreadable: Sequence[str]) -> None:
    """Raises Unusable if there are rows and none is readable."""
    if unreadable and not read:
        raise Unusable(f"no readable row ({unreadable[0]})")


def _length_of_list(payload: PagePayload, page: int) -> tuple[int, tuple[str, ...]]:
    """The number of pages that can be read, and a warning if `total_pages` is invalid.

    A list without a valid number of pages is read until an empty page, at most to TMDB's limit.
    """
    total = _count(payload.total_pages)
    if total or (total == 0 and not payload.results):
        # Pages beyond the limit cannot be requested.
        return min(total, MAX_PAGES), ()
    warning = f"page {page}: total_pages cannot be read: {shown(payload.total_pages)}"
    return MAX_PAGES if payload.results else page - 1, (warning,)


def _count(value: object) -> int | None:
    """A whole number; None if it is missing or invalid."""
    try:
        return values.count()(value)
    except Unreadable:
        return None


def _genre(row: object) -> GenreFacts:
    payload = _object(row, GenrePayload)
    number = values.identity(payload.id)
    if number is None:
        raise Unreadable("no id")
    try:
        name = values.name(payload.name)
    except Unreadable:
        raise Unreadable(f"genre {number}: name cannot be read: {shown(payload.name)}") from None
    if name is None:
        raise Unreadable(f"genre {number} has no name")
    return GenreFacts(tmdb_id=number, name=name)
