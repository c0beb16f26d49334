"""Language negotiation: in which of the kept languages a response is, by the request's `Accept-Language`."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

from litestar.types import Scope

from domain.errors import Fault, FaultCode, InvalidFields
from domain.languages import Language, Languages, primary_subtag
from entrypoints.http.responses import CONTENT_LANGUAGE, Response
from entrypoints.validation import rule

ACCEPT_LANGUAGE = b"accept-language"

TextLanguage = Annotated[
    str,
    rule(
        "must be a language such as de-DE or de",
        pattern="^[A-Za-z]{2}(-[A-Za-z]{2})?$",
        max_length=5,
        description="The language of title and overview, in place of `Accept-Language`: one of "
        "`TMDB_LANGUAGES`, in any case and with or without its region.",
        examples=["en-US"],
    ),
]

MAX_RANGES = 50
"""Language ranges of a header that are considered. Browsers send a handful."""

MAX_HEADER = 1000
"""Bytes of a header that are read, so that those that are kept in memory stay small."""

EXACT, PREFIX, SAME_LANGUAGE, ANY = range(4)
"""How a range matches a language, the most specific first."""


@dataclass(frozen=True, slots=True)
class LanguageRange:
    """A part of an `Accept-Language` header: a language, lower case, or `*`; its weight; and its place."""

    tag: str
    weight: float
    place: int

    def specificity(self, language: str) -> int | None:
        """How this range matches a language; None if it does not.

        `de` matches `de-DE` (RFC 9110, basic filtering). `de-AT` also matches `de-DE` and `de`, unless it
        has the weight 0: German of another region is better than another language.
        """
        folded = language.lower()
        if self.tag == folded:
            return EXACT
        if folded.startswith(f"{self.tag}-"):
            return PREFIX
        if self.weight and primary_subtag(self.tag) == primary_subtag(folded):
            return SAME_LANGUAGE
        return ANY if self.tag == "*" else None


def preferred(accept_language: str, available: tuple[str, ...]) -> str | None:
    """The language with the highest weight in a header; None if the header accepts none of them.

    The weight of a language is that of the range that matches it most specifically. Of equal weights that of
    the first range counts, then the order of `available`.
    """
    ranges = _ranges(accept_language)
    best, best_rank = None, (0.0, 0)
    for language in available:
        matching = [(found, each) for each in ranges if (found := each.specificity(language)) is not None]
        if not matching:
            continue
        _, chosen = min(matching, key=lambda pair: (pair[0], -pair[1].weight))
        rank = (chosen.weight, -chosen.place)
        if chosen.weight and (best is None or rank > best_rank):
            best, best_rank = language, rank
    return best


def _ranges(accept_language: str) -> list[LanguageRange]:
    ranges = []
    for place, part in enumerate(accept_language.lower().split(",", MAX_RANGES)[:MAX_RANGES]):
        tag, _, parameters = part.partition(";")
        if tag.strip():
            ranges.append(LanguageRange(tag.strip(), weight(parameters), place))
    return ranges


def weight(parameters: str) -> float:
    """The weight in the parameters of a choice: `q=0.5`. It is 1 if there is none, and 0 if it is invalid."""
    name, _, value = parameters.partition("=")
    try:
        found = float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
    return found if 0 <= found <= 1 else 0.0


class LanguageNegotiation:
    """Chooses the language of responses among those that are kept.

    With one language there is nothing to choose: every response is in that, and no header says so.
    """

    def __init__(self, languages: Languages) -> None:
        self.languages = languages
        self.has_choice = bool(languages.others)
        self._accepted = lru_cache(maxsize=256)(self._negotiate)

    def __call__(self, scope: Scope, chosen: str | None = None) -> Language | None:
        """The language of the response to a request: the one that its parameter `language` names, if that is
        given, else by the header. None if there is nothing to choose.

        Raises InvalidFields for a parameter that names a language that is not kept.
        """
        named = self._named(chosen) if chosen else None
        return named or self.of_header(scope) if self.has_choice else None

    def of_header(self, scope: Scope) -> Language | None:
        """The language by the header of a request; None if there is nothing to choose."""
        if not self.has_choice:
            return None
        return self.accepted(b",".join(value for name, value in scope["headers"] if name == ACCEPT_LANGUAGE))

    def _named(self, tag: str) -> Language:
        language = self.languages.find(tag)
        if language is None:
            message = f"must be one of {', '.join(self.languages.all)}"
            raise InvalidFields([Fault("language", FaultCode.NOT_ALLOWED, message)])
        return language

    def accepted(self, header: bytes) -> Language:
        """The language by the value of an `Accept-Language` header; that of the catalogue if the header
        accepts none of those that are kept.
        """
        return self._accepted(header[:MAX_HEADER])

    def _negotiate(self, header: bytes) -> Language:
        found = preferred(header.decode("latin-1"), self.languages.all)
        return Language(found) if found else self.languages.main


def in_language(response: Response, language: Language | None) -> Response:
    """The response with the header that states its language."""
    if language is None:
        return response
    header = (CONTENT_LANGUAGE, language.encode())
    return replace(response, headers=(*response.headers, header))
