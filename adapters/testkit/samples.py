"""Test data for the contracts: movies, users and what they own, and runs to store movies under."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from random import Random
from threading import Barrier
from time import monotonic
from typing import Any, TypeVar

from adapters.store import Store
from domain.errors import MatineeError, StorageUnavailable
from domain.ids import GenreId, ItemId, MovieId, RatingId, RunId, SessionId, UserId, ViewingId, genre_id
from domain.languages import Language, Translation
from domain.movies import FACTS, LARGE_FACTS, CastMember, Movie, MovieFacts
from domain.pagination import Cursor
from domain.ratings import Rating, Score
from domain.sessions import RefreshToken, Session
from domain.sync import Entity, PageResult, SourceName, SyncRun
from domain.users import User
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem

WORDS = (
    "night", "river", "Amélie", "wall·e", "STAR", "war", "of", "the", "love", "8½", "Ønske", "мир",
    "千と千尋", "기생충", "dawn", "man", "king", "2", "home", "last",
)  # fmt: skip
LANGUAGES = ("en", "fr", "ja", "cn", None)
GENRES = tuple(genre_id(number) for number in (18, 28, 35, 53, 878))

FORMS: Mapping[str, Callable[[int], Any]] = {
    "original_language": lambda number: LANGUAGES[number % 4],
    "poster_path": "/poster{}.jpg".format,
    "backdrop_path": "/backdrop{}.jpg".format,
    "imdb_id": "tt{:07}".format,
}
"""Facts that have a form: a value for each number."""

VALUES: Mapping[object, Callable[[int], Any]] = {
    int: int,
    int | None: int,
    float | None: lambda number: number + 0.5,
    bool: lambda number: number % 2 == 1,
    date | None: lambda number: date(1900 + number, 1, 1),
    tuple[GenreId, ...]: lambda number: (GENRES[number % 5], GENRES[(number + 1) % 5]),
    tuple[str, ...]: lambda number: (f"Ann {number}", f"Bo {number}"),
    tuple[CastMember, ...]: lambda number: (
        CastMember(f"Cy {number}", "Herself"),
        CastMember(f"Di {number}"),
    ),
    tuple[int, ...]: lambda number: (number + 1000, number),
    tuple[Translation, ...]: lambda number: (
        Translation(language=Language("de-DE"), title=f"Titel {number}", overview=f"Text {number}"),
        Translation(language=Language("fr"), title=f"Titre {number}"),
    ),
}
"""Values of all other facts, by type; texts tell the fact's name."""

RowT = TypeVar("RowT")

_numbers = count(1)


def fresh_id() -> str:
    """A new id, larger than those before it."""
    return f"{next(_numbers):024x}"


def noon(day: int = 1) -> datetime:
    """A time on a day of January 2026, in UTC. Stores keep milliseconds, so it has some."""
    return datetime(2026, 1, day, 12, 0, 0, 345000, tzinfo=UTC)


def facts(number: int, **known: Any) -> MovieFacts:
    """The facts of a movie, with defaults for those that are not given."""
    title = f"Movie {number}"
    return MovieFacts(
        **{"tmdb_id": number, "title": title, "original_title": title, "popularity": 1.0, **known}
    )


def distinct_facts(number: int, value: int) -> MovieFacts:
    """The details of a movie with a value for every fact. Values from 1 to 4 have no fact in common."""
    known = {each.name: _fact(each.name, each.type, value) for each in fields(MovieFacts)}
    details = {"tmdb_id": number, "detailed": True, "details_version": "1"}
    return MovieFacts(**{fact: known[fact] for fact in FACTS} | details)


def _fact(name: str, kind: object, value: int) -> Any:
    return FORMS.get(name, VALUES.get(kind, f"{name} {{}}".format))(value)


def random_facts(amount: int, seed: int = 0) -> list[MovieFacts]:
    """The facts of `amount` movies, with missing values, ties and unusual texts; equal for equal seeds."""
    random = Random(seed)
    return [_invented(number, random) for number in range(1, amount + 1)]


def _invented(number: int, random: Random) -> MovieFacts:
    def perhaps(value: Any) -> Any:
        return value if random.random() < 0.8 else None

    title = " ".join(random.choice(WORDS) for _ in range(random.randint(1, 4)))
    odd = {
        "title": title,
        "original_title": title if random.random() < 0.7 else random.choice(WORDS),
        "original_language": random.choice(LANGUAGES),
        "overview": perhaps(f"The {number}th story\nof \"many\" – 'quoted'"),
        "release_date": perhaps(
            date(random.randint(1900, 1909), random.choice((1, 12)), random.choice((1, 31)))
        ),
        "popularity": perhaps(random.choice((0.0, 0.5, 2.25, 7.0, 100.125))),
        "vote_average": perhaps(random.choice((0.0, 5.0, 7.365, 10.0))),
        "vote_count": perhaps(random.choice((0, 1, 100, 2500))),
        "adult": random.random() < 0.05,
        "genres": tuple(random.sample(GENRES, random.randint(0, 3))),
        "runtime": perhaps(random.randint(1, 300)),
    }
    others = [each for each in fields(MovieFacts) if each.name in FACTS and each.name not in odd]
    usual = {each.name: perhaps(_fact(each.name, each.type, number)) for each in others}
    known = {fact: value for fact, value in usual.items() if value is not None}
    return MovieFacts(**{**known, **odd, "tmdb_id": number, "detailed": True})


def new_run(
    store: Store, entity: Entity = Entity.MOVIES, day: int = 1, source: SourceName = SourceName.TMDB
) -> SyncRun:
    """Store a run that is in progress; an earlier one of the same kind is finished first."""
    before = store.runs.latest(entity)
    if before and before.running:
        store.runs.save(before.finished(noon(day)))
    run = SyncRun(id=RunId(fresh_id()), entity=entity, started_at=noon(day), source=source)
    store.runs.add(run)
    return run


def store_page(store: Store, *movies: MovieFacts, gone: tuple[int, ...] = (), day: int = 1) -> SyncRun:
    """Store movies like a page of a sync of that day; return the run's new record."""
    run = new_run(store, day=day)
    return store.movies.store(PageResult(page=1, at=noon(day), movies=movies, gone=gone), run)


def removal_of(store: Store, number: int) -> Callable[[], SyncRun]:
    """A call that stores a page with a removed movie. Its run is started at once."""
    run = new_run(store, day=1 + number)
    return partial(store.movies.store, PageResult(page=1, at=noon(1 + number), gone=(number,)), run)


def listed(movie: Movie) -> Movie:
    """A movie as it is read for a list: without its large facts."""
    unknown: dict[str, Any] = {each.name: each.default for each in fields(MovieFacts)}
    large = {fact: unknown[fact] for fact in LARGE_FACTS}
    return replace(movie, facts=replace(movie.facts, **large))


def add_movies(store: Store, movies: list[MovieFacts]) -> list[Movie]:
    """Store movies; return them as they must be read."""
    store_page(store, *movies)
    return [Movie.from_facts(each, noon()) for each in movies]


def duration(seconds: float) -> timedelta:
    """A number of seconds as a timedelta."""
    return timedelta(seconds=seconds)


def new_account(username: str = "ann", **known: Any) -> User:
    """An account that is not stored, with defaults for values that are not given."""
    return User(
        **{
            "id": UserId(fresh_id()),
            "username": username,
            "email": f"{username}@example.com",
            "password_hash": f"$argon2id${username}",
            "created_at": noon(),
            "updated_at": noon(),
            **known,
        }
    )


def add_user(store: Store, username: str = "ann", **known: Any) -> User:
    """Store an account, and return it."""
    user = new_account(username, **known)
    store.users.add(user)
    return user


def add_users(store: Store, size: int) -> list[UserId]:
    """Store accounts, and return their ids."""
    return [add_user(store, f"user{number}").id for number in range(size)]


def add_session(store: Store, user: User, **known: Any) -> Session:
    """Store a session that lasts three days, with a refresh token whose hash is `first`."""
    session = Session(
        **{
            "id": SessionId(fresh_id()),
            "user": user.id,
            "tokens": (RefreshToken(hash="first", expires_at=known.get("expires_at", noon(4))),),
            "created_at": noon(1),
            "expires_at": noon(4),
            **known,
        }
    )
    assert store.sessions.add(session, verified=user.password_hash)
    return session


def valid_sessions(store: Store, *sessions: SessionId, day: int = 2) -> list[SessionId]:
    """The sessions that have a caller on that day."""
    return [session for session in sessions if store.sessions.caller(session, noon(day))]


def new_rating(user: UserId, movie: MovieId, points: float = 8, day: int = 1, **known: Any) -> Rating:
    """A rating that is not stored."""
    return Rating(
        **{
            "id": RatingId(fresh_id()),
            "user": user,
            "movie": movie,
            "score": Score.of(points),
            "created_at": noon(day),
            "updated_at": noon(day),
            **known,
        }
    )


def new_item(user: UserId, movie: MovieId, day: int = 1, **known: Any) -> WatchlistItem:
    """A watchlist item that is not stored."""
    return WatchlistItem(
        **{
            "id": ItemId(fresh_id()),
            "user": user,
            "movie": movie,
            "added_at": noon(day),
            "updated_at": noon(day),
            **known,
        }
    )


def new_viewing(
    user: UserId, movie: MovieId, watched_on: date | None = None, day: int = 1, **known: Any
) -> Viewing:
    """A viewing that is not stored."""
    return Viewing(
        **{
            "id": ViewingId(fresh_id()),
            "user": user,
            "movie": movie,
            "watched_on": watched_on,
            "created_at": noon(day),
            "updated_at": noon(day),
            **known,
        }
    )


RETRY_TIMEOUT = 60


def run_concurrently(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all calls at the same time; return the result of each, or its MatineeError.

    A call that fails with StorageUnavailable is repeated, as a client would do, for `RETRY_TIMEOUT` seconds.
    """
    together = Barrier(len(calls))

    def answer(call: Callable[[], Any]) -> Any:
        together.wait()
        until = monotonic() + RETRY_TIMEOUT
        while True:
            try:
                return call()
            except MatineeError as error:
                if not isinstance(error, StorageUnavailable) or monotonic() > until:
                    return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(answer, calls))


def retried(call: Callable[[], object]) -> None:
    """Call until the store is not busy."""
    while True:
        try:
            call()
        except StorageUnavailable:
            continue
        return


def error_names(answers: Sequence[object]) -> list[str]:
    """The names of the errors among the results of `run_concurrently`."""
    return [type(answer).__name__ for answer in answers if isinstance(answer, MatineeError)]


def read_pages(
    show: Callable[..., list[RowT]], cursor: Callable[[RowT], Cursor], limit: int = 3
) -> list[RowT]:
    """A whole list, read page by page with cursors. `cursor` returns the cursor of a row."""
    found: list[RowT] = []
    after: Cursor | None = None
    while part := show(limit=limit, after=after):
        assert len(part) <= limit
        assert not any(row in found for row in part), "a page repeats a row"
        found += part
        after = cursor(part[-1])
    return found
