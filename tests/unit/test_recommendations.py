"""The rule of recommendations: neighbours, and what follows from a user's likes."""

from collections.abc import Mapping, Sequence
from math import isqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import recommendations
from domain.ids import MovieId, movie_id
from domain.ratings import Score, Tally
from domain.recommendations import (
    FEW_LIKES,
    HALF_WEIGHT,
    MAX_LIKES,
    MAX_NEIGHBOURS,
    MAX_REASONS,
    REASONED,
    SCALE,
    SIGNIFICANT,
    SOURCE_STRENGTH,
    HiddenListFull,
    Neighbour,
    beside_movie,
    candidates,
    completed_by_source,
    likes_of,
    neighbours,
)

A, B, C, D = (MovieId(letter * 24) for letter in "abcd")
MOVIES = st.lists(st.sampled_from([A, B, C, D]), min_size=1, unique=True)


def found_beside(movie: MovieId, *likes: Sequence[MovieId], **popularity: int) -> dict[MovieId, Neighbour]:
    known = {MovieId(letter * 24): count for letter, count in popularity.items()}
    counted = {each: sum(each in liked for liked in likes) for each in (A, B, C, D)} | known
    return {each.movie: each for each in neighbours(movie, likes, counted)}


def test_a_neighbour_is_liked_by_at_least_two_users_who_like_the_movie() -> None:
    assert found_beside(A, [A, B], [A, B, C]).keys() == {B}
    assert found_beside(A, [A, B], [A, C]) == {}
    assert found_beside(A) == {}


def test_agreeing_users_are_those_who_like_both() -> None:
    found = found_beside(A, [A, B, C], [A, B, C], [A, B])
    assert {movie: each.agreeing for movie, each in found.items()} == {B: 3, C: 2}


def test_the_strength_is_that_of_the_formula() -> None:
    found = found_beside(A, [A, B], [A, B], [A], b=6)
    weight = 2 * isqrt(SCALE * SCALE // 2) / 3
    assert found[B].strength == pytest.approx(weight * (3 / 6) ** 0.625 * 2 / (2 + SIGNIFICANT), abs=1)


def test_a_popular_movie_is_a_weaker_neighbour() -> None:
    found = found_beside(A, [A, B, C], [A, B, C], c=100)
    assert found[B].strength > found[C].strength


def test_a_user_with_few_likes_counts_more() -> None:
    few, many = found_beside(A, *[[A, B]] * 2, b=5), found_beside(A, *[[A, B, C, D]] * 2, b=5)
    assert few[B].strength > many[B].strength


def test_an_unknown_popularity_counts_as_one() -> None:
    assert neighbours(A, [[A, B]] * 2, {}) == neighbours(A, [[A, B]] * 2, {A: 1, B: 1})


def test_only_the_strongest_neighbours_are_kept() -> None:
    others = [movie_id(number) for number in range(MAX_NEIGHBOURS + 9)]
    popularity = {movie: 2 + number for number, movie in enumerate(others)}
    found = neighbours(A, [[A, *others]] * 2, popularity)
    assert [each.movie for each in found] == others[:MAX_NEIGHBOURS]


@settings(max_examples=30)
@given(st.lists(MOVIES, max_size=6), st.randoms(use_true_random=False))
def test_neighbours_do_not_depend_on_the_order_of_users_and_likes(
    likes: list[list[MovieId]], random: Random
) -> None:
    counted = {each: sum(each in liked for liked in likes) for each in (A, B, C, D)}
    of_a = [liked for liked in likes if A in liked]
    expected = neighbours(A, of_a, counted)
    shuffled = [random.sample(liked, len(liked)) for liked in random.sample(of_a, len(of_a))]
    assert neighbours(A, shuffled, counted) == expected


def test_recommendations_follow_from_likes_and_name_the_strongest_reasons() -> None:
    beside = {A: (Neighbour(C, 5, 40),), B: (Neighbour(C, 9, 60), Neighbour(D, 2, 30))}
    c, d = candidates([A, B], beside)
    assert (c.movie, c.because, c.agreeing) == (C, (B, A), 9)
    assert (d.movie, d.because, d.agreeing) == (D, (B,), 2)
    weights = [SCALE, SCALE * HALF_WEIGHT // (HALF_WEIGHT + 1)]
    assert isinstance(c.weight, int)
    assert c.weight == (weights[0] * 40 * 5 + weights[1] * 60 * 9) // SCALE
    assert c.cursor.value == c.weight
    assert c.cursor.id == C


def test_reasons_are_named_however_many_movies_follow() -> None:
    others = [movie_id(number) for number in range(REASONED + 3)]
    found = list(candidates([A], {A: [Neighbour(movie, 2, 2**20) for movie in others]}))
    assert [each.movie for each in found] == sorted(others)
    assert {each.because for each in found} == {(A,)}


def test_newer_likes_weigh_more() -> None:
    beside = {A: [Neighbour(C, 5, 9**9)], B: [Neighbour(D, 5, 9**9)]}
    assert [each.movie for each in candidates([A, B], beside)] == [C, D]
    assert [each.movie for each in candidates([B, A], beside)] == [D, C]


def test_agreeing_users_count_more_while_there_are_few_likes() -> None:
    likes = [movie_id(number) for number in range(FEW_LIKES + 1)]
    beside = {likes[0]: [Neighbour(B, 50, 2**20), Neighbour(C, 2, 2**22), Neighbour(D, 0, 2**19)]}
    assert [each.movie for each in candidates(likes[:FEW_LIKES], beside)] == [B, C, D]
    assert [(each.movie, each.weight) for each in candidates(likes, beside)] == [
        (C, 2**22), (B, 2**20), (D, 2**19),
    ]  # fmt: skip


def test_no_more_likes_and_reasons_count_than_allowed() -> None:
    likes = [movie_id(number) for number in range(MAX_LIKES + 1)]
    beside = {movie: [Neighbour(A, 5, 9)] for movie in likes} | {likes[-1]: [Neighbour(B, 5, 9)]}
    (found,) = candidates(likes, beside)
    assert found.movie == A
    assert len(found.because) == MAX_REASONS


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from([A, B, C, D]),
        st.lists(
            st.builds(Neighbour, st.sampled_from([A, B, C, D]), st.just(2), st.integers(0, 99)),
            unique_by=lambda each: each.movie,
        ),
    ),
    MOVIES,
)
def test_every_reason_is_a_like_with_the_movie_as_a_neighbour(
    beside: Mapping[MovieId, Sequence[Neighbour]], likes: list[MovieId]
) -> None:
    found = list(candidates(likes, beside))
    for each in found:
        assert each.because
        assert len(set(each.because)) == len(each.because)
        for reason in each.because:
            assert reason in likes
            assert each.movie in {neighbour.movie for neighbour in beside[reason]}
    assert found == sorted(found, key=lambda each: (-each.weight, each.movie))


def test_beside_a_movie_are_its_neighbours_because_of_it() -> None:
    (found,) = beside_movie(A, [Neighbour(B, 7, 40)])
    assert (found.movie, found.because, found.agreeing) == (B, (A,), 7)


def test_convincing_neighbours_come_before_what_the_source_recommends_and_others_after() -> None:
    found = beside_movie(
        A, [Neighbour(B, 4, 2**31), Neighbour(C, 5, 1), Neighbour(D, 5, 2)], [movie_id(1), C, A]
    )
    assert [each.movie for each in found] == [D, C, movie_id(1), B]
    assert [each.agreeing for each in found] == [5, 5, 0, 4]
    assert 2**53 > found[0].weight > found[1].weight > found[2].weight > found[3].weight > 0
    assert [each.movie for each in beside_movie(A, [Neighbour(B, 4, 9)], [C, B])] == [C, B]


def test_what_the_source_recommends_is_weaker_than_neighbours() -> None:
    first, *_, last = completed_by_source([], [movie_id(number) for number in range(100)])
    assert (first, last.strength) == (Neighbour(movie_id(0), 0, SOURCE_STRENGTH), 1)


def test_what_the_source_recommends_is_once_among_the_neighbours() -> None:
    known = Neighbour(B, 5, 2**20)
    found = completed_by_source([known], [B, C, C, D])
    assert found == [known, Neighbour(C, 0, SOURCE_STRENGTH), Neighbour(D, 0, SOURCE_STRENGTH - 1)]


def test_a_like_is_a_score_from_seven() -> None:
    assert likes_of(Tally.of(map(Score.of, (1, 6.5, 7, 7.5, 10)))) == 3


def test_a_full_list_of_hidden_movies_says_how_many_it_holds() -> None:
    assert str(HiddenListFull()) == f"At most {recommendations.MAX_HIDDEN:,} movies can be hidden"
