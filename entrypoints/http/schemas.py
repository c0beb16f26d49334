"""Wire types that several resources share."""

from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from domain.texts import MAX_TEXT_LENGTH, clean_text
from entrypoints.validation import rule

DataT = TypeVar("DataT")

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


def free_text(field: str, *, example: str) -> Meta:
    """The rule of a field for text that users write, such as a review; null removes it."""
    return rule(
        "must be text or null",
        validator=partial(clean_text, field),
        description=f"Plain text, at most {MAX_TEXT_LENGTH:,} characters. Null for none.",
        examples=[example],
        extra_json_schema={"maxLength": MAX_TEXT_LENGTH},
    )


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


def rfc3339(at: datetime) -> str:
    """A time in UTC with milliseconds, such as 2026-01-05T10:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
