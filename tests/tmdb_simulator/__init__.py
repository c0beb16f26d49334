"""A TMDB on loopback for tests: exact replays, a catalogue that answers as TMDB does, faults on request.

    with TmdbSimulator(catalogue=make_catalogue(300), faults=[Fault("server_error", nth=2, times=1)]) as tmdb:
        sync(base_url=tmdb.url)
    assert tmdb.highest_rate() <= 20

`python -m tests.tmdb_simulator --help` runs it as a process.
"""

from .answers import INVENTED_RECORDINGS, RECORDINGS, Record, Recordings, json_lines
from .catalogue import Catalogue, Change
from .faults import ITEM_SPOILS, STRIKES, Fault, FaultPlan
from .invented import LATE_GENRE, QUIRKS, make_catalogue, make_movies
from .server import LoggedRequest, TmdbSimulator

__all__ = [
    "INVENTED_RECORDINGS",
    "ITEM_SPOILS",
    "LATE_GENRE",
    "QUIRKS",
    "RECORDINGS",
    "STRIKES",
    "Catalogue",
    "Change",
    "Fault",
    "FaultPlan",
    "LoggedRequest",
    "Record",
    "Recordings",
    "TmdbSimulator",
    "json_lines",
    "make_catalogue",
    "make_movies",
]
