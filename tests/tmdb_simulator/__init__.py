"""A simulator of TMDB for tests: it replays recorded responses, responds from a catalogue as TMDB does, and
fails on request.

    with TmdbSimulator(catalogue=make_catalogue(300), faults=[Fault("server_error", nth=2, times=1)]) as tmdb:
        sync(base_url=tmdb.url)
    assert tmdb.highest_rate() <= 20

`python -m tests.tmdb_simulator` runs it as a process; `--help` lists its options.
"""

from .catalogue import Catalogue, Change
from .faults import EFFECTS, ITEM_EFFECTS, Fault, FaultPlan
from .generated import LATE_GENRE, QUIRKS, make_catalogue, make_movies
from .responses import INVENTED_RECORDINGS, RECORDINGS, Record, Recordings, json_lines
from .server import LoggedRequest, TmdbSimulator

__all__ = [
    "EFFECTS",
    "INVENTED_RECORDINGS",
    "ITEM_EFFECTS",
    "LATE_GENRE",
    "QUIRKS",
    "RECORDINGS",
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
