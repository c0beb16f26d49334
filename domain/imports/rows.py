"""The rows of imported files, in the same form whatever service they come from."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

MAX_ROWS = 100_000
"""Rows of one import; the rest of a longer file is refused."""

MAX_ROWS_OF_A_FILM = 1000
"""Rows of one import about one film, which are planned together."""


class SourceFormat(StrEnum):
    """The formats of files that can be imported."""

    LETTERBOXD = "letterboxd"
    IMDB = "imdb"
    TRAKT = "trakt"
    TMDB = "tmdb"
    MOVARY = "movary"
    YAMTRACK = "yamtrack"
    SIMKL = "simkl"
    RYOT = "ryot"
    CRITICKER = "criticker"
    MOVIELENS = "movielens"
    CSV = "csv"
    MATINEE = "matinee"


class RowClass(StrEnum):
    """What becomes of a row. Each row is in exactly one class."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    NOT_A_FILM = "not_a_film"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    UNREADABLE = "unreadable"
    NO_PLACE = "no_place"


class RowKind(StrEnum):
    """What a row is in its file."""

    RATING = "rating"
    VIEWING = "viewing"
    WATCHED = "watched"
    REVIEW = "review"
    WATCHLIST = "watchlist"
    FAVORITE = "favorite"
    HIDDEN = "hidden"
    ENTRY = "entry"
    LIST = "list"


class Reason(StrEnum):
    """Why a row is in its class, or what was done to its values."""

    SERIES = "series"
    OTHER_TITLE = "other_title"
    ENTERED_BY_HAND = "entered_by_hand"
    PERSONAL_LIST = "personal_list"
    COLLECTION = "collection"
    UNCLEAR_LIST = "unclear_list"
    NOTHING_TO_KEEP = "nothing_to_keep"
    UNREADABLE_RATING = "unreadable_rating"
    MALFORMED_ROW = "malformed_row"
    ROW_TOO_LONG = "row_too_long"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_OF_FILM = "too_many_of_film"
    NO_TITLE = "no_title"
    NOT_FOUND = "not_found"
    SOURCE_UNAVAILABLE = "source_unavailable"
    SEVERAL_FILMS = "several_films"
    OURS_IS_NEWER = "ours_is_newer"
    OURS_PREFERRED = "ours_preferred"
    WATCHLIST_FULL = "watchlist_full"
    DIARY_FULL = "diary_full"
    HIDDEN_FULL = "hidden_full"
    CHANGED_MEANWHILE = "changed_meanwhile"
    RAISED_TO_ONE = "raised_to_one"
    ROUNDED = "rounded"
    UNREADABLE_DATE = "unreadable_date"
    UNCLEAR_DATE = "unclear_date"
    TEXT_CUT = "text_cut"
    DAYS_UNKNOWN = "days_unknown"
    UNRATED_REVIEW = "unrated_review"
    MERGED = "merged"


SENTENCES: dict[Reason, str] = {
    Reason.SERIES: "is a series or a part of one, not a film",
    Reason.OTHER_TITLE: "is not a film",
    Reason.ENTERED_BY_HAND: "was entered by hand there, and is no film that others know",
    Reason.PERSONAL_LIST: "is on a personal list; Matinee has no lists but the watchlist",
    Reason.COLLECTION: "is in a collection of discs and files, which Matinee does not keep",
    Reason.UNCLEAR_LIST: "may be seen or on the watchlist: name the file watched.csv or watchlist.csv",
    Reason.NOTHING_TO_KEEP: "has no rating, no day and no mark that Matinee keeps",
    Reason.UNREADABLE_RATING: "has a rating that is not a number of the scale",
    Reason.MALFORMED_ROW: "cannot be read",
    Reason.ROW_TOO_LONG: "is too long",
    Reason.TOO_MANY_ROWS: f"comes after the first {MAX_ROWS:,} rows, which is as many as one import takes",
    Reason.TOO_MANY_OF_FILM: f"comes after the first {MAX_ROWS_OF_A_FILM:,} rows about its film",
    Reason.NO_TITLE: "names no film: it has neither an id nor a title",
    Reason.NOT_FOUND: "names a film that was not found",
    Reason.SOURCE_UNAVAILABLE: "names a film that is not held here, and TMDB could not be asked",
    Reason.SEVERAL_FILMS: "fits several films: choose one",
    Reason.OURS_IS_NEWER: "differs from what you have here, which is newer",
    Reason.OURS_PREFERRED: "differs from what you have here, which you prefer",
    Reason.WATCHLIST_FULL: "did not fit on the watchlist, which is full",
    Reason.DIARY_FULL: "did not fit into the diary, which is full",
    Reason.HIDDEN_FULL: "did not fit into the list of hidden films, which is full",
    Reason.CHANGED_MEANWHILE: "was changed here since",
    Reason.RAISED_TO_ONE: "had a rating below 1, which became 1",
    Reason.ROUNDED: "had a rating between two steps, which was rounded to half points",
    Reason.UNREADABLE_DATE: "has a date that cannot be read, which was left out",
    Reason.UNCLEAR_DATE: "has a date whose day and month cannot be told apart, which was left out",
    Reason.TEXT_CUT: "has a text that is too long, whose end was left out",
    Reason.DAYS_UNKNOWN: "was seen more often; the file does not have the days",
    Reason.UNRATED_REVIEW: "has a review without a rating, which became the note of the viewing",
    Reason.MERGED: "says what other rows of the import say",
}
"""For each reason the end of a sentence whose subject is the row."""

When = date | datetime
"""A day, or a moment in UTC. A day stays a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOn:
    """A viewing in a file; `rewatch` is None if the file does not tell."""

    on: date | None = None
    rewatch: bool | None = None
    note: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """One row of a file.

    `line` is where it begins, counted from 1; in JSON, which has no lines, the number of the entry. `rating`
    is as it was written, on the source's scale. `refused` is the class of a row that is not matched with a
    film. `of_viewing` tells that the rating is that of
    a viewing, which the rating of the film outranks.
    """

    file: str
    line: int
    kind: RowKind
    title: str | None = None
    original_title: str | None = None
    year: int | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    rating: str | None = None
    of_viewing: bool = False
    rated_at: When | None = None
    updated_at: datetime | None = None
    review: str | None = None
    viewings: tuple[SeenOn, ...] = ()
    listed: bool = False
    favorite: bool = False
    note: str | None = None
    added_at: When | None = None
    listed_updated_at: datetime | None = None
    hidden_at: datetime | None = None
    refused: RowClass | None = None
    reason: Reason | None = None
    remarks: tuple[Reason, ...] = ()

    def refuse(self, refused: RowClass, reason: Reason) -> "ImportedRow":
        """This row, in a class of rows that are not matched."""
        return replace(self, refused=refused, reason=reason)
