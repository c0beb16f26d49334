"""Generated movies, the same in each run, for filling a store."""

from datetime import date
from random import Random
from time import perf_counter

from adapters import system
from adapters.sqlite.store import SqliteStore
from domain.ids import RunId, genre_id
from domain.movies import CastMember, MovieFacts
from domain.sync import Entity, PageResult, SyncRun

PAGE_SIZE = 1000
GENRES = tuple(
    genre_id(number) for number in (28, 12, 16, 35, 80, 99, 18, 10751, 14, 36, 27, 878, 53, 10752, 37)
)
WORDS = """
    night river war love star man king dawn house of the a in last city home red black summer winter ghost
    queen return secret garden island storm blood moon road bridge letter mountain silent broken golden empire
    shadow
""".split()
SYLLABLES = "ka lo mi ra ten dor vel sha zu qui fen bar ost nim gra pel tho wex yan jud".split()


def fill(store: SqliteStore, count: int) -> float:
    """Store movies page by page, as a sync does; return the duration in seconds."""
    random = Random(1)
    run = SyncRun(id=RunId(system.new_id()), entity=Entity.MOVIES, started_at=system.now())
    store.runs.add(run)
    started = perf_counter()
    for page, start in enumerate(range(0, count, PAGE_SIZE), 1):
        movies = tuple(
            generate(number, random) for number in range(start + 1, min(start + PAGE_SIZE, count) + 1)
        )
        run = store.movies.store(PageResult(page=page, at=system.now(), movies=movies), run)
    store.runs.save(run.finished(system.now()))
    return perf_counter() - started


def generate(number: int, random: Random) -> MovieFacts:
    """A movie with a title of one to five words, some of them rare, and numbers of skewed distributions."""
    title = " ".join(word(random) for _ in range(random.randint(1, 5)))
    return MovieFacts(
        tmdb_id=number,
        title=title,
        original_title=title if random.random() < 0.7 else word(random),
        original_language=random.choices(("en", "fr", "ja", "hi", "fi"), (60, 15, 12, 10, 3))[0],
        overview=" ".join(random.choices(WORDS, k=40)),
        release_date=date(random.randint(1900, 2025), random.randint(1, 12), random.randint(1, 28)),
        popularity=round(random.expovariate(0.2), 4) if random.random() < 0.98 else None,
        vote_average=round(random.uniform(1, 10), 3),
        vote_count=int(random.paretovariate(0.5)) % 40_000,
        genres=tuple(
            dict.fromkeys(random.choices(GENRES, range(len(GENRES), 0, -1), k=random.randint(1, 3)))
        ),
        runtime=random.randint(60, 200),
        directors=(person(random),),
        cast=tuple(CastMember(person(random), word(random)) for _ in range(10)),
        detailed=True,
    )


def person(random: Random) -> str:
    """One of about ten thousand names. A few of them are frequent."""
    number = min(int(random.paretovariate(0.3)), 10_000)
    first, last = divmod(number, 100)
    return (
        f"{SYLLABLES[first % 20]}{SYLLABLES[first // 5 % 20]} {SYLLABLES[last % 20]}{WORDS[last // 3 % 30]}"
    )


def word(random: Random) -> str:
    """A common word, or one of eight thousand words of three syllables."""
    return random.choice(WORDS) if random.random() < 0.6 else "".join(random.choices(SYLLABLES, k=3))
