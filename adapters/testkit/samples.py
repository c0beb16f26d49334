"""What the contracts store: movies and people made up for testing, and runs to store movies under."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from random import Random
from threading import Barrier
from time import monotonic
from typing import Any, TypeVar

from adapters.store import Store
from domain.errors import MatineeError, StorageUnavailable
from domain.ids import GenreId, ItemId, MovieId, RatingId, RunId, SessionId, UserId, genre_id
from domain.movies import FACTS, Movie, MovieFacts
from domain.pagination import Cursor
from domain.ratings import Rating, Score
from domain.sessions import RefreshToken, Session
from domain.sync import Entity, PageResult, SourceName, SyncRun
from domain.users import User
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
}
"""Values of all other facts, by type; texts tell the fact's name."""

RowT = TypeVar("RowT")

_numbers = count(1)


def fresh_id() -> str:
    """An id that no other has; later ones are larger."""
    return f"{next(_numbers):024x}"


def noon(day: int = 1) -> datetime:
    """A moment in January 2026; milliseconds are all that every store keeps."""
    return datetime(2026, 1, day, 12, 0, 0, 345000, tzinfo=UTC)


def facts(number: int, **known: Any) -> MovieFacts:
    """What a source might say of a movie, where a test does not care."""
    title = f"Movie {number}"
    return MovieFacts(
        **{"tmdb_id": number, "title": title, "original_title": title, "popularity": 1.0, **known}
    )


def distinct_facts(number: int, value: int) -> MovieFacts:
    """A movie's details with a value for every fact. Those of values from 1 to 4 agree in no fact."""
    known = {each.name: _fact(each.name, each.type, value) for each in fields(MovieFacts)}
    return MovieFacts(**{fact: known[fact] for fact in FACTS} | {"tmdb_id": number, "detailed": True})


def _fact(name: str, kind: object, value: int) -> Any:
    return FORMS.get(name, VALUES.get(kind, f"{name} {{}}".format))(value)


def random_facts(amount: int, seed: int = 0) -> list[MovieFacts]:
    """So many movies with every kind of gap, tie and oddity, the same for the same seed."""
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
    return MovieFacts(**{**usual, **odd, "tmdb_id": number, "detailed": True})


def new_run(
    store: Store, entity: Entity = Entity.MOVIES, day: int = 1, source: SourceName = SourceName.TMDB
) -> SyncRun:
    """A run of that kind, in progress in the store; one that was is closed."""
    before = store.runs.latest(entity)
    if before and before.running:
        store.runs.save(before.finished(noon(day)))
    run = SyncRun(id=RunId(fresh_id()), entity=entity, started_at=noon(day), source=source)
    store.runs.add(run)
    return run


def store_page(store: Store, *movies: MovieFacts, gone: tuple[int, ...] = (), day: int = 1) -> SyncRun:
    """Store movies as a sync of that day does; return the run's record."""
    run = new_run(store, day=day)
    return store.movies.store(PageResult(page=1, at=noon(day), movies=movies, gone=gone), run)


def removal_of(store: Store, number: int) -> Callable[[], SyncRun]:
    """The step in which a sync drops a movie: its run has begun."""
    run = new_run(store, day=1 + number)
    return partial(store.movies.store, PageResult(page=1, at=noon(1 + number), gone=(number,)), run)


def add_movies(store: Store, movies: list[MovieFacts]) -> list[Movie]:
    """Store many movies; return them as they ought to come back."""
    store_page(store, *movies)
    return [Movie.from_facts(each, noon()) for each in movies]


def duration(seconds: float) -> timedelta:
    """A stretch of time."""
    return timedelta(seconds=seconds)


def new_account(username: str = "ann", **known: Any) -> User:
    """An account, where a test does not care."""
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
    """Somebody with an account in the store."""
    user = new_account(username, **known)
    store.users.add(user)
    return user


def add_users(store: Store, size: int) -> list[UserId]:
    """So many users."""
    return [add_user(store, f"user{number}").id for number in range(size)]


def add_session(store: Store, user: User, **known: Any) -> Session:
    """A session in the store: for three days, with the hash "first"."""
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
    """Those of the sessions by which somebody calls."""
    return [session for session in sessions if store.sessions.caller(session, noon(day))]


def new_rating(user: UserId, movie: MovieId, points: float = 8, day: int = 1, **known: Any) -> Rating:
    """A rating, not stored yet."""
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
    """A watchlist item, not stored yet."""
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


RETRIED_FOR = 60


def run_concurrently(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of the calls, begun at the same moment, returned; or which of our errors it raised.

    A busy store may refuse a call, which is then made again, as a client would, for `RETRIED_FOR` seconds.
    """
    together = Barrier(len(calls))

    def answer(call: Callable[[], Any]) -> Any:
        together.wait()
        until = monotonic() + RETRIED_FOR
        while True:
            try:
                return call()
            except MatineeError as error:
                if not isinstance(error, StorageUnavailable) or monotonic() > until:
                    return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(answer, calls))


def error_names(answers: Sequence[object]) -> list[str]:
    """The names of the errors among answers."""
    return [type(answer).__name__ for answer in answers if isinstance(answer, MatineeError)]


def read_pages(
    show: Callable[..., list[RowT]], place: Callable[[RowT], Cursor], limit: int = 3
) -> list[RowT]:
    """All of a list, read from cursor to cursor."""
    found: list[RowT] = []
    after: Cursor | None = None
    while part := show(limit=limit, after=after):
        assert len(part) <= limit
        assert not any(row in found for row in part), "a cursor leads back"
        found += part
        after = place(part[-1])
    return found
