"""The MovieSource over TMDB's API."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event

from adapters.metering import UNMETERED, Meter
from adapters.tmdb import appended, payloads, translations
from adapters.tmdb.budget import Budget, Pause, pause
from adapters.tmdb.client import Params, RetryPolicy, TmdbClient
from adapters.tmdb.credential import Credential
from adapters.tmdb.exports import TmdbExports
from adapters.tmdb.outcomes import Absent
from domain.discovery import Discovery
from domain.ids import ImdbId
from domain.languages import Language, Languages
from domain.movies import MovieFacts
from domain.sync import (
    ChangedIdsPage,
    Detail,
    ExportedIds,
    FetchFailed,
    GenreList,
    MovieGone,
    SourceName,
    SourcePage,
    SourceUnavailable,
)

RETRY_POLICY = RetryPolicy()

ENGLISH = Languages(Language("en-US"))

SLOW = 0.002
"""Seconds without a result after which a further thread reads details.

Threads that wait for TMDB together are faster. But a source in the same network may respond before the next
thread has begun: then each thread only takes the interpreter from the others.
"""

TEXT_RETENTION = timedelta(days=180)
"""Texts and pictures may be stored for six months after they were read (TMDB's terms of use)."""


class TmdbMovieSource:
    """MovieSource over TMDB. Threads take turns with its connections, and share its budget."""

    name = SourceName.TMDB
    max_pages = payloads.MAX_PAGES
    changes_window = timedelta(days=14)

    def __init__(  # noqa: PLR0913  each by its name
        self,
        *,
        access_token: str | None,
        api_key: str | None,
        budget: Budget,
        base_url: str = "https://api.themoviedb.org/3",
        exports_url: str = "https://files.tmdb.org/p/exports",
        languages: Languages = ENGLISH,
        workers: int = 8,
        policy: RetryPolicy = RETRY_POLICY,
        pause: Pause = pause,
        meter: Meter = UNMETERED,
    ) -> None:
        """`languages` are those of titles and overviews; genres are in the main one. Up to `workers` threads
        read details in parallel.
        """
        credential = Credential.recognised((access_token or "").strip(), (api_key or "").strip())
        self._client = TmdbClient(
            credential=credential,
            base_url=base_url,
            budget=budget,
            policy=policy,
            pause=pause,
            meter=meter,
        )
        self._exports = TmdbExports(
            exports_url, attempts=policy.attempts, timeout=policy.read_timeout, pause=pause
        )
        self._language: Params = {"language": languages.main}
        self._further_languages = languages.others
        parts = [*appended.PARTS, *((translations.PART,) if languages.others else ())]
        self._of_details: Params = {**self._language, "append_to_response": ",".join(parts)}
        self._workers = workers
        self._closed = Event()

    @property
    def details_version(self) -> str:
        """See MovieSource."""
        return payloads.details_version(self._further_languages)

    def genres(self) -> GenreList:
        """See MovieSource."""
        return self._client.get("/genre/movie/list", self._language, payloads.genres, self._closed)

    def popular(self, page: int) -> SourcePage:
        """See MovieSource."""
        params: Params = {**self._language, "page": page}
        return self._client.get("/movie/popular", params, partial(payloads.listed, page=page), self._closed)

    def search(self, text: str, *, year: int | None = None, page: int = 1) -> SourcePage:
        """See MovieSource."""
        params: Params = {**self._language, "query": text, "page": page, "include_adult": "false"}
        if year is not None:
            params = {**params, "year": year}
        return self._client.get("/search/movie", params, partial(payloads.matching, page=page), self._closed)

    def find(self, imdb_id: ImdbId) -> MovieFacts | None:
        """See MovieSource."""
        params: Params = {**self._language, "external_source": "imdb_id"}
        try:
            return self._client.get(f"/find/{imdb_id.value}", params, payloads.found, self._closed)
        except Absent:
            return None

    def discover(self, wanted: Discovery, page: int) -> SourcePage:
        """See MovieSource."""
        params: Params = {
            **self._language,
            **_filters(wanted),
            "sort_by": "popularity.desc",
            "include_adult": "false",
            "include_video": "false",
            "page": page,
        }
        read = partial(payloads.matching, page=page)
        return self._client.get("/discover/movie", params, read, self._closed)

    def exported(self, min_popularity: float, day: date) -> ExportedIds:
        """See MovieSource."""
        return self._exports.read(min_popularity, day, self._closed)

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        """See MovieSource. Closing the iterator stops further requests."""
        stop = Event()
        numbers, done = SimpleQueue[int](), SimpleQueue[Detail | BaseException]()
        wanted = dict.fromkeys(tmdb_ids)
        for number in wanted:
            numbers.put(number)
        readers, most = 0, min(self._workers, len(wanted))
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="tmdb")
        try:
            for _ in wanted:
                while not readers or (detail := _next(done, SLOW if readers < most else None)) is None:
                    pool.submit(self._read_details, numbers, done, stop)
                    readers += 1
                if isinstance(detail, BaseException):
                    raise detail
                yield detail
        finally:
            stop.set()
            # A caller that closes the iterator does not wait for requests in progress.
            pool.shutdown(wait=False, cancel_futures=True)

    def changes(self, first: date, last: date, page: int) -> ChangedIdsPage:
        """See MovieSource."""
        params: Params = {"start_date": first.isoformat(), "end_date": last.isoformat(), "page": page}
        return self._client.get("/movie/changes", params, partial(payloads.changed, page=page), self._closed)

    def ping(self) -> datetime | None:
        """See MovieSource."""
        return self._client.ping(self._closed)

    def requests(self) -> int:
        """See MovieSource."""
        return self._client.sent + self._exports.sent

    def close(self) -> None:
        """Close the connections, and stop threads that wait for a slot."""
        self._closed.set()
        self._client.close()

    def _read_details(
        self, numbers: "SimpleQueue[int]", done: "SimpleQueue[Detail | BaseException]", stop: Event
    ) -> None:
        """Read the details of one movie after another, until there is none that no other thread reads."""
        while not stop.is_set():
            try:
                number = numbers.get_nowait()
            except Empty:
                return
            try:
                done.put(self._detail(number, stop))
            except BaseException as error:  # noqa: BLE001  the caller raises it
                done.put(error)

    def _detail(self, number: int, stop: Event) -> Detail:
        try:
            read = partial(payloads.detail, expected=number, languages=self._further_languages)
            return self._client.get(f"/movie/{number}", self._of_details, read, stop)
        except Absent:
            return MovieGone(number)
        except SourceUnavailable as error:
            return FetchFailed(number, error.reason)


def _next(
    done: "SimpleQueue[Detail | BaseException]", seconds: float | None
) -> Detail | BaseException | None:
    """The next result; None if there is none within so many seconds."""
    try:
        return done.get(timeout=seconds)
    except Empty:
        return None


def _filters(wanted: Discovery) -> Params:
    """The parameters of /discover/movie for what is given."""
    period, genres = wanted.period, wanted.genres
    given = {
        "primary_release_date.gte": period.first and period.first.isoformat(),
        "primary_release_date.lte": period.last and period.last.isoformat(),
        "with_genres": ("|" if genres.any_of else ",").join(map(str, genres.numbers)),
        "with_original_language": wanted.language,
        "vote_count.gte": wanted.min_votes,
    }
    return {name: value for name, value in given.items() if value}
