"""How the simulator misbehaves: a plan of faults, each of which may strike the answer to a request."""

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

from .answers import HTML, JSON, Answer, Record, encoded, refusal

CODE_OF_SERVER_ERROR = {500: 11, 502: 43, 503: 46, 504: 24}
PROXY_PAGE = b"<!DOCTYPE html><html><head><title>Please wait</title></head><body>One moment.</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour, and which requests it strikes.

    When: `path` is a regular expression searched in the target (`/3/movie/popular?page=2`: the path, then the
    parameters in alphabetical order, never the key). Of the requests that it fits, the fault strikes the
    `nth` and every `every`-th after it, at most `times` of them, each with `probability` (drawn from `seed`,
    the target and its turn: the same requests are struck however threads mingle). With `per_target` each
    target is counted for itself: `nth=1, times=1, per_target=True` makes every request fail once.

    What, by `kind`:
      too_many       429; Retry-After of `seconds`, as a date if `as_date`, or the text `header`; else absent
      limit          too_many for what comes above `rate` requests in a second
      server_error   `status` 500, 502, 503 or 504 with TMDB's body, or with none if `empty`
      answer         any `status` with `body` as JSON
      slow_headers, slow_body   `seconds` before the head; over the body
      truncated_body, short_body   half the JSON, with the right Content-Length; with that of the whole
      gzip_garbage, html   what is not gzip though it says so; a proxy's page, with 200
      firewall       a proxy's page with any `status`
      redirect       `status`, such as 302, to the address `header`
      reset, reset_in_body, hang_up   RST before the head; amid the body; a close without an answer
      gone           404 for the movies in `ids` (numbers or IMDb ids)
      item_…         spoils item number `item` of a page: see ITEM_SPOILS
      values         `key` is `body` in every movie, or in those of `ids`: rows of lists and own pages
      page_value     `key` of a page itself is `body`
      genres         the list of genres is `body`
      empty_page     a page without results
      results_not_a_list   the page's results are an object
      shift          when a popular page has been read, the list moves `by` places (see Catalogue.shift)
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
        if self.kind not in STRIKES:
            raise ValueError(f"unknown kind of fault {self.kind!r}; there are: {', '.join(STRIKES)}")
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
        """A fault from a JSON object. Raises ValueError that says what is wrong with it."""
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
        """What it is counted under: its name, else its kind, with the status where the kind has several."""
        plain = f"{self.kind}_{self.status}" if self.kind in ("server_error", "answer") else self.kind
        return self.name or plain


class FaultPlan:
    """Faults in the order in which they strike, with the memory of what they have done."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._rules = [_Rule(fault) for fault in faults]
        self._lock = threading.Lock()

    @staticmethod
    def read(text: str | bytes) -> list[Fault]:
        """The faults of a JSON list. Raises ValueError that says what is wrong with it."""
        faults = json.loads(text)
        if not isinstance(faults, list):
            raise ValueError("a fault plan is a JSON list of faults")
        return [Fault.parse(fault) for fault in faults]

    def strike(self, target: str, answer: Answer) -> tuple[Answer, list[Fault]]:
        """The answer as it leaves after every fault that is due, and those faults."""
        struck: list[Fault] = []
        with self._lock:
            for rule in self._rules:
                if rule.fits(target, answer) and rule.due(target):
                    answer = STRIKES[rule.fault.kind](answer, rule.fault)
                    struck.append(rule.fault)
        return answer, struck


class _Rule:
    """A fault with its counters."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._path = re.compile(fault.path)
        self._ids = {str(name) for name in fault.ids}
        self._fitting: Counter[str] = Counter()
        self._struck: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._admitted: deque[float] = deque()

    def fits(self, target: str, answer: Answer) -> bool:
        if not self._path.search(target):
            return False
        match self.fault.kind:
            case "gone":
                path = target.partition("?")[0]
                return path.startswith("/3/movie/") and path.removeprefix("/3/movie/") in self._ids
            case "shift":
                return answer.status == 200 and target.partition("?")[0] == "/3/movie/popular"
            case "limit":
                return self._over_the_limit(time.monotonic())
            case kind if kind in ITEM_SPOILS:
                items, place = _items(answer), self.fault.item
                return -len(items) <= place < len(items) and isinstance(items[place], dict)
            case "results_not_a_list" | "empty_page":
                return bool(_items(answer))
            case "values":
                return any(map(self._meant, _movies(answer)))
            case "page_value":
                return "results" in _page(answer)
            case "genres":
                return target.startswith("/3/genre/movie/list")
            case _:
                return True

    def due(self, target: str) -> bool:
        fault, scope = self.fault, target if self.fault.per_target else ""
        self._fitting[scope] += 1
        self._turns[target] += 1
        turn = self._fitting[scope] - fault.nth
        if turn < 0 or turn % fault.every or (fault.times is not None and self._struck[scope] >= fault.times):
            return False
        if fault.probability < 1 and not self._drawn(target):
            return False
        self._struck[scope] += 1
        return True

    def _meant(self, movie: Record) -> bool:
        return not self._ids or str(movie.get("id")) in self._ids

    def _drawn(self, target: str) -> bool:
        return Random(f"{self.fault.seed} {target} {self._turns[target]}").random() < self.fault.probability

    def _over_the_limit(self, now: float) -> bool:
        while self._admitted and self._admitted[0] <= now - 1:
            self._admitted.popleft()
        if len(self._admitted) >= self.fault.rate:
            return True
        self._admitted.append(now)
        return False


def _too_many(answer: Answer, fault: Fault) -> Answer:
    headers: tuple[tuple[str, str], ...] = (JSON,)
    if fault.seconds is not None:
        # A date has whole seconds: the next one, that it may not be earlier than was meant.
        date = formatdate(math.ceil(time.time() + fault.seconds), usegmt=True)
        headers += (("retry-after", date if fault.as_date else str(math.ceil(fault.seconds))),)
    elif fault.header is not None:
        headers += (("retry-after", fault.header),)
    return replace(answer, status=429, body=refusal(25).body, headers=headers)


def _server_error(answer: Answer, fault: Fault) -> Answer:
    if fault.empty:
        return replace(answer, status=fault.status, body=b"", headers=(HTML,))
    body = refusal(CODE_OF_SERVER_ERROR[fault.status]).body
    return replace(answer, status=fault.status, body=body, headers=(JSON,))


def _gzip_garbage(answer: Answer, _: Fault) -> Answer:
    garbage = b"\x1f\x8b\x08\x00" + bytes(range(255, 60, -1))
    return replace(answer, body=garbage, headers=(*answer.headers, ("content-encoding", "gzip")))


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


def _page(answer: Answer) -> Record:
    try:
        page = json.loads(answer.body)
    except ValueError:
        return {}
    return page if isinstance(page, dict) else {}


def _items(answer: Answer) -> list[Any]:
    items = _page(answer).get("results") if answer.status == 200 else None
    return items if isinstance(items, list) else []


def _spoil_item(answer: Answer, fault: Fault) -> Answer:
    items = _items(answer)
    items[fault.item] = ITEM_SPOILS[fault.kind](items[fault.item])
    return replace(answer, body=encoded(_page(answer) | {"results": items}))


def _movies(answer: Answer) -> list[Record]:
    """The movies of an answer: rows of a list, or the one whose own page it is."""
    page = _page(answer) if answer.status == 200 else {}
    rows = page["results"] if isinstance(page.get("results"), list) else [page]
    return [row for row in rows if isinstance(row, dict) and "id" in row]


def _values(answer: Answer, fault: Fault) -> Answer:
    page = _page(answer)
    names = {str(name) for name in fault.ids}
    for row in page["results"] if isinstance(page.get("results"), list) else [page]:
        if isinstance(row, dict) and (not names or str(row.get("id")) in names):
            row[fault.key] = fault.body
    return replace(answer, body=encoded(page))


def _page_value(answer: Answer, fault: Fault) -> Answer:
    return replace(answer, body=encoded(_page(answer) | {fault.key: fault.body}))


def _redirect(answer: Answer, fault: Fault) -> Answer:
    return replace(answer, status=fault.status, body=b"", headers=(HTML, ("location", fault.header or "")))


def _results_not_a_list(answer: Answer, _: Fault) -> Answer:
    numbered = {str(place): item for place, item in enumerate(_items(answer))}
    return replace(answer, body=encoded(_page(answer) | {"results": numbered}))


ITEM_SPOILS: Mapping[str, Callable[[Record], object]] = {
    "item_without_id": lambda item: {name: value for name, value in item.items() if name != "id"},
    "item_text_id": lambda item: item | {"id": str(item.get("id"))},
    "item_null_title": lambda item: item | {"title": None},
    "item_null_genres": lambda item: item | {"genre_ids": None},
    "item_zero_date": lambda item: item | {"release_date": "0000-00-00"},
    "item_text_vote": lambda item: item | {"vote_average": str(item.get("vote_average"))},
    "item_null": lambda _: None,
}
STRIKES: Mapping[str, Callable[[Answer, Fault], Answer]] = {
    "too_many": _too_many,
    "limit": _too_many,
    "server_error": _server_error,
    "answer": lambda answer, fault: replace(
        answer, status=fault.status, body=encoded(fault.body), headers=(JSON,)
    ),
    "slow_headers": lambda answer, fault: replace(answer, wait=fault.seconds or 0.0),
    "slow_body": lambda answer, fault: replace(answer, trickle=fault.seconds or 0.0),
    "truncated_body": lambda answer, _: replace(answer, body=_half(answer)),
    "short_body": lambda answer, _: replace(answer, sent=len(_half(answer)), ending="close"),
    "gzip_garbage": _gzip_garbage,
    "firewall": lambda answer, fault: replace(answer, status=fault.status, body=PROXY_PAGE, headers=(HTML,)),
    "redirect": _redirect,
    "html": lambda answer, _: replace(answer, status=200, body=PROXY_PAGE, headers=(HTML,)),
    "reset": lambda answer, _: replace(answer, silent=True, ending="reset"),
    "reset_in_body": lambda answer, _: replace(answer, sent=len(_half(answer)), ending="reset"),
    "hang_up": lambda answer, _: replace(answer, silent=True, ending="close"),
    "gone": lambda answer, _: replace(answer, status=404, body=refusal(34).body, headers=(JSON,)),
    **dict.fromkeys(ITEM_SPOILS, _spoil_item),
    "values": _values,
    "page_value": _page_value,
    "genres": lambda answer, fault: replace(answer, status=200, body=encoded({"genres": fault.body})),
    "empty_page": lambda answer, _: replace(answer, body=encoded(_page(answer) | {"results": []})),
    "results_not_a_list": _results_not_a_list,
    "shift": lambda answer, _: answer,  # what moves is the catalogue, once the page has left
}
