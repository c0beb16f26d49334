"""Pages, links to other pages, and cursors."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.browsing import SortBy
from domain.ids import MovieId
from domain.pagination import Cursor, Window, page_of, sorted_after, time_value
from domain.search import Match, Tier
from entrypoints.http.cursors import Position, SortKey, decode_cursor, encode_cursor
from entrypoints.http.pagination import MAX_NUMBERED_ROWS, PageQuery, links
from entrypoints.http.resources.movies import BrowseQuery
from entrypoints.http.schemas import MetaOut

ID = "0123456789abcdef01234567"
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def standing(page: int | None, total: int, *, limit: int = 20, cursor: str | None = None) -> MetaOut:
    return MetaOut(
        total=total,
        page=page,
        limit=limit,
        total_pages=-(-total // limit),
        has_next_page=page is not None and page * limit < total,
        has_prev_page=page is None or page > 1,
        next_cursor=cursor,
    )


def linked(meta: MetaOut) -> dict[str, str]:
    return {name: url.partition("?")[2] for name, url in links(meta, "/list", {})}


@pytest.mark.parametrize(
    ("page", "total", "prev"),
    [
        (1, 0, None), (1, 100, None), (2, 100, 1), (5, 100, 4), (6, 100, 5), (7, 100, 5), (400, 100, 5),
        (400, 101, 6), (2, 1, 1), (3, 1, 1), (500, 1, 1), (500, 20_000, 499), (500, 9_981, 499),
        (500, 9_980, 499), (500, 9_960, 498), (2, 0, None), (500, 0, None),
    ],
)  # fmt: skip
def test_the_previous_page_is_one_that_exists(page: int, total: int, prev: int | None) -> None:
    assert linked(standing(page, total)).get("prev") == (f"page={prev}" if prev else None)


@pytest.mark.parametrize(
    ("page", "limit", "following"),
    [
        (499, 20, "page=500"), (500, 20, "cursor=x"), (99, 100, "page=100"), (100, 100, "cursor=x"),
        (9_999, 1, "page=10000"), (10_000, 1, "cursor=x"), (333, 30, "page=334"), (334, 30, "cursor=x"),
    ],
)  # fmt: skip
def test_after_the_last_page_number_the_next_link_has_a_cursor(page: int, limit: int, following: str) -> None:
    assert linked(standing(page, 20_000, limit=limit, cursor="x"))["next"] == following


@given(st.integers(1, MAX_NUMBERED_ROWS), st.integers(1, 100), st.integers(0, 3 * MAX_NUMBERED_ROWS))
def test_every_link_leads_to_a_valid_page(page: int, limit: int, total: int) -> None:
    if (page - 1) * limit >= MAX_NUMBERED_ROWS:
        return
    for name, parameters in linked(standing(page, total, limit=limit, cursor="x")).items():
        if not parameters.startswith("page="):
            assert (name, parameters) == ("next", "cursor=x")
            continue
        number = int(parameters.removeprefix("page="))
        assert PageQuery(page=number, limit=limit).conflicts(None) == []
        assert number == 1 or (number - 1) * limit < total


@pytest.mark.parametrize(
    ("total", "last"), [(0, None), (1, 1), (10_000, 500), (10_001, None), (20_000, None)]
)
def test_the_last_page_is_linked_if_page_numbers_reach_it(total: int, last: int | None) -> None:
    assert linked(standing(1, total)).get("last") == (f"page={last}" if last else None)


def test_links_keep_the_filters_and_the_order() -> None:
    query = BrowseQuery(page=2, limit=5, genre="a,b & c", min_rating=7, sort_by=SortBy.TITLE)
    kept = {name: value for name, value in query.given.items() if name != "page"}
    assert dict(links(standing(2, 100, limit=5), "/a b", kept))["first"] == (
        "/a%20b?limit=5&min_rating=7&sort_by=title&genre=a%2Cb+%26+c&page=1"
    )


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (SortKey.NUMBER, Cursor(7.5, ID)),
        (SortKey.NUMBER, Cursor(None, ID)),
        (SortKey.TEXT, Cursor("é", ID)),
        (SortKey.DAY, Cursor("1999-03-31", ID)),
        (SortKey.TIME, Cursor("2026-01-05T12:00:00.345+00:00", ID)),
        (SortKey.RANK, Match(Tier.PREFIX, 1, -2.5, MovieId(ID))),
        (SortKey.RANK, Match(Tier.WORDS, 0, float("inf"), MovieId(ID))),
    ],
)
def test_a_cursor_token_is_valid_for_its_own_list_only(kind: SortKey, place: Position) -> None:
    token = encode_cursor(place, b"list")
    assert decode_cursor(token, b"list", kind) == place
    assert decode_cursor(token, b"another", kind) is None
    for spoilt in (token[:-1], token[1:], f"{token}AAAA", "", "A", "é", "=", token.swapcase()):
        assert decode_cursor(spoilt, b"list", kind) is None


def test_a_cursor_token_of_another_kind_is_refused_despite_a_valid_seal() -> None:
    for place in (Cursor("x", ID), Cursor(1, "no id"), Cursor("2026-01-05", ID), Cursor(True, ID)):
        assert decode_cursor(encode_cursor(place, b"list"), b"list", SortKey.TIME) is None
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):  # out of range in UTC
        assert decode_cursor(encode_cursor(Cursor(text, ID), b"list"), b"list", SortKey.TIME) is None
    naive = Cursor("2026-01-05T12:00:00", ID)
    assert decode_cursor(encode_cursor(naive, b"list"), b"list", SortKey.TIME) is None


@given(TIMES, TIMES, st.integers(-23, 23))
def test_time_values_sort_like_times_in_any_time_zone(one: datetime, two: datetime, hours: int) -> None:
    one, two = (at.replace(microsecond=at.microsecond // 1000 * 1000) for at in (one, two))
    elsewhere = two.astimezone(timezone(timedelta(hours=hours)))
    assert (time_value(one) < time_value(elsewhere)) == (one < two)
    assert datetime.fromisoformat(time_value(elsewhere)) == two


@pytest.mark.parametrize(("found", "more"), [(0, False), (2, False), (3, True)])
def test_a_page_has_more_if_rows_follow(found: int, more: bool) -> None:
    shown = page_of(range(found), Window(limit=2), total=9)
    assert (shown.rows, shown.more, shown.total) == (tuple(range(min(found, 2))), more, 9)


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 3), st.integers(0, 99).map("{:02}".format)),
        unique_by=lambda row: row[1],
    ),
    st.booleans(),
    st.integers(0, 99),
)
def test_sorted_rows_follow_each_of_their_cursors(
    rows: list[tuple[int | None, str]], descending: bool, place: int
) -> None:
    ordered = sorted_after(rows, None, descending=descending)
    values = {identifier: value for value, identifier in rows}
    known = [values[each] for each in ordered if values[each] is not None]
    assert known == sorted(known, reverse=descending)  # type: ignore[type-var]
    assert [values[each] for each in ordered][len(known) :] == [None] * (len(rows) - len(known))
    if ordered:
        last = ordered[place % len(ordered)]
        after = sorted_after(rows, Cursor(values[last], last), descending=descending)
        assert after == ordered[place % len(ordered) + 1 :]
