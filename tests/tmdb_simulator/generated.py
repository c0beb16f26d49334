"""Generated movies with the irregularities of real ones, the same for the same count and seed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from random import Random
from typing import TypeAlias

from .catalogue import GENRES, Catalogue
from .responses import Record

Quirk: TypeAlias = Callable[
    [Record, Record], object
]  # changes a movie; the second argument is the previous movie

ADJECTIVES = (
    "Amber",
    "Borrowed",
    "Crooked",
    "Distant",
    "Electric",
    "Forgotten",
    "Gentle",
    "Hollow",
    "Idle",
    "Jagged",
)
NOUNS = (
    "Harbour",
    "Orchard",
    "Signal",
    "Ferry",
    "Lantern",
    "Quarry",
    "Winter",
    "Almanac",
    "Ladder",
    "Meadow",
)
ENDINGS = ("", "", "", " at Noon", " of Glass", " Returns", ": Part Two", " & Sons", " in Reverse")
PREDICATES = (
    "repairs a clock tower",
    "loses a map",
    "inherits a ferry",
    "cannot sleep",
    "runs a night bakery",
)
PLACES = (
    "by the sea",
    "on the last train",
    "below the dam",
    "in a town without doors",
    "a week before the vote",
)
FOREIGN = (
    ("ja", "夜の灯台守"), ("ko", "조용한 나루터"), ("ru", "Берег без имени"), ("ar", "بيت على الريح"),
    ("hi", "नदी का पता"), ("th", "แม่น้ำที่หลับใหล"),
    ("zh", "紙做的渡船"), ("he", "המפה האחרונה"), ("tr", "İki Iskele"),
)  # fmt: skip
ODD_TITLES = (
    "6½",
    "4/13",
    "712",
    "20/20/20",
    "#",
    "¿…?",
    "W*LL & F*LL",
    "Œuvre nº 7",
    "Ampersand &amp; Sons",
)
FIRST_NAMES = ("Ada", "Bo", "Cleo", "Dário", "Edda", "Finn", "Greta", "Hugo", "Ines", "Jun")
LAST_NAMES = ("Alder", "Birch", "Cedar", "Dorn", "Elm", "Fir", "Gorse", "Hazel", "Ilex", "Juniper")
LATE_GENRE = 10999  # named by movies, absent from the list of genres until it is added


def make_movies(count: int, seed: int = 0) -> list[Record]:
    """Generate `count` movies as records of a Catalogue. Every third has one of QUIRKS; 100 have all."""
    random = Random(seed)
    movies: list[Record] = []
    quirks = list(QUIRKS.values())
    number = 0
    for index in range(count):
        number += random.randint(1, 700)
        movie = _movie(number, random)
        if index % 3 == 1:
            quirks[index // 3 % len(quirks)](movie, movies[-1])
        movies.append(movie)
    for index, movie in enumerate(movies):
        _add_parts(movie, [other["id"] for other in movies[index + 1 : index + 5]])
    return movies


def make_catalogue(count: int, seed: int = 0) -> Catalogue:
    """A catalogue of `count` generated movies, and of changes of some that have been deleted."""
    movies = make_movies(count, seed)
    random = Random(seed + 1)
    highest = max((movie["id"] for movie in movies), default=0)
    deleted = [
        {"id": highest + 13 * index, "_deleted": True, "_changed": random.randint(0, 13)}
        for index in range(1, 2 + count // 20)
    ]
    return Catalogue([*movies, *deleted])


def _movie(number: int, random: Random) -> Record:
    title = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)}{random.choice(ENDINGS)}"
    votes = int(random.paretovariate(0.6)) * random.randint(1, 9) % 40_000
    movie: Record = {
        "adult": False,
        "backdrop_path": _picture(random),
        "genre_ids": random.sample(sorted(GENRES), random.randint(1, 4)),
        "id": number,
        "original_language": "en",
        "original_title": title,
        "overview": f"Somebody {random.choice(PREDICATES)} {random.choice(PLACES)}.",
        "popularity": round(random.paretovariate(1.1) * 1.7, 4),
        "poster_path": _picture(random),
        "release_date": f"{random.randint(1925, 2025)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}",
        "title": title,
        "video": False,
        "vote_average": round(random.triangular(1, 10, 6.6), 3) if votes else 0,
        "vote_count": votes,
        "imdb_id": f"tt{number + 7_000_000:07}",
        "runtime": random.randint(61, 214),
        "budget": random.choice((0, 0, 250_000, 9_000_000)),
        "revenue": random.choice((0, 0, 1_200_000)),
        "tagline": "",
    }
    if random.random() < 0.4:
        movie["_changed"] = random.randint(0, 20)
    if random.random() < 0.2:
        movie["_translations"] = {
            "de": {"title": f"{title} (deutsch)", "overview": ""},
            "fr": {"title": "", "overview": ""},
        }
    return movie


def _add_parts(movie: Record, recommended: list[int]) -> None:
    """Add credits, a trailer and recommendations to a movie. They depend on its number alone."""
    random = Random(movie["id"])
    names = [
        f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}" for _ in range(random.randint(0, 14))
    ]
    movie |= {
        "_crew": [(name, "Director") for name in names[:1]] + [(name, "Editor") for name in names[1:2]],
        "_cast": [(name, f"Role {index}") for index, name in enumerate(names[2:])],
        "_videos": [{"key": f"trailer{movie['id']:05}"}] if random.random() < 0.7 else [],
        "_recommended": recommended,
    }
    if random.random() < 0.2:
        movie["belongs_to_collection"] = {"id": movie["id"] % 7 + 1, "name": f"Series {movie['id'] % 7 + 1}"}


def _picture(random: Random) -> str:
    return (
        "/"
        + "".join(random.choices("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=27))
        + ".jpg"
    )


def _set(**values: object) -> Quirk:
    return lambda movie, _: movie.update(values)


def _copy(*names: str) -> Quirk:
    return lambda movie, previous: movie.update({name: previous[name] for name in names})


def _pick(table: tuple[object, ...], movie: Record) -> object:
    return table[movie["id"] % len(table)]


def _foreign(movie: Record, _: Record) -> None:
    language, original = FOREIGN[movie["id"] % len(FOREIGN)]
    movie |= {"original_language": language, "original_title": original}


def _untranslated(movie: Record, previous: Record) -> None:
    _foreign(movie, previous)
    movie["title"] = movie["original_title"]


def _set_title(title: Callable[[Record], object]) -> Quirk:
    def set_title(movie: Record, _: Record) -> None:
        movie["title"] = movie["original_title"] = title(movie)

    return set_title


QUIRKS: Mapping[str, Quirk] = {
    "no date": _set(release_date=""),
    "null date": _set(release_date=None),
    "placeholder date": lambda movie, _: movie.update(release_date=f"{1930 + movie['id'] % 90}-01-01"),
    "future date": _set(release_date="2031-11-07"),
    "no runtime": _set(runtime=0),
    "no poster": _set(poster_path=None, backdrop_path=None),
    "null IMDb id": _set(imdb_id=None),
    "empty IMDb id": _set(imdb_id=""),
    "no overview": _set(overview=""),
    "no genres": _set(genre_ids=[]),
    "unsorted genres": _set(genre_ids=[10749, 18, 35, 12]),
    "late genre": _set(genre_ids=[LATE_GENRE, 18]),
    "whole vote": _set(vote_average=8, vote_count=11),
    "ten from one vote": _set(vote_average=10.0, vote_count=1),
    "no votes": _set(vote_average=0, vote_count=0),
    "whole popularity": _set(popularity=12),
    "huge popularity": _set(popularity=16_500.25),
    "odd language": lambda movie, _: movie.update(original_language=_pick(("cn", "sh", "xx"), movie)),
    "same title": _copy("title", "original_title"),
    "same title and date": _copy("title", "original_title", "release_date"),
    "foreign original": _foreign,
    "untranslated": _untranslated,
    "odd title": _set_title(lambda movie: _pick(ODD_TITLES, movie)),
    "not NFC": _set_title(
        lambda movie: unicodedata.normalize("NFD", f"Crème brûlée à Škoda {movie['id'] % 9}")
    ),
    "long title": _set_title(
        lambda movie: f"The {movie['title']}, or " + "the Very Long Way Round and " * 3 + "Home"
    ),
    "odd spaces": _set_title(lambda movie: f" {movie['title']}  1st\u00a0Tour "),
    "zero width": _set(overview="A house\u200b full of\u00a0doors, none\ufeff of them\r\n\r\nlocked."),
    "adult": _set(adult=True),
    "video": _set(video=True),
    "unknown keys": _set(softcore=False, mood={"calm": 3}),
}
