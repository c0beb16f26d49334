"""Every row of a source is counted once by its result, in every kind of sync."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.testkit.locks import ManualClock
from adapters.testkit.samples import facts
from application.sync import SyncChanges, SyncGenres, SyncMovies
from domain.movies import GenreFacts
from domain.sync import ChangedIdsPage, Detail, FetchFailed, GenreList, MovieGone, SourcePage, SyncRun
from tests.integration.sync_use_cases import FakeSource, SyncUseCases
from tests.stores import store_in_memory

Row = int | None
"""A TMDB number, or an unreadable row."""

rows = st.lists(st.none() | st.integers(1, 8), max_size=8)
FATES = ("read", "read", "gone", "unread")


@dataclass
class ScriptedSource(FakeSource):
    """A source with scripted responses."""

    genre_rows: list[Row] = field(default_factory=list)
    pages: list[list[Row]] = field(default_factory=list)
    changed: list[list[Row]] = field(default_factory=list)
    fates: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def genres(self) -> GenreList:
        named = tuple(
            GenreFacts(tmdb_id=number, name=f"Genre {number}") for number in _numbers(self.genre_rows)
        )
        return GenreList(genres=named, unreadable=_odd(self.genre_rows))

    def popular(self, page: int) -> SourcePage:
        listed = self.pages[page - 1]
        return SourcePage(
            total_pages=len(self.pages), movies=tuple(map(facts, _numbers(listed))), unreadable=_odd(listed)
        )

    def changes(self, first: object, last: object, page: int) -> ChangedIdsPage:
        changed = self.changed[page - 1]
        return ChangedIdsPage(
            total_pages=len(self.changed), tmdb_ids=tuple(_numbers(changed)), unreadable=_odd(changed)
        )

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        for number in tmdb_ids:
            match self.fates.get(number, "read"):
                case "gone":
                    yield MovieGone(number)
                case "unread":
                    yield FetchFailed(number, "no answer")
                case _:
                    yield facts(number, runtime=number, detailed=True, warnings=("odd",))


def _numbers(listed: list[Row]) -> list[int]:
    return [number for number in listed if number]


def _odd(listed: list[Row]) -> tuple[str, ...]:
    return tuple(f"row {place}: odd" for place, number in enumerate(listed) if not number)


def became(run: SyncRun) -> int:
    return run.inserted + run.updated + run.unchanged + run.skipped + run.duplicates


@given(
    genre_rows=rows,
    pages=st.lists(rows, min_size=1, max_size=3),
    changed=st.lists(rows, min_size=1, max_size=3),
    fates=st.dictionaries(st.integers(1, 8), st.sampled_from(FATES)),
)
@example(genre_rows=[], pages=[[4]], changed=[[4], [4]], fates={4: "gone"})
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_counts_of_a_run_add_up_to_its_rows(
    genre_rows: list[Row], pages: list[list[Row]], changed: list[list[Row]], fates: dict[int, str]
) -> None:
    source = ScriptedSource(genre_rows, pages, changed)
    store = store_in_memory(ManualClock())
    use_cases = SyncUseCases(store, ManualClock(), source)
    movies = SyncMovies(runner=use_cases.runner, movies=store.movies)

    for _ in range(2):  # into an empty store, and into a filled one with other results
        genres = SyncGenres(runner=use_cases.runner, genres=store.genres)()
        assert genres.fetched == became(genres) == len(genre_rows)
        assert genres.skipped == genre_rows.count(None)

        run = movies(pages=len(pages))
        assert run.fetched == became(run) == sum(map(len, pages))
        assert run.skipped >= sum(page.count(None) for page in pages)

        held, ours = set[Row](use_cases.stored_numbers()) | {None}, 0
        for page in changed:
            ours += sum(row in held for row in page)
            # A movie that one page finds gone is not held any more when the next one names it.
            held -= {row for row in page if row and source.fates.get(row) == "gone"}
        refreshed = SyncChanges(runner=use_cases.runner, movies=store.movies)()
        assert refreshed.fetched == became(refreshed) == ours
        source.fates = fates
    for run in store.runs.recent(99):
        assert run.fetched == became(run)
    store.close()
