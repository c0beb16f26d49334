"""Types of titles as services write them, in the user's language, and which of them are films."""

from enum import Enum, auto

from adapters.imports.values import fold
from domain.imports.rows import ImportedRow, Reason, RowClass


class TitleType(Enum):
    """What a title is, as far as it matters here."""

    FILM = auto()
    SERIES = auto()
    OTHER = auto()


WORDS: dict[TitleType, tuple[str, ...]] = {
    TitleType.OTHER: (
        *("podcast", "music", "musik", "clip", "videogame", "videospiel", "videojuego", "videogioco"),
        *("videojogo", "jeuvideo", "jogo", "видеоигра"),
    ),
    TitleType.SERIES: (
        *("seri", "show", "episod", "folge", "pilot", "season", "saison", "staffel", "temporada", "anime"),
        *("сериал", "эпизод", "シリーズ", "エピソード", "剧集"),
    ),
    TitleType.FILM: (
        *("movie", "film", "documentar", "dokumentar", "short", "video", "special", "pelicula", "corto"),
        *("curta", "courtmetrage", "фильм", "映画", "电影"),
    ),
}
"""Folded words by which types are told apart; the first that a type contains decides.

IMDb writes its types in the language of its user. Some of its specials and videos are no films.
"""


def title_type(text: str) -> TitleType | None:
    """The type that a text names; None for one that is not known."""
    folded = fold(text)
    if folded == "tv":
        return TitleType.SERIES
    return next((kind for kind, words in WORDS.items() if any(word in folded for word in words)), None)


def of_type(row: ImportedRow, text: str) -> ImportedRow:
    """The row, refused if it is not about a film. Without a type it is taken for a film.

    So is a row with a type that is not known if it has an IMDb id and no number of TMDB: no series has the
    IMDb id of a film, while a series and a film may have the same number.
    """
    kind = title_type(text)
    by_imdb = bool(row.imdb_id) and not row.tmdb_id
    if not text.strip() or kind is TitleType.FILM or (kind is None and by_imdb):
        return row
    return row.refuse(RowClass.NOT_A_FILM, Reason.SERIES if kind is TitleType.SERIES else Reason.OTHER_TITLE)
