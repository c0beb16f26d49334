"""Rows matched with films, batch after batch, over the embedded store in memory and a source of the test."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import noon
from application import import_matching
from application.import_matching import MAX_FAILURES, MatchRows
from domain.ids import ImdbId, movie_id
from domain.imports.imports import ImportRow
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind
from domain.movies import MovieFacts
from domain.sync import Detail, FetchFailed, MovieGone, SourcePage, SourceRefused, SourceUnavailable
from tests.integration.import_use_cases import UNAVAILABLE, FakeSource, film, store_of_films


@dataclass
class Matching:
    """A catalogue of four films, a source of others, and the rows that are matched."""

    store: SqliteStore
    source: FakeSource = field(default_factory=FakeSource)
    matcher: MatchRows = field(init=False)

    def __post_init__(self) -> None:
        self.over(self.source)

    def over(self, source: FakeSource) -> None:
        """Match with another source."""
        self.source = source
        self.matcher = MatchRows(
            movies=self.store.movies,
            source=cast("Any", source),
            invalidation=system.NoCache(),
            clock=noon,
        )

    def matched(self, each: ImportRow) -> ImportRow:
        """A row, matched in a batch of its own."""
        (matched,) = self.matcher(rows=[each])
        return matched


@pytest.fixture
def matching() -> Iterator[Matching]:
    with store_of_films() as store:
        yield Matching(store)


def row(**known: Any) -> ImportRow:
    return ImportRow(number=1, row=ImportedRow(file="a.csv", line=1, kind=RowKind.RATING, **known))


def numbers(first: int, last: int) -> list[ImportRow]:
    return [row(tmdb_id=number) for number in range(first, last)]


def test_a_row_with_an_id_is_not_looked_up_by_its_title(matching: Matching) -> None:
    matching.matched(row(imdb_id="tt0000077", title="Seven", year=1995))
    matching.matched(row(tmdb_id=77, title="Seven", year=1995))
    assert matching.source.requests == ["tt0000077", 77]


def test_the_source_is_not_asked_about_what_is_held_or_has_no_year(matching: Matching) -> None:
    matching.matched(row(title="Heat", year=1995))
    matching.matched(row(title="Dune"))
    assert matching.source.requests == []


def test_the_source_is_asked_once_about_what_it_lacks(matching: Matching) -> None:
    for each in (row(imdb_id="tt0000077"), row(tmdb_id=77), row(title="Seven", year=1995)):
        for _ in range(2):
            found = matching.matched(each)
            assert (found.row_class, found.reason) == (RowClass.UNMATCHED, Reason.NOT_FOUND)
    assert matching.source.requests == ["tt0000077", 77, "Seven"]


def test_the_source_is_asked_for_the_year_of_the_row(matching: Matching) -> None:
    class Popular(FakeSource):
        """A source whose first page has films of other years only, unless a year is given."""

        def search(self, text: str, *, year: int | None = None, page: int = 1) -> SourcePage:
            found = super().search(text, year=year, page=page)
            of_year = (each for each in found.movies if each.release_date and each.release_date.year == year)
            return replace(found, movies=tuple(of_year))

    matching.over(Popular([film(10, "Ten", 2010), film(11, "Ten", 1950)]))
    assert matching.matched(row(title="Ten", year=1950)).movie == movie_id(11)


def test_a_film_of_the_year_before_is_taken_while_the_source_is_unavailable(matching: Matching) -> None:
    matching.source.failure = UNAVAILABLE
    assert matching.matched(row(title="Heat", year=1996)).movie == movie_id(1)


def test_only_films_that_are_held_are_offered(matching: Matching) -> None:
    matching.source.films = [film(10, "Dune", 2000), film(11, "Twice", 1999), film(12, "Twice", 1999)]
    unmatched = matching.matched(row(title="Dune", year=1990))
    assert (unmatched.candidates, unmatched.row_class) == ((movie_id(4), movie_id(3)), RowClass.UNMATCHED)
    neither = matching.matched(row(title="Twice", year=1999))
    assert (neither.candidates, neither.row_class) == ((), RowClass.UNMATCHED)


def test_a_row_that_has_found_its_film_is_as_if_it_had_never_lacked_it(matching: Matching) -> None:
    lacking = row(title="Ten", year=2010)
    unmatched = matching.matched(replace(lacking, candidates=(movie_id(1),)))
    assert unmatched.row_class is RowClass.UNMATCHED
    matching.over(FakeSource([film(10, "Ten", 2010)]))
    before = replace(unmatched, candidates=(movie_id(1),))
    assert matching.matched(before) == replace(lacking, movie=movie_id(10))


def test_rows_with_a_chosen_film_and_refused_rows_stay_as_they_are(matching: Matching) -> None:
    chosen = replace(row(title="Heat", year=1995), movie=movie_id(2), chosen=True)
    refused = row(title="Heat", year=1995, refused=RowClass.UNREADABLE)
    assert matching.matcher(rows=[chosen, refused]) == [chosen, refused]


def test_where_one_query_may_not_find_all_films_each_title_has_its_own(
    matching: Matching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_matching, "MAX_CANDIDATES", 2)
    rows = [row(title=title, year=year) for title, year in (("Heat", 1995), ("Ran", 1985), ("Dune", 2021))]
    assert [each.movie for each in matching.matcher(rows=rows)] == [movie_id(n) for n in (1, 2, 3)]


def test_a_source_that_fails_repeatedly_is_left_alone_and_the_log_says_why(
    matching: Matching, caplog: pytest.LogCaptureFixture
) -> None:
    matching.source.failure = UNAVAILABLE
    with caplog.at_level(logging.WARNING):
        rows = [matching.matched(row(imdb_id=f"tt{number:07}")) for number in range(50, 60)]
    assert len(matching.source.requests) == MAX_FAILURES
    assert rows[-1].reason is Reason.SOURCE_UNAVAILABLE
    assert caplog.messages == ["A film of an import could not be looked up: TMDB is down"] * MAX_FAILURES


def test_a_source_that_refuses_is_left_alone_and_the_log_says_why(
    matching: Matching, caplog: pytest.LogCaptureFixture
) -> None:
    matching.source.failure = SourceRefused("TMDB refuses the token")
    with caplog.at_level(logging.WARNING):
        for number in (50, 51):
            matching.matched(row(imdb_id=f"tt{number:07}"))
    assert len(matching.source.requests) == 1
    assert caplog.messages == ["A film of an import could not be looked up: TMDB refuses the token"]


def test_failures_count_only_as_long_as_nothing_succeeds(matching: Matching) -> None:
    class Flaky(FakeSource):
        """A source that answers every third request."""

        def find(self, imdb_id: ImdbId) -> MovieFacts | None:
            self.failure = UNAVAILABLE if len(self.requests) % 3 < 2 else None
            return super().find(imdb_id)

    matching.over(Flaky())
    for number in range(50, 60):
        matching.matched(row(imdb_id=f"tt{number:07}"))
    assert len(matching.source.requests) == 10


def test_a_source_whose_details_cannot_be_read_is_left_alone_after_a_while(matching: Matching) -> None:
    matching.source.failure = SourceUnavailable("TMDB is down")
    for each in numbers(50, 60):
        matching.matched(each)
    assert len(matching.source.requests) == MAX_FAILURES


def test_films_that_the_source_lacks_are_no_failures_of_it(matching: Matching) -> None:
    for each in numbers(50, 60):
        matching.matched(each)
    assert matching.source.requests == list(range(50, 60))


@pytest.mark.parametrize(
    "wanted",
    [{"tmdb_id": 77}, {"imdb_id": "tt0000077"}, {"title": "Seven", "year": 1995}],
    ids=["number", "IMDb id", "title"],
)
def test_a_row_whose_only_request_failed_says_so_and_is_looked_up_again(
    matching: Matching, wanted: dict[str, Any]
) -> None:
    matching.source.films = [film(77, "Seven", 1995)]
    matching.source.failure = UNAVAILABLE
    found = matching.matched(row(**wanted))
    assert (found.row_class, found.reason) == (RowClass.UNMATCHED, Reason.SOURCE_UNAVAILABLE)
    matching.source.failure = None
    assert matching.matched(row(**wanted)).movie == movie_id(77)


def test_a_failure_is_forgotten_when_the_source_has_answered(matching: Matching) -> None:
    for failure, reason in ((UNAVAILABLE, Reason.SOURCE_UNAVAILABLE), (None, Reason.NOT_FOUND)):
        matching.source.failure = failure
        assert matching.matched(row(tmdb_id=77)).reason is reason


@pytest.mark.parametrize(
    "wanted", [{"imdb_id": "tt0000077"}, {"title": "Seven", "year": 1995}], ids=["IMDb id", "title"]
)
def test_a_film_that_was_found_and_could_not_be_fetched_is_not_said_to_be_unknown(
    matching: Matching, wanted: dict[str, Any]
) -> None:
    class NoDetails(FakeSource):
        """A source that finds films, and fails for their details."""

        def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
            yield from (FetchFailed(number, "TMDB is down") for number in tmdb_ids)

    matching.over(NoDetails([film(77, "Seven", 1995)]))
    assert matching.matched(row(**wanted)).reason is Reason.SOURCE_UNAVAILABLE


def test_a_film_that_was_found_and_is_gone_is_said_to_be_unknown(matching: Matching) -> None:
    class Forgetful(FakeSource):
        """A source that finds films whose details it no longer has."""

        def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
            yield from map(MovieGone, tmdb_ids)

    matching.over(Forgetful([film(77, "Seven", 1995)]))
    assert matching.matched(row(imdb_id="tt0000077")).reason is Reason.NOT_FOUND


def test_of_rows_in_one_batch_only_those_without_an_answer_say_so(matching: Matching) -> None:
    class Failing(FakeSource):
        """A source that fails for one number."""

        def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
            for number in tmdb_ids:
                yield FetchFailed(number, "reset") if number == 51 else MovieGone(number)

    matching.over(Failing())
    assert [each.reason for each in matching.matcher(rows=numbers(50, 53))] == [
        Reason.NOT_FOUND,
        Reason.SOURCE_UNAVAILABLE,
        Reason.NOT_FOUND,
    ]


def test_not_every_title_of_a_long_import_is_remembered(
    matching: Matching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_matching, "MAX_KNOWN", 1)
    for title in ("Seven", "Up", "Seven", "Seven"):
        matching.matched(row(title=title, year=1995))
    assert matching.source.requests == ["Seven", "Up", "Seven"]
