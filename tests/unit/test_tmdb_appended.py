"""The appended parts of TMDB's details are read as leniently as its other values."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.tmdb import payloads
from adapters.tmdb.appended import MAX_CAST, MAX_CHARACTER_LENGTH, PARTS
from adapters.tmdb.payloads import DETAILS_VERSION, KEYS
from domain.movies import NO_TEXTS, CastMember, Movie, MovieFacts

RECORDED = Path("../shared/tmdb/rec_tmdblib_2025-12.jsonl.gz")
AT = datetime(2026, 1, 1, tzinfo=UTC)
YOUTUBE, VIMEO = "https://www.youtube.com/watch?v=", "https://vimeo.com/"

HELD = MovieFacts(
    tmdb_id=603,
    title="The Paper Ferry",
    original_title="The Paper Ferry",
    directors=("Ada Lark",),
    cast=(CastMember("Bo Finch", "The ferryman"),),
    trailer_url=f"{VIMEO}123456",
    collection="Ferries",
    recommended=(7,),
    detailed=True,
    details_version=DETAILS_VERSION,
)

keys = st.sampled_from(
    ["cast", "crew", "results", "name", "job", "character", "order", "type", "site", "key", "id"]
)
values = st.sampled_from(["Director", "Trailer", "YouTube", "abcdef", "", 0, 7, -1, True, None, "Ann"])
anything = st.recursive(
    values | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def read(**parts: Any) -> MovieFacts:
    return payloads.movie({"id": 603, "title": "The Paper Ferry"} | parts, detailed=True)


def updated(**parts: Any) -> tuple[MovieFacts, tuple[str, ...]]:
    """The facts that are stored after details with these parts, and the warnings."""
    facts = read(**parts)
    return Movie.from_facts(HELD, AT).updated_from(facts, AT).facts, facts.warnings


def crew(*members: Any) -> dict[str, Any]:
    return {"crew": list(members)}


def cast(*members: Any) -> dict[str, Any]:
    return {"cast": list(members)}


def director(name: object) -> dict[str, object]:
    return {"name": name, "job": "Director"}


def video(key: object = "abcDEF-_123", **others: object) -> dict[str, object]:
    return {"site": "YouTube", "type": "Trailer", "official": True, "key": key, **others}


def results(*rows: Any) -> dict[str, Any]:
    return {"results": list(rows)}


class TestWhatIsRead:
    def test_directors_are_the_crew_with_that_job_in_order_each_once(self) -> None:
        members = [
            {"name": "Cy Crane", "job": "Producer"},
            *map(director, ["Di Wren", " Ada Lark ", "", None, "Di Wren"]),
        ]
        assert read(credits=crew(*members)).directors == ("Di Wren", "Ada Lark")

    def test_the_cast_is_ten_people_in_the_order_of_the_credits(self) -> None:
        members = [{"name": f"Name {number}", "character": "", "order": number} for number in range(12)]
        shown = read(credits=cast(*reversed(members))).cast
        assert shown == tuple(CastMember(f"Name {number}") for number in range(MAX_CAST))

    def test_actors_without_a_place_come_last_as_sent_and_those_without_a_name_not_at_all(self) -> None:
        members = [
            {"name": "Ann", "character": "Cook"},
            {"name": "Bo", "character": None, "order": "first"},
            {"name": "", "order": 0},
            {"name": "Cy", "character": " Singer ", "order": 5},
            {"name": "Cy", "character": "Singer", "order": 6},
            {"name": "Cy", "character": "Himself", "order": 7},
        ]
        assert read(credits=cast(*members)).cast == (
            CastMember("Cy", "Singer"),
            CastMember("Cy", "Himself"),
            CastMember("Ann", "Cook"),
            CastMember("Bo"),
        )

    @pytest.mark.parametrize(
        ("videos", "address"),
        [
            ([], None),
            ([video("abcdef1", type="Clip"), video("abcdef2", site="Elsewhere")], None),
            ([video("abcdef1"), video("abcdef2")], f"{YOUTUBE}abcdef1"),
            ([video("abcdef1", official=False), video("abcdef2")], f"{YOUTUBE}abcdef2"),
            ([video("abcdef1", type="Teaser"), video("abcdef2", official=None)], f"{YOUTUBE}abcdef2"),
            ([video("abcdef1", type="Teaser")], f"{YOUTUBE}abcdef1"),
            ([video("123456", site="Vimeo")], f"{VIMEO}123456"),
            ([video("", site="Vimeo"), video("abcdef2")], f"{YOUTUBE}abcdef2"),
            ([video(type=["Trailer"]), video(site={}), video(type=None)], None),
        ],
    )
    def test_a_trailer_is_official_if_there_is_one(self, videos: list[object], address: str | None) -> None:
        assert read(videos=results(*videos)).trailer_url == address

    def test_a_collection_is_its_name(self) -> None:
        assert read(belongs_to_collection={"id": 9, "name": "Ferries"}).collection == "Ferries"

    def test_recommended_movies_keep_their_order_each_once(self) -> None:
        rows = [{"id": 9, "media_type": "movie"}, {"id": 3}, {"id": 9}, {"id": 5, "media_type": "tv"}]
        assert read(recommendations=results(*rows)).recommended == (9, 3)

    def test_details_have_their_version_and_rows_of_lists_have_none(self) -> None:
        assert read().details_version == DETAILS_VERSION
        listed = payloads.movie({"id": 603, "title": "A", "credits": crew(director("Ann"))})
        assert (listed.details_version, listed.directors) == (None, ())


NO_LIST: list[Any] = [True, "many", 7, [], ["x"], {}, {"cast": None, "crew": "many", "results": {}}]
NO_COLLECTION: list[Any] = [True, "Ferries", [], {}, {"name": ""}, {"name": 7}]
UNREADABLE: list[tuple[str, Any]] = [
    *((name, part) for name in ("credits", "videos", "recommendations") for part in NO_LIST),
    *(("belongs_to_collection", part) for part in NO_COLLECTION),
]

SPOILT: list[tuple[str, str, Any, object]] = [
    ("directors", "credits", crew(director("Ann"), director(7)), ("Ann",)),
    ("directors", "credits", crew(director("Ann"), None), ("Ann",)),
    ("directors", "credits", crew(director("Ann"), director("x" * 201)), ("Ann",)),
    ("cast", "credits", cast({"name": "Ann"}, {"name": ["Bo"]}), (CastMember("Ann"),)),
    ("cast", "credits", cast({"name": "Ann", "character": 7}, "Bo"), (CastMember("Ann"),)),
    (
        "cast",
        "credits",
        cast({"name": "A", "character": "x" * (MAX_CHARACTER_LENGTH + 1)}),
        (CastMember("A"),),
    ),
    ("trailer_url", "videos", results(video(7), video("abcdef1")), f"{YOUTUBE}abcdef1"),
    ("trailer_url", "videos", results(video("a/../b"), video("javascript:x")), None),
    ("trailer_url", "videos", results(video("abcdef1", site="Vimeo")), None),
    ("recommended", "recommendations", results({"id": 5}, {"id": "7"}), (5,)),
    ("recommended", "recommendations", results({"id": 5}, [], {"id": -1}), (5,)),
]
"""A fact, its part with an unreadable entry, and what is read where there is no earlier value."""


@pytest.mark.skipif(not RECORDED.exists(), reason=f"there is no {RECORDED}")
def test_recorded_parts_are_read_without_a_warning() -> None:
    with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
        exchanges = [json.loads(line) for line in lines]
    parts: dict[str, Any] = {
        exchange["path"].rpartition("/")[2]: exchange["body"]
        for exchange in exchanges
        if exchange["path"].startswith("/3/movie/47964/") and exchange["status"] == 200
    }
    facts = read(**{part: parts[part] for part in PARTS})

    assert facts.warnings == ()
    assert (len(facts.directors), len(facts.cast), len(facts.recommended)) == (1, MAX_CAST, 20)
    assert all(member.character for member in facts.cast)
    assert facts.trailer_url


class TestUpdates:
    @pytest.mark.parametrize("part", sorted(set(KEYS.values())))
    @pytest.mark.parametrize("nothing", [None, "", 0])
    def test_a_part_of_which_tmdb_has_nothing_removes_what_was_held(self, part: str, nothing: Any) -> None:
        unknown = {fact: NO_TEXTS[fact] for fact, key in KEYS.items() if key == part}
        assert updated(**{part: nothing}) == (replace(HELD, **unknown), ())

    def test_parts_that_are_not_sent_keep_what_was_held(self) -> None:
        assert updated() == (HELD, ())

    @pytest.mark.parametrize(("part", "value"), UNREADABLE)
    def test_an_unreadable_part_keeps_what_was_held_and_is_named(self, part: str, value: Any) -> None:
        held, warnings = updated(**{part: value})
        assert held == HELD
        assert [warning.split()[:3] for warning in warnings] == [
            ["movie", "603:", fact] for fact, key in KEYS.items() if key == part
        ]

    @pytest.mark.parametrize(("fact", "part", "value", "instead"), SPOILT)
    def test_an_unreadable_entry_keeps_the_stored_list_and_is_left_out_of_a_new_one(
        self, fact: str, part: str, value: Any, instead: object
    ) -> None:
        held, warnings = updated(**{part: value})
        assert getattr(held, fact) == getattr(HELD, fact)
        assert any(f"603: {fact} cannot be read" in warning for warning in warnings)
        assert getattr(Movie.from_facts(read(**{part: value}), AT).facts, fact) == instead

    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS.values(), anything)))
    @settings(max_examples=150)
    def test_whatever_is_sent_can_be_stored_and_shown(self, parts: dict[str, Any]) -> None:
        facts = read(**parts)
        assert all(name == name.strip() != "" for name in facts.people)
        assert len(facts.cast) <= MAX_CAST
        assert facts.trailer_url is None or facts.trailer_url.startswith((YOUTUBE, VIMEO))
        assert all(0 < number < 2**31 for number in facts.recommended)
