"""The contracts of the ports as test suites: subclass one, add a `store` fixture, and pytest runs it on your
adapter.

    from adapters.testkit import MovieRepositoryContract

    class TestMyMovies(MovieRepositoryContract):
        @pytest.fixture
        def store(self):
            ...  # an object with the attributes of `Store`, empty and prepared

It requires pytest, which `pip install matinee[testkit]` installs.
"""

from adapters.testkit.api_tokens import ApiTokenRepositoryContract
from adapters.testkit.changes import ChangeRepositoryContract
from adapters.testkit.idempotency import IdempotencyRepositoryContract
from adapters.testkit.imports import ImportRepositoryContract
from adapters.testkit.invitations import InvitationRepositoryContract
from adapters.testkit.locks import LocksContract
from adapters.testkit.movies import MovieListContract, MovieRepositoryContract, MovieSearchContract
from adapters.testkit.own_movies import OwnMoviesContract
from adapters.testkit.ratings import (
    ConcurrentRatingsContract,
    DriftContract,
    RatedMoviesContract,
    RatingRepositoryContract,
)
from adapters.testkit.recommendations import RecommendationRepositoryContract
from adapters.testkit.runs import GenreRepositoryContract, SyncRunRepositoryContract
from adapters.testkit.samples import facts, new_run, noon, random_facts
from adapters.testkit.sessions import EndingSessionsContract, SessionRepositoryContract
from adapters.testkit.sources import CatalogueSourceContract
from adapters.testkit.statistics import StatisticsRepositoryContract
from adapters.testkit.stores import StoreContract
from adapters.testkit.translations import TranslatedMoviesContract
from adapters.testkit.users import UserRepositoryContract
from adapters.testkit.viewings import SeenMoviesContract, ViewingRepositoryContract
from adapters.testkit.watchlists import ListedMoviesContract, WatchlistRepositoryContract

__all__ = [
    "ApiTokenRepositoryContract",
    "CatalogueSourceContract",
    "ChangeRepositoryContract",
    "ConcurrentRatingsContract",
    "DriftContract",
    "EndingSessionsContract",
    "GenreRepositoryContract",
    "IdempotencyRepositoryContract",
    "ImportRepositoryContract",
    "InvitationRepositoryContract",
    "ListedMoviesContract",
    "LocksContract",
    "MovieListContract",
    "MovieRepositoryContract",
    "MovieSearchContract",
    "OwnMoviesContract",
    "RatedMoviesContract",
    "RatingRepositoryContract",
    "RecommendationRepositoryContract",
    "SeenMoviesContract",
    "SessionRepositoryContract",
    "StatisticsRepositoryContract",
    "StoreContract",
    "SyncRunRepositoryContract",
    "TranslatedMoviesContract",
    "UserRepositoryContract",
    "ViewingRepositoryContract",
    "WatchlistRepositoryContract",
    "facts",
    "new_run",
    "noon",
    "random_facts",
]
