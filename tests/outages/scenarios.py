"""What is taken away, what clients may see meanwhile, and what must be true a few seconds later."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from tests.outages.load import Period, Visitor, period, visiting, visitors
from tests.outages.place import Place
from tests.tmdb_simulator import Fault

WELL = frozenset({200, 201, 204, 304})
WITHOUT_STORAGE = WELL | {503}

HEALED_WITHIN = 5.0

Act = Callable[[Place], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Something that is away for a while.

    `allowed` are the statuses that clients may see while it is; `health` is what /health must say of `part`.
    """

    name: str
    strike: Act
    heal: Act
    allowed: frozenset[int]
    part: str
    health: frozenset[str] = frozenset({"down"})


@dataclass(frozen=True, slots=True)
class Played:
    """What an outage looked like: before, while, and after it; what /health said; what was stale."""

    outage: Outage
    before: Period
    during: Period
    after: Period
    said: dict[str, str]
    healed_after: float
    stale: list[str]

    def faults(self) -> list[str]:
        """What was not as promised."""
        found = list(self.stale[:3])
        for name, seen, allowed in (
            ("before", self.before, WELL),
            ("during", self.during, self.outage.allowed),
            ("after", self.after, WELL),
        ):
            if wrong := set(seen.statuses) - allowed:
                found.append(f"{name}: statuses {sorted(wrong)}")
        if self.said["part"] not in self.outage.health:
            found.append(f"health said {self.said}")
        if self.healed_after > HEALED_WITHIN:
            found.append(f"healed after {self.healed_after:.1f} s")
        return found


def fill(place: Place) -> None:
    """Leave Redis no memory for more, and nothing that it may throw out."""
    for setting, value in (("maxmemory-policy", "noeviction"), ("maxmemory", "1")):
        assert place.redis.command("CONFIG", "SET", setting, value) == "+OK"


def empty(place: Place) -> None:
    """Give it room again."""
    assert place.redis.command("CONFIG", "SET", "maxmemory", "0") == "+OK"


def _redis(act: str) -> Act:
    return lambda place: getattr(place.redis, act)()


def _cable(act: str) -> Act:
    def done(place: Place) -> None:
        assert place.database
        getattr(place.database, act)()

    return done


def _tmdb(*faults: Fault) -> Act:
    """Misbehave like this; without faults, behave."""
    return lambda place: place.tmdb.misbehave(*faults)


REDIS = (
    Outage(
        name="redis stopped",
        strike=_redis("stop"),
        heal=_redis("start"),
        allowed=WELL,
        part="redis",
    ),
    Outage(
        name="redis killed",
        strike=_redis("kill"),
        heal=_redis("start"),
        allowed=WELL,
        part="redis",
    ),
    Outage(
        name="redis frozen",
        strike=_redis("freeze"),
        heal=_redis("thaw"),
        allowed=WELL,
        part="redis",
    ),
    Outage(
        name="redis full",
        strike=fill,
        heal=empty,
        allowed=WELL,
        part="redis",
        health=frozenset({"ok"}),
    ),
)
STORAGE = (
    Outage(
        name="storage stopped",
        strike=_cable("cut"),
        heal=_cable("mend"),
        allowed=WITHOUT_STORAGE,
        part="database",
    ),
    Outage(
        name="storage frozen",
        strike=_cable("block"),
        heal=_cable("mend"),
        allowed=WITHOUT_STORAGE,
        part="database",
    ),
)
TMDB = (
    Outage(
        name="tmdb down",
        strike=_tmdb(Fault("reset")),
        heal=_tmdb(),
        allowed=WELL,
        part="tmdb",
        health=frozenset({"degraded"}),
    ),
    Outage(
        name="tmdb slow",
        strike=_tmdb(Fault("slow_headers", seconds=30)),
        heal=_tmdb(),
        allowed=WELL,
        part="tmdb",
        health=frozenset({"degraded"}),
    ),
    Outage(
        name="tmdb 429",
        strike=_tmdb(Fault("too_many", seconds=1)),
        heal=_tmdb(),
        allowed=WELL,
        part="tmdb",
        health=frozenset({"degraded"}),
    ),
    Outage(
        name="tmdb 401",
        strike=_tmdb(
            Fault("answer", status=401, body={"status_code": 7, "status_message": "Invalid API key"})
        ),
        heal=_tmdb(),
        allowed=WELL,
        part="tmdb",
        health=frozenset({"degraded"}),
    ),
)


def play(place: Place, outage: Outage, *, clients: int, seconds: float, pause: float) -> Played:
    """Take something away under load for so many seconds, give it back, and see what became of it."""
    crowd = visitors(place.bases, clients, place.movies)
    try:
        return played(place, outage, crowd, seconds=seconds, pause=pause)
    finally:
        for visitor in crowd:
            visitor.leave()


def played(place: Place, outage: Outage, crowd: Sequence[Visitor], *, seconds: float, pause: float) -> Played:
    """The same with clients who are there already."""
    calm = min(max(1.0, seconds / 6), 5.0)
    with visiting(crowd, pause):
        began = time.monotonic()
        time.sleep(calm)
        struck = time.monotonic()
        outage.strike(place)
        said = _watched(place, outage, seconds)
        outage.heal(place)
        mended = time.monotonic()
        healed_after = _healed(place, outage, mended)
        whole = time.monotonic()
        time.sleep(calm)
        end = time.monotonic()
    return Played(
        outage=outage,
        before=period(crowd, began, struck - 0.5),
        during=period(crowd, struck, mended),
        after=period(crowd, whole, end),
        said=said,
        healed_after=healed_after,
        stale=[each for visitor in crowd for each in visitor.stale],
    )


def _watched(place: Place, outage: Outage, seconds: float) -> dict[str, str]:
    """Watch it for so long, as a monitor does; the last that was said of it."""
    until, said = time.monotonic() + seconds, {"part": "?"}
    while time.monotonic() < until:
        said = _health(place, outage)
        time.sleep(min(1.0, max(0.0, until - time.monotonic())))
    return said


def _health(place: Place, outage: Outage) -> dict[str, str]:
    """What the first process says of the part, and of the whole."""
    answer = httpx.get(f"{place.bases[0]}/health", timeout=10)
    told = answer.json()
    part = told["checks"][outage.part]
    return {"part": part["status"], "whole": told["status"], "error": part.get("error", "")}


def _healed(place: Place, outage: Outage, since: float) -> float:
    """Seconds until every process says that all is well and uses the cache again; many if it never does."""
    while time.monotonic() - since < HEALED_WITHIN * 4:
        if all(_is_well(base, outage) for base in place.bases):
            return time.monotonic() - since
        time.sleep(0.1)
    return time.monotonic() - since


def _is_well(base: str, outage: Outage) -> bool:
    try:
        told = httpx.get(f"{base}/health", timeout=10).json()["checks"][outage.part]
        seen = httpx.get(f"{base}/genres", timeout=10)
    except httpx.HTTPError:
        return False
    return told["status"] == "ok" and seen.status_code == 200 and "x-cache" in seen.headers
