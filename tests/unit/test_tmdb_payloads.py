"""Payloads of TMDB are read leniently: an unreadable value affects nothing else."""

import json
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.tmdb import payloads
from adapters.tmdb.payloads import DETAILS_VERSION, KEYS, MAX_PAGES, READERS, TITLES, Unusable
from adapters.tmdb.values import INVISIBLE, Unreadable
from domain.ids import MAX_TMDB_NUMBER, genre_id
from domain.movies import DETAIL_FACTS, GenreFacts, Movie, MovieFacts, picture_url
from domain.sync import ChangedIdsPage, FetchFailed, GenreList, SourcePage

numbers = st.integers() | st.floats() | st.sampled_from([2**31 - 1, 2**31, 10**400])
texts = st.text(st.characters() | st.characters(categories=["Cs"])) | st.sampled_from(
    ["", " ", "7.5", "1999-02-30"]
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(payloads.MoviePayload.__struct_fields__)
oddities = dict.fromkeys(payloads.MoviePayload.__struct_fields__, anything)
rows = st.dictionaries(keys, anything, max_size=6) | st.fixed_dictionaries(
    {"id": st.integers(1, 9), "title": texts},
    optional={key: value for key, value in oddities.items() if key not in ("id", "title")},
)
pages = st.fixed_dictionaries(
    {"results": st.lists(rows | anything, max_size=4)}, optional={"total_pages": anything}
)


def row(**values: Any) -> dict[str, Any]:
    return {"id": 603, "title": "The Matrix", "original_title": "The Matrix"} | values


def read(**values: Any) -> MovieFacts:
    return payloads.movie(row(**values), detailed=True)


class TestMovie:
    def test_every_fact_of_tmdb_is_read(self) -> None:
        said = {
            "id": 4711,
            "title": "The Paper Ferry",
            "original_title": "紙做的渡船",
            "original_language": "cn",
            "overview": "Two neighbours.",
            "poster_path": "/poster.jpg",
            "backdrop_path": "/backdrop.jpg",
            "release_date": "2011-05-06",
            "popularity": 31.25,
            "vote_average": 8,
            "vote_count": 318,
            "adult": False,
            "genres": [{"id": 18, "name": "Drama"}, {"id": 10749, "name": "Romance"}],
            "imdb_id": "tt7654321",
            "runtime": 99,
            "tagline": "It floats.",
            "softcore": False,
            "watch/providers": {},
        }

        assert payloads.movie(said, detailed=True) == MovieFacts(
            tmdb_id=4711,
            title="The Paper Ferry",
            original_title="紙做的渡船",
            original_language="cn",
            overview="Two neighbours.",
            poster_path="/poster.jpg",
            backdrop_path="/backdrop.jpg",
            release_date=date(2011, 5, 6),
            popularity=31.25,
            vote_average=8.0,
            vote_count=318,
            genres=(genre_id(18), genre_id(10749)),
            imdb_id="tt7654321",
            runtime=99,
            tagline="It floats.",
            omitted=frozenset(KEYS) - {"translations"},
            detailed=True,
            details_version=DETAILS_VERSION,
        )

    def test_a_list_has_no_runtime_and_no_imdb_id_and_genres_as_numbers(self) -> None:
        facts = payloads.movie(row(genre_ids=[878, 28], runtime=136, imdb_id="tt0133093"))

        assert (facts.runtime, facts.imdb_id, facts.detailed) == (None, None, False)
        assert facts.genres == (genre_id(878), genre_id(28))

    def test_facts_that_are_not_sent_are_omitted(self) -> None:
        facts = payloads.movie({"id": 1, "title": "A"})

        assert facts.as_stored == MovieFacts(tmdb_id=1, title="A", original_title="A")
        assert facts.omitted == set(READERS) - DETAIL_FACTS - {"title"}
        assert facts.warnings == ()

    @pytest.mark.parametrize("number", [None, 0, -1, True, "603", 603.0, 2**31, [], {}])
    def test_a_row_without_a_number_is_unreadable(self, number: object) -> None:
        with pytest.raises(Unreadable, match="no id"):
            payloads.movie(row(id=number))

    @pytest.mark.parametrize("title", [None, "", " \u00a0\u200b", "\u200d", 300, [], "\x00", "\ud83d"])
    def test_either_title_replaces_a_missing_other_and_one_is_required(self, title: object) -> None:
        assert read(title=title).title == "The Matrix"
        assert read(original_title=title).original_title == "The Matrix"
        with pytest.raises(Unreadable, match="movie 603 has no title"):
            read(title=title, original_title=title)

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            ("\u00a0 8½ \ufeff", "8½"),
            ("Two  spaces\u00a0within", "Two  spaces\u00a0within"),
            ("\u200bİstanbul\u2060", "İstanbul"),
            ("അവൻ‍", "അവൻ‍"),  # a joiner affects the shape of the last letter
            ("e\u0301te\u0301", "e\u0301te\u0301"),
            ("Tom &amp; Jerry", "Tom &amp; Jerry"),
            ("N\x00UL and \ud800half", "NUL and half"),
            ("300", "300"),
        ],
    )
    def test_a_title_is_stripped_of_outer_white_space_and_control_characters(
        self, value: str, kept: str
    ) -> None:
        assert read(title=value).title == kept

    @pytest.mark.parametrize(
        "field", ["overview", "poster_path", "backdrop_path", "imdb_id", "original_language"]
    )
    @pytest.mark.parametrize("nothing", [None, "", "  ", "\u200b", 7, {"a": 1}, False])
    def test_an_empty_text_is_unknown(self, field: str, nothing: object) -> None:
        assert getattr(read(**{field: nothing}), field) is None

    @pytest.mark.parametrize("value", ["1999-01-01", "2041-12-18", "1874-12-09"])
    def test_a_date_in_the_future_or_on_new_years_day_stays(self, value: str) -> None:
        assert read(release_date=value).release_date == date.fromisoformat(value)

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            (0, None),
            (95, 95),
            ("95", 95),
            (95.0, 95),
            (95.5, None),
            (-5, None),
            (2**31, None),
            ("1h", None),
            (True, None),
        ],
    )
    def test_a_runtime_is_a_positive_number_of_minutes(self, value: object, kept: int | None) -> None:
        assert read(runtime=value).runtime == kept

    @pytest.mark.parametrize(
        ("value", "kept"),
        [(0, 0), (12, 12), ("12", 12), (-1, None), (2**31 - 1, 2**31 - 1), (2**31, None), (None, None)],
    )
    def test_zero_is_a_valid_count_of_votes(self, value: object, kept: int | None) -> None:
        assert read(vote_count=value).vote_count == kept

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            (8, 8.0),
            (7.365, 7.365),
            ("7.5", 7.5),
            (0, 0.0),
            (10.0, 10.0),
            (10.5, None),
            (-1, None),
            ("good", None),
            (True, None),
        ],
    )
    def test_a_vote_is_a_number_from_0_to_10(self, value: object, kept: float | None) -> None:
        vote = read(vote_average=value).vote_average

        assert vote == kept
        assert vote is None or type(vote) is float

    @pytest.mark.parametrize(("value", "kept"), [("cn", "cn"), ("sh", "sh"), ("XX", "xx")])
    def test_a_language_is_kept_as_given_in_lower_case(self, value: str, kept: str) -> None:
        assert read(original_language=value).original_language == kept

    def test_genres_keep_their_order_each_once(self) -> None:
        expected = (genre_id(10770), genre_id(28), genre_id(4711))
        bare: list[Any] = [10770, 28, "28", 10770, 4711]

        assert payloads.movie(row(genre_ids=bare)).genres == expected
        assert read(genres=[{"id": int(item), "name": "?"} for item in bare]).genres == expected


HELD = MovieFacts(
    tmdb_id=603,
    title="The Matrix",
    original_title="Matrix",
    original_language="en",
    overview="A hacker wakes up.",
    poster_path="/poster.jpg",
    backdrop_path="/backdrop.jpg",
    release_date=date(1999, 3, 31),
    popularity=81.5,
    vote_average=8.2,
    vote_count=26000,
    adult=False,
    genres=(genre_id(28), genre_id(878)),
    imdb_id="tt0133093",
    runtime=136,
    tagline="Free your mind.",
    detailed=True,
    details_version=DETAILS_VERSION,
)
SENT = {
    "id": 603,
    "title": "The Matrix",
    "original_title": "Matrix",
    "original_language": "en",
    "overview": "A hacker wakes up.",
    "poster_path": "/poster.jpg",
    "backdrop_path": "/backdrop.jpg",
    "release_date": "1999-03-31",
    "popularity": 81.5,
    "vote_average": 8.2,
    "vote_count": 26000,
    "adult": False,
    "genres": [{"id": 28, "name": "Action"}, {"id": 878, "name": "Science Fiction"}],
    "imdb_id": "tt0133093",
    "runtime": 136,
    "tagline": "Free your mind.",
}
FACTS = [
    each.name
    for each in fields(MovieFacts)
    if each.name not in {"tmdb_id", "detailed", "details_version", "omitted", "warnings", *KEYS}
]
"""The facts whose keys are their names; the others are in `test_tmdb_appended.py`."""

COUNTED = ("popularity", "vote_average", "vote_count")

TEXTS: list[Any] = [7, -1.5, True, False, {}, {"en": "A"}, [], ["A"], "x" * 20_001]
NUMBERS: list[Any] = [
    "high", "1,234", "1.234,5", "1 234", "1_000", "1e3", "٣", "½", "0x10", "NaN", "inf", "-inf", "10%",
    "8/10", "~7", float("nan"), float("inf"), float("-inf"), 10**400, 2**63, -1, -0.5, "-1", True, False,
    {}, [], [7], {"value": 7},
]  # fmt: skip
PATHS: list[Any] = [
    *TEXTS, "poster.jpg", "https://image.tmdb.org/t/p/w500/a.jpg", "//evil.example/a.jpg", "/../a.jpg",
    "/%2e%2e/a.jpg", "/", "/" + "x" * 255,
    "/a.jpg\r\n", "\n/a.jpg", "/a.jpg\r\nX-Evil: 1", "/a\tb.jpg", "/a\x00.jpg", "/a\x1b[2J.jpg", "/a\x85.jpg",
    "/a\u2028.jpg", "/a%0d%0a.jpg", "/a%00.jpg",
]  # fmt: skip
UNREADABLE: dict[str, list[Any]] = {
    "title": [*TEXTS, "x" * 1_001],
    "original_title": [*TEXTS, "x" * 1_001],
    "original_language": [*TEXTS, "English", "e", "en_US.UTF-8", "en us", "x" * 9],
    "overview": TEXTS,
    "tagline": [*TEXTS, "x" * 1_001],
    "poster_path": PATHS,
    "backdrop_path": PATHS,
    "release_date": [
        *TEXTS, "4 July 2001", "July 4, 2001", "04.07.2001", "07/04/2001", "2001/07/04", "20010704",
        "2001-7-4", "2001", "2001-07", "2001-W27-3", "1999-02-30", "0000-00-00", "0001-01-01", "9999-12-31",
        "1799-12-31", "2201-01-01", 994_204_800, 2001, "٢٠٠١-٠٧-٠٤", "12001-07-04", "-2001-07-04",
        "2001-07-04x", "x 2001-07-04", "2001-07-04 noon", "2001-07-04T",
    ],
    "popularity": [*NUMBERS, 1.1e9],
    "vote_average": [*NUMBERS, 10.1, "10.5", 82],
    "vote_count": [*NUMBERS, 2**31, 12.5, "12.5"],
    "adult": [],
    "genres": [
        None, "", 0, "28", 28, {}, True, [None], ["x"], [28, "x"], [28, 0], [28, -3], [[28]], [28.0], [True],
        [{"name": "Action"}], [{"id": "28"}], [{"id": 28}, {}], [2**31],
    ],
    "imdb_id": [*TEXTS, "tt12", "nm0000206", "tt0133093x", "TT0133093", "tt\u0661234567", 133093, "0133093"],
    "runtime": [*NUMBERS, "1h 40m", "136 min", "2:16", "PT136M", 95.5, "95.5", 100_001],
}  # fmt: skip
"""Unreadable values by fact."""

UNKNOWN: dict[str, list[Any]] = {
    fact: [None, ""] if fact in COUNTED else [None, "", 0, 0.0]
    for fact in FACTS
    if fact not in (*TITLES, "adult", "genres")
}
"""Values by fact that mean unknown."""


def held_with(fact: str, value: Any) -> MovieFacts:
    changes: dict[str, Any] = {fact: value}
    return replace(HELD, **changes)


class TestUpdates:
    """Updates of a stored movie."""

    def updated(self, held: MovieFacts = HELD, **values: Any) -> tuple[MovieFacts, tuple[str, ...]]:
        facts = payloads.movie(SENT | values, detailed=True)
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return Movie.from_facts(held, at).updated_from(facts, at).facts, facts.warnings

    def test_the_tables_have_all_facts(self) -> None:
        assert set(READERS) - set(KEYS) == set(UNREADABLE) == set(FACTS)
        assert set(UNKNOWN) | {*TITLES, "adult", "genres"} == set(FACTS)
        assert self.updated() == (HELD, ())

    @pytest.mark.parametrize(
        ("fact", "value"), [(fact, value) for fact in FACTS for value in UNREADABLE[fact]]
    )
    def test_an_unreadable_value_keeps_the_stored_one_and_is_named(self, fact: str, value: Any) -> None:
        held, warnings = self.updated(**{fact: value})

        assert held == HELD
        assert len(warnings) == 1
        assert warnings[0].startswith(f"movie 603: {fact} cannot be read: ")
        assert len(warnings[0]) < 120
        assert warnings[0].isprintable()

    @pytest.mark.parametrize(
        ("fact", "value"),
        [(fact, value) for fact in FACTS if fact not in TITLES for value in UNREADABLE[fact]],
    )
    def test_an_unreadable_value_of_a_new_movie_is_unknown(self, fact: str, value: Any) -> None:
        facts = payloads.movie(SENT | {fact: value}, detailed=True)
        new = Movie.from_facts(facts, datetime(2026, 1, 1, tzinfo=UTC)).facts

        if fact == "genres":  # the readable ones are kept
            assert set(new.genres) <= {genre_id(28)}
        else:
            assert getattr(new, fact) is None
        assert (new.omitted, new.warnings) == (frozenset(), ())

    @pytest.mark.parametrize("fact", FACTS)
    def test_a_value_that_is_not_sent_keeps_the_stored_one(self, fact: str) -> None:
        facts = payloads.movie({key: value for key, value in SENT.items() if key != fact}, detailed=True)
        at = datetime(2026, 1, 1, tzinfo=UTC)

        assert Movie.from_facts(HELD, at).updated_from(facts, at).facts == HELD
        assert facts.warnings == ()

    @pytest.mark.parametrize(
        ("fact", "value"), [(fact, value) for fact in UNKNOWN for value in UNKNOWN[fact]]
    )
    def test_an_empty_value_of_tmdb_is_unknown(self, fact: str, value: Any) -> None:
        assert self.updated(**{fact: value}) == (held_with(fact, None), ())

    @pytest.mark.parametrize("title", TITLES)
    @pytest.mark.parametrize("value", [None, "", 0])
    def test_an_empty_title_keeps_the_stored_one(self, title: str, value: Any) -> None:
        assert self.updated(**{title: value}) == (HELD, ())

    @pytest.mark.parametrize("fact", [*UNKNOWN, *TITLES])
    @pytest.mark.parametrize("value", [" ", "\n\t", "\u00a0\u200b"])
    def test_white_space_is_unreadable_and_not_unknown(self, fact: str, value: Any) -> None:
        facts, warnings = self.updated(**{fact: value})
        assert facts == HELD
        assert len(warnings) == 1
        assert fact in warnings[0]

    @pytest.mark.parametrize("fact", COUNTED)
    @pytest.mark.parametrize("value", [0, 0.0, "0"])
    def test_zero_is_a_valid_count(self, fact: str, value: Any) -> None:
        assert self.updated(**{fact: value}) == (held_with(fact, 0), ())

    def test_an_empty_list_of_genres_is_valid(self) -> None:
        assert self.updated(genres=[]) == (replace(HELD, genres=()), ())

    @pytest.mark.parametrize(
        "value",
        [
            "2001-07-04",
            "2001-07-04T00:00:00.000Z",
            "2001-07-04T23:59:59+02:00",
            "2001-07-04t00:00:00z",
            "2001-07-04 00:00:00",
            "2001-07-04 12:00:00 UTC",
            "2001-07-04T0000",
            "2001-07-04Z",
            "2001-07-04+02:00",
            " 2001-07-04 ",
        ],
    )
    def test_a_timestamp_is_read_as_its_date(self, value: str) -> None:
        assert self.updated(release_date=value) == (replace(HELD, release_date=date(2001, 7, 4)), ())

    @pytest.mark.parametrize("value", [True, "true", "True", "false", "", 1, 0, None, "yes", [], {}, 0.0])
    def test_a_movie_is_adult_unless_the_flag_is_false(self, value: Any) -> None:
        held, warnings = self.updated(adult=value)

        assert held == replace(HELD, adult=True)
        assert len(warnings) == (value is not True)
        assert self.updated(held, adult=False) == (HELD, ())

    @pytest.mark.parametrize("held", [True, False])
    def test_a_missing_adult_flag_keeps_the_stored_one(self, held: bool) -> None:
        sent = {key: value for key, value in SENT.items() if key != "adult"}
        at = datetime(2026, 1, 1, tzinfo=UTC)
        movie = Movie.from_facts(replace(HELD, adult=held), at)

        assert movie.updated_from(payloads.movie(sent, detailed=True), at).facts.adult is held
        assert not payloads.movie(sent).adult

    def test_a_row_of_a_list_keeps_runtime_and_imdb_id_without_a_warning(self) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        facts = payloads.movie(SENT | {"runtime": "long", "imdb_id": "none", "overview": "New."})

        assert Movie.from_facts(HELD, at).updated_from(facts, at).facts == replace(HELD, overview="New.")
        assert facts.warnings == ()

    def test_every_unreadable_value_of_a_movie_is_named(self) -> None:
        held, warnings = self.updated(
            popularity="high", runtime="1h 40m", vote_count={"n": 1}, overview="New."
        )

        assert held == replace(HELD, overview="New.")
        assert warnings == (
            "movie 603: popularity cannot be read: 'high'",
            "movie 603: vote_count cannot be read: {'n': 1}",
            "movie 603: runtime cannot be read: '1h 40m'",
        )

    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(FACTS, anything)))
    @settings(max_examples=60)
    def test_only_an_unknown_value_removes_a_stored_one(self, values: dict[str, Any]) -> None:
        try:
            held, warnings = self.updated(**values)
        except Unreadable:
            return
        for fact in FACTS:
            if getattr(held, fact) in (None, ()) and fact != "adult":
                value = values[fact]
                assert value in (None, [], 0) or (isinstance(value, str) and not value.strip(INVISIBLE))
        named = {warning.split()[2] for warning in warnings}
        assert all(fact in values for fact in named)
        assert held.title
        assert held.original_title


class TestPages:
    def test_an_unreadable_row_is_named_and_the_others_are_read(self) -> None:
        results = [row(), None, row(id=None), row(title="", original_title=None), row(id=604), 7]
        page = payloads.listed({"results": results, "total_pages": 9}, 1)

        assert [movie.tmdb_id for movie in page.movies] == [603, 604]
        assert page.unreadable == (
            "row 2: no object",
            "row 3: no id",
            "row 4: movie 603 has no title",
            "row 6: no object",
        )

    @pytest.mark.parametrize("body", [None, [], {}, {"results": None}, {"results": {"0": {}}}, "text", 7])
    def test_a_page_without_rows_is_unusable(self, body: object) -> None:
        for reading in (payloads.listed, payloads.changed, payloads.detail):
            with pytest.raises(Unusable):
                reading(body, 1)
        with pytest.raises(Unusable):
            payloads.genres(body)

    @pytest.mark.parametrize(
        ("value", "read"), [(9, 9), (58_322, 500), ("12", 12), (501, 500), (3, 3), (2, 2)]
    )
    def test_the_number_of_pages_is_limited_to_what_tmdb_serves(self, value: object, read: int) -> None:
        page = payloads.listed({"results": [row()], "total_pages": value}, 3)

        assert (page.total_pages, page.warnings) == (read, ())

    @pytest.mark.parametrize("value", [None, "", 0, "0", "x", "58,322", -1, 2.5, True, [], {"n": 3}])
    @pytest.mark.parametrize("number", [1, 3])
    def test_a_missing_or_unreadable_number_of_pages_ends_no_list(self, value: object, number: int) -> None:
        page = payloads.listed({"results": [row()], "total_pages": value}, number)

        assert page.total_pages == MAX_PAGES
        assert page.warnings == (f"page {number}: total_pages cannot be read: {value!r}",)
        with pytest.raises(Unusable, match="as the number of pages"):
            payloads.changed({"results": [{"id": 1}], "total_pages": value}, number)

    @pytest.mark.parametrize("value", [1, 2, 4, 0, -3, "4", "x", True, [3]])
    def test_a_page_with_the_number_of_another_is_unusable(self, value: object) -> None:
        for reading in (payloads.listed, payloads.changed):
            with pytest.raises(Unusable, match=r"page .* instead"):
                reading({"page": value, "results": [{"id": 1, "title": "A"}], "total_pages": 9}, 3)

    @pytest.mark.parametrize("value", [{"page": 3}, {"page": "3"}, {"page": None}, {}])
    def test_a_page_may_omit_its_number(self, value: dict[str, Any]) -> None:
        assert payloads.listed(value | {"results": [{"id": 1, "title": "A"}], "total_pages": 9}, 3).movies
        assert payloads.changed(value | {"results": [{"id": 1}], "total_pages": 9}, 3).tmdb_ids == (1,)

    @pytest.mark.parametrize("pages", [0, 1])
    def test_an_empty_first_page_is_valid_for_changes_only(self, pages: int) -> None:
        with pytest.raises(Unusable, match="a first page without movies"):
            payloads.listed({"page": 1, "results": [], "total_pages": pages}, 1)
        page = payloads.changed({"page": 1, "results": [], "total_pages": pages}, 1)
        assert (page.tmdb_ids, page.total_pages) == ((), pages)

    @pytest.mark.parametrize("pages", [0, 1, 2])
    def test_an_empty_page_after_the_end_of_a_list_is_valid(self, pages: int) -> None:
        body = {"page": 3, "results": [], "total_pages": pages}
        assert payloads.listed(body, 3) == SourcePage(total_pages=pages, movies=())
        assert payloads.changed(body, 3) == ChangedIdsPage(total_pages=pages, tmdb_ids=())

    @pytest.mark.parametrize("pages", [3, 4, 500, 58_322])
    def test_an_empty_page_before_the_end_of_a_list_is_unusable(self, pages: int) -> None:
        body = {"page": 3, "results": [], "total_pages": pages}
        with pytest.raises(Unusable, match="a page without movies, before the end of the list"):
            payloads.listed(body, 3)
        with pytest.raises(Unusable, match="a page without changes, before the last page"):
            payloads.changed(body, 3)
        with pytest.raises(Unusable, match="a page without changes, before the last page"):
            payloads.changed({"page": 1, "results": [], "total_pages": pages}, 1)

    @pytest.mark.parametrize("value", [None, "", "x", -1])
    def test_a_list_of_unknown_length_ends_at_an_empty_page_with_a_warning(self, value: object) -> None:
        page = payloads.listed({"results": [], "total_pages": value}, 3)
        assert page.total_pages == 2
        assert page.warnings == (f"page 3: total_pages cannot be read: {value!r}",)
        with pytest.raises(Unusable, match="as the number of pages"):
            payloads.changed({"results": [], "total_pages": value}, 3)

    def test_a_page_without_readable_rows_is_unusable(self) -> None:
        rows = [{"id": None}, None]
        for reading in (payloads.listed, payloads.changed):
            with pytest.raises(Unusable, match=r"no readable row \(row 1: no id\)"):
                reading({"results": rows, "total_pages": 9}, 3)
        with pytest.raises(Unusable, match=r"no readable row \(row 1: no id\)"):
            payloads.genres({"genres": rows})

    def test_a_list_without_a_number_of_pages_continues(self) -> None:
        page = payloads.listed({"results": [row()]}, 1)
        assert (page.total_pages, len(page.warnings)) == (MAX_PAGES, 1)
        with pytest.raises(Unusable, match="None as the number of pages"):
            payloads.changed({"results": [{"id": 1}]}, 1)

    def test_changes_are_numbers_and_unreadable_ones_are_skipped(self) -> None:
        results = [
            {"id": 5, "adult": None},
            {"id": 6},
            {"adult": True},
            {"id": "7"},
            None,
            8,
            {"id": True},
            {"id": 9},
        ]
        page = payloads.changed({"results": results, "total_pages": 700}, 1)

        assert (page.tmdb_ids, page.total_pages) == ((5, 6, 9), 700)
        assert page.unreadable == tuple(f"row {place}: no id" for place in (3, 4, 5, 6, 7))

    def test_genres_are_stripped_and_unreadable_rows_are_named(self) -> None:
        body = {
            "genres": [
                {"id": 36, "name": "Historie "},
                {"id": 1},
                {"name": "x"},
                None,
                {"id": 2, "name": " "},
                {"id": 3, "name": 7},
                {"id": 36, "name": "History"},
            ]
        }

        assert payloads.genres(body) == GenreList(
            genres=(GenreFacts(tmdb_id=36, name="Historie"), GenreFacts(tmdb_id=36, name="History")),
            unreadable=(
                "row 2: genre 1 has no name",
                "row 3: no id",
                "row 4: no object",
                "row 5: genre 2: name cannot be read: ' '",
                "row 6: genre 3: name cannot be read: 7",
            ),
        )

    def test_a_list_without_genres_is_unusable(self) -> None:
        with pytest.raises(Unusable, match="a list without genres"):
            payloads.genres({"genres": []})


class TestDetail:
    def test_details_of_another_movie_are_not_accepted(self) -> None:
        assert payloads.detail(row(id=604), 603) == FetchFailed(603, "TMDB answered with movie 604 instead")

    def test_details_without_a_title_are_not_accepted(self) -> None:
        assert payloads.detail({"id": 603}, 603) == FetchFailed(603, "movie 603 has no title")

    def test_an_object_that_is_not_a_movie_is_unusable(self) -> None:
        with pytest.raises(Unusable):
            payloads.detail({"success": False, "status_code": 11}, 603)


class TestBodies:
    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b'{"results": [', b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5_000]
    )
    def test_a_body_that_is_not_json_is_unusable(self, body: bytes) -> None:
        with pytest.raises(Unusable):
            payloads.decoded(body)

    def test_a_lone_surrogate_in_one_title_does_not_spoil_the_page(self) -> None:
        rows = b'{"id": 1, "title": "A\\ud800", "\\ud800": 1}, {"id": 2, "title": "\xed\xa0\x80B\xff"}'
        body = b'\xef\xbb\xbf{"results": [' + rows + b"]}"
        page = payloads.listed(payloads.decoded(body), 1)

        assert [movie.title for movie in page.movies] == ["A", "\ufffd\ufffd\ufffdB\ufffd"]

    @pytest.mark.parametrize(
        ("body", "code", "reason"),
        [
            ({"success": False, "status_code": 34, "status_message": "Not\n found. "}, 34, "Not found."),
            ({"status_code": 7, "status_message": "No."}, 7, "No."),
            ({"errors": ["page must be less than 500", None, "x"]}, None, "page must be less than 500 x"),
            ({"status_code": 25}, 25, "code 25"),
            ({"status_code": 99}, 99, "code 99"),
            ({"status_code": 100, "status_message": "Continue"}, None, None),
            ({"status_code": 403, "status_message": "Blocked by policy"}, None, None),
            ({"status_code": "7", "status_message": "Blocked"}, None, "Blocked"),
            ({"status_code": True}, None, None),
            ({"status_code": "?"}, None, None),
            ({"errors": []}, None, None),
            ({"message": "Not Found"}, None, None),
            ("Not Found", None, None),
            (None, None, None),
        ],
    )
    def test_the_code_and_the_message_of_a_tmdb_error_are_read(
        self, body: object, code: int | None, reason: str | None
    ) -> None:
        assert payloads.refusal(body) == (code, reason)

    def test_a_long_message_is_truncated(self) -> None:
        _, reason = payloads.refusal({"status_message": "word " * 1_000})

        assert reason
        assert len(reason) <= 200
        assert reason.endswith("…")


def sent(value: object) -> Any:
    """A value after encoding and decoding as JSON."""
    return payloads.decoded(json.dumps(value).encode())


class TestAnything:
    @given(anything | pages | rows)
    @example({"\ud800": None})
    @example({"results": [{"id": 1, "title": "Up", "\ud800": {"\udfff": 1}}]})
    def test_arbitrary_json_is_read_or_refused(self, value: Any) -> None:
        body = sent(value)
        payloads.refusal(body)
        for reading in (payloads.listed, payloads.changed, payloads.detail):
            with suppress(Unusable):
                reading(body, 1)
        with suppress(Unusable):
            payloads.genres(body)

    @given(pages)
    @example({"results": [{"\ud800": None}]})
    @settings(max_examples=settings().max_examples * 2 // 5)
    def test_every_row_is_a_movie_or_is_named(self, body: dict[str, Any]) -> None:
        with suppress(Unusable):
            page = payloads.listed(sent(body), 2)
            assert len(page.movies) + len(page.unreadable) == len(body["results"])

    @given(rows)
    @example({"id": 1, "title": "Up", "\ud800": None})
    def test_what_is_read_can_be_stored(self, said: dict[str, Any]) -> None:
        try:
            facts = payloads.movie(sent(said), detailed=True)
        except Unreadable:
            return
        texts = facts.title, facts.original_title, facts.original_language, facts.overview, facts.poster_path
        for text in filter(None, texts):
            assert "\x00" not in text.encode().decode()
            assert text == text.strip()
        for number in (facts.tmdb_id, facts.runtime, facts.vote_count):
            assert number is None or 0 <= number <= MAX_TMDB_NUMBER
        assert len(facts.genres) == len(set(facts.genres))
        assert all(name == name.strip() for name in facts.people)
        assert facts.popularity is None or 0 <= facts.popularity < float("inf")
        assert facts.vote_average is None or 0 <= facts.vote_average <= 10
        for path in filter(None, (facts.poster_path, facts.backdrop_path)):
            assert picture_url("", path)

    @given(st.binary())
    def test_arbitrary_bytes_are_read_or_refused(self, body: bytes) -> None:
        with suppress(Unusable):
            payloads.decoded(body)
