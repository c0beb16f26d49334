"""The movies of the distributed store: lookups, lists, search, and what a sync writes."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from pymongo import DeleteMany, UpdateMany, UpdateOne

from adapters.list_planner import Frequencies
from adapters.mongo.database import Database, counter
from adapters.mongo.documents import (
    CANDIDATE,
    LISTED_MOVIE,
    PEOPLE_CANDIDATE,
    WHOLE_MOVIE,
    candidate_of,
    field_name,
    movie_document,
    movie_of,
    own_id,
    tally_document,
)
from adapters.mongo.listing import (
    BY_POPULARITY,
    Condition,
    Statement,
    count,
    count_with_term,
    page_statements,
    term_statement,
)
from adapters.mongo.runs import advance
from adapters.mongo.schema import Document, Documents
from adapters.mongo.source import claim, set_source, source_of
from domain.browsing import EVERYTHING, MovieFilter, MoviePage, Sorting
from domain.ids import ImdbId, MovieId, MovieRef, TmdbNumber
from domain.languages import Language, Translation
from domain.movies import TEXT_FACTS, Movie, MovieFacts, MovieNotFound, Outcome, merged_movies, outcome
from domain.pagination import Window
from domain.ratings import Tally
from domain.search import Candidate, TermQuery
from domain.sync import PageResult, SourceName, SyncRun

INSERT_ONLY_FIELDS = frozenset({"tmdbId", "_id", "createdAt", *tally_document(Tally())})
"""Fields that a sync writes only when it inserts a movie: identity, and what depends on users' ratings."""

HAS_TEXTS: Document = {"$or": [{field_name(fact): {"$nin": [None, []]}} for fact in TEXT_FACTS]}
"""The condition that a movie has a text or a picture."""

HAND_OVER_TIMEOUT = 60
"""Seconds for a hand-over, which may change every movie."""

Pair = tuple[Movie | None, Movie | None]
"""A movie before and after a page of a sync: before is None if it is inserted, after if it is deleted."""

Write = UpdateOne | UpdateMany | DeleteMany


@dataclass(frozen=True, slots=True)
class MongoMovieRepository:
    """MovieRepository over MongoDB."""

    database: Database
    frequencies: Frequencies[Condition] = field(default_factory=Frequencies)

    def get(self, ref: MovieRef) -> Movie:
        with self.database.using() as database:
            found = database.movies.find_one(_lookup(ref), WHOLE_MOVIE, sort=_first(ref))
        if found is None:
            raise MovieNotFound(ref)
        return movie_of(found)

    def by_ids(self, ids: Sequence[MovieId]) -> list[Movie]:
        with self.database.using() as database:
            found = _select(database, "_id", map(own_id, ids), LISTED_MOVIE)
            movies = {movie.id: movie for movie in found}
        return [movies[each] for each in ids if each in movies]

    def by_imdb_ids(self, imdb_ids: Collection[str]) -> dict[str, Movie]:
        with self.database.using() as database:
            found = list(_select(database, "imdbId", imdb_ids, LISTED_MOVIE))
        found.sort(key=lambda movie: movie.facts.tmdb_id, reverse=True)
        return {movie.facts.imdb_id: movie for movie in found if movie.facts.imdb_id}

    def by_tmdb_ids(self, tmdb_ids: Collection[int]) -> dict[int, Movie]:
        with self.database.using() as database:
            return _by_tmdb_ids(database, tmdb_ids, LISTED_MOVIE)

    def translations(self, movies: Collection[MovieId], language: Language) -> dict[MovieId, Translation]:
        wanted = {"_id": {"$in": list(map(own_id, movies))}}
        projection = {"translations": {"$elemMatch": {"language": language}}}
        with self.database.using() as database:
            found = database.movies.find(wanted, projection)
            return {
                MovieId(str(each["_id"])): Translation(**each["translations"][0])
                for each in found
                if each.get("translations")
            }

    def page(self, wanted: MovieFilter, sorting: Sorting, window: Window) -> MoviePage:
        with self.database.using() as database:
            statements = page_statements(database, self.frequencies, wanted, sorting, window)
            found = _window(database, statements, window)
        return MoviePage(tuple(map(movie_of, found[: window.limit])), more=len(found) > window.limit)

    def count(self, wanted: MovieFilter) -> int:
        with self.database.using() as database:
            return count(database, self.frequencies, wanted)

    def find(self, query: TermQuery, limit: int, wanted: MovieFilter = EVERYTHING) -> list[Candidate]:
        return self._find(query, limit, wanted, CANDIDATE)

    def find_people(self, query: TermQuery, limit: int, wanted: MovieFilter = EVERYTHING) -> list[Candidate]:
        return self._find(query, limit, wanted, PEOPLE_CANDIDATE)

    def count_with_term(self, term: str, limit: int) -> int:
        with self.database.using() as database:
            return count_with_term(database, term, limit)

    def _find(
        self, query: TermQuery, limit: int, wanted: MovieFilter, projection: Document
    ) -> list[Candidate]:
        with self.database.using() as database:
            statement = term_statement(database, self.frequencies, query, wanted)
            found = database.movies.find(
                statement.filter, projection, sort=statement.order, hint=statement.index
            )
            return [candidate_of(document) for document in found.limit(limit)]

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        return self.store_together((result,), run)

    def store_together(self, results: Sequence[PageResult], run: SyncRun) -> SyncRun:
        def store(database: Documents) -> SyncRun:
            return reduce(lambda stored, result: _store(database, result, stored), results, run)

        return self.database.transaction(store)

    def add(self, movies: Sequence[MovieFacts], source: SourceName, at: datetime) -> list[Outcome]:
        return self.database.transaction(lambda database: _add(database, movies, source, at))

    def stale(self, before: datetime, limit: int) -> list[int]:
        stale = {"syncedAt": {"$lt": before}}
        order = [("syncedAt", 1), ("tmdbId", 1)]
        with self.database.using() as database:
            found = database.movies.find(stale, {"_id": False, "tmdbId": True}, sort=order).limit(limit)
            return [document["tmdbId"] for document in found]

    def incomplete(self, version: str, limit: int) -> list[int]:
        others = {"visible": True, "detailsVersion": {"$ne": version}}
        with self.database.using() as database:
            found = database.movies.find(
                others, {"_id": False, "tmdbId": True}, sort=BY_POPULARITY, hint="visible_by_details_version"
            )
            return [document["tmdbId"] for document in found.limit(limit)]

    def recommended(self, limit: int, after: int = 0) -> list[tuple[int, tuple[int, ...]]]:
        wanted = {"tmdbId": {"$gt": after}, "recommended.0": {"$exists": True}}
        projection = {"_id": False, "tmdbId": True, "recommended": True}
        with self.database.using() as database:
            found = database.movies.find(wanted, projection, sort=[("tmdbId", 1)], hint="one_per_number")
            return [(each["tmdbId"], tuple(each["recommended"])) for each in found.limit(limit)]

    def clear_texts(self, before: datetime, at: datetime, limit: int) -> int:
        return self.database.transaction(lambda database: _clear_texts(database, before, at, limit))

    def source(self) -> SourceName | None:
        with self.database.using() as database:
            return source_of(database)

    def change_source(self, to: SourceName, at: datetime) -> None:
        self.database.transaction(lambda database: _hand_over(database, to, at), timeout=HAND_OVER_TIMEOUT)

    def generation(self) -> int:
        with self.database.using() as database:
            return counter(database, "generation")


def _window(database: Documents, statements: Sequence[Statement], window: Window) -> list[Document]:
    """The window's movies, and one more if any follow."""
    movies: list[Document] = []
    skip = window.skip
    for statement in statements:
        movies += statement.movies(database, window.limit + 1 - len(movies), skip)
        if len(movies) > window.limit:
            break
        skip = 0 if movies or not skip else max(0, skip - statement.count(database))
    return movies


def _store(database: Documents, result: PageResult, run: SyncRun) -> SyncRun:
    claim(database, run.source, content=bool(result.movies))
    numbers = [*(facts.tmdb_id for facts in result.movies), *result.gone]
    stored = _by_tmdb_ids(database, numbers, WHOLE_MOVIE)
    merged = merged_movies(stored, result.movies, result.at)
    removed = [stored[number] for number in result.gone if number in stored]
    outcomes = [outcome(before, after) for before, after in merged] + [Outcome.UPDATED] * len(removed)
    advanced = run.stored(result, outcomes)
    # The run is written first, so that a closed run is noticed at once, and the movies late: locking them
    # only briefly causes fewer conflicts with ratings.
    advance(database, advanced)
    in_use = _in_use(database, removed)
    pairs: list[Pair] = [
        *merged,
        *((movie, movie.marked_removed(result.at) if movie.id in in_use else None) for movie in removed),
    ]
    writes = _writes(pairs, result.at)
    if writes:
        database.movies.bulk_write(writes)
    _count(database, pairs, changed=any(each is not Outcome.UNCHANGED for each in outcomes))
    return advanced


def _add(
    database: Documents, movies: Sequence[MovieFacts], source: SourceName, at: datetime
) -> list[Outcome]:
    claim(database, source, content=bool(movies))
    stored = _by_tmdb_ids(database, [facts.tmdb_id for facts in movies], WHOLE_MOVIE)
    merged = merged_movies(stored, movies, at)
    outcomes = [outcome(before, after) for before, after in merged]
    if writes := _writes(merged, at):
        database.movies.bulk_write(writes)
    _count(database, merged, changed=any(each is not Outcome.UNCHANGED for each in outcomes))
    return outcomes


def _hand_over(database: Documents, to: SourceName, at: datetime) -> None:
    set_source(database, to)
    database.movies.update_many({"syncedAt": {"$gt": at}}, {"$set": {"syncedAt": at}})
    _count(database, (), changed=True)


def _clear_texts(database: Documents, before: datetime, at: datetime, limit: int) -> int:
    stale = {"syncedAt": {"$lt": before}, **HAS_TEXTS}
    found = database.movies.find(stale, WHOLE_MOVIE, sort=[("syncedAt", 1)]).limit(limit)
    pairs: list[Pair] = [(movie, movie.without_texts(at)) for movie in map(movie_of, found)]
    if pairs:
        database.movies.bulk_write(_writes(pairs, at))
        _count(database, pairs, changed=True)
    return len(pairs)


def _in_use(database: Documents, movies: Sequence[Movie]) -> set[MovieId]:
    """The movies that have a rating or a viewing or are on a watchlist.

    The collections are queried, since a movie's own counts may be wrong. A concurrent rating, viewing or
    watchlist item writes to the movie too, so one of the two transactions is repeated.
    """
    return {movie.id for movie in movies if _is_used(database, own_id(movie.id))}


def _is_used(database: Documents, movie: object) -> bool:
    wanted, found = {"movieId": movie}, {"_id": True}
    return bool(
        database.ratings.find_one(wanted, found, hint="by_movie")
        or database.watchlists.find_one(wanted, found, hint="by_movie")
        or database.viewings.find_one(wanted, found, hint="of_movie")
    )


def _writes(pairs: Iterable[Pair], at: datetime) -> list[Write]:
    """The bulk write for the movies of a page."""
    writes: list[Write] = []
    unchanged, deleted = list[int](), list[int]()
    for before, after in pairs:
        if before and not after:
            deleted.append(before.facts.tmdb_id)
        elif after and outcome(before, after) is Outcome.UNCHANGED:
            unchanged.append(after.facts.tmdb_id)
        elif after:
            writes.append(_upsert(after))
    if unchanged:
        writes.append(UpdateMany({"tmdbId": {"$in": unchanged}}, {"$set": {"syncedAt": at}}))
    if deleted:
        writes.append(DeleteMany({"tmdbId": {"$in": deleted}}))
    return writes


def _upsert(movie: Movie) -> UpdateOne:
    document = movie_document(movie)
    update = {
        "$set": {name: value for name, value in document.items() if name not in INSERT_ONLY_FIELDS},
        "$setOnInsert": {name: value for name, value in document.items() if name in INSERT_ONLY_FIELDS},
    }
    if not movie.visible:
        update["$unset"] = {"terms": ""}
    return UpdateOne({"tmdbId": movie.facts.tmdb_id}, update, upsert=True)


def _count(database: Documents, pairs: Iterable[Pair], *, changed: bool) -> None:
    """Update the counters. They are written last, since the pages of all runs conflict there."""
    more = sum(bool(after and after.visible) - bool(before and before.visible) for before, after in pairs)
    steps = {"generation": int(changed), "visible_movies": more}
    writes = [UpdateOne({"_id": name}, {"$inc": {"value": step}}) for name, step in steps.items() if step]
    if writes:
        database.counters.bulk_write(writes)


def _lookup(ref: MovieRef) -> Document:
    match ref:
        case TmdbNumber(number):
            return {"tmdbId": number}
        case ImdbId(imdb_id):
            return {"imdbId": imdb_id}
        case _:
            return {"_id": own_id(ref)}


def _first(ref: MovieRef) -> list[tuple[str, int]] | None:
    """The order by which one of several movies is chosen: only an IMDb id may be that of several."""
    return [("tmdbId", 1)] if isinstance(ref, ImdbId) else None


def _by_tmdb_ids(database: Documents, tmdb_ids: Iterable[int], projection: Document) -> dict[int, Movie]:
    found = _select(database, "tmdbId", tmdb_ids, projection)
    return {movie.facts.tmdb_id: movie for movie in found}


def _select(
    database: Documents, name: str, values: Iterable[object], projection: Document
) -> Iterable[Movie]:
    return map(movie_of, database.movies.find({name: {"$in": list(values)}}, projection))
