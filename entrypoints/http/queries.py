"""What calls may be asked: their parameters, and what these come to in the words of the domain.

A parameter's bounds, the words that state them and its description stand together; validation and
documentation both read them here.
"""

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.browsing import MovieFilter, SortBy, Sorting, SortOrder
from domain.errors import Fault, FaultCode
from domain.ids import GenreId
from domain.pagination import Cursor, Window
from domain.ratings import RatingOrder
from domain.search import Match
from domain.search import Query as SearchText
from entrypoints.http import cursors
from entrypoints.http.people import AdminUserOut, InvitationOut, ItemOut, RatingOut, RelationOut, UserOut
from entrypoints.http.requests import Query
from entrypoints.http.schemas import GenreOut, MovieDetailOut, MovieOut, RunOut
from entrypoints.validation import rule

REACH = 10_000
"""Pages show the first so many rows; cursors go on from there."""

WINDOW = frozenset({"page", "limit", "cursor", "fields"})
"""Parameters that choose a part of a list, or what is shown of its rows, not the list."""

FieldT = TypeVar("FieldT")


def known(value: FieldT | UnsetType) -> FieldT | None:
    """The value of an optional parameter; None if it was not given."""
    return None if isinstance(value, UnsetType) else value


def _names(kind: type[msgspec.Struct], title: str) -> Meta:
    """The rule of a `fields` parameter: names of this Struct's fields, separated by commas."""
    names = msgspec.structs.fields(kind)
    listed = ", ".join(field.encode_name for field in names)
    name = f" *({'|'.join(field.encode_name for field in names)}) *"
    description = f"Only these fields of {title}, separated by commas; all fields if left out."
    return rule(
        f"must be names of fields, separated by commas, out of {listed}",
        pattern=f"^{name}(,{name})*$",
        max_length=1000,
        description=description,
        examples=[",".join(field.encode_name for field in names[:2])],
    )


PageNumber = Annotated[
    int,
    rule(
        "must be a whole number from 1",
        ge=1,
        description=f"The number of the page; it reaches the first {REACH:,} items.",
        extra_json_schema={"default": 1},
    ),
]
Limit = Annotated[
    int,
    rule("must be a whole number from 1 to 100", ge=1, le=100, description="How many items a page has."),
]
Year = Annotated[
    int, rule("must be a year from 1870 to 2100", ge=1870, le=2100, description="Year of release.")
]
FirstYear = Annotated[
    int,
    rule("must be a year from 1870 to 2100", ge=1870, le=2100, description="Released in this year or later."),
]
LastYear = Annotated[
    int,
    rule(
        "must be a year from 1870 to 2100", ge=1870, le=2100, description="Released in this year or earlier."
    ),
]
MinRating = Annotated[
    float,
    rule("must be a number from 1 to 10", ge=1, le=10, description="Least `average_rating` (our own users)."),
]
MinVotes = Annotated[
    int,
    rule("must be a whole number from 0", ge=0, le=2**31 - 1, description="Least `vote_count` (TMDB)."),
]
Language = Annotated[
    str,
    rule(
        "must be a language code of two or three letters",
        pattern="^[A-Za-z]{2,3}$",
        max_length=3,
        description="Original language: an ISO 639 code, in any case.",
        examples=["en"],
    ),
]
GenreChoice = Annotated[
    str,
    rule(
        "must name one or more genres in at most 500 characters",
        min_length=1,
        max_length=500,
        description="Our id, the TMDB number or the name in any case. `a,b` matches all of them, `a|b` any.",
        examples=["878", "Drama|War"],
    ),
]
SortField = Annotated[
    SortBy,
    rule(
        f"must be one of {', '.join(SortBy)}",
        description="What to sort by. Movies without the value come last.",
    ),
]
RatingSortField = Annotated[
    RatingOrder, rule(f"must be one of {', '.join(RatingOrder)}", description="What to sort by.")
]
Favorite = Annotated[
    bool, rule("must be true or false", description="Only favourites (`true`), or only the others (`false`).")
]
Direction = Annotated[
    SortOrder, rule("must be desc or asc", description="Largest first (`desc`) or smallest first (`asc`).")
]
CursorToken = Annotated[
    str,
    rule(
        "must be the next_cursor of another page",
        min_length=1,
        max_length=8192,
        description="The `next_cursor` of the previous page. Use it instead of `page` to go further.",
    ),
]
SearchWords = Annotated[
    str,
    rule(
        "must be 1 to 200 characters",
        min_length=1,
        max_length=200,
        description="A title or the beginning of one. Case, accents and punctuation do not matter, and one "
        "or two typing errors are tolerated. A year may follow (`dune 2021`). An IMDb id or the "
        "address of a film at IMDb or TMDB finds that film.",
        examples=["amelie"],
    ),
]
MovieFields = Annotated[str, _names(MovieOut, "each movie")]
DetailFields = Annotated[str, _names(MovieDetailOut, "the movie")]
GenreFields = Annotated[str, _names(GenreOut, "each genre")]
RatingFields = Annotated[str, _names(RatingOut, "each rating")]
ItemFields = Annotated[str, _names(ItemOut, "each item")]
RelationFields = Annotated[str, _names(RelationOut, "the answer")]
UserFields = Annotated[str, _names(UserOut, "the account")]
AdminUserFields = Annotated[str, _names(AdminUserOut, "each account")]
InvitationFields = Annotated[str, _names(InvitationOut, "each invitation")]
RunFields = Annotated[str, _names(RunOut, "each run")]


class ExportFormat(StrEnum):
    """How an export is written."""

    JSON = "json"


class ExportQuery(Query, frozen=True, kw_only=True):
    """How an export is asked for."""

    format: Annotated[
        ExportFormat,
        rule(f"must be {' or '.join(ExportFormat)}", description="How the export is written."),
    ] = ExportFormat.JSON


class ItemQuery(Query, frozen=True, kw_only=True):
    """Which fields of one thing are asked for; each kind of thing has fields of its own."""

    fields: str | UnsetType = UNSET


class MovieQuery(ItemQuery, frozen=True, kw_only=True):
    """Which fields of a movie are asked for."""

    fields: DetailFields | UnsetType = UNSET


class GenreQuery(ItemQuery, frozen=True, kw_only=True):
    """Which fields of a genre are asked for."""

    fields: GenreFields | UnsetType = UNSET


class RatingQuery(ItemQuery, frozen=True, kw_only=True):
    """Which fields of a rating are asked for."""

    fields: RatingFields | UnsetType = UNSET


class WatchlistItemQuery(ItemQuery, frozen=True, kw_only=True):
    """Which fields of a watchlist item are asked for."""

    fields: ItemFields | UnsetType = UNSET


class RelationQuery(ItemQuery, frozen=True, kw_only=True):
    """Which parts of a user's relation to a movie are asked for."""

    fields: RelationFields | UnsetType = UNSET


class AccountQuery(ItemQuery, frozen=True, kw_only=True):
    """Which fields of the caller's account are asked for."""

    fields: UserFields | UnsetType = UNSET


class RunQuery(ItemQuery, frozen=True, kw_only=True):
    """Which fields of a sync run are asked for."""

    fields: RunFields | UnsetType = UNSET


class PageQuery(Query, frozen=True, kw_only=True):
    """Which page of a list is asked for: by number, or by the cursor that the page before gave; and which
    fields of its items. Each kind of item has fields of its own.
    """

    page: PageNumber | UnsetType = UNSET
    limit: Limit = 20
    cursor: CursorToken | UnsetType = UNSET
    fields: str | UnsetType = UNSET

    def conflicts(self, listing: str) -> list[Fault]:
        """Page numbers end somewhere; a cursor is of this list, and stands alone."""
        faults = []
        if self.skip >= REACH:
            words = f"must stay within the first {REACH:,} rows; use cursor to go on from there"
            faults.append(Fault("page", FaultCode.OUT_OF_RANGE, words))
        if self.resumed and self.page is not UNSET:
            faults.append(Fault("cursor", FaultCode.CONFLICTING, "must stand without page"))
        if self.resumed and not self.place(listing):
            words = "must be the next_cursor of another page of the same list"
            faults.append(Fault("cursor", FaultCode.MALFORMED, words))
        return faults

    @property
    def number(self) -> int:
        """The page's number, from 1."""
        return known(self.page) or 1

    @property
    def skip(self) -> int:
        """How many rows come before the page, if it is asked for by number."""
        return (self.number - 1) * self.limit

    @property
    def resumed(self) -> bool:
        """Whether the page is asked for by cursor."""
        return self.cursor is not UNSET

    @property
    def sorted_by(self) -> cursors.Sorted:
        """What the list is sorted by."""
        return cursors.Sorted.TIME

    def window(self, listing: str) -> Window:
        """The part of the list to show."""
        place = self.place(listing)
        if isinstance(place, Cursor):
            return Window(limit=self.limit, cursor=place)
        return Window(limit=self.limit, skip=self.skip)

    def place(self, listing: str) -> cursors.Place | None:
        """The place in the list that the cursor names; None without one, or if it is of another list."""
        cursor = known(self.cursor)
        return cursors.read(cursor, self._bound(listing), self.sorted_by) if cursor else None

    def token(self, place: cursors.Place, listing: str) -> str:
        """The cursor that goes on behind a place in the list."""
        return cursors.token(place, self._bound(listing))

    def _bound(self, listing: str) -> bytes:
        """All that tells this list from others: every parameter but those that only choose a part of it."""
        named = {name: value for name, value in self.given.items() if name not in WINDOW}
        return msgspec.json.encode((listing, named))


class GenresQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the genres is asked for."""

    fields: GenreFields | UnsetType = UNSET

    @property
    def sorted_by(self) -> cursors.Sorted:
        """Genres are sorted by name."""
        return cursors.Sorted.TEXT


class InvitationsQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the invitations is asked for."""

    fields: InvitationFields | UnsetType = UNSET


class UsersQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the accounts is asked for."""

    fields: AdminUserFields | UnsetType = UNSET


class RunsQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the sync runs is asked for."""

    fields: RunFields | UnsetType = UNSET


class MovieRatingsQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of a movie's ratings is asked for."""

    fields: RatingFields | UnsetType = UNSET


class RatingsQuery(MovieRatingsQuery, frozen=True, kw_only=True):
    """In which order ratings are asked for."""

    sort_by: RatingSortField = RatingOrder.CREATED_AT
    sort_order: Direction = SortOrder.DESC

    @property
    def sorted_by(self) -> cursors.Sorted:
        """Ratings are sorted by times or by scores."""
        return cursors.Sorted.NUMBER if self.sort_by is RatingOrder.RATING else cursors.Sorted.TIME


class WatchlistQuery(PageQuery, frozen=True, kw_only=True):
    """Which items are asked for."""

    favorite: Favorite | UnsetType = UNSET
    fields: ItemFields | UnsetType = UNSET


class MoviesQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of movies is asked for, and what of each."""

    fields: MovieFields | UnsetType = UNSET


class SearchQuery(MoviesQuery, frozen=True, kw_only=True):
    """What is searched for."""

    q: SearchWords

    def conflicts(self, listing: str) -> list[Fault]:
        """There must be something to search for."""
        nothing = Fault("q", FaultCode.MALFORMED, "must hold a letter or a digit")
        return ([nothing] if SearchText(self.q).empty else []) + super().conflicts(listing)

    @property
    def sorted_by(self) -> cursors.Sorted:
        """Matches are sorted by how well they match."""
        return cursors.Sorted.RANK

    def after(self, listing: str) -> Match | None:
        """The match behind which to go on."""
        place = self.place(listing)
        return place if isinstance(place, Match) else None


class GenreMoviesQuery(MoviesQuery, frozen=True, kw_only=True):
    """Which movies are asked for, in which order."""

    year: Year | UnsetType = UNSET
    year_from: FirstYear | UnsetType = UNSET
    year_to: LastYear | UnsetType = UNSET
    min_rating: MinRating | UnsetType = UNSET
    min_votes: MinVotes | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    sort_by: SortField = SortBy.POPULARITY
    sort_order: Direction = SortOrder.DESC

    @property
    def sorting(self) -> Sorting:
        """The order asked for."""
        return Sorting(self.sort_by, self.sort_order)

    @property
    def sorted_by(self) -> cursors.Sorted:
        """Movies are sorted by days, titles or numbers."""
        kinds = {SortBy.RELEASE_DATE: cursors.Sorted.DAY, SortBy.TITLE: cursors.Sorted.TEXT}
        return kinds.get(self.sort_by, cursors.Sorted.NUMBER)

    @property
    def chosen(self) -> str | None:
        """The genres asked for as a parameter: none here."""
        return None

    def wanted(self, genre: GenreId | None = None) -> MovieFilter:
        """The filter asked for, within one genre if that is given. A single year narrows a span of years."""
        year, first, last = known(self.year), known(self.year_from), known(self.year_to)
        language = known(self.language)
        return MovieFilter(
            all_genres=frozenset({genre} if genre else ()),
            year_from=max(filter(None, (year, first)), default=None),
            year_to=min(filter(None, (year, last)), default=None),
            min_rating=known(self.min_rating),
            min_votes=known(self.min_votes),
            language=language.lower() if language else None,
        )

    def conflicts(self, listing: str) -> list[Fault]:
        """Spans of years do not run backwards."""
        faults = super().conflicts(listing)
        first, last = known(self.year_from), known(self.year_to)
        if first and last and first > last:
            faults.append(Fault("year_from", FaultCode.CONFLICTING, "must not be after year_to"))
        return faults


class BrowseQuery(GenreMoviesQuery, frozen=True, kw_only=True):
    """Which movies are asked for, in which order."""

    genre: GenreChoice | UnsetType = UNSET

    @property
    def chosen(self) -> str | None:
        """The genres asked for."""
        return known(self.genre)
