"""Every fact of a movie is kept on its way from TMDB through each store and a later list to the API."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pytest
from litestar.testing import TestClient

from adapters.mongo.store import MongoStore
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import GENRES, distinct_facts, new_run, noon, store_page
from adapters.tmdb import payloads
from domain.ids import TmdbNumber, genre_id
from domain.languages import Translation
from domain.movies import DETAIL_FACTS, FACTS, GenreFacts, MovieFacts
from domain.sync import Entity, PageResult
from tests.integration.http_service import application
from tests.stores import store_in_memory

GENRE_NUMBERS = {genre_id(number): number for number in (18, 28, 35, 53, 878)}

LANGUAGES = tuple(each.language for each in distinct_facts(603, 2).translations)

DETAILS = replace(
    distinct_facts(603, 2),
    trailer_url="https://vimeo.com/22222",
    details_version=payloads.details_version(LANGUAGES),
)
ROW = distinct_facts(603, 4)

NOT_SHOWN = {"recommended", "translations"}
"""Facts that the API does not return with the movie."""


def sent(facts: MovieFacts, *, detailed: bool) -> dict[str, Any]:
    """Facts as TMDB sends them, in details or in a list."""
    values = {fact: getattr(facts, fact) for fact in FACTS if detailed or fact not in DETAIL_FACTS}
    numbers = [GENRE_NUMBERS[genre] for genre in values.pop("genres")]
    genres = {"genres": [{"id": number} for number in numbers]} if detailed else {"genre_ids": numbers}
    values = {"id": values.pop("tmdb_id"), **values, **genres}
    if detailed:
        values |= {
            "credits": {
                "crew": [{"job": "Director", "name": name} for name in values.pop("directors")],
                "cast": [
                    {"name": each.name, "character": each.character or ""} for each in values.pop("cast")
                ],
            },
            "videos": {"results": [{"site": "Vimeo", "type": "Trailer", "key": "22222"}]},
            "belongs_to_collection": {"name": values.pop("collection")},
            "recommendations": {"results": [{"id": number} for number in values.pop("recommended")]},
            "translations": {
                "translations": [translation(each) for each in values.pop("translations")],
            },
        }
    return dict(json.loads(json.dumps(values, default=date.isoformat)))


def translation(each: Translation) -> dict[str, Any]:
    language, _, region = each.language.partition("-")
    data = {"title": each.title or "", "overview": each.overview or ""}
    return {"iso_639_1": language, "iso_3166_1": region, "data": data}


def shown(facts: MovieFacts, fact: str) -> object:
    """A fact as the API returns it."""
    value = getattr(facts, fact)
    if fact == "genres":
        return [{"id": each, "tmdb_id": GENRE_NUMBERS[each], "name": each} for each in value]
    if fact == "cast":
        return [asdict(each) for each in facts.cast]
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, date) else value


class MovieFields:
    """The tests for each store."""

    def test_every_fact_reaches_the_api(self, store: Any) -> None:
        details = payloads.detail(sent(DETAILS, detailed=True), 603, LANGUAGES)
        assert details == DETAILS, "adapters/tmdb/payloads.py does not read it"
        genres = tuple(GenreFacts(tmdb_id=GENRE_NUMBERS[genre], name=genre) for genre in GENRES)
        store.genres.store(PageResult(page=1, at=noon(), genres=genres), new_run(store, Entity.GENRES))

        store_page(store, DETAILS)
        store_page(store, payloads.movie(sent(ROW, detailed=False)), day=2)

        with TestClient(application(store)) as client:
            movie = client.get("/api/v1/movies/603").json()
        facts = set(FACTS) - NOT_SHOWN
        expected = {fact: shown(DETAILS if fact in DETAIL_FACTS else ROW, fact) for fact in facts}
        assert {fact: movie.get(fact, "not shown by the API") for fact in facts} == expected
        held = store.movies.get(TmdbNumber(603)).facts
        assert {fact: getattr(held, fact) for fact in NOT_SHOWN} == {
            fact: getattr(DETAILS, fact) for fact in NOT_SHOWN
        }


class TestSqlite(MovieFields):
    @pytest.fixture
    def store(self) -> Iterator[SqliteStore]:
        store = store_in_memory(noon)
        yield store
        store.close()


class TestMongo(MovieFields):
    @pytest.fixture
    def store(self, mongo_uri: str) -> Iterator[MongoStore]:
        store = MongoStore(uri=mongo_uri, clock=noon)
        store.prepare()
        yield store
        store.close()
