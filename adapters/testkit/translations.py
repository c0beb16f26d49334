"""The contract of a store for titles and overviews in several languages."""

from dataclasses import replace

from adapters.store import Store
from adapters.testkit.samples import facts, noon, store_page
from domain.browsing import MovieFilter, Sorting
from domain.ids import TmdbNumber, movie_id
from domain.languages import Language, Translation
from domain.movies import MovieFacts
from domain.pagination import Window
from domain.search import Query, search

GERMAN, FRENCH, ITALIAN = map(Language, ("de-DE", "fr", "it-IT"))

GODFATHER = facts(
    238,
    title="The Godfather",
    original_title="The Godfather",
    overview="A family's business.",
    translations=(
        Translation(language=GERMAN, title="Der Pate", overview="Die Geschäfte einer „Familie“.\n\U0001f3ac"),
        Translation(language=FRENCH, title="Le Parrain"),
    ),
    detailed=True,
)
HEAT = facts(
    949, title="Heat", translations=(Translation(language=FRENCH, overview="La nuit."),), detailed=True
)
ALIEN = facts(348, title="Alien", detailed=True)


def found(store: Store, text: str) -> list[int]:
    """The TMDB numbers of the movies that a search finds, best first."""
    movies = store.movies.by_ids([match.id for match in search(Query(text), store.movies.find)])
    return [movie.facts.tmdb_id for movie in movies]


class TranslatedMoviesContract:
    """The tests. Subclasses provide the fixture `store`."""

    def test_translations_are_read_by_language(self, store: Store) -> None:
        store_page(store, GODFATHER, HEAT, ALIEN)
        movies = [movie_id(number) for number in (348, 949, 238, 7)]
        german, french = GODFATHER.translations
        assert store.movies.translations(movies, GERMAN) == {movie_id(238): german}
        assert store.movies.translations(movies, FRENCH) == {
            movie_id(238): french,
            movie_id(949): HEAT.translations[0],
        }
        assert store.movies.translations(movies, ITALIAN) == {}
        assert store.movies.translations([], GERMAN) == {}

    def test_only_single_movies_are_read_with_all_their_translations(self, store: Store) -> None:
        store_page(store, GODFATHER)
        (listed,) = store.movies.page(MovieFilter(), Sorting(), Window(limit=1)).movies
        assert listed.facts == replace(GODFATHER, translations=())
        assert store.movies.get(TmdbNumber(238)).facts == GODFATHER

    def test_a_search_finds_the_titles_of_all_languages(self, store: Store) -> None:
        store_page(store, GODFATHER, HEAT, ALIEN)
        for text in ("der pate", "Pate", "le parain", "parr", "the godfather"):
            assert found(store, text) == [238], text
        assert found(store, "heat") == [949]

    def test_a_title_in_another_language_ranks_behind_the_same_title(self, store: Store) -> None:
        patron = facts(1, title="Le Parrain", popularity=0.5)
        store_page(store, replace(GODFATHER, popularity=99.0), patron)
        assert found(store, "le parrain") == [1, 238]

    def test_details_replace_translations_and_a_row_of_a_list_keeps_them(self, store: Store) -> None:
        store_page(store, GODFATHER)
        store_page(store, replace(GODFATHER, translations=(), detailed=False), day=2)
        kept = store.movies.get(TmdbNumber(238))
        assert (kept.facts, kept.updated_at) == (GODFATHER, noon(1))

        retitled = (Translation(language=GERMAN, title="Der Gevatter"),)
        store_page(store, replace(GODFATHER, translations=retitled), day=3)
        changed = store.movies.get(TmdbNumber(238))
        assert (changed.facts.translations, changed.updated_at) == (retitled, noon(3))
        assert store.movies.translations([changed.id], FRENCH) == {}
        assert [found(store, text) for text in ("gevatter", "parrain", "der pate")] == [[238], [], []]

    def test_a_language_that_is_no_longer_kept_is_removed_with_the_next_details(self, store: Store) -> None:
        store_page(store, GODFATHER)
        store_page(store, replace(GODFATHER, translations=()), day=2)
        assert store.movies.get(TmdbNumber(238)).facts.translations == ()
        assert found(store, "parrain") == []

    def test_cleared_and_removed_movies_have_no_translations(self, store: Store) -> None:
        only_translated: MovieFacts = replace(HEAT, overview=None)
        store_page(store, GODFATHER, only_translated)
        assert store.movies.clear_texts(noon(2), noon(9), limit=10) == 2
        assert store.movies.clear_texts(noon(2), noon(9), limit=10) == 0
        assert store.movies.translations([movie_id(238), movie_id(949)], FRENCH) == {}
        assert [found(store, text) for text in ("godfather", "parrain")] == [[238], []]

        store_page(store, GODFATHER, day=2)
        store_page(store, gone=(238, 949), day=3)
        assert found(store, "parrain") == []
        store_page(store, replace(GODFATHER, translations=(), detailed=False), day=4)
        assert store.movies.translations([movie_id(238)], FRENCH) == {}
