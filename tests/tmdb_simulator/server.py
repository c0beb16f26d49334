"""The simulator: what it answers, and what it counts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .answers import Answer, Record, Recordings, found, refusal
from .catalogue import Catalogue
from .faults import Fault, FaultPlan
from .queries import export_day
from .sockets import HOST, Listener, Request

CONFIGURATION = {
    "change_keys": ["genres", "overview", "poster_path", "release_date", "runtime", "title"],
    "images": {
        "base_url": "http://image.tmdb.org/t/p/",
        "secure_base_url": "https://image.tmdb.org/t/p/",
        "backdrop_sizes": ["w300", "w780", "w1280", "original"],
        "poster_sizes": ["w92", "w154", "w185", "w342", "w500", "w780", "original"],
    },
}
NO_FILE = Answer(403, b"<Error><Code>AccessDenied</Code></Error>", (("content-type", "application/xml"),))


@dataclass(slots=True)
class LoggedRequest:
    """A request that came, and what became of it.

    `at` is time.monotonic() when it had arrived, `status` None where nothing was answered. The credential
    itself is not kept, only whether it was a "bearer" token, an "api_key" or "".
    """

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    credential: str
    at: float
    status: int | None = None
    faults: tuple[str, ...] = ()


class TmdbSimulator:
    """A TMDB on loopback: `with TmdbSimulator(catalogue=make_catalogue(300)) as tmdb: … tmdb.url`.

    `catalogue` is a Catalogue, a .jsonl(.gz) file or records; `recordings` a folder of recorded exchanges,
    which answer first where a request is exactly one of theirs. With neither, all but /configuration and
    /authentication is a 404. `token` or `api_key`, once set, are demanded. Port 0 takes a free one.
    """

    def __init__(
        self,
        catalogue: Catalogue | Path | str | Iterable[Record] | None = None,
        *,
        faults: Iterable[Fault] = (),
        recordings: Path | str | None = None,
        token: str | None = None,
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.catalogue = _catalogue(catalogue)
        self.recordings = None if recordings is None else Recordings(Path(recordings))
        self._plan = FaultPlan(faults)
        self._credentials = {"bearer": token, "api_key": api_key}
        self._wanted_port = port
        self._lock = threading.Lock()
        self._log: list[LoggedRequest] = []
        self._struck: Counter[str] = Counter()
        self._listener: Listener | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and answer, in threads of its own. Raises OSError if the port is taken."""
        self._listener = Listener(self.respond, self._wanted_port)

    def stop(self) -> None:
        """Close every connection at once, answers under way included. The counts stay."""
        if self._listener is not None:
            self._listener.stop()

    @property
    def url(self) -> str:
        """The base address, such as http://127.0.0.1:40123/3."""
        if self._listener is None:
            raise RuntimeError("the simulator has not been started")
        return f"http://{HOST}:{self._listener.port}/3"

    @property
    def exports_url(self) -> str:
        """The base address of the daily files, such as http://127.0.0.1:40123/p/exports."""
        return self.url.removesuffix("/3") + "/p/exports"

    @property
    def requests(self) -> int:
        """How many requests came."""
        return len(self._log)

    @property
    def log(self) -> list[LoggedRequest]:
        """The requests so far, in the order in which they came."""
        with self._lock:
            return list(self._log)

    @property
    def struck(self) -> Counter[str]:
        """How often each fault struck, by its label."""
        with self._lock:
            return Counter(self._struck)

    def highest_rate(self) -> int:
        """The most requests that came within any one second."""
        moments = [request.at for request in self.log]
        highest = first = 0
        for last, moment in enumerate(moments):
            while moments[first] <= moment - 1:
                first += 1
            highest = max(highest, last - first + 1)
        return highest

    def stats(self) -> dict[str, Any]:
        """The counts as a JSON object."""
        log = self.log
        by_path: dict[str, Counter[str]] = {}
        for request in log:
            by_path.setdefault(request.path, Counter())[_status_name(request)] += 1
        return {
            "requests": len(log),
            "highest_rate": self.highest_rate(),
            "by_status": Counter(map(_status_name, log)),
            "by_path": by_path,
            "faults": self.struck,
        }

    def reset_counts(self) -> None:
        """Forget requests and strikes; the plan goes on where it is."""
        with self._lock:
            self._log.clear()
            self._struck.clear()

    def misbehave(self, *faults: Fault) -> None:
        """Put these faults in place of those before; none: behave."""
        self._plan = FaultPlan(faults)

    def respond(self, request: Request) -> Answer:
        """Count a request and answer it, faults included."""
        logged = self._note(request)
        answer, struck = self._plan.strike(request.target, self._honest(request, logged.credential))
        for fault in struck:
            if fault.kind == "shift" and self.catalogue is not None:
                self.catalogue.shift(fault.by)
        # Counted before the answer leaves: whoever has it finds it in the counts.
        with self._lock:
            logged.status = None if answer.silent else answer.status
            logged.faults = tuple(fault.label for fault in struck)
            self._struck.update(logged.faults)
        return answer

    def _note(self, request: Request) -> LoggedRequest:
        bearer = request.headers.get("authorization", "").lower().startswith("bearer ")
        logged = LoggedRequest(
            method=request.method,
            path=request.path,
            params={name: value for name, value in request.params.items() if name != "api_key"},
            headers={name: value for name, value in request.headers.items() if name != "authorization"},
            credential="bearer" if bearer else "api_key" if "api_key" in request.params else "",
            at=0.0,
        )
        with self._lock:
            logged.at = time.monotonic()
            self._log.append(logged)
        return logged

    def _honest(self, request: Request, credential: str) -> Answer:
        """What TMDB itself would answer."""
        if (day := export_day(request.path)) is not None:  # another host at TMDB, without credentials
            return (self.catalogue and self.catalogue.export(day)) or NO_FILE
        if not self._admits(request, credential):
            return refusal(7)
        params = {name: value for name, value in request.params.items() if name != "api_key"}
        if self.recordings and (replay := self.recordings.find(request.method, request.path, params)):
            return replay
        if request.method != "GET":
            return refusal(34)
        return self._ask(request.path, params)

    def _ask(self, path: str, params: Mapping[str, str]) -> Answer:
        match path:
            case "/3/configuration":
                return found(CONFIGURATION, max_age=43200)
            case "/3/authentication":
                return found({"success": True, "status_code": 1, "status_message": "Success."})
            case _ if self.catalogue is not None and path.startswith("/3/"):
                return self.catalogue.answer(path.removeprefix("/3"), params)
            case _:
                return refusal(34)

    def _admits(self, request: Request, credential: str) -> bool:
        if not any(self._credentials.values()):
            return True
        shown = {
            "bearer": request.headers.get("authorization", "")[len("bearer ") :].strip(),
            "api_key": request.params.get("api_key", ""),
        }
        return credential != "" and shown[credential] == self._credentials[credential]


def _status_name(request: LoggedRequest) -> str:
    return "none" if request.status is None else str(request.status)


def _catalogue(source: Catalogue | Path | str | Iterable[Record] | None) -> Catalogue | None:
    if source is None or isinstance(source, Catalogue):
        return source
    return Catalogue.load(Path(source)) if isinstance(source, str | Path) else Catalogue(source)
