"""The demo catalogue as a source."""

from adapters.demo import DemoMovieSource
from domain.ids import ImdbId
from domain.ports import MovieSource

SOURCE: MovieSource = DemoMovieSource()


def test_a_search_finds_films_by_the_words_of_their_titles_and_by_year() -> None:
    assert [film.title for film in SOURCE.search("amelie").movies] == ["Amélie"]
    assert SOURCE.search("amelie", year=1950).total_pages == 0
    assert [film.title for film in SOURCE.search("matrix", year=1999).movies] == ["The Matrix"]


def test_an_imdb_id_finds_its_film() -> None:
    found = SOURCE.find(ImdbId("tt0133093"))

    assert found
    assert found.tmdb_id == 603
    assert SOURCE.find(ImdbId("tt9999999")) is None
