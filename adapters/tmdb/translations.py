"""The parser of a movie's translations, which are appended to its details."""

from collections.abc import Iterable, Mapping, Sequence

from adapters.tmdb import values
from adapters.tmdb.appended import Entries
from domain.languages import Language, Translation, primary_subtag

PART = "translations"
"""What is appended to the details of a movie if titles and overviews are kept in several languages."""

Region = tuple[str, Mapping[str, object]]
"""A country, and the texts in the language of a translation as they are used there."""


def translations(part: object, languages: Sequence[Language]) -> tuple[Translation, ...]:
    """The titles and overviews in these languages, sorted by language, where TMDB has any.

    A language without a region takes each text from the first region that has it, that of its own name first,
    as `DE` for `de`. Entries in other languages are not read. Raises Unreadable as all parts do.
    """
    entries = Entries(part, "translations")
    regions: dict[str, list[Region]] = {}
    for entry in entries:
        language, data = entry.get("iso_639_1"), entry.get("data")
        if isinstance(language, str) and isinstance(data, dict):  # before 2019 there was no `data`
            regions.setdefault(language, []).append((str(entry.get("iso_3166_1")), data))
    found = []
    for language in sorted(languages):
        texts = _texts(language, regions.get(primary_subtag(language), []))
        title = _first(entries.read(values.title, data.get("title")) for data in texts)
        overview = _first(entries.read(values.overview, data.get("overview")) for data in texts)
        if title or overview:
            found.append(Translation(language=language, title=title, overview=overview))
    return entries.checked(tuple(found))


def _texts(language: Language, regions: Sequence[Region]) -> list[Mapping[str, object]]:
    """The texts that were sent for a language, the best first."""
    _, _, wanted = language.partition("-")
    if wanted:
        return [data for region, data in regions if region == wanted]
    own = language.upper()
    return [data for _, data in sorted(regions, key=lambda each: each[0] != own)]


def _first(texts: Iterable[str | None]) -> str | None:
    return next(filter(None, texts), None)
