"""The schema of the distributed store: fields, indexes, and the migrations that lead to it."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from pymongo import IndexModel, ReturnDocument, UpdateOne
from pymongo.database import Database as MongoDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from domain.browsing import SortBy
from domain.people import name_keys, name_terms
from domain.ratings import RatingOrder
from domain.search import key, terms
from domain.sync import SourceName
from domain.titles import sort_title

Document = dict[str, Any]
Documents = MongoDatabase[Document]

SORT_FIELDS = {
    SortBy.POPULARITY: "popularity",
    SortBy.RELEASE_DATE: "releaseDate",
    SortBy.TITLE: "sortTitle",
    SortBy.VOTE_AVERAGE: "voteAverage",
    SortBy.VOTE_COUNT: "voteCount",
    SortBy.RUNTIME: "runtime",
    SortBy.CREATED_AT: "createdAt",
    SortBy.AVERAGE_RATING: "averageRating",
    SortBy.WEIGHTED_RATING: "weightedRating",
    SortBy.RATINGS_COUNT: "ratingsCount",
}
"""The field by which each order sorts."""

RATING_FIELDS = {
    RatingOrder.CREATED_AT: "createdAt",
    RatingOrder.UPDATED_AT: "updatedAt",
    RatingOrder.RATING: "rating",
}
"""The field by which each order of a user's ratings sorts."""

SEARCHED_FIELDS = (
    "tmdbId",
    "imdbId",
    "title",
    "originalTitle",
    "releaseDate",
    "visible",
    "translations",
    "directors",
    "cast",
)
"""The fields from which `search_fields` computes others."""

BATCH_SIZE = 1000
"""The movies that a migration writes with one command."""

SOURCE = "source"
"""The counter that holds the source of the catalogue."""

NEIGHBOURS_RULE = "neighboursRule"
"""The counter that holds the version of the rule with which neighbours were computed."""

OF_TMDB = ("voteCount", "voteAverage", "posterPath", "backdropPath")
"""Fields that the demo catalogue does not have."""

ENTRIES = {"ratings": "ratingsChangedAt", "watchlists": "watchlistChangedAt", "viewings": "viewingsChangedAt"}
"""The collections of users' entries, with the fields of `users` that have the times of their last changes."""

CHANGES_EPOCH = "changesEpoch"
"""The counter that identifies the history of changes."""

INDEX_NOT_FOUND = 27
"""An error code of the server."""


def _index(name: str, *keys: str, **options: object) -> IndexModel:
    """An index of these fields; a field with a minus sign is descending."""
    return IndexModel(
        [(each.lstrip("-"), -1 if each.startswith("-") else 1) for each in keys], name=name, **options
    )


def _of_visible(name: str, *keys: str) -> IndexModel:
    """An index of visible movies. As `visible` is its first field, it counts them without documents."""
    return _index(name, "visible", *keys, partialFilterExpression={"visible": True})


INDEXES = {
    "movies": [
        _index("one_per_number", "tmdbId", unique=True),
        _index("by_imdb_id", "imdbId", "tmdbId"),
        *(_of_visible(f"visible_by_{sort}_desc", f"-{field}", "_id") for sort, field in SORT_FIELDS.items()),
        *(_of_visible(f"visible_by_{sort}_asc", field, "_id") for sort, field in SORT_FIELDS.items()),
        _of_visible("visible_by_genre", "genres"),
        _of_visible("visible_by_language", "originalLanguage"),
        _index(
            "visible_by_term", "terms", "-popularity", "tmdbId", partialFilterExpression={"visible": True}
        ),
        _of_visible("visible_by_details_version", "detailsVersion", "-popularity", "tmdbId"),
        _index("by_synced_at", "syncedAt", "tmdbId"),
    ],
    "genres": [
        _index("one_per_number", "tmdbId", unique=True),
        _index("one_per_name", "name", unique=True),
    ],
    "synclogs": [
        _index(
            "one_in_progress", "entityType", unique=True, partialFilterExpression={"status": "in-progress"}
        ),
        _index("by_entity", "entityType", "-createdAt", "-_id"),
        _index("by_created_at", "-createdAt", "-_id"),
    ],
    "users": [
        _index("one_per_email", "emailFolded", unique=True),
        _index("one_per_name", "usernameFolded", unique=True),
        _index("by_created_at", "createdAt", "_id"),
        _index("active_admins", "role", partialFilterExpression={"role": "admin", "disabled": False}),
    ],
    "sessions": [
        _index("by_created_at", "userId", "-createdAt", "_id"),
        _index("by_expires_at", "expiresAt"),
    ],
    "api_tokens": [
        _index("one_per_text", "tokenHash", unique=True),
        _index("by_created_at", "userId", "-createdAt", "_id"),
    ],
    "idempotency_keys": [
        _index("by_user", "userId"),
        _index("by_began_at", "beganAt"),
    ],
    "removals": [
        _index("by_change_number", "userId", "changeNumber"),
        _index("by_removed_at", "removedAt"),
    ],
    "invitations": [
        _index("one_per_code", "codeHash", unique=True),
        _index("by_created_at", "-createdAt", "_id"),
        _index("by_expires_at", "expiresAt"),
    ],
    "ratings": [
        _index("one_per_movie", "userId", "movieId", unique=True),
        *(_index(f"by_{by}_desc", "userId", f"-{field}", "_id") for by, field in RATING_FIELDS.items()),
        *(_index(f"by_{by}_asc", "userId", field, "_id") for by, field in RATING_FIELDS.items()),
        _index("by_movie", "movieId", "-createdAt", "_id"),
        _index("by_change_number", "userId", "changeNumber"),
    ],
    "watchlists": [
        _index("one_per_movie", "userId", "movieId", unique=True),
        _index("by_added_at", "userId", "-addedAt", "_id"),
        _index("by_favorite", "userId", "isFavorite", "-addedAt", "_id"),
        _index("by_movie", "movieId"),
        _index("by_change_number", "userId", "changeNumber"),
    ],
    "hidden_movies": [
        _index("one_per_movie", "userId", "movieId", unique=True),
        _index("by_hidden_at", "userId", "-hiddenAt", "movieId"),
    ],
    "viewings": [
        _index("by_position", "userId", "-position", "_id"),
        _index("by_movie", "userId", "movieId", "-position", "_id"),
        _index("by_created_at", "userId", "-createdAt", "_id"),
        _index("of_movie", "movieId"),
        _index("by_change_number", "userId", "changeNumber"),
    ],
    "imports": [
        _index("by_created_at", "userId", "complete", "-createdAt", "_id"),
    ],
    "importPieces": [
        _index("one_per_number", "importId", "number", unique=True),
    ],
    "importRows": [
        _index("one_per_number", "importId", "number", unique=True),
        _index("by_class", "importId", "class", "number"),
    ],
    "importEffects": [
        _index("one_per_movie", "importId", "movieId", unique=True),
    ],
}
"""The indexes of each collection. Missing ones are created at every start. Locks and counters need none:
their `_id` is their name. Unique indexes keep their names, since on a sharded cluster the index of a shard
key cannot be dropped.
"""

FORMER_INDEXES = {
    "movies": [
        *(f"by_{sort}_{order}" for sort in SORT_FIELDS for order in ("desc", "asc")),
        "by_genre",
        "by_language",
        "by_vote_count",
        "by_term",
    ],
    "synclogs": ["by_start"],
    "users": ["by_creation", "admins"],
    "sessions": ["by_end", "by_user"],
    "invitations": ["newest_first", "by_end"],
    "watchlists": ["by_addition", "by_mark"],
}
"""Names that indexes had in earlier versions of the schema. None of them is used again."""


def search_fields(movie: Mapping[str, Any]) -> Document:
    """The keys of a movie's titles and of its people and, if it is visible, its terms. `movie` has the
    SEARCHED_FIELDS; earlier versions had no translations, directors and cast.
    """
    titles, released = (movie["title"], movie["originalTitle"]), movie["releaseDate"]
    fields: Document = dict(zip(("titleKey", "originalKey"), map(key, titles), strict=True))
    translated = (each["title"] for each in movie.get("translations", ()))
    others = [title for title in dict.fromkeys(translated) if title and title not in titles]
    fields["otherTitles"] = [{"title": title, "key": key(title)} for title in others]
    names = [*movie.get("directors", ()), *(member["name"] for member in movie.get("cast", ()))]
    fields["peopleKeys"] = list(name_keys(names))
    if movie["visible"]:
        year = released.year if released else None
        of_titles = terms((*titles, *others), year=year, tmdb_id=movie["tmdbId"], imdb_id=movie["imdbId"])
        fields["terms"] = sorted(of_titles | name_terms(names))
    return fields


def add_counters(database: Documents) -> None:
    """A migration: create the counters."""
    for name, value in (("generation", 1), ("listed", 0)):
        database.counters.update_one({"_id": name}, {"$setOnInsert": {"value": value}}, upsert=True)


def rewrite_terms(database: Documents) -> None:
    """A migration: compute the title keys of all movies and the terms of visible ones again.

    It can be applied before the migration that renames `listed` and after it. A movie that another process
    changes at the same time is skipped: that process has this version, too.
    """
    projection = dict.fromkeys((*SEARCHED_FIELDS, "listed"), True)
    movies = database.movies.find({}, projection, batch_size=BATCH_SIZE)
    while page := list(islice(movies, BATCH_SIZE)):
        database.movies.bulk_write(
            [
                UpdateOne(movie, {"$set": search_fields({"visible": movie.get("listed"), **movie})})
                for movie in page
            ],
            ordered=False,
        )


def add_refresh_tokens(database: Documents) -> None:
    """A migration: make each session's one hash a list of refresh tokens, as `session_document` writes it."""
    for session in database.sessions.find({"refreshHash": {"$exists": True}}):
        tokens = [{"hash": session["refreshHash"], "expiresAt": session["expiresAt"], "usedAt": None}]
        database.sessions.update_one(
            {"_id": session["_id"], "refreshHash": session["refreshHash"]},
            {"$set": {"refreshTokens": tokens}, "$unset": {"refreshHash": ""}},
        )


def add_source(database: Documents) -> None:
    """A migration: store the source of the catalogue and of each run, and how many problems a run dropped.

    The demo sends no requests. A catalogue that both have written to is TMDB's: its next syncs complete the
    movies of the demo.
    """
    for requests, source in (({"$gt": 0}, SourceName.TMDB), (0, SourceName.DEMO)):
        database.synclogs.update_many(
            {"requests": requests, "source": {"$exists": False}},
            {"$set": {"source": source, "problemsDropped": 0}},
        )
    database.counters.update_one(
        {"_id": SOURCE}, {"$setOnInsert": {"value": _filled_from(database)}}, upsert=True
    )


def _filled_from(database: Documents) -> SourceName | None:
    stored = [{name: {"$gt": 0}} for name in ("inserted", "updated", "unchanged")]
    if database.synclogs.find_one({"requests": {"$gt": 0}, "$or": stored}):
        return SourceName.TMDB
    if database.movies.find_one({"$or": [{name: {"$ne": None}} for name in OF_TMDB]}, {"_id": True}):
        return SourceName.TMDB
    if database.movies.find_one({}, {"_id": True}) or database.genres.find_one({}, {"_id": True}):
        return SourceName.DEMO
    return None


def rename_fields(database: Documents) -> None:
    """A migration: rename fields, indexes and a counter after what they hold.

    The former indexes are dropped first, so that renaming a field does not update them.
    """
    for collection, names in FORMER_INDEXES.items():
        for name in set(names) & set(database[collection].index_information()):
            _drop_index(database, collection, name)
    for collection, former, present in (("movies", "listed", "visible"), ("locks", "endsAt", "expiresAt")):
        database[collection].update_many({former: {"$exists": True}}, {"$rename": {former: present}})
    for collection, unused in (("users", "reliedOn"), ("counters", "held")):
        database[collection].update_many({unused: {"$exists": True}}, {"$unset": {unused: ""}})
    former_counter = database.counters.find_one("listed")
    if former_counter:
        value = {"$setOnInsert": {"value": former_counter["value"]}}
        database.counters.update_one({"_id": "visible_movies"}, value, upsert=True)
        database.counters.delete_one({"_id": "listed"})


def add_people(database: Documents) -> None:
    """A migration: index movies under the names of their directors and cast. A movie that another process
    changes at the same time is skipped: that process has this version, too.
    """
    credited = {"$or": [{"directors.0": {"$exists": True}}, {"cast.0": {"$exists": True}}]}
    movies = database.movies.find(credited, dict.fromkeys(SEARCHED_FIELDS, True), batch_size=BATCH_SIZE)
    while page := list(islice(movies, BATCH_SIZE)):
        writes = [UpdateOne(movie, {"$set": search_fields(movie)}) for movie in page]
        database.movies.bulk_write(writes, ordered=False)


def sort_without_articles(database: Documents) -> None:
    """A migration: sort titles without articles, and drop the index that those of the votes replace.

    A movie that another process changes at the same time is skipped: that process has this version, too.
    """
    fields = ("title", "originalTitle", "originalLanguage", "sortTitle")
    movies = database.movies.find({}, dict.fromkeys(fields, True), batch_size=BATCH_SIZE)
    while page := list(islice(movies, BATCH_SIZE)):
        changed = [(movie, title) for movie in page if (title := _sort_title(movie)) != movie["sortTitle"]]
        if changed:
            database.movies.bulk_write(
                [UpdateOne(movie, {"$set": {"sortTitle": title}}) for movie, title in changed], ordered=False
            )
    if "visible_by_vote_count" in database.movies.index_information():
        _drop_index(database, "movies", "visible_by_vote_count")


def _sort_title(movie: Mapping[str, Any]) -> str:
    return sort_title(movie["title"], movie["originalTitle"], movie["originalLanguage"])


def add_neighbours(database: Documents) -> None:
    """A migration: create what has no indexes of its own, since transactions write to it; and store that
    neighbours were never computed.
    """
    for collection in {"rating_changes", "neighbours"} - set(database.list_collection_names()):
        with suppress(CollectionInvalid):  # another process has created it
            database.create_collection(collection)
    database.counters.update_one({"_id": NEIGHBOURS_RULE}, {"$setOnInsert": {"value": 0}}, upsert=True)


def _drop_index(database: Documents, collection: str, name: str) -> None:
    try:
        database[collection].drop_index(name)
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:  # another process has dropped it
            raise


def number_entries(database: Documents) -> None:
    """A migration: number the entries of each user for the change feed.

    Of several processes that number an entry at once one does, since the others no longer find it without a
    number. The numbers that they have taken are not used.
    """
    # 52 bits, which clients in any language can keep
    epoch = {"$setOnInsert": {"value": secrets.randbits(52)}}
    database.counters.update_one({"_id": CHANGES_EPOCH}, epoch, upsert=True)
    unnumbered = {"changeNumber": {"$exists": False}}
    for name, changed_at in ENTRIES.items():
        entries = database[name].find(
            unnumbered, {"userId": True, "updatedAt": True}, sort=[("userId", 1), ("movieId", 1)]
        )
        for user, found in groupby(entries, key=itemgetter("userId")):
            while part := list(islice(found, BATCH_SIZE)):
                latest = max(entry["updatedAt"] for entry in part)
                account = database.users.find_one_and_update(
                    {"_id": user},
                    {"$inc": {"changes": len(part)}, "$max": {changed_at: latest}},
                    return_document=ReturnDocument.AFTER,
                )
                first = account["changes"] - len(part) + 1 if account else 1
                database[name].bulk_write(
                    [
                        UpdateOne({"_id": entry["_id"], **unnumbered}, {"$set": {"changeNumber": number}})
                        for number, entry in enumerate(part, first)
                    ],
                    ordered=False,
                )


MIGRATIONS: tuple[Callable[[Documents], None], ...] = (
    add_counters,
    rewrite_terms,  # two typing errors, numbers, years, ids, and single letters of unspaced scripts
    add_refresh_tokens,
    add_source,
    rename_fields,
    add_people,
    sort_without_articles,
    add_neighbours,
    number_entries,
)
"""Each leads to the next version of the schema, and is safe when several processes apply it at once. A
released one is never changed, only followed by others.
"""
