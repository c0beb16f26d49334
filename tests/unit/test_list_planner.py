"""The choice between two ways to read a filtered list."""

from collections.abc import Callable

import pytest

from adapters import list_planner
from adapters.list_planner import MAX_SORTED, Frequencies, worth_sorting


def counting(result: int, calls: list[int]) -> Callable[[], int]:
    def count() -> int:
        calls.append(result)
        return result

    return count


def test_without_a_condition_the_sorted_index_is_scanned() -> None:
    assert worth_sorting({}, 1000, 20) is None


def test_few_matching_movies_are_read_and_sorted() -> None:
    assert worth_sorting({"common": 900, "rare": 10}, 1000, 20) == "rare"
    assert worth_sorting({"none": 0}, 1000, 20) == "none"


@pytest.mark.parametrize(("frequency", "chosen"), [(144, "often"), (145, None)])
def test_for_many_matching_movies_the_sorted_index_is_scanned(frequency: int, chosen: str | None) -> None:
    # To find 21 of 144 matches among 1,000 movies, 21 * 1000 / 144 = 145.8 are scanned; with 145 matches,
    # 144.8.
    assert worth_sorting({"often": frequency}, 1000, 20) == chosen


def test_several_conditions_are_estimated_to_match_fewer_movies() -> None:
    assert worth_sorting({"a": 300, "b": 300}, 1000, 20) is None
    assert worth_sorting({"a": 200, "b": 300}, 1000, 20) == "a"


def test_matches_that_may_be_at_the_end_of_the_order_are_sorted_up_to_the_limit() -> None:
    assert worth_sorting({"own": 900}, 1000, 20, skewed=True) == "own"
    assert worth_sorting({"own": MAX_SORTED + 1, "rare": 30}, 10**6, 20, skewed=True) == "rare"
    assert worth_sorting({"own": MAX_SORTED + 1}, 10**6, 20, skewed=True) is None


def test_no_more_movies_are_sorted_than_the_limit() -> None:
    assert worth_sorting({"a": MAX_SORTED}, 10**9, 20) == "a"
    assert worth_sorting({"a": MAX_SORTED + 1}, 10**9, 20) is None


def test_the_last_page_of_a_small_store_causes_no_division_by_zero() -> None:
    assert worth_sorting({"a": 0}, 0, 20) == "a"


def test_a_frequency_is_counted_once_until_the_store_has_grown_by_a_tenth() -> None:
    frequencies, calls = Frequencies[str](), list[int]()
    assert frequencies("a", 100, counting(5, calls)) == 5
    assert frequencies("a", 110, counting(6, calls)) == 5
    assert frequencies("a", 112, counting(7, calls)) == 7
    assert frequencies("a", 100, counting(8, calls)) == 8
    assert calls == [5, 7, 8]


def test_the_cache_of_frequencies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_planner, "MAX_CACHED", 2)
    frequencies, calls = Frequencies[str](), list[int]()
    for condition in "abcc":
        frequencies(condition, 10, counting(1, calls))
    assert len(calls) == 3
    frequencies("a", 10, counting(1, calls))
    assert len(calls) == 4
