"""The first sync of an empty catalogue: how long the service waits for it, and its failures."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from dependency_injector import providers

from adapters.demo import DemoMovieSource
from domain.sync import (
    Entity,
    FilledFromAnotherSource,
    SourceName,
    SourcePage,
    SourceRefused,
    SourceUnavailable,
)
from entrypoints.container import Container, running
from entrypoints.processes import first_run
from entrypoints.processes.first_run import Timing
from entrypoints.settings import Settings


class Source(DemoMovieSource):
    """The demo catalogue under the name of TMDB, which calls a function first."""

    def __init__(self) -> None:
        super().__init__()
        self.before_ping: Callable[[], object] = lambda: None
        self.before_page: Callable[[int], object] = lambda _: None
        self.pings = 0

    def ping(self) -> None:
        self.pings += 1
        self.before_ping()

    def popular(self, page: int) -> SourcePage:
        self.before_page(page)
        return super().popular(page)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def container(tmp_path: Path, source: Source) -> Iterator[Container]:
    with running(Settings(data_dir=str(tmp_path))) as container:
        container.source.override(providers.Object(source))
        yield container


SETTINGS = Settings(tmdb_access_token="t")
QUICKLY = Timing(first_retry=0.01, last_retry=0.02, partial_retry=0.01)


def fill_if_empty(container: Container, begin: Callable[[], None], timing: Timing = QUICKLY) -> bool:
    return first_run.fill_if_empty(container, SETTINGS, begin, timing)


def is_filled(container: Container) -> bool:
    return all(container.runs().latest(each, completed=True) for each in (Entity.GENRES, Entity.MOVIES))


def failing(times: int, error: Exception) -> Callable[..., None]:
    left = iter(range(times))

    def fail(*_: object) -> None:
        if next(left, None) is not None:
            raise error

    return fail


def test_the_first_sync_is_waited_for(container: Container, source: Source) -> None:
    begun = Event()
    assert fill_if_empty(container, begun.set)
    assert is_filled(container)
    assert not begun.is_set()
    fill_if_empty(container, begun.set)
    assert source.pings == 1  # later starts do not use the source


def test_with_an_unavailable_source_the_service_starts_and_the_sync_is_retried(
    container: Container, source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[bool] = []
    source.before_ping = failing(4, SourceUnavailable("TMDB could not be reached"))
    fill_if_empty(container, lambda: begun.append(is_filled(container)))
    assert (begun, source.pings) == ([False], 5)
    assert is_filled(container)
    assert "TMDB could not be reached. The service starts now" in capsys.readouterr().out


def test_the_service_starts_with_a_source_that_never_responds(container: Container, source: Source) -> None:
    begun = Event()
    source.before_ping = lambda: begun.wait(30)  # the error of a resolver without a network
    fill_if_empty(container, begun.set, replace(QUICKLY, first_answer=0.05))
    assert begun.is_set()
    assert is_filled(container)


def test_the_service_starts_with_a_source_that_stalls_between_movies(
    container: Container, source: Source
) -> None:
    begun = Event()
    source.before_page = lambda page: page == 3 and begun.wait(30)
    fill_if_empty(container, begun.set, replace(QUICKLY, progress=0.05))
    assert begun.is_set()
    assert is_filled(container)


def test_a_refused_credential_is_not_retried(
    container: Container, source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = Event()
    source.before_ping = failing(9, SourceRefused("TMDB refuses the credential, check TMDB_API_KEY"))
    fill_if_empty(container, begun.set)
    assert source.pings == 1
    assert not begun.is_set()  # the service starts because preparing has ended
    assert "check TMDB_API_KEY. Set it right, and start again." in capsys.readouterr().out


def test_a_catalogue_from_another_source_is_not_retried(container: Container, source: Source) -> None:
    begun = Event()
    source.before_ping = failing(9, FilledFromAnotherSource(SourceName.DEMO))
    assert not fill_if_empty(container, begun.set)
    assert source.pings == 1
    assert not begun.is_set()


@pytest.mark.parametrize("failures", [1, 3])
def test_failed_pages_are_retried(container: Container, source: Source, failures: int) -> None:
    begun = Event()
    source.before_page = failing(failures, SourceUnavailable("no answer"))
    fill_if_empty(container, begun.set)
    assert is_filled(container)
    assert begun.is_set()


def test_a_running_sync_is_waited_for_in_the_background(container: Container) -> None:
    runner, begun = container.sync_runner(), Event()
    with runner.run(Entity.MOVIES, lambda _: None) as recorder:
        lock_holder = recorder.run.id
        released = Event()

        def begin() -> None:
            container.locks().release(f"sync:{Entity.MOVIES}", lock_holder)
            begun.set()
            released.set()

        fill_if_empty(container, begin)
    assert begun.is_set()
    assert is_filled(container)
