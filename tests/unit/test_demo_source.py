"""The demo catalogue as a source."""

from adapters.demo import DemoMovieSource
from domain.ids import ImdbId
from domain.movies import CastMember
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


def test_films_have_directors_a_cast_and_some_a_series() -> None:
    matrix = SOURCE.find(ImdbId("tt0133093"))
    assert matrix
    assert matrix.directors == ("Lana Wachowski", "Lilly Wachowski")
    assert matrix.cast[0] == CastMember("Keanu Reeves", "Neo")
    assert matrix.collection == "The Matrix"
    films = [
        film for page in range(1, SOURCE.popular(1).total_pages + 1) for film in SOURCE.popular(page).movies
    ]
    assert all(film.directors for film in films)
    for film in films:
        assert len(set(film.people)) == len({*film.directors, *(member.name for member in film.cast)})
        assert all(name == name.strip() != "" for name in film.people)
