"""Every write of a sync invalidates cached responses in all processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dependency_injector import providers

from adapters import system
from adapters.testkit.samples import facts, noon, store_page
from application.sync import CheckSource, SweepCatalogue, SyncChanges, SyncGenres, SyncMovies
from domain.ids import genre_id
from domain.movies import GenreFacts, MovieFacts
from domain.sync import ChangedIdsPage, Entity, GenreList, SourcePage, SourceUnavailable
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import client_over, container_over, filled_store, register_user
from tests.integration.sync_use_cases import PAGES, TEXT_RETENTION, FakeSource, SyncUseCases, facts_of


class Invalidations(system.NoCache):
    """Records whether an invalidation of everything is in progress, and how many there were."""

    def __init__(self) -> None:
        self.open = False
        self.times = 0

    @contextmanager
    def all(self) -> Iterator[None]:
        self.open = True
        try:
            yield
        finally:
            self.open = False
            self.times += 1


class Watched:
    """A repository that records for each write whether an invalidation is in progress."""

    WRITES = ("store", "clear_texts", "change_source")

    def __init__(self, part: Any, invalidations: Invalidations) -> None:
        self.part, self.invalidations = part, invalidations
        self.writes: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        if name in self.WRITES:
            self.writes.append(self.invalidations.open)
        return getattr(self.part, name)


class Setting:
    """The use cases over a store whose writes and invalidations are recorded."""

    def __init__(self, use_cases: SyncUseCases) -> None:
        self.use_cases, self.invalidations = use_cases, Invalidations()
        self.movies: Any = Watched(use_cases.store.movies, self.invalidations)
        self.genres: Any = Watched(use_cases.store.genres, self.invalidations)
        self.runner = replace(use_cases.runner, invalidation=self.invalidations)
        self.sync_changes = SyncChanges(runner=self.runner, movies=self.movies)

    def sync(self, entity: Entity) -> None:
        match entity:
            case Entity.GENRES:
                SyncGenres(runner=self.runner, genres=self.genres)()
            case Entity.MOVIES:
                SyncMovies(runner=self.runner, movies=self.movies)(pages=PAGES)
            case _:
                self.sync_changes()

    @property
    def writes(self) -> list[bool]:
        return [*self.movies.writes, *self.genres.writes]


@pytest.fixture
def setting(use_cases: SyncUseCases) -> Setting:
    run = store_page(use_cases.store, *map(facts_of, range(1, 251)))
    use_cases.store.runs.save(run.cancelled(noon()))
    use_cases.clock.now = noon(2)
    return Setting(use_cases)


@pytest.mark.parametrize(
    ("entity", "pages"), [(Entity.GENRES, 1), (Entity.MOVIES, PAGES), (Entity.CHANGES, 3)]
)
def test_every_page_of_a_sync_invalidates_the_cache(setting: Setting, entity: Entity, pages: int) -> None:
    setting.sync(entity)
    assert setting.writes == [True] * pages
    assert setting.invalidations.times == pages


@pytest.mark.parametrize("entity", Entity)
def test_a_page_that_cannot_be_stored_invalidates_the_cache(setting: Setting, entity: Entity) -> None:
    def fail(*_: object) -> None:
        raise SourceUnavailable("the store may or may not have heard")

    for part in (setting.movies, setting.genres):
        part.store = fail
    setting.sync(entity)
    assert setting.invalidations.times >= 1


def test_clearing_texts_invalidates_the_cache(setting: Setting, fake_source: FakeSource) -> None:
    fake_source.unread = set(range(1, 251))
    setting.use_cases.clock.now = noon(1) + TEXT_RETENTION + timedelta(days=1)
    sweep = SweepCatalogue(
        sync_changes=setting.sync_changes,
        check_source=CheckSource(movies=setting.movies, source=setting.runner.source),
        movies=setting.movies,
        invalidation=setting.invalidations,
        clock=setting.use_cases.clock,
        text_retention=TEXT_RETENTION,
    )
    assert sweep().cleared == 250
    assert len(setting.writes) > 3
    assert all(setting.writes)


class NewsSource(FakeSource):
    """A source with one movie and one genre, which change with each request."""

    def __init__(self) -> None:
        super().__init__()
        self.round = 0

    def movie(self) -> MovieFacts:
        return facts(603, title=f"Round {self.round}", genres=(genre_id(18),), runtime=90, detailed=True)

    def genres(self) -> GenreList:
        return GenreList(genres=(GenreFacts(tmdb_id=18, name=f"Drama {self.round}"),))

    def popular(self, page: int) -> SourcePage:
        return SourcePage(total_pages=1, movies=(self.movie(),))

    def changes(self, first: object, last: object, page: int) -> ChangedIdsPage:
        return ChangedIdsPage(total_pages=1, tmdb_ids=(603,))

    def details(self, tmdb_ids: Any) -> Any:
        return iter([self.movie() for _ in tmdb_ids])


SYNCS: dict[str, tuple[Callable[[Container], object], tuple[str, ...]]] = {
    "movies": (
        lambda container: container.sync_movies()(pages=1),
        ("/movies", "/movies/603", "/movies/search?q=round", "/genres/18/movies", "/watchlist"),
    ),
    "genres": (lambda container: container.sync_genres()(), ("/genres", "/movies", "/movies/603")),
    "changes": (lambda container: container.sync_changes()(), ("/movies", "/movies/603")),
}


@pytest.mark.parametrize("kind", SYNCS)
def test_a_sync_is_visible_in_all_processes_at_once(valkey: Valkey, kind: str) -> None:
    sync, paths = SYNCS[kind]
    source = NewsSource()
    store = filled_store([source.movie()])
    with client_over(store, redis=valkey.url, public_catalogue="false") as client:
        neo = register_user(client)
        neo("POST", "/watchlist", {"movie_id": "603"})
        container = container_over(store, Settings(redis_url=valkey.url))
        container.source.override(providers.Object(source))
        container.clock.override(providers.Object(lambda: noon(10 + source.round)))
        before = {path: neo("GET", path).text for path in paths}
        for source.round in (1, 2):
            assert {neo("GET", path).headers["x-cache"] for path in paths} == {"HIT"}
            sync(container)
            after = {path: neo("GET", path) for path in paths}
            for path in paths:
                assert after[path].headers["x-cache"] == "MISS", path
                assert after[path].text != before[path], path
            before = {path: answer.text for path, answer in after.items()}
        breaker = container.breaker()
        assert breaker is not None
        breaker.close()
    store.close()
