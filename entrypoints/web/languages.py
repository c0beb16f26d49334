"""The texts of the pages in each language, and the language of a request."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from domain.errors import Fault
from domain.users import PageLanguage
from entrypoints.http.languages import preferred
from entrypoints.web.formats import whole

LANGUAGES = tuple(map(str, PageLanguage))
"""The languages of the pages. The first is the default."""


Choice = tuple[str, str]
"""A value to choose, and its name."""


class Texts:
    """The texts in one language, by keys such as `sign_in.title`."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.all = texts

    def __call__(self, key: str, **values: object) -> str:
        """The text with its placeholders filled. Raises KeyError if there is none."""
        return self.all[key].format(**values)

    def error(self, code: str, message: str) -> str:
        """The message of an error: the text for its code if there is one, else that of the API."""
        return self.all.get(f"errors.{code}", message)

    def fault(self, fault: Fault) -> str:
        """What is wrong with a field, to be shown beside it."""
        for key in (f"faults.{fault.field}.{fault.code}", f"faults.{fault.code}"):
            if key in self.all:
                return self.all[key]
        return fault.message[:1].upper() + fault.message[1:]

    def counted(self, key: str, count: int) -> str:
        """The text for a number of things, which has its own for one: its key ends in `_one`."""
        return self(f"{key}_one") if count == 1 else self(key, total=whole(count, self.language))

    def optional(self, key: str, default: str) -> str:
        """The text, or `default` if there is none."""
        return self.all.get(key, default)


@cache
def texts_in(language: str) -> Texts:
    """The texts in one of LANGUAGES."""
    toml = files("entrypoints.web").joinpath("texts", f"{language}.toml").read_text(encoding="utf-8")
    return Texts(language, dict(_flattened(tomllib.loads(toml))))


def _flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield prefix + name, value
        else:
            yield from _flattened(value, f"{prefix}{name}.")


def order_choices(texts: Texts, orders: Iterable[StrEnum]) -> list[Choice]:
    """What a list can be sorted by, or the directions."""
    return [(each.value, texts(f"order.{each.value}")) for each in orders]


@lru_cache(maxsize=256)
def preferred_language(accept_language: str) -> str:
    """The language of the pages that an `Accept-Language` header prefers."""
    return preferred(accept_language, LANGUAGES) or LANGUAGES[0]
