"""Measures the quality of recommendations: recall and nDCG at 20 on real ratings, compared with popularity.

The ratings are those of MovieLens (Harper and Konstan, ACM TiiS 5(4), 2015), which are not distributed; they
are read from `../shared/movielens` if that exists. Some of the ratings are hidden; the movies recommended
from the others should be among the hidden ones. As a baseline, the most frequently rated movies are
recommended to every user. Neither method recommends movies that the user is known to have rated.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import log2
from pathlib import Path
from random import Random
from time import process_time

from rich.table import Table

from domain.ids import MovieId
from domain.recommendations import LIKED, MAX_LIKES, MAX_RATINGS, Neighbour, candidates, neighbours

RATINGS = Path(__file__).parents[3] / "shared" / "movielens" / "ratings.csv.gz"

CUTOFF = 20
"""The number of recommendations that are considered."""

Recommend = Callable[[int], Iterable[MovieId]]


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating of MovieLens. Its scale from 0.5 to 5 is converted to half points from 2 to 20."""

    user: int
    movie: MovieId
    half_points: int
    at: int


@dataclass(frozen=True, slots=True)
class Split:
    """The known ratings, and the hidden ones, which are to be predicted."""

    known: Sequence[Rated]
    hidden: Sequence[Rated]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over users: the share of the hidden movies that was recommended, and nDCG with binary gains."""

    recall: float
    ndcg: float


def ratings() -> list[Rated]:
    """All ratings, sorted by time."""
    with gzip.open(RATINGS, "rt", encoding="utf-8", newline="") as file:
        rows = [
            Rated(
                int(row["userId"]),
                MovieId(f"{int(row['movieId']):024x}"),
                round(4 * float(row["rating"])),
                int(row["timestamp"]),
            )
            for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: (row.at, row.user, row.movie))


def newest_of_each_user(rows: Sequence[Rated], part: float) -> Split:
    """Hide this part of each user's ratings: the newest ones."""
    of_user = defaultdict[int, list[Rated]](list)
    for row in rows:
        of_user[row.user].append(row)
    known, hidden = list[Rated](), list[Rated]()
    for own in of_user.values():
        border = len(own) - max(1, int(part * len(own)))
        known += own[:border]
        hidden += own[border:]
    return Split(known, hidden)


def last_of_each_user(rows: Sequence[Rated], number: int) -> Split:
    """Hide the newest ratings of each user, `number` of them."""
    remaining, known, hidden = Counter(row.user for row in rows), list[Rated](), list[Rated]()
    for row in rows:
        (hidden if remaining[row.user] <= number else known).append(row)
        remaining[row.user] -= 1
    return Split(known, hidden)


def after_a_moment(rows: Sequence[Rated], part: float) -> Split:
    """Hide this part of all ratings: the newest ones."""
    border = int(len(rows) * (1 - part))
    return Split(rows[:border], rows[border:])


def at_random(rows: Sequence[Rated], part: float) -> Split:
    """Hide this part of all ratings, whatever their time."""
    random, known, hidden = Random(1), list[Rated](), list[Rated]()
    for row in rows:
        (hidden if random.random() < part else known).append(row)
    return Split(known, hidden)


def later_half_of_some(rows: Sequence[Rated], part: float) -> Split:
    """Hide the newer half of the ratings of this part of the users; all others are known."""
    users = sorted({row.user for row in rows})
    chosen = set(Random(1).sample(users, int(part * len(users))))
    halved = newest_of_each_user([row for row in rows if row.user in chosen], 0.5)
    return Split([*(row for row in rows if row.user not in chosen), *halved.known], halved.hidden)


def first_of_some(rows: Sequence[Rated], number: int, part: float) -> Split:
    """Hide all but the oldest ratings, `number` of them, of this part of the users."""
    users = sorted({row.user for row in rows})
    chosen = set(Random(1).sample(users, int(part * len(users))))
    seen, known, hidden = Counter[int](), list[Rated](), list[Rated]()
    for row in rows:
        seen[row.user] += 1
        (hidden if row.user in chosen and seen[row.user] > number else known).append(row)
    return Split(known, hidden)


SPLITS: Mapping[str, Callable[[Sequence[Rated]], Split]] = {
    "the last fifth of each user": lambda rows: newest_of_each_user(rows, 0.2),
    "the last ten of each user": lambda rows: last_of_each_user(rows, 10),
    "the last fifth of all": lambda rows: after_a_moment(rows, 0.2),
    "the last tenth of all": lambda rows: after_a_moment(rows, 0.1),
    "a fifth at random": lambda rows: at_random(rows, 0.2),
    "the later half of a fifth of the users": lambda rows: later_half_of_some(rows, 0.2),
    "all but the first three of a fifth of the users": lambda rows: first_of_some(rows, 3, 0.2),
}


def popularity(known: Sequence[Rated]) -> Recommend:
    """Recommend the movies that were rated most frequently."""
    counts, seen = Counter(row.movie for row in known), _seen(known)
    ranked = sorted(counts, key=lambda movie: (-counts[movie], movie))
    return lambda user: (movie for movie in ranked if movie not in seen[user])


def domain_recommendations(known: Sequence[Rated]) -> Recommend:
    """Recommend by the rules of the domain, with the data that the ports would return."""
    seen, rated, likes = _seen(known), Counter[int](), defaultdict[int, list[MovieId]](list)
    likers, liked = defaultdict[MovieId, list[int]](list), Counter[MovieId]()
    for row in sorted(known, key=lambda row: (-row.at, row.movie)):
        rated[row.user] += 1
        if row.half_points >= LIKED.half_points:
            liked[row.movie] += 1
            if rated[row.user] <= MAX_RATINGS:
                likes[row.user].append(row.movie)
                likers[row.movie].append(row.user)

    @cache
    def neighbours_of(movie: MovieId) -> tuple[Neighbour, ...]:
        return neighbours(movie, (likes[user] for user in likers[movie]), liked)

    def recommend(user: int) -> Iterator[MovieId]:
        own = likes[user][:MAX_LIKES]
        ranked = candidates(own, {movie: neighbours_of(movie) for movie in own})
        return (candidate.movie for candidate in ranked if candidate.movie not in seen[user])

    return recommend


def _seen(known: Iterable[Rated]) -> Mapping[int, set[MovieId]]:
    seen = defaultdict[int, set[MovieId]](set)
    for row in known:
        seen[row.user].add(row.movie)
    return seen


def measure_quality(
    split: Split, recommend: Recommend, *, lowest: int = 0, users: int | None = None
) -> Quality:
    """The quality of recommendations for `users` random users, or for all with hidden ratings. Ratings of
    fewer half points than `lowest` are ignored.
    """
    wanted, known = defaultdict[int, set[MovieId]](set), {row.user for row in split.known}
    for row in split.hidden:
        if row.user in known and row.half_points >= lowest:
            wanted[row.user].add(row.movie)
    chosen = sorted(wanted) if users is None else Random(1).sample(sorted(wanted), users)
    recalls, gains = 0.0, 0.0
    for user in chosen:
        ranks = [
            rank for rank, movie in enumerate(islice(recommend(user), CUTOFF), 2) if movie in wanted[user]
        ]
        recalls += len(ranks) / len(wanted[user])
        best = range(2, 2 + min(CUTOFF, len(wanted[user])))
        gains += sum(1 / log2(rank) for rank in ranks) / sum(1 / log2(rank) for rank in best)
    return Quality(recalls / len(chosen), gains / len(chosen))


def recommendations() -> Table:
    """Measure each split, with all hidden ratings, and with only those of liked movies."""
    table = Table(
        "split", "hidden", "recall", "popularity", "ratio", "nDCG", "popularity", "ratio", "CPU s",
        title=f"recommendations at {CUTOFF}, over MovieLens",
    )  # fmt: skip
    rows = ratings()
    for name, split_of in SPLITS.items():
        split = split_of(rows)
        recommend, popular = domain_recommendations(split.known), popularity(split.known)
        for hidden, lowest in (("all", 0), ("liked", LIKED.half_points)):
            started = process_time()
            quality = measure_quality(split, recommend, lowest=lowest)
            seconds = process_time() - started
            baseline = measure_quality(split, popular, lowest=lowest)
            table.add_row(
                name,
                hidden,
                *(
                    f"{quality.recall:.3f}",
                    f"{baseline.recall:.3f}",
                    f"{quality.recall / baseline.recall:.2f}",
                ),
                *(f"{quality.ndcg:.3f}", f"{baseline.ndcg:.3f}", f"{quality.ndcg / baseline.ndcg:.2f}"),
                f"{seconds:.1f}",
            )
    return table
