"""Rows that are read in one step are those that are read one by one, with a database in memory."""

import sqlite3
from contextlib import closing

from hypothesis import example, given
from hypothesis import strategies as st

from adapters import system
from adapters.sqlite.rows import FRACTIONS, read_at_once
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, store_page

COLUMNS = ("title", "popularity", "vote_count")
ROWS = st.lists(
    st.tuples(
        st.none() | st.text(),
        st.none() | st.floats(min_value=1e-6, max_value=1e12) | st.just(0.0),
        st.none() | st.integers(-(2**63), 2**63 - 1),
    ),
    max_size=20,
)


@given(ROWS)
@example([('"quoted", [brackets] and \x00 \x1f \u2028', 0.1 + 0.2, 2**63 - 1)])
@example([])
def test_the_rows_of_a_query_keep_their_order_and_values(rows: list[tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute(
            "CREATE TABLE movies (place INTEGER, title TEXT, popularity REAL, vote_count INTEGER)"
        )
        connection.executemany(
            "INSERT INTO movies VALUES (?, ?, ?, ?)", [(-place, *row) for place, row in enumerate(rows)]
        )
        statement = f"SELECT {', '.join(COLUMNS)} FROM movies WHERE place <= ? ORDER BY place DESC"
        assert read_at_once(connection, COLUMNS, statement, (0,)) == [list(row) for row in rows]


def test_movies_are_told_apart_whatever_their_texts_contain() -> None:
    store = SqliteStore(path=None, clock=system.now)
    store.prepare()
    texts = ('"a",\n', "],\n[", 'b\\",\r\n')
    store_page(store, *(facts(number, title=text) for number, text in enumerate(texts, 1)))
    found = store.movies.by_tmdb_ids(range(1, 4))
    assert [found[number].facts.title for number in (1, 2, 3)] == list(texts)
    store.close()


def test_numbers_with_a_fraction_are_known_by_the_declaration_of_the_facts() -> None:
    assert {"popularity", "vote_average"} == FRACTIONS
