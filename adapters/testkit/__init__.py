"""The contracts of the ports as test suites: subclass one, give it a `store` fixture, and pytest runs it on
your adapter.

    from adapters.testkit import MovieRepositoryContract

    class TestMyMovies(MovieRepositoryContract):
        @pytest.fixture
        def store(self):
            ...  # anything with `movies`, `genres`, `runs` and `locks`, empty and prepared

Wants pytest; `pip install matinee[testkit]` brings it.
"""

from adapters.testkit.locks import LocksContract
from adapters.testkit.movies import MovieListContract, MovieRepositoryContract, MovieSearchContract
from adapters.testkit.runs import GenreRepositoryContract, SyncRunRepositoryContract
from adapters.testkit.samples import Stores, facts, invented, new_run, noon

__all__ = [
    "GenreRepositoryContract",
    "LocksContract",
    "MovieListContract",
    "MovieRepositoryContract",
    "MovieSearchContract",
    "Stores",
    "SyncRunRepositoryContract",
    "facts",
    "invented",
    "new_run",
    "noon",
]
