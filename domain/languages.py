"""The languages in which the titles and overviews of movies are kept."""

from dataclasses import dataclass
from typing import NewType

Language = NewType("Language", str)
"""A language as TMDB names it: ISO 639-1, and perhaps a region: `de-DE`, `fr`."""


def primary_subtag(language: str) -> str:
    """The language without its region: `de` for `de-DE`."""
    return language.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages that are kept: that of the catalogue, and the further ones in order of preference."""

    main: Language
    others: tuple[Language, ...] = ()

    @property
    def all(self) -> tuple[Language, ...]:
        """All of them, that of the catalogue first."""
        return (self.main, *self.others)

    def find(self, wanted: str) -> Language | None:
        """The kept language that a tag names in any case: the same one, else the first of that language,
        whatever its region, if the tag has none. None if no such language is kept.
        """
        folded = wanted.lower()
        for language in self.all:
            if language.lower() == folded:
                return language
        return next((each for each in self.all if primary_subtag(each) == folded), None)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Translation:
    """The title and the overview of a movie in one language. None is unknown."""

    language: Language
    title: str | None = None
    overview: str | None = None
