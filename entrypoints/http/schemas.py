"""Wire types: the base classes of queries and bodies, and the types that several resources share."""

from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta

from domain.errors import Fault, FaultCode

DataT = TypeVar("DataT")

KEPT_TIMES = 4096
"""The times whose text is kept: lists show the same movies again and again, each with three times."""

Id = Annotated[
    str,
    Meta(
        description="24 hexadecimal digits.", pattern="^[0-9a-f]{24}$", examples=["8e7b1c04d9b44b6f9a2d3c51"]
    ),
]
Moment = Annotated[
    str,
    Meta(
        description="UTC, with milliseconds.",
        examples=["2026-01-05T10:00:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Username = Annotated[str, Meta(description="Unique in any case.", examples=["trinity"])]
TmdbId = Annotated[int, Meta(description="The number that TMDB knows it by.", ge=1, examples=[603])]
PosterPath = Annotated[
    str,
    Meta(
        description="Path of the poster at TMDB's image host.", examples=["/f89U3ADr1oiB1s9GkdPOEpXUk5H.jpg"]
    ),
]
ReleaseDate = Annotated[date, Meta(description="Day of the first release.", examples=["1999-03-30"])]
Average = Annotated[
    float,
    Meta(
        ge=1, le=10, description="Mean score of our users, one decimal. Null if nobody rated.", examples=[8.4]
    ),
]
Weighted = Annotated[
    float,
    Meta(
        ge=1,
        le=10,
        description="Bayesian mean score: near 6.5 while there are few ratings. Null if nobody rated.",
        examples=[7.31],
    ),
]
RatingsCount = Annotated[int, Meta(ge=0, description="How many of our users rated it.", examples=[12])]
Distribution = Annotated[
    dict[str, int],
    Meta(
        description="How many users gave each score; one entry for each of the 19 scores from 1 to 10.",
        examples=[{"1": 0, "8.5": 2}],
    ),
]


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of an endpoint; the base class has none.

    Optional parameters are UNSET, not None: in a query string "null" is text like any other.
    """

    @property
    def given(self) -> dict[str, Any]:
        """The parameters that differ from their defaults, by encoded name."""
        values = (
            (name, getattr(self, attribute), default) for name, attribute, default in _fields(type(self))
        )
        return {name: value for name, value, default in values if value is not UNSET and value != default}


@cache
def _fields(kind: type[Query]) -> list[tuple[str, str, Any]]:
    """The encoded name, the attribute and the default of each parameter."""
    return [(field.encode_name, field.name, field.default) for field in msgspec.structs.fields(kind)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a request body."""

    def conflicts(self) -> list[Fault]:
        """The errors that involve several fields."""
        return []


class PatchBody(Body, frozen=True, kw_only=True):
    """The fields to change; those that are UNSET stay as they are. At least one field must be given.

    The fields in `unchanging` change nothing by themselves.
    """

    unchanging: ClassVar[frozenset[str]] = frozenset()

    def conflicts(self) -> list[Fault]:
        """An error if there is nothing to change."""
        names = [name for name in self.__struct_fields__ if name not in self.unchanging]
        if any(getattr(self, name) is not UNSET for name in names):
            return []
        return [
            Fault(
                "body",
                FaultCode.REQUIRED,
                f"must change something: {' or '.join(names)}",
                subject="the body",
            )
        ]


class MetaOut(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a list a page stands."""

    total: Annotated[int, Meta(description="Number of items on all pages.", ge=0, examples=[260])]
    page: (
        Annotated[int, Meta(description="Number of this page. Null with a cursor.", ge=1, examples=[1])]
        | None
    )
    limit: Annotated[int, Meta(description="Most items on a page.", ge=1, le=100, examples=[20])]
    total_pages: Annotated[int, Meta(description="Number of pages.", ge=0, examples=[13])]
    has_next_page: Annotated[bool, Meta(description="Whether a page follows.", examples=[True])]
    has_prev_page: Annotated[bool, Meta(description="Whether a page comes before.", examples=[False])]
    next_cursor: (
        Annotated[
            str, Meta(description="The `cursor` of the next page. Null on the last.", examples=["WzEsMl0"])
        ]
        | None
    )


class PageOut(msgspec.Struct, Generic[DataT], frozen=True, kw_only=True):
    """A page of a list."""

    data: list[DataT]
    meta: MetaOut


@lru_cache(maxsize=KEPT_TIMES)
def rfc3339(at: datetime) -> str:
    """A time in UTC with milliseconds, such as 2026-01-05T10:00:00.000Z."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
