"""The quality of recommendations on real ratings; `make bench` prints all figures."""

import pytest

from tests.benchmarks.recommendations import (
    RATINGS,
    SPLITS,
    domain_recommendations,
    measure_quality,
    popularity,
    ratings,
)

pytestmark = [
    pytest.mark.skipif(not RATINGS.exists(), reason="there are no ratings at ../shared/movielens"),
    pytest.mark.unmeasured,  # what is measure_quality must not depend on ratings that may not be there
]


@pytest.mark.parametrize(
    ("split", "users"), [("the last fifth of all", None), ("the last ten of each user", 20)]
)
def test_recommendations_find_half_as_much_again_as_popularity(split: str, users: int | None) -> None:
    parts = SPLITS[split](ratings())
    own = measure_quality(parts, domain_recommendations(parts.known), users=users)
    popular = measure_quality(parts, popularity(parts.known), users=users)
    assert own.recall >= 1.6 * popular.recall
    assert own.ndcg >= 1.6 * popular.ndcg


def test_recommendations_from_three_ratings_are_nearly_as_good_as_popularity() -> None:
    parts = SPLITS["all but the first three of a fifth of the users"](ratings())
    own, popular = (
        measure_quality(parts, domain_recommendations(parts.known)),
        measure_quality(parts, popularity(parts.known)),
    )
    assert own.recall >= 0.97 * popular.recall
    assert own.ndcg >= 0.9 * popular.ndcg
