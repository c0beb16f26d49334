"""The titles of movies as they are sorted: without a leading article."""

from collections.abc import Mapping

from domain.search import sortable

ARTICLES: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "ca": "el la els les en l' un una",
        "da": "den det de en et",
        "de": "der die das ein eine",
        "el": "ο η το οι τα ένας μια ένα",
        "en": "the a an",
        "eo": "la",
        "es": "el la los las lo un una unos unas",
        "fr": "le la les l' un une des",
        "gl": "o a os as un unha",
        "hu": "a az egy",
        "it": "il lo la i gli le l' un uno una un'",
        "nb": "den det de en ei et",
        "nl": "de het een 't",
        "nn": "den det dei ein ei eit",
        "no": "den det de en ei et",
        "pt": "o a os as um uma uns umas",
        "ro": "un o",
        "sv": "den det de en ett",
    }.items()
}
"""The articles that may begin a title, by the ISO 639-1 code of their language. One that ends with an
apostrophe is joined to the next word.
"""

TRANSLATED = ARTICLES["en"] | ARTICLES["de"] | ARTICLES["fr"] - {"des"} | {"el", "los", "las", "il", "gli"}
"""The articles of a title in an unknown language: those that rarely begin a title of another language."""

APOSTROPHES = str.maketrans("\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}", "''")


def sort_title(title: str, original_title: str, original_language: str | None) -> str:
    """The form by which a movie is sorted: its folded title without a leading article.

    The articles are those of the movie's language. A title that is not the original one is a translation,
    which may have those of TRANSLATED, too; so may the title of a movie whose language is unknown.
    """
    articles = ARTICLES.get(original_language or "", frozenset())
    if title != original_title or original_language is None:
        articles |= TRANSLATED
    return sortable(_without_article(title, articles))


def _without_article(title: str, articles: frozenset[str]) -> str:
    """The title without its leading article; the whole title if nothing else is left."""
    first, _, others = title.strip().partition(" ")
    folded = first.casefold().translate(APOSTROPHES)
    if folded in articles:
        return others or title
    article, apostrophe, _ = folded.partition("'")
    if apostrophe and f"{article}'" in articles:
        return f"{first[len(article) + 1 :]} {others}".strip() or title
    return title
