"""Conversion of the domain's objects to documents of the distributed store, and back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time
from typing import Any

from bson import ObjectId

from adapters.mongo.schema import SORT_FIELDS, Document, search_fields
from domain.browsing import SortBy, sort_values
from domain.ids import GenreId, ItemId, MovieId, RatingId, RunId, SessionId, UserId, ViewingId, is_id
from domain.languages import Translation
from domain.movies import FACTS, LARGE_FACTS, CastMember, Genre, Movie, MovieFacts
from domain.pagination import Value
from domain.ratings import Rating, Score, Tally
from domain.search import Candidate
from domain.sessions import RefreshToken, Session
from domain.sync import Entity, SourceName, Status, SyncRun
from domain.users import PageLanguage, Role, User
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem

RUN_COUNTS = {
    "pagesFailed": "pages_failed",
    "inserted": "inserted",
    "updated": "updated",
    "unchanged": "unchanged",
    "skipped": "skipped",
    "duplicates": "duplicates",
    "requests": "requests",
    "problemsDropped": "problems_dropped",
}


def field_name(fact: str) -> str:
    """The field that holds a fact: `tmdb_id` is in `tmdbId`."""
    first, *others = fact.split("_")
    return first + "".join(map(str.capitalize, others))


WHOLE_MOVIE = {"terms": False, "peopleKeys": False}
"""A projection of all fields of a movie but those that only search uses."""

LISTED_MOVIE = WHOLE_MOVIE | {field_name(fact): False for fact in sorted(LARGE_FACTS)}
"""The same without large facts."""

CANDIDATE = dict.fromkeys(
    ("title", "originalTitle", "titleKey", "originalKey", "otherTitles", "popularity"), True
)
"""A projection of the fields of a search candidate."""

PEOPLE_CANDIDATE = CANDIDATE | {"peopleKeys": True}
"""The same with the keys of its people."""


def own_id(text: str) -> ObjectId | str:
    """An id as MongoDB stores it. Any other text is returned unchanged: no document has it as its id."""
    return ObjectId(text) if is_id(text) else text


def midnight(day: date) -> datetime:
    """The time that represents a date: BSON has no dates without a time."""
    return datetime.combine(day, time(), UTC)


Conversion = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""Functions that convert a value to that of its field, and back."""

CONVERSIONS: Mapping[object, Conversion] = {
    date | None: (lambda day: midnight(day) if day else None, lambda at: at.date() if at else None),
    tuple[GenreId, ...]: (
        lambda genres: list(map(own_id, genres)),
        lambda ids: tuple(GenreId(str(each)) for each in ids),
    ),
    tuple[str, ...]: (list, tuple),
    tuple[int, ...]: (list, tuple),
    tuple[CastMember, ...]: (
        lambda members: [{"name": each.name, "character": each.character} for each in members],
        lambda found: tuple(CastMember(each["name"], each["character"]) for each in found),
    ),
    tuple[Translation, ...]: (
        lambda found: list(map(asdict, found)),
        lambda found: tuple(Translation(**each) for each in found),
    ),
}
"""The conversion for each type of a fact. Values of other types are stored unchanged."""

STORED_FACTS = {*FACTS, "detailed", "details_version"}
FACT_TYPES = {each.name: each.type for each in fields(MovieFacts) if each.name in STORED_FACTS}

PLAIN_FIELDS = {field_name(fact): fact for fact, kind in FACT_TYPES.items() if kind not in CONVERSIONS}
CONVERTED_FIELDS = {
    field_name(fact): (fact, *CONVERSIONS[kind]) for fact, kind in FACT_TYPES.items() if kind in CONVERSIONS
}


def movie_document(movie: Movie) -> Document:
    """All fields of a movie, those of its tally included. `terms` is missing unless it is visible."""
    facts = movie.facts
    document = {
        **{name: getattr(facts, fact) for name, fact in PLAIN_FIELDS.items()},
        **{name: to_field(getattr(facts, fact)) for name, (fact, to_field, _) in CONVERTED_FIELDS.items()},
        "_id": own_id(movie.id),
        "createdAt": movie.created_at,
        "updatedAt": movie.updated_at,
        "syncedAt": movie.synced_at,
        "removedAt": movie.removed_at,
        "visible": movie.visible,
        **({"ratingsCounts": list(movie.tally.counts)} if movie.tally.count else {}),
        **{SORT_FIELDS[sort]: sort_value(sort, value) for sort, value in sort_values(movie).items()},
    }
    return document | search_fields(document)


def movie_of(document: Mapping[str, Any]) -> Movie:
    """The movie in a document of `movies`. Facts that its version did not have, or that were not read, get
    their defaults.
    """
    facts = MovieFacts(
        **{fact: document[name] for name, fact in PLAIN_FIELDS.items() if name in document},
        **{
            fact: from_field(document[name])
            for name, (fact, _, from_field) in CONVERTED_FIELDS.items()
            if name in document
        },
    )
    return Movie(
        id=MovieId(str(document["_id"])),
        facts=facts,
        tally=tally_of(document),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        synced_at=document["syncedAt"],
        removed_at=document["removedAt"],
    )


def tally_document(tally: Tally) -> Document:
    """The fields of a movie that depend on users' ratings."""
    return {
        "ratingsCounts": list(tally.counts),
        "ratingsCount": tally.count,
        "averageRating": tally.average,
        "weightedRating": tally.weighted,
    }


def tally_of(document: Mapping[str, Any]) -> Tally:
    """The tally in a document of `movies`; empty if no user has rated the movie."""
    return Tally(tuple(document["ratingsCounts"])) if "ratingsCounts" in document else Tally()


def candidate_of(document: Mapping[str, Any]) -> Candidate:
    """A candidate for ranking, from the fields of CANDIDATE."""
    others = document.get("otherTitles", ())  # earlier versions have none
    return Candidate(
        id=MovieId(str(document["_id"])),
        titles=(document["title"], document["originalTitle"], *(each["title"] for each in others)),
        keys=(document["titleKey"], document["originalKey"], *(each["key"] for each in others)),
        popularity=document["popularity"],
        people=tuple(document.get("peopleKeys", ())),
    )


def genre_document(genre: Genre) -> Document:
    """All fields of a genre."""
    return {
        "_id": own_id(genre.id),
        "tmdbId": genre.tmdb_id,
        "name": genre.name,
        "createdAt": genre.created_at,
        "updatedAt": genre.updated_at,
    }


def genre_of(document: Mapping[str, Any]) -> Genre:
    """The genre in a document of `genres`."""
    return Genre(
        id=GenreId(str(document["_id"])),
        tmdb_id=document["tmdbId"],
        name=document["name"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def run_document(run: SyncRun) -> Document:
    """All fields of a run; `createdAt` is its start and `lastSyncDate` its end.

    Totals and the error message are derived, and stored for people who read the collection.
    """
    return {
        **{field: getattr(run, name) for field, name in RUN_COUNTS.items()},
        "_id": own_id(run.id),
        "entityType": run.entity,
        "status": run.status,
        "source": run.source,
        "createdAt": run.started_at,
        "lastSyncDate": run.finished_at,
        "totalSynced": run.inserted + run.updated + run.unchanged,
        "errorMessage": run.error,
        "pagesTotal": run.pages_total,
        "pagesDone": run.pages_done,
        "fetched": run.fetched,
        "complete": run.complete,
        "lastPage": run.last_page,
        "done": sorted(run.done),
        "inherited": sorted(run.inherited),
        "unread": sorted(run.unread),
        "problems": list(run.problems),
        "plan": run.plan,
    }


def run_of(document: Mapping[str, Any]) -> SyncRun:
    """The run in a document of `synclogs`."""
    # Runs of earlier versions have no source, no plan, and not the movies that they could not read.
    document = {"source": SourceName.TMDB, "problemsDropped": 0, "unread": [], "plan": "", **document}
    return SyncRun(
        **{name: document[field] for field, name in RUN_COUNTS.items()},
        id=RunId(str(document["_id"])),
        entity=Entity(document["entityType"]),
        status=Status(document["status"]),
        source=SourceName(document["source"]),
        started_at=document["createdAt"],
        finished_at=document["lastSyncDate"],
        last_page=document["lastPage"],
        done=frozenset(document["done"]),
        inherited=frozenset(document["inherited"]),
        unread=frozenset(document["unread"]),
        problems=tuple(document["problems"]),
        plan=document["plan"],
    )


LOCK = {"$inc": {"lockCount": 1}}
"""An update of an account that a transaction depends on. It conflicts with concurrent changes of the account,
like SELECT ... FOR UPDATE in SQL: one of the two transactions is repeated.
"""


def user_document(user: User) -> Document:
    """All fields of an account."""
    return {
        "_id": own_id(user.id),
        "username": user.username,
        "usernameFolded": user.folded_username,
        "email": user.email,
        "emailFolded": user.folded_email,
        "password": user.password_hash,
        "role": user.role,
        "disabled": user.disabled,
        "language": user.language,
        "createdAt": user.created_at,
        "updatedAt": user.updated_at,
    }


def user_of(document: Mapping[str, Any]) -> User:
    """The account in a document of `users`."""
    return User(
        id=UserId(str(document["_id"])),
        username=document["username"],
        email=document["email"],
        password_hash=document["password"],
        role=Role(document["role"]),
        disabled=document["disabled"],
        language=PageLanguage(document["language"]) if document.get("language") else None,
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def session_document(session: Session) -> Document:
    """All fields of a session."""
    return {
        "_id": own_id(session.id),
        "userId": own_id(session.user),
        "refreshTokens": [
            {"hash": each.hash, "expiresAt": each.expires_at, "usedAt": each.used_at}
            for each in session.tokens
        ],
        "createdAt": session.created_at,
        "expiresAt": session.expires_at,
        "client": session.client,
    }


def session_of(document: Mapping[str, Any]) -> Session:
    """The session in a document of `sessions`."""
    return Session(
        id=SessionId(str(document["_id"])),
        user=UserId(str(document["userId"])),
        tokens=tuple(
            RefreshToken(hash=each["hash"], expires_at=each["expiresAt"], used_at=each["usedAt"])
            for each in document["refreshTokens"]
        ),
        created_at=document["createdAt"],
        expires_at=document["expiresAt"],
        client=document.get("client"),
    )


def rating_document(rating: Rating) -> Document:
    """All fields of a rating. Its score is stored in points, from 1 to 10 in halves."""
    return {
        "_id": own_id(rating.id),
        "userId": own_id(rating.user),
        "movieId": own_id(rating.movie),
        "rating": rating.score.points,
        "review": rating.review,
        "createdAt": rating.created_at,
        "updatedAt": rating.updated_at,
    }


def rating_of(document: Mapping[str, Any]) -> Rating:
    """The rating in a document of `ratings`."""
    return Rating(
        id=RatingId(str(document["_id"])),
        user=UserId(str(document["userId"])),
        movie=MovieId(str(document["movieId"])),
        score=Score.of(document["rating"]),
        review=document["review"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def item_document(item: WatchlistItem) -> Document:
    """All fields of a watchlist item."""
    return {
        "_id": own_id(item.id),
        "userId": own_id(item.user),
        "movieId": own_id(item.movie),
        "isFavorite": item.is_favorite,
        "note": item.note,
        "addedAt": item.added_at,
        "createdAt": item.added_at,
        "updatedAt": item.updated_at,
    }


def item_of(document: Mapping[str, Any]) -> WatchlistItem:
    """The watchlist item in a document of `watchlists`."""
    return WatchlistItem(
        id=ItemId(str(document["_id"])),
        user=UserId(str(document["userId"])),
        movie=MovieId(str(document["movieId"])),
        is_favorite=document["isFavorite"],
        note=document["note"],
        added_at=document["addedAt"],
        updated_at=document["updatedAt"],
    )


def viewing_document(viewing: Viewing) -> Document:
    """All fields of a viewing."""
    return {
        "_id": own_id(viewing.id),
        "userId": own_id(viewing.user),
        "movieId": own_id(viewing.movie),
        "watchedOn": midnight(viewing.watched_on) if viewing.watched_on else None,
        "rewatch": viewing.rewatch,
        "note": viewing.note,
        "createdAt": viewing.created_at,
        "updatedAt": viewing.updated_at,
        "position": viewing.position,
    }


def viewing_of(document: Mapping[str, Any]) -> Viewing:
    """The viewing in a document of `viewings`."""
    return Viewing(
        id=ViewingId(str(document["_id"])),
        user=UserId(str(document["userId"])),
        movie=MovieId(str(document["movieId"])),
        watched_on=document["watchedOn"].date() if document["watchedOn"] else None,
        rewatch=document["rewatch"],
        note=document["note"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def sort_value(sort: SortBy, value: Value | None) -> Value | datetime | None:
    """A sort value as documents store it: dates are times, and times are no texts."""
    if sort is SortBy.RELEASE_DATE and isinstance(value, str):
        return midnight(date.fromisoformat(value))
    if sort is SortBy.CREATED_AT and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value
