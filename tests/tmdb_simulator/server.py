"""The simulator, which responds to requests, and logs and counts them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .catalogue import Catalogue
from .faults import Fault, FaultPlan
from .http_server import HOST, HttpServer, Request
from .queries import export_day
from .responses import Record, Recordings, Response, error_response, json_response

CONFIGURATION = {
    "change_keys": ["genres", "overview", "poster_path", "release_date", "runtime", "title"],
    "images": {
        "base_url": "http://image.tmdb.org/t/p/",
        "secure_base_url": "https://image.tmdb.org/t/p/",
        "backdrop_sizes": ["w300", "w780", "w1280", "original"],
        "poster_sizes": ["w92", "w154", "w185", "w342", "w500", "w780", "original"],
    },
}
ACCESS_DENIED = Response(
    403, b"<Error><Code>AccessDenied</Code></Error>", (("content-type", "application/xml"),)
)


@dataclass(slots=True)
class LoggedRequest:
    """A request, and the status of the response.

    `at` is the time of its arrival by time.monotonic(), `status` is None if there was no response.
    `credential` is "bearer", "api_key" or "", depending on how the request was authenticated.
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
    """A simulated TMDB on loopback: `with TmdbSimulator(catalogue=make_catalogue(300)) as tmdb: … tmdb.url`.

    `catalogue` is a Catalogue, a .jsonl(.gz) file or records; `recordings` a folder of recorded exchanges,
    which are used for requests that equal a recorded one. Without both, only /configuration and
    /authentication exist. If `token` or `api_key` is set, requests need it. Port 0 stands for a free port.
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
        self._port = port
        self._lock = threading.Lock()
        self._log: list[LoggedRequest] = []
        self._applied: Counter[str] = Counter()
        self._server: HttpServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start threads that accept connections and respond. Raises OSError if the port is in use."""
        self._server = HttpServer(self.respond, self._port)

    def stop(self) -> None:
        """Close all connections at once, also in the middle of a response. The counts are kept."""
        if self._server is not None:
            self._server.stop()

    @property
    def url(self) -> str:
        """The base address, such as http://127.0.0.1:40123/3."""
        if self._server is None:
            raise RuntimeError("the simulator has not been started")
        return f"http://{HOST}:{self._server.port}/3"

    @property
    def exports_url(self) -> str:
        """The base address of the daily files, such as http://127.0.0.1:40123/p/exports."""
        return self.url.removesuffix("/3") + "/p/exports"

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self._log)

    @property
    def log(self) -> list[LoggedRequest]:
        """The requests, in the order of their arrival."""
        with self._lock:
            return list(self._log)

    @property
    def applied_faults(self) -> Counter[str]:
        """How often each fault was applied, by its label."""
        with self._lock:
            return Counter(self._applied)

    def highest_rate(self) -> int:
        """The maximum number of requests within one second."""
        times = [request.at for request in self.log]
        highest = first = 0
        for last, time_of_request in enumerate(times):
            while times[first] <= time_of_request - 1:
                first += 1
            highest = max(highest, last - first + 1)
        return highest

    def stats(self) -> dict[str, Any]:
        """The statistics, as values for JSON."""
        log = self.log
        by_path: dict[str, Counter[str]] = {}
        for request in log:
            by_path.setdefault(request.path, Counter())[_status_name(request)] += 1
        return {
            "requests": len(log),
            "highest_rate": self.highest_rate(),
            "by_status": Counter(map(_status_name, log)),
            "by_path": by_path,
            "faults": self.applied_faults,
        }

    def reset_counts(self) -> None:
        """Clear the log and the counts of faults. The counters of the fault plan are kept."""
        with self._lock:
            self._log.clear()
            self._applied.clear()

    def set_faults(self, *faults: Fault) -> None:
        """Replace all faults by these."""
        self._plan = FaultPlan(faults)

    def respond(self, request: Request) -> Response:
        """Log a request, and return the response after faults."""
        logged = self._log_request(request)
        response, applied = self._plan.apply(
            request.target, self._response_without_faults(request, logged.credential)
        )
        for fault in applied:
            if fault.kind == "shift" and self.catalogue is not None:
                self.catalogue.shift(fault.by)
        # It is counted before the response is sent, so that a client that has the response finds it counted.
        with self._lock:
            logged.status = None if response.silent else response.status
            logged.faults = tuple(fault.label for fault in applied)
            self._applied.update(logged.faults)
        return response

    def _log_request(self, request: Request) -> LoggedRequest:
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

    def _response_without_faults(self, request: Request, credential: str) -> Response:
        """The response of TMDB without faults."""
        if (day := export_day(request.path)) is not None:  # at TMDB on another host, without authentication
            return (self.catalogue and self.catalogue.export(day)) or ACCESS_DENIED
        if not self._is_authorized(request, credential):
            return error_response(7)
        params = {name: value for name, value in request.params.items() if name != "api_key"}
        if self.recordings and (recorded := self.recordings.find(request.method, request.path, params)):
            return recorded
        if request.method != "GET":
            return error_response(34)
        return self._api_response(request.path, params)

    def _api_response(self, path: str, params: Mapping[str, str]) -> Response:
        match path:
            case "/3/configuration":
                return json_response(CONFIGURATION, max_age=43200)
            case "/3/authentication":
                return json_response({"success": True, "status_code": 1, "status_message": "Success."})
            case _ if self.catalogue is not None and path.startswith("/3/"):
                return self.catalogue.respond(path.removeprefix("/3"), params)
            case _:
                return error_response(34)

    def _is_authorized(self, request: Request, credential: str) -> bool:
        if not any(self._credentials.values()):
            return True
        sent = {
            "bearer": request.headers.get("authorization", "")[len("bearer ") :].strip(),
            "api_key": request.params.get("api_key", ""),
        }
        return credential != "" and sent[credential] == self._credentials[credential]


def _status_name(request: LoggedRequest) -> str:
    return "none" if request.status is None else str(request.status)


def _catalogue(source: Catalogue | Path | str | Iterable[Record] | None) -> Catalogue | None:
    if source is None or isinstance(source, Catalogue):
        return source
    return Catalogue.load(Path(source)) if isinstance(source, str | Path) else Catalogue(source)
