"""The queries of the MongoDB store over generated movies, and the conversion of documents to entities.

mongomock evaluates the queries in memory. It has no sessions and bulk writes, which the contract suite tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import mongomock
from hypothesis import given
from hypothesis import strategies as st

from adapters.list_planner import Frequencies
from adapters.mongo.documents import (
    genre_document,
    genre_of,
    item_document,
    item_of,
    movie_document,
    movie_of,
    rating_document,
    rating_of,
    session_document,
    session_of,
    user_document,
    user_of,
    viewing_document,
)
from adapters.mongo.listing import Condition, page_statements
from adapters.testkit.samples import (
    distinct_facts,
    facts,
    new_account,
    new_item,
    new_rating,
    new_viewing,
    noon,
)
from domain.browsing import Mine, MovieFilter, OwnFilter, SortBy, Sorting, SortOrder
from domain.ids import MovieId, SessionId, UserId, genre_id, movie_id
from domain.movies import Genre, GenreFacts, Movie
from domain.pagination import Cursor, Window
from domain.ratings import Score, Tally
from domain.sessions import RefreshToken, Session
from domain.users import Role, User
from domain.watchlist import WatchlistItem

GENRES = tuple(genre_id(number) for number in (18, 28, 35))

genre_sets = st.frozensets(st.sampled_from(GENRES), max_size=2)
days = st.sampled_from([date(1999, 12, 31), date(2000, 1, 1), date(2000, 12, 31), date(2001, 1, 1)])
numbers = st.integers(1, 40)


@st.composite
def movies(draw: st.DrawFn) -> Movie:
    """Movies with values at the limits of filters."""
    known = facts(
        draw(numbers),
        title=draw(st.sampled_from(["A", "b", "Ä", "The A"])),
        original_language=draw(st.sampled_from([None, "en", "fr"])),
        release_date=draw(st.none() | days),
        popularity=draw(st.sampled_from([None, 0.0, 1.5])),
        vote_average=draw(st.sampled_from([None, 0.0, 7.5])),
        vote_count=draw(st.sampled_from([None, 0, 99, 100])),
        runtime=draw(st.sampled_from([None, 89, 90, 120])),
        adult=draw(st.integers(0, 9)) == 0,
        genres=tuple(draw(st.lists(st.sampled_from(GENRES), unique=True, max_size=3))),
    )
    created = noon(draw(st.integers(1, 2)))
    movie = replace(Movie.from_facts(known, created), tally=Tally.of(draw(st.lists(scores, max_size=2))))
    return movie.marked_removed(noon(2)) if draw(st.integers(0, 9)) == 0 else movie


USER, OTHER = UserId("a" * 24), UserId("b" * 24)

scores = st.integers(2, 20).map(Score)
kinds = st.frozensets(st.sampled_from(Mine), max_size=2)
filters = st.builds(
    MovieFilter,
    all_genres=genre_sets,
    any_genres=genre_sets,
    year_from=st.sampled_from([None, 2000, 2001]),
    year_to=st.sampled_from([None, 1999, 2000]),
    min_rating=st.sampled_from([None, 0.0, 5.5, 10.0]),
    max_rating=st.sampled_from([None, 5.5, 9.0]),
    min_votes=st.sampled_from([None, 0, 100]),
    min_runtime=st.sampled_from([None, 90]),
    max_runtime=st.sampled_from([None, 90, 119]),
    language=st.sampled_from([None, "en"]),
    own=st.none() | st.builds(OwnFilter, user=st.just(USER), mine=kinds, not_mine=kinds),
)
relations = st.dictionaries(numbers.map(movie_id), kinds)
"""What movies are to the user, by id."""
sortings = st.builds(Sorting, st.sampled_from(SortBy), st.sampled_from(SortOrder))
Relations = Mapping[MovieId, frozenset[Mine]]
catalogues = st.lists(movies(), max_size=8, unique_by=lambda movie: movie.id)


def holding(**collections: Sequence[dict[str, Any]]) -> Any:
    """A database in memory with these documents, which returns aware times like MongoDB."""
    database: Any = mongomock.MongoClient(tz_aware=True).get_database("matinee")  # aware times are UTC
    for name, documents in collections.items():
        if documents:
            database[name].insert_many(documents)
    return database


class Guessed(Frequencies[Condition]):
    """Estimates the same frequency for all conditions, because mongomock has no indexes."""

    def __init__(self, frequency: int) -> None:
        super().__init__()
        self._frequency = frequency

    def __call__(self, condition: Condition, total: int, count: Callable[[], int]) -> int:
        return self._frequency


def in_order(
    catalogue: Sequence[Movie], wanted: MovieFilter, sorting: Sorting, own: Relations
) -> list[Movie]:
    """The list that the rules of the domain select."""
    admitted = [movie for movie in catalogue if wanted.admits(movie, related(own, movie.id))]
    admitted.sort(key=lambda movie: movie.id)
    known = [movie for movie in admitted if sorting.value(movie) is not None]
    known.sort(key=sorting.value, reverse=sorting.descending)  # type: ignore[arg-type]
    return known + [movie for movie in admitted if sorting.value(movie) is None]


def related(own: Relations, movie: MovieId) -> frozenset[Mine]:
    """What a movie is to the user: a favourite is on the watchlist, too."""
    kinds = own.get(movie, frozenset())
    return kinds | {Mine.LISTED} if Mine.FAVORITE in kinds else kinds


def own_documents(own: Relations) -> dict[str, list[dict[str, Any]]]:
    """What the user has rated, listed and seen. Another user has all these movies in each way."""
    listed = [movie for movie in own if Mine.LISTED in related(own, movie)]
    ratings = [new_rating(USER, movie) for movie, kinds in own.items() if Mine.RATED in kinds]
    items = [new_item(USER, movie, is_favorite=Mine.FAVORITE in own[movie]) for movie in listed]
    viewings = [new_viewing(USER, movie) for movie, kinds in own.items() if Mine.SEEN in kinds]
    ratings += [new_rating(OTHER, movie) for movie in own]
    viewings += [new_viewing(OTHER, movie) for movie in own]
    items += [new_item(OTHER, movie, is_favorite=True) for movie in own]
    return {
        "ratings": list(map(rating_document, ratings)),
        "watchlists": list(map(item_document, items)),
        "viewings": list(map(viewing_document, viewings)),
    }


def selected(
    catalogue: Sequence[Movie],
    wanted: MovieFilter,
    sorting: Sorting,
    cursor: Cursor | None,
    own: Relations,
    *,
    rare: bool,
) -> list[str]:
    """The ids that the queries of a list select, one query after another."""
    database = holding(
        **own_documents(own),
        movies=list(map(movie_document, catalogue)),
        counters=[{"_id": "visible_movies", "value": len(catalogue)}],
    )
    frequencies = Guessed(0 if rare else len(catalogue))
    statements = page_statements(database, frequencies, wanted, sorting, Window(cursor=cursor))
    return [
        str(document["_id"])
        for statement in statements
        for document in database.movies.find(statement.filter).sort(list(statement.order))
    ]


@given(catalogues, filters, sortings, relations, st.booleans())
def test_a_list_selects_exactly_the_movies_that_the_filter_admits_in_order(
    catalogue: list[Movie], wanted: MovieFilter, sorting: Sorting, own: Relations, rare: bool
) -> None:
    expected = [movie.id for movie in in_order(catalogue, wanted, sorting, own)]
    assert selected(catalogue, wanted, sorting, None, own, rare=rare) == expected


@given(catalogues.filter(bool), filters, sortings, relations, st.data())
def test_a_cursor_selects_the_movies_after_it(
    catalogue: list[Movie], wanted: MovieFilter, sorting: Sorting, own: Relations, data: st.DataObject
) -> None:
    shown = in_order(catalogue, wanted, sorting, own)
    if not shown:
        return
    place = data.draw(st.integers(0, len(shown) - 1))
    found = selected(catalogue, wanted, sorting, sorting.cursor(shown[place]), own, rare=False)
    assert found == [movie.id for movie in shown[place + 1 :]]


@given(catalogues)
def test_movies_survive_the_conversion_to_documents(catalogue: list[Movie]) -> None:
    catalogue = [*catalogue, Movie.from_facts(distinct_facts(99, 1), noon())]
    database = holding(movies=list(map(movie_document, catalogue)))
    assert list(map(movie_of, database.movies.find())) == catalogue


def test_other_entities_survive_the_conversion_to_documents() -> None:
    genre = Genre.from_facts(GenreFacts(tmdb_id=878, name="Science Fiction"), noon())
    user: User = new_account("ann", role=Role.ADMIN, disabled=True)
    tokens = (RefreshToken(hash="a", expires_at=noon(3), used_at=noon(2)),)
    session = Session(
        id=SessionId("5" * 24), user=user.id, tokens=tokens, created_at=noon(), expires_at=noon(3)
    )
    rating = new_rating(user.id, movie_id(1), 7.5, review="Fine.")
    entry: WatchlistItem = new_item(user.id, movie_id(1), is_favorite=True, note="Soon")
    database = holding(
        genres=[genre_document(genre)],
        users=[user_document(user)],
        sessions=[session_document(session)],
        ratings=[rating_document(rating)],
        watchlists=[item_document(entry)],
    )
    assert genre_of(database.genres.find_one()) == genre
    assert user_of(database.users.find_one()) == user
    assert session_of(database.sessions.find_one()) == session
    assert rating_of(database.ratings.find_one()) == rating
    assert item_of(database.watchlists.find_one()) == entry
