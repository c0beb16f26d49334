"""How good recommendations are: recall and nDCG at 20 on real ratings, beside those of popularity.

The ratings are those of MovieLens (Harper and Konstan, ACM TiiS 5(4), 2015), which are not distributed; they
are read from `../shared/movielens` where that exists. A part of each user's ratings is hidden; what the rest
leads to should be among the hidden ones. Popularity recommends to everyone the movies that most users have
rated. Neither recommends what a user has rated in the part that is not hidden.
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
"""The recommendations that count."""

Recommend = Callable[[int], Iterable[MovieId]]


@dataclass(frozen=True, slots=True)
class Rated:
    """A row of MovieLens. `half_points` are ours, twice theirs of 0.5 to 5, doubled again."""

    user: int
    movie: MovieId
    half_points: int
    at: int


@dataclass(frozen=True, slots=True)
class Split:
    """Ratings that are known, and those to predict."""

    known: Sequence[Rated]
    hidden: Sequence[Rated]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over users: the part of the hidden movies that was found, and the nDCG with binary gains."""

    recall: float
    ndcg: float


def ratings() -> list[Rated]:
    """All ratings in the order of time."""
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
    return sorted(rows, key=lambda each: (each.at, each.user, each.movie))


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
    """Hide so many ratings of each user: the newest ones."""
    left, known, hidden = Counter(row.user for row in rows), list[Rated](), list[Rated]()
    for row in rows:
        (hidden if left[row.user] <= number else known).append(row)
        left[row.user] -= 1
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
    """Know only the oldest ratings, so many, of this part of the users, and all of the others."""
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
    """Recommend what most users have rated."""
    counts, seen = Counter(row.movie for row in known), _seen(known)
    ranked = sorted(counts, key=lambda movie: (-counts[movie], movie))
    return lambda user: (movie for movie in ranked if movie not in seen[user])


def ours(known: Sequence[Rated]) -> Recommend:
    """Recommend by the rule of the domain, over what the ports would return."""
    seen, rated, likes = _seen(known), Counter[int](), defaultdict[int, list[MovieId]](list)
    likers, liked = defaultdict[MovieId, list[int]](list), Counter[MovieId]()
    for row in sorted(known, key=lambda each: (-each.at, each.movie)):
        rated[row.user] += 1
        if row.half_points >= LIKED.half_points:
            liked[row.movie] += 1
            if rated[row.user] <= MAX_RATINGS:
                likes[row.user].append(row.movie)
                likers[row.movie].append(row.user)

    @cache
    def beside(movie: MovieId) -> tuple[Neighbour, ...]:
        return neighbours(movie, (likes[user] for user in likers[movie]), liked)

    def recommend(user: int) -> Iterator[MovieId]:
        own = likes[user][:MAX_LIKES]
        found = candidates(own, {movie: beside(movie) for movie in own})
        return (each.movie for each in found if each.movie not in seen[user])

    return recommend


def _seen(known: Iterable[Rated]) -> Mapping[int, set[MovieId]]:
    seen = defaultdict[int, set[MovieId]](set)
    for row in known:
        seen[row.user].add(row.movie)
    return seen


def measured(split: Split, recommend: Recommend, *, lowest: int = 0, users: int | None = None) -> Quality:
    """The quality of recommendations for so many users, chosen at random, or for all who have hidden ratings.
    Those of fewer half points than `lowest` do not count.
    """
    wanted, known = defaultdict[int, set[MovieId]](set), {row.user for row in split.known}
    for row in split.hidden:
        if row.user in known and row.half_points >= lowest:
            wanted[row.user].add(row.movie)
    chosen = sorted(wanted) if users is None else Random(1).sample(sorted(wanted), users)
    recalls, gains = 0.0, 0.0
    for user in chosen:
        places = [
            place for place, movie in enumerate(islice(recommend(user), CUTOFF), 2) if movie in wanted[user]
        ]
        recalls += len(places) / len(wanted[user])
        best = range(2, 2 + min(CUTOFF, len(wanted[user])))
        gains += sum(1 / log2(place) for place in places) / sum(1 / log2(place) for place in best)
    return Quality(recalls / len(chosen), gains / len(chosen))


def recommendations() -> Table:
    """Measure every split, with all hidden ratings and with those of liked movies."""
    table = Table(
        "split", "hidden", "recall", "popularity", "ratio", "nDCG", "popularity", "ratio", "CPU s",
        title=f"recommendations at {CUTOFF}, over MovieLens",
    )  # fmt: skip
    rows = ratings()
    for name, split_of in SPLITS.items():
        split = split_of(rows)
        recommend, popular = ours(split.known), popularity(split.known)
        for hidden, lowest in (("all", 0), ("liked", LIKED.half_points)):
            began = process_time()
            own = measured(split, recommend, lowest=lowest)
            seconds = process_time() - began
            theirs = measured(split, popular, lowest=lowest)
            table.add_row(
                name,
                hidden,
                *(f"{own.recall:.3f}", f"{theirs.recall:.3f}", f"{own.recall / theirs.recall:.2f}"),
                *(f"{own.ndcg:.3f}", f"{theirs.ndcg:.3f}", f"{own.ndcg / theirs.ndcg:.2f}"),
                f"{seconds:.1f}",
            )
    return table
