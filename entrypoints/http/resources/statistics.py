"""Statistics of what a user has seen and rated."""

from typing import Annotated, Any

from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType

from application import statistics
from domain.statistics import Figures
from domain.users import Caller
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.requests import HttpRequest, parse_query, unset_to_none
from entrypoints.http.resources.movies import GenreOut, genre_out
from entrypoints.http.resources.viewings import Year
from entrypoints.http.responses import Response

# Responses


class FiguresOut(Struct, frozen=True, kw_only=True):
    """What was seen and rated. Viewings count on their days, ratings when they were given (in UTC)."""

    viewings: Annotated[int, Meta(ge=0, description="Viewings, each time counted.", examples=[12])]
    movies: Annotated[int, Meta(ge=0, description="Different movies among the viewings.", examples=[11])]
    hours: Annotated[
        float,
        Meta(
            ge=0, description="Runtime of the viewings, one decimal, as far as it is known.", examples=[22.4]
        ),
    ]
    ratings: Annotated[int, Meta(ge=0, description="Ratings given.", examples=[9])]
    average_rating: (
        Annotated[
            float,
            Meta(
                ge=1,
                le=10,
                description="Mean of these ratings, one decimal. Null without any.",
                examples=[7.8],
            ),
        ]
        | None
    )


class TotalFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of all viewings and ratings."""

    rewatches: Annotated[int, Meta(ge=0, description="Viewings marked as rewatches.", examples=[1])]
    undated: Annotated[int, Meta(ge=0, description="Viewings of unknown days.", examples=[0])]


class MonthFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of a month."""

    month: Annotated[str, Meta(description="Year and month.", examples=["2026-01"])]


class DecadeFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of the movies of a decade."""

    decade: (
        Annotated[int, Meta(description="First year of the decade. Null if unknown.", examples=[1990])] | None
    )


class GenreFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of the movies of a genre."""

    genre: GenreOut


class LanguageFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of the movies of an original language."""

    language: Annotated[str, Meta(description="Original language. Null if unknown.", examples=["en"])] | None


class ScoreFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of a score: ratings with this score, and viewings of movies that you rate so now."""

    score: Annotated[float, Meta(ge=1, le=10, multiple_of=0.5, description="The score.", examples=[8.5])]


class DirectorFiguresOut(FiguresOut, frozen=True, kw_only=True):
    """The figures of the movies of a director."""

    name: Annotated[str, Meta(description="As the source names the director.", examples=["Lana Wachowski"])]


class StatisticsOut(Struct, frozen=True, kw_only=True):
    """What you have seen and rated."""

    year: Annotated[int, Meta(description="The year. Null for all time.", examples=[2026])] | None
    years: Annotated[
        list[int],
        Meta(description="The years with viewings or ratings, the latest first.", examples=[[2026]]),
    ]
    total: TotalFiguresOut
    by_month: Annotated[
        list[MonthFiguresOut], Meta(description="All months of the year, or those with viewings or ratings.")
    ]
    by_decade: Annotated[list[DecadeFiguresOut], Meta(description="By decade of release, ascending.")]
    by_genre: Annotated[list[GenreFiguresOut], Meta(description="The most viewings first.")]
    by_language: Annotated[list[LanguageFiguresOut], Meta(description="The most viewings first.")]
    by_score: Annotated[list[ScoreFiguresOut], Meta(description="All 19 scores, ascending.")]
    directors: Annotated[
        list[DirectorFiguresOut], Meta(description="The ten with the most viewings, the most first.")
    ]


# Parameters

StatisticsFields = Annotated[str, fields_rule(StatisticsOut, "the statistics")]


class StatisticsQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of statistics."""

    year: Year | UnsetType = UNSET
    fields: StatisticsFields | UnsetType = UNSET


# Endpoints

GET_STATISTICS = Endpoint(
    operation_id="getStatistics",
    summary="Get statistics of what you have seen and rated",
    tag="Diary",
    answer=StatisticsOut,
    query=StatisticsQuery,
    access=Access.USERS,
)


@get("/me/statistics", sync_to_thread=True, opt=endpoint_opt(GET_STATISTICS))
def get_statistics(
    request: HttpRequest, caller: Injected[Caller], own_statistics: Injected[statistics.GetStatistics]
) -> Response:
    """Count your viewings and ratings, in a year or ever, with hours and averages, by several criteria."""
    query = parse_query(StatisticsQuery, request)
    year = unset_to_none(query.year)
    return item_response(statistics_out(own_statistics(user=caller.user, year=year), year), query)


# Conversion


def statistics_out(found: statistics.OwnStatistics, year: int | None) -> StatisticsOut:
    """Convert a user's statistics. Genres that are not stored are left out."""
    of, genres = found.statistics, found.genres
    return StatisticsOut(
        year=year,
        years=list(found.years),
        total=TotalFiguresOut(rewatches=of.rewatches, undated=of.undated, **_figures(of.total)),
        by_month=[
            MonthFiguresOut(month=f"{each.key[0]}-{each.key[1]:02}", **_figures(each.figures))
            for each in of.months
        ],
        by_decade=[DecadeFiguresOut(decade=each.key, **_figures(each.figures)) for each in of.decades],
        by_genre=[
            GenreFiguresOut(genre=genre_out(genres[each.key]), **_figures(each.figures))
            for each in of.genres
            if each.key in genres
        ],
        by_language=[
            LanguageFiguresOut(language=each.key, **_figures(each.figures)) for each in of.languages
        ],
        by_score=[ScoreFiguresOut(score=each.key.points, **_figures(each.figures)) for each in of.scores],
        directors=[DirectorFiguresOut(name=each.key, **_figures(each.figures)) for each in of.directors],
    )


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "viewings": figures.viewings,
        "movies": figures.movies,
        "hours": figures.hours,
        "ratings": figures.ratings,
        "average_rating": figures.average_rating,
    }


ROUTES = (get_statistics,)
