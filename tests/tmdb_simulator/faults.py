"""Faults of the simulator, each of which changes the responses to some requests."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from email.utils import formatdate
from random import Random
from typing import Any

from .responses import HTML, JSON, Record, Response, encoded, error_response

CODE_OF_SERVER_ERROR = {500: 11, 502: 43, 503: 46, 504: 24}
PROXY_PAGE = b"<!DOCTYPE html><html><head><title>Please wait</title></head><body>One moment.</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the requests that it affects.

    Requests: `path` is a regular expression that is searched in the target of a request
    (`/3/movie/popular?page=2`: the path, then the sorted parameters, without the API key). Of the requests
    that match, the fault affects the `nth` and every `every`-th after it, at most `times` of them, each with
    a `probability`. Whether a request is affected is derived from `seed`, the target and the number of
    requests for the target, and so does not depend on the order of threads. With `per_target` the requests
    for each target are counted separately: with `nth=1, times=1, per_target=True` each request fails once.

    Effects, by `kind`:
      too_many       429; Retry-After is `seconds`, as a date if `as_date`, or the text `header`, or absent
      limit          as too_many, for requests beyond `rate` in a second
      server_error   `status` 500, 502, 503 or 504 with TMDB's body, or without a body if `empty`
      answer         any `status` with `body` as JSON
      slow_headers, slow_body   `seconds` before the head; for the body
      truncated_body, short_body   half of the body, with its own Content-Length; with that of the whole body
      gzip_garbage, html   a body that is declared as gzip but is not; the HTML page of a proxy, with 200
      firewall       the HTML page of a proxy, with any `status`
      redirect       `status`, such as 302, with the location `header`
      reset, reset_in_body, hang_up   TCP reset before the head; in the body; close without a response
      gone           404 for the movies in `ids` (numbers or IMDb ids)
      item_…         makes item number `item` of a page invalid: see ITEM_EFFECTS
      values         sets `key` to `body` in every movie, or in those of `ids`, in lists and in details
      page_value     sets `key` of a page to `body`
      genres         sets the list of genres to `body`
      empty_page     a page without results
      results_not_a_list   a page whose results are an object
      shift          moves the list by `by` movies after a popular page was read (see Catalogue.shift)
    """

    kind: str
    path: str = ""
    nth: int = 1
    times: int | None = None
    every: int = 1
    probability: float = 1.0
    seed: int = 0
    per_target: bool = False
    seconds: float | None = None
    as_date: bool = False
    header: str | None = None
    key: str = ""
    status: int = 500
    body: Any = None
    empty: bool = False
    ids: Sequence[int | str] = ()
    item: int = 0
    by: int = 3
    rate: int = 40
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in EFFECTS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; there are: {', '.join(EFFECTS)}")
        if self.kind.startswith("slow") and self.seconds is None:
            raise ValueError(f"{self.kind} needs seconds")
        if self.kind == "server_error" and self.status not in CODE_OF_SERVER_ERROR:
            raise ValueError(
                f"server_error has the status 500, 502, 503 or 504, not {self.status}; see answer"
            )
        if self.nth < 1 or self.every < 1:
            raise ValueError("nth and every count from 1")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"the path {self.path!r} is no regular expression: {error}") from error

    @classmethod
    def parse(cls, value: object) -> Fault:
        """Create a fault from a JSON object. Raises ValueError if it is invalid."""
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError(f"a fault is an object with a kind, not {value!r}")
        if unknown := set(value) - {field.name for field in fields(cls)}:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        try:
            return cls(**value)
        except TypeError as error:
            raise ValueError(f"a fault with a value of the wrong type: {error}") from error

    @property
    def label(self) -> str:
        """The label for statistics: its name, or its kind, with the status if the kind has several."""
        kind = f"{self.kind}_{self.status}" if self.kind in ("server_error", "answer") else self.kind
        return self.name or kind


class FaultPlan:
    """Faults in the order in which they are applied, with their counters."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._states = [_FaultState(fault) for fault in faults]
        self._lock = threading.Lock()

    @staticmethod
    def read(text: str | bytes) -> list[Fault]:
        """Parse a JSON list of faults. Raises ValueError if it is invalid."""
        faults = json.loads(text)
        if not isinstance(faults, list):
            raise ValueError("a fault plan is a JSON list of faults")
        return [Fault.parse(fault) for fault in faults]

    def apply(self, target: str, response: Response) -> tuple[Response, list[Fault]]:
        """Apply the faults that affect a request to its response; return the result, and these faults."""
        applied: list[Fault] = []
        with self._lock:
            for state in self._states:
                if state.matches(target, response) and state.is_due(target):
                    response = EFFECTS[state.fault.kind](response, state.fault)
                    applied.append(state.fault)
        return response, applied


class _FaultState:
    """A fault with its counters of requests, which are by target, or all together."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._path = re.compile(fault.path)
        self._ids = {str(name) for name in fault.ids}
        self._matching: Counter[str] = Counter()
        self._applied: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._admitted: deque[float] = deque()

    def matches(self, target: str, response: Response) -> bool:
        if not self._path.search(target):
            return False
        match self.fault.kind:
            case "gone":
                path = target.partition("?")[0]
                return path.startswith("/3/movie/") and path.removeprefix("/3/movie/") in self._ids
            case "shift":
                return response.status == 200 and target.partition("?")[0] == "/3/movie/popular"
            case "limit":
                return self._over_the_limit(time.monotonic())
            case kind if kind in ITEM_EFFECTS:
                items, index = _items(response), self.fault.item
                return -len(items) <= index < len(items) and isinstance(items[index], dict)
            case "results_not_a_list" | "empty_page":
                return bool(_items(response))
            case "values":
                return any(map(self._is_selected, _movies(response)))
            case "page_value":
                return "results" in _page(response)
            case "genres":
                return target.startswith("/3/genre/movie/list")
            case _:
                return True

    def is_due(self, target: str) -> bool:
        fault, counter = self.fault, target if self.fault.per_target else ""
        self._matching[counter] += 1
        self._requests[target] += 1
        position = self._matching[counter] - fault.nth
        if (
            position < 0
            or position % fault.every
            or (fault.times is not None and self._applied[counter] >= fault.times)
        ):
            return False
        if fault.probability < 1 and not self._is_chosen(target):
            return False
        self._applied[counter] += 1
        return True

    def _is_selected(self, movie: Record) -> bool:
        return not self._ids or str(movie.get("id")) in self._ids

    def _is_chosen(self, target: str) -> bool:
        return (
            Random(f"{self.fault.seed} {target} {self._requests[target]}").random() < self.fault.probability
        )

    def _over_the_limit(self, now: float) -> bool:
        while self._admitted and self._admitted[0] <= now - 1:
            self._admitted.popleft()
        if len(self._admitted) >= self.fault.rate:
            return True
        self._admitted.append(now)
        return False


def _too_many(response: Response, fault: Fault) -> Response:
    headers: tuple[tuple[str, str], ...] = (JSON,)
    if fault.seconds is not None:
        # A date has whole seconds, and is rounded up so that it is not too early.
        date = formatdate(math.ceil(time.time() + fault.seconds), usegmt=True)
        headers += (("retry-after", date if fault.as_date else str(math.ceil(fault.seconds))),)
    elif fault.header is not None:
        headers += (("retry-after", fault.header),)
    return replace(response, status=429, body=error_response(25).body, headers=headers)


def _server_error(response: Response, fault: Fault) -> Response:
    if fault.empty:
        return replace(response, status=fault.status, body=b"", headers=(HTML,))
    body = error_response(CODE_OF_SERVER_ERROR[fault.status]).body
    return replace(response, status=fault.status, body=body, headers=(JSON,))


def _gzip_garbage(response: Response, _: Fault) -> Response:
    garbage = b"\x1f\x8b\x08\x00" + bytes(range(255, 60, -1))
    return replace(response, body=garbage, headers=(*response.headers, ("content-encoding", "gzip")))


def _half(response: Response) -> bytes:
    return response.body[: len(response.body) // 2]


def _page(response: Response) -> Record:
    try:
        page = json.loads(response.body)
    except ValueError:
        return {}
    return page if isinstance(page, dict) else {}


def _items(response: Response) -> list[Any]:
    items = _page(response).get("results") if response.status == 200 else None
    return items if isinstance(items, list) else []


def _change_item(response: Response, fault: Fault) -> Response:
    items = _items(response)
    items[fault.item] = ITEM_EFFECTS[fault.kind](items[fault.item])
    return replace(response, body=encoded(_page(response) | {"results": items}))


def _movies(response: Response) -> list[Record]:
    """The movies of a response: entries of a list, or the movie of details."""
    page = _page(response) if response.status == 200 else {}
    rows = page["results"] if isinstance(page.get("results"), list) else [page]
    return [row for row in rows if isinstance(row, dict) and "id" in row]


def _values(response: Response, fault: Fault) -> Response:
    page = _page(response)
    names = {str(name) for name in fault.ids}
    for row in page["results"] if isinstance(page.get("results"), list) else [page]:
        if isinstance(row, dict) and (not names or str(row.get("id")) in names):
            row[fault.key] = fault.body
    return replace(response, body=encoded(page))


def _page_value(response: Response, fault: Fault) -> Response:
    return replace(response, body=encoded(_page(response) | {fault.key: fault.body}))


def _redirect(response: Response, fault: Fault) -> Response:
    return replace(response, status=fault.status, body=b"", headers=(HTML, ("location", fault.header or "")))


def _results_not_a_list(response: Response, _: Fault) -> Response:
    numbered = {str(index): item for index, item in enumerate(_items(response))}
    return replace(response, body=encoded(_page(response) | {"results": numbered}))


ITEM_EFFECTS: Mapping[str, Callable[[Record], object]] = {
    "item_without_id": lambda item: {name: value for name, value in item.items() if name != "id"},
    "item_text_id": lambda item: item | {"id": str(item.get("id"))},
    "item_null_title": lambda item: item | {"title": None},
    "item_null_genres": lambda item: item | {"genre_ids": None},
    "item_zero_date": lambda item: item | {"release_date": "0000-00-00"},
    "item_text_vote": lambda item: item | {"vote_average": str(item.get("vote_average"))},
    "item_null": lambda _: None,
}
EFFECTS: Mapping[str, Callable[[Response, Fault], Response]] = {
    "too_many": _too_many,
    "limit": _too_many,
    "server_error": _server_error,
    "answer": lambda response, fault: replace(
        response, status=fault.status, body=encoded(fault.body), headers=(JSON,)
    ),
    "slow_headers": lambda response, fault: replace(response, delay=fault.seconds or 0.0),
    "slow_body": lambda response, fault: replace(response, body_duration=fault.seconds or 0.0),
    "truncated_body": lambda response, _: replace(response, body=_half(response)),
    "short_body": lambda response, _: replace(response, sent_bytes=len(_half(response)), ending="close"),
    "gzip_garbage": _gzip_garbage,
    "firewall": lambda response, fault: replace(
        response, status=fault.status, body=PROXY_PAGE, headers=(HTML,)
    ),
    "redirect": _redirect,
    "html": lambda response, _: replace(response, status=200, body=PROXY_PAGE, headers=(HTML,)),
    "reset": lambda response, _: replace(response, silent=True, ending="reset"),
    "reset_in_body": lambda response, _: replace(response, sent_bytes=len(_half(response)), ending="reset"),
    "hang_up": lambda response, _: replace(response, silent=True, ending="close"),
    "gone": lambda response, _: replace(response, status=404, body=error_response(34).body, headers=(JSON,)),
    **dict.fromkeys(ITEM_EFFECTS, _change_item),
    "values": _values,
    "page_value": _page_value,
    "genres": lambda response, fault: replace(response, status=200, body=encoded({"genres": fault.body})),
    "empty_page": lambda response, _: replace(response, body=encoded(_page(response) | {"results": []})),
    "results_not_a_list": _results_not_a_list,
    "shift": lambda response, _: response,  # the server shifts the catalogue
}
