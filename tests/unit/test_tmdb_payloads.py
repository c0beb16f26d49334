"""What TMDB sends is read as far as it makes sense, and never stops anything by being odd."""

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.tmdb import payloads
from adapters.tmdb.payloads import Unreadable, Unusable
from domain.ids import LARGEST_TMDB_NUMBER, genre_id
from domain.movies import GenreFacts, MovieFacts
from domain.sync import Unread

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
    def test_everything_that_tmdb_tells_arrives(self) -> None:
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
            detailed=True,
        )

    def test_a_list_tells_neither_runtime_nor_imdb_id_and_gives_genres_as_numbers(self) -> None:
        facts = payloads.movie(row(genre_ids=[878, 28], runtime=136, imdb_id="tt0133093"))

        assert (facts.runtime, facts.imdb_id, facts.detailed) == (None, None, False)
        assert facts.genres == (genre_id(878), genre_id(28))

    def test_what_is_not_told_is_unknown(self) -> None:
        assert payloads.movie({"id": 1, "title": "A"}) == MovieFacts(tmdb_id=1, title="A", original_title="A")

    @pytest.mark.parametrize("number", [None, 0, -1, True, "603", 603.0, 2**31, [], {}])
    def test_a_row_without_a_number_makes_no_sense(self, number: object) -> None:
        with pytest.raises(Unreadable, match="no id"):
            payloads.movie(row(id=number))

    @pytest.mark.parametrize("title", [None, "", " \u00a0\u200b", "\u200d", 300, [], "\x00", "\ud83d"])
    def test_either_title_stands_in_for_the_other_and_one_there_must_be(self, title: object) -> None:
        assert read(title=title).title == "The Matrix"
        assert read(original_title=title).original_title == "The Matrix"
        with pytest.raises(Unreadable, match="movie 603 has no title"):
            read(title=title, original_title=title)

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ("\u00a0 8½ \ufeff", "8½"),
            ("Two  spaces\u00a0within", "Two  spaces\u00a0within"),
            ("\u200bİstanbul\u2060", "İstanbul"),
            ("അവൻ‍", "അവൻ‍"),  # a joiner shapes the last letter
            ("e\u0301te\u0301", "e\u0301te\u0301"),
            ("Tom &amp; Jerry", "Tom &amp; Jerry"),
            ("N\x00UL and \ud800half", "NUL and half"),
            ("300", "300"),
        ],
    )
    def test_a_title_loses_outer_space_and_what_no_store_keeps_and_nothing_else(
        self, told: str, kept: str
    ) -> None:
        assert read(title=told).title == kept

    @pytest.mark.parametrize(
        "field", ["overview", "poster_path", "backdrop_path", "imdb_id", "original_language"]
    )
    @pytest.mark.parametrize("nothing", [None, "", "  ", "\u200b", 7, {"a": 1}, False])
    def test_an_empty_text_is_unknown(self, field: str, nothing: object) -> None:
        assert getattr(read(**{field: nothing}), field) is None

    @pytest.mark.parametrize(
        "told", ["", None, "0000-00-00", "1999", "1999-02-30", "20000101", "2000-W01-1", 2000, "x"]
    )
    def test_what_is_no_date_is_unknown(self, told: object) -> None:
        assert read(release_date=told).release_date is None

    @pytest.mark.parametrize("told", ["1999-01-01", "2041-12-18", "1874-12-09"])
    def test_a_date_in_the_future_or_on_new_years_day_stays(self, told: str) -> None:
        assert read(release_date=told).release_date == date.fromisoformat(told)

    @pytest.mark.parametrize(
        ("told", "kept"),
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
    def test_a_runtime_is_a_positive_number_of_minutes(self, told: object, kept: int | None) -> None:
        assert read(runtime=told).runtime == kept

    @pytest.mark.parametrize(
        ("told", "kept"),
        [(0, 0), (12, 12), ("12", 12), (-1, None), (2**31 - 1, 2**31 - 1), (2**31, None), (None, None)],
    )
    def test_no_votes_is_a_count_of_votes(self, told: object, kept: int | None) -> None:
        assert read(vote_count=told).vote_count == kept

    @pytest.mark.parametrize(
        ("told", "kept"),
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
    def test_a_vote_is_a_number_from_0_to_10(self, told: object, kept: float | None) -> None:
        vote = read(vote_average=told).vote_average

        assert vote == kept
        assert vote is None or type(vote) is float

    @pytest.mark.parametrize("told", [float("nan"), float("inf"), "-inf", "1e999", 10**400, None, [1]])
    def test_a_popularity_that_is_no_finite_number_is_unknown(self, told: object) -> None:
        assert read(popularity=told).popularity is None

    @pytest.mark.parametrize(
        "told", ["tt12", "nm0000206", "tt0133093x", "TT0133093", "tt\u0661234567", 133093]
    )
    def test_a_malformed_imdb_id_is_unknown(self, told: object) -> None:
        assert read(imdb_id=told).imdb_id is None

    def test_a_path_begins_with_a_slash(self) -> None:
        assert read(poster_path="https://example.org/a.jpg").poster_path is None

    @pytest.mark.parametrize(("told", "kept"), [("cn", "cn"), ("sh", "sh"), ("XX", "xx")])
    def test_a_language_is_kept_as_given_in_lower_case(self, told: str, kept: str) -> None:
        assert read(original_language=told).original_language == kept

    @pytest.mark.parametrize("told", ["true", 1, None, "yes", [True]])
    def test_only_true_is_adult(self, told: object) -> None:
        assert read(adult=True).adult
        assert not read(adult=told).adult

    def test_genres_keep_their_order_each_once_and_odd_ones_drop_out(self) -> None:
        expected = (genre_id(10770), genre_id(28), genre_id(4711))
        bare: list[Any] = [10770, 28, None, 10770, "x", 0, -3, 4711, {}]

        assert payloads.movie(row(genre_ids=bare)).genres == expected
        assert read(genres=[{"id": item, "name": "?"} for item in bare] + [7, None]).genres == expected

    @pytest.mark.parametrize("told", [None, {}, "28", 28, [None], [[28]]])
    def test_genres_that_make_no_sense_are_none(self, told: object) -> None:
        assert payloads.movie(row(genre_ids=told)).genres == ()
        assert read(genres=told).genres == ()


class TestPages:
    def test_a_bad_row_is_named_and_the_others_go_on(self) -> None:
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
        ("told", "read"),
        [(9, 9), (58_322, 500), (0, 0), (None, 3), ("x", 3), (-1, 3), (2.5, 3), ("12", 12), (True, 3)],
    )
    def test_a_list_has_as_many_pages_as_can_be_had(self, told: object, read: int) -> None:
        assert payloads.listed({"results": [], "total_pages": told}, 3).total_pages == read

    def test_a_list_that_does_not_say_where_it_ends_ends_here(self) -> None:
        assert payloads.listed({"results": []}, 3).total_pages == 3
        assert payloads.changed({"results": []}, 3).total_pages == 3

    def test_changes_are_numbers_and_odd_ones_drop_out(self) -> None:
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

    def test_genres_are_stripped_and_rows_without_number_or_name_left_out(self) -> None:
        body = {
            "genres": [
                {"id": 36, "name": "Historie "},
                {"id": 1},
                {"name": "x"},
                None,
                {"id": 2, "name": " "},
            ]
        }

        assert payloads.genres(body) == (GenreFacts(tmdb_id=36, name="Historie"),)


class TestDetail:
    def test_the_page_of_another_movie_is_unread(self) -> None:
        assert payloads.detail(row(id=604), 603) == Unread(603, "TMDB answered with movie 604 instead")

    def test_a_page_without_title_is_unread(self) -> None:
        assert payloads.detail({"id": 603}, 603) == Unread(603, "movie 603 has no title")

    def test_an_object_that_is_no_movie_is_unusable(self) -> None:
        with pytest.raises(Unusable):
            payloads.detail({"success": False, "status_code": 11}, 603)


class TestBodies:
    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b'{"results": [', b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5_000]
    )
    def test_what_is_no_json_is_unusable(self, body: bytes) -> None:
        with pytest.raises(Unusable):
            payloads.decoded(body)

    def test_half_a_character_in_one_title_does_not_spoil_the_page(self) -> None:
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
    def test_the_code_and_the_reason_of_an_error_are_tmdbs(
        self, body: object, code: int | None, reason: str | None
    ) -> None:
        assert payloads.refusal(body) == (code, reason)

    def test_a_long_reason_is_cut(self) -> None:
        _, reason = payloads.refusal({"status_message": "word " * 1_000})

        assert reason
        assert len(reason) <= 200
        assert reason.endswith("…")


class TestAnything:
    @given(anything | pages | rows)
    @example({"\ud800": None})
    @example({"results": [{"id": 1, "title": "Up", "\ud800": {"\udfff": 1}}]})
    def test_arbitrary_json_is_read_or_refused_by_name(self, value: Any) -> None:
        body = payloads.decoded(json.dumps(value).encode())
        payloads.refusal(body)
        for reading in (payloads.listed, payloads.changed, payloads.detail):
            with suppress(Unusable):
                reading(body, 1)
        with suppress(Unusable):
            payloads.genres(body)

    @given(pages)
    @settings(max_examples=settings().max_examples * 2 // 5)
    def test_every_row_is_a_movie_or_is_named(self, body: dict[str, Any]) -> None:
        page = payloads.listed(body, 1)

        assert len(page.movies) + len(page.unreadable) == len(body["results"])

    @given(rows)
    def test_what_is_read_can_be_stored(self, said: dict[str, Any]) -> None:
        try:
            facts = payloads.movie(said, detailed=True)
        except Unreadable:
            return
        texts = facts.title, facts.original_title, facts.original_language, facts.overview, facts.poster_path
        for text in filter(None, texts):
            assert "\x00" not in text.encode().decode()
            assert text == text.strip()
        for number in (facts.tmdb_id, facts.runtime, facts.vote_count):
            assert number is None or 0 <= number <= LARGEST_TMDB_NUMBER
        assert len(facts.genres) == len(set(facts.genres))

    @given(st.binary())
    def test_arbitrary_bytes_are_json_or_refused_by_name(self, body: bytes) -> None:
        with suppress(Unusable):
            payloads.decoded(body)
