"""The genres of the distributed store."""

from dataclasses import dataclass

from adapters.mongo.database import Database
from adapters.mongo.documents import genre_document, genre_of, own_id
from adapters.mongo.runs import advance
from adapters.mongo.schema import Documents
from adapters.mongo.source import claim, lock_source
from domain.ids import GenreId
from domain.movies import Genre, GenreNotFound, Outcome, merged_genres, outcome
from domain.sync import PageResult, SyncRun


@dataclass(frozen=True, slots=True)
class MongoGenreRepository:
    """GenreRepository over MongoDB."""

    database: Database

    def all(self) -> list[Genre]:
        with self.database.using() as database:
            return _all(database)

    def get(self, genre: GenreId) -> Genre:
        with self.database.using() as database:
            found = database.genres.find_one({"_id": own_id(genre)})
        if found is None:
            raise GenreNotFound(genre)
        return genre_of(found)

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        return self.database.transaction(lambda database: _store(database, result, run))


def _store(database: Documents, result: PageResult, run: SyncRun) -> SyncRun:
    claim(database, run.source, content=bool(result.genres))
    before = {genre.id: genre for genre in _all(database)}
    after = merged_genres(before.values(), result.genres, result.at)
    received = {facts.tmdb_id for facts in result.genres}
    advanced = run.stored(
        result, [outcome(before.get(each.id), each) for each in after if each.tmdb_id in received]
    )
    advance(database, advanced)
    changed = [each for each in after if outcome(before.get(each.id), each) is not Outcome.UNCHANGED]
    if changed:
        lock_source(database)
        # Names are unique, and two genres may exchange theirs: all are deleted before any is inserted.
        database.genres.delete_many({"_id": {"$in": [own_id(each.id) for each in changed]}})
        database.genres.insert_many(map(genre_document, changed))
    return advanced


def _all(database: Documents) -> list[Genre]:
    return [genre_of(document) for document in database.genres.find(sort=[("name", 1)], hint="one_per_name")]
