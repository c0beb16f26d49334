"""Recommendations: what users who liked a movie also liked.

Item-based collaborative filtering with implicit feedback: two movies are neighbours if the same users liked
both (Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", ACM TOIS 22(1), 2004). A user who
likes many movies says less about each, so a user's weight falls with the square root of the number; popular
neighbours are divided by a power of their popularity; and a few agreeing users are significant to a part only
(Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering", SIGIR 1999).

Sums are of integers, and roots are rounded as IEEE 754 says, so every process computes the same.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isqrt, sqrt
from typing import ClassVar

from domain.errors import Conflict
from domain.ids import MovieId, UserId
from domain.pagination import Cursor, time_value
from domain.ratings import LOWEST, Score, Tally

RULE = 2
"""The version of the rule for neighbours. With another one, all neighbours are computed again."""

LIKED = Score(14)
"""The lowest score with which a user likes a movie: 7."""

MAX_RATINGS = 500
"""The newest ratings of a user that count; older ones are not the user's present taste."""

MAX_RATERS = 1000
"""The newest ratings of a movie that count."""

MAX_NEIGHBOURS = 75
"""The neighbours that are stored for a movie."""

MIN_AGREEING = 2
"""The users who must like both of two neighbours. One would show the taste of a single person."""

CONVINCING = 5
"""The agreeing users from which a neighbour comes before what the source recommends."""

SIGNIFICANT = 2
"""Of `a` agreeing users, the part a / (a + SIGNIFICANT) counts."""

MAX_LIKES = 200
"""The newest likes of a user from which recommendations are derived."""

HALF_WEIGHT = 10
"""The place, counted from the newest, at which a like has half of the weight of the newest."""

FEW_LIKES = 3
"""So many likes say little about a taste. Then neighbours count in proportion to the users who agree."""

MAX_RECOMMENDATIONS = 200
"""The length of a list of recommendations."""

REASONED = 250
"""The candidates whose reasons are collected at once: those of most are never needed."""

MAX_REASONS = 3
"""The movies that are named as the reason of a recommendation."""

MAX_HIDDEN = 5000
"""The movies that a user may hide."""

MAX_SOURCE_LIKES = 20
"""The newest likes of a user for which the recommendations of the source are read."""

SOURCE_STRENGTH = 64
"""The strength of what the source recommends first; that of most neighbours is thousands."""

TIER = 2**45
"""More than any strength. Twice this and a strength are still an exact number in JSON."""

SCALE = 2**20
"""The unit of weights and strengths."""


@dataclass(eq=False)
class HiddenListFull(Conflict):
    """The user has hidden the maximum number of movies."""

    code: ClassVar[str] = "hidden_list_full"

    def __str__(self) -> str:
        return f"At most {MAX_HIDDEN:,} movies can be hidden"


@dataclass(frozen=True, slots=True)
class RatingChange:
    """A rating that was added, changed or removed since neighbours were computed. `mark` is another one after
    each change.
    """

    user: UserId
    movie: MovieId
    mark: str


@dataclass(frozen=True, slots=True)
class HiddenMovie:
    """A movie that a user does not want to be recommended."""

    movie: MovieId
    hidden_at: datetime

    @property
    def cursor(self) -> Cursor:
        """The position in a list sorted by `hidden_at`, the newest first."""
        return Cursor(time_value(self.hidden_at), self.movie)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A movie that users who liked another one also liked.

    `agreeing` is the number of users who liked both, of those that count. `strength` is in units of 1/SCALE.
    """

    movie: MovieId
    agreeing: int
    strength: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A recommended movie.

    `because` are movies that the user likes and from which it follows, the most important first. `agreeing`
    is the largest number of users who liked it and one of these movies; 0 if only the source recommends it.
    Lists are sorted by `weight`, the largest first, then by id.
    """

    movie: MovieId
    weight: int
    because: tuple[MovieId, ...]
    agreeing: int

    @property
    def cursor(self) -> Cursor:
        """The position in a list of recommendations."""
        return Cursor(self.weight, self.movie)


def likes_of(tally: Tally) -> int:
    """The number of users who like a movie."""
    return sum(tally.counts[LIKED.half_points - LOWEST :])


def neighbours(
    movie: MovieId, likes: Iterable[Collection[MovieId]], popularity: Mapping[MovieId, int]
) -> tuple[Neighbour, ...]:
    """The neighbours of a movie, the strongest first, ties by id; at most MAX_NEIGHBOURS.

    `likes` has for each user who likes the movie everything that the user likes, the movie included;
    `popularity` the number of users who like each movie. With u the users counted, n the popularity, and
    w = 1 / sqrt(the number of a user's likes), the strength of j beside i is

        sum of w over users who like both / u · (n_i / n_j) ^ 5/8 · a / (a + SIGNIFICANT)
    """
    own = popularity.get(movie) or 1
    weights, agreeing, users = defaultdict[MovieId, int](int), Counter[MovieId](), 0
    for each in likes:
        users += 1
        weight = isqrt(SCALE * SCALE // len(each))
        agreeing.update(each)
        for liked in each:
            weights[liked] += weight
    found = [
        Neighbour(
            other,
            count,
            _strength(weights[other] / users, own / (popularity.get(other) or 1), count),
        )
        for other, count in agreeing.items()
        if count >= MIN_AGREEING and other != movie
    ]
    return tuple(sorted(found, key=lambda each: (-each.strength, each.movie))[:MAX_NEIGHBOURS])


def _strength(weight: float, ratio: float, agreeing: int) -> int:
    root = sqrt(ratio)
    return int(weight * root * sqrt(sqrt(root)) * agreeing / (agreeing + SIGNIFICANT))


def candidates(
    likes: Sequence[MovieId], beside: Mapping[MovieId, Sequence[Neighbour]]
) -> Iterator[Recommendation]:
    """What follows from a user's likes, the newest first, and the neighbours of each, none twice; sorted.

    It includes movies that the user has rated or seen. Newer likes weigh more. Up to FEW_LIKES likes, the
    strength of a neighbour is multiplied by the number of users who agree.
    """
    weighed = _by_agreement if len(likes) <= FEW_LIKES else tuple
    counted = [
        (SCALE * HALF_WEIGHT // (HALF_WEIGHT + place), liked, weighed(beside.get(liked, ())))
        for place, liked in enumerate(likes[:MAX_LIKES])
    ]
    weights = defaultdict[MovieId, int](int)
    for weight, _, found in counted:
        for each in found:
            weights[each.movie] += weight * each.strength
    ranked = sorted((-(weight // SCALE), movie) for movie, weight in weights.items())
    for start in range(0, len(ranked), REASONED):
        yield from _reasoned(ranked[start : start + REASONED], counted)


def _by_agreement(found: Iterable[Neighbour]) -> tuple[Neighbour, ...]:
    return tuple(replace(each, strength=each.strength * max(1, each.agreeing)) for each in found)


def _reasoned(
    ranked: Sequence[tuple[int, MovieId]], counted: Sequence[tuple[int, MovieId, Sequence[Neighbour]]]
) -> Iterator[Recommendation]:
    """Recommendations of these movies, each after its negative weight, with their reasons."""
    reasons: dict[MovieId, list[tuple[int, MovieId, int]]] = {movie: [] for _, movie in ranked}
    for weight, liked, found in counted:
        for each in found:
            if each.movie in reasons:
                reasons[each.movie].append((-weight * each.strength, liked, each.agreeing))
    for negative_weight, movie in ranked:
        named = sorted(reasons[movie])[:MAX_REASONS]
        yield Recommendation(
            movie=movie,
            weight=-negative_weight,
            because=tuple(liked for _, liked, _ in named),
            agreeing=max(agreeing for _, _, agreeing in named),
        )


def beside_movie(
    movie: MovieId, found: Sequence[Neighbour], recommended: Sequence[MovieId] = ()
) -> list[Recommendation]:
    """What to recommend beside a movie; sorted.

    First come neighbours on which at least CONVINCING users agree, then what the source recommends, in its
    order, then the other neighbours.
    """
    agreeing = {each.movie: each.agreeing for each in found}
    convincing = {each.movie for each in found if each.agreeing >= CONVINCING}
    weights = {each.movie: each.strength + 2 * TIER * (each.movie in convincing) for each in found}
    for place, other in enumerate(recommended):
        if other not in convincing and other != movie:
            weights[other] = 2 * TIER - 1 - place
    ranked = sorted((-weight, other) for other, weight in weights.items())
    return [
        Recommendation(
            movie=other, weight=-negative_weight, because=(movie,), agreeing=agreeing.get(other, 0)
        )
        for negative_weight, other in ranked
    ]


def completed_by_source(found: Sequence[Neighbour], recommended: Sequence[MovieId]) -> list[Neighbour]:
    """The neighbours of a movie, and what the source recommends beside it, best first, as weaker ones.

    Each movie is there once: twice it would be named twice as a reason.
    """
    known = {each.movie for each in found}
    further = (movie for movie in dict.fromkeys(recommended) if movie not in known)
    weaker = [Neighbour(movie, 0, max(1, SOURCE_STRENGTH - place)) for place, movie in enumerate(further)]
    return [*found, *weaker]
