"""The caller's imports: files of other services, reviewed before anything is written, applied and undone."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application import imports
from domain.ids import ImportId, MovieId, MovieRef, movie_ref
from domain.imports.deciding import Prefer
from domain.imports.imports import Import, ImportNotFound, ImportRow, ImportState
from domain.imports.planning import score_of
from domain.imports.rows import SENTENCES, Reason, RowClass, RowKind, SourceFormat
from domain.imports.scales import SCALES, UnreadableRating, known_scale
from domain.imports.uploads import RULES, Refusal
from domain.movies import Movie
from domain.pagination import Cursor
from domain.users import Caller
from entrypoints.http.cursors import SortKey
from entrypoints.http.endpoints import (
    DELETE_STATUS,
    Access,
    Endpoint,
    Injected,
    endpoint_opt,
    id_parameter,
)
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.pagination import PageQuery, parse_page
from entrypoints.http.requests import HttpRequest, parse_body, parse_query, path_id, unset_to_none
from entrypoints.http.resources.ratings import MovieSummaryOut, movie_summary
from entrypoints.http.responses import Response, json_response, no_content
from entrypoints.http.schemas import Id, Moment, PageOut, PatchBody, Query, rfc3339
from entrypoints.http.uploads import pieces, uploaded_file
from entrypoints.validation import InvalidValue, rule

TAG = "Imports"
AUTO: Final = "auto"
ROW_SENTENCE = "What the row says, as the end of a sentence about it."

COLUMNS = (
    *("tmdb_id", "imdb_id", "title", "year", "rating", "rated_at", "watched_on", "rewatch", "review", "note"),
    *("listed_at", "type", "date_order"),
)
"""What a column of a table can hold, and how its dates are written."""


def validate_columns(columns: Mapping[str, str]) -> None:
    """Raises InvalidValue for what no column can hold."""
    unknown = columns.keys() - set(COLUMNS)
    if unknown or columns.get("date_order", "dmy") not in {"dmy", "mdy"}:
        raise InvalidValue(f"must name headers by {', '.join(COLUMNS)}, the last of them dmy or mdy")


def validate_choices(choices: Mapping[str, str | None]) -> None:
    """Raises InvalidValue for what is no number of a row, or refers to no movie."""
    for row, ref in choices.items():
        if not (row.isascii() and row.isdigit() and len(row) < 10) or (ref and not movie_ref(ref)):
            raise InvalidValue("must be numbers of rows with the ids of movies, or with null for none")


SourceChoice = Annotated[
    str,
    rule(
        f"must be {AUTO} or one of {', '.join(SourceFormat)}",
        pattern=f"^({'|'.join((AUTO, *SourceFormat))})$",
        description=(
            "The service that the file is from. `auto` recognizes it by the content; `csv` takes any table."
        ),
    ),
]
ScaleChoice = Annotated[
    int,
    rule(
        f"must be one of {', '.join(map(str, SCALES))}",
        validator=known_scale,
        description="The largest rating of the file's scale.",
        examples=[5],
    ),
]
PreferChoice = Annotated[
    Prefer,
    rule(
        f"must be one of {', '.join(Prefer)}",
        description="Which value wins where yours and that of the file differ. At first `newer`.",
        examples=["theirs"],
    ),
]
ColumnChoices = Annotated[
    dict[str, str],
    rule(
        "must be an object of texts",
        validator=validate_columns,
        description=f"The headers of a table by what they hold: {', '.join(COLUMNS)} (`dmy` or `mdy`).",
        examples=[{"title": "Film", "rating": "Note"}],
    ),
]
FilmChoices = Annotated[
    dict[str, str | None],
    rule(
        "must be an object of texts or nulls",
        validator=validate_choices,
        description="Movies by the numbers of rows: our id, TMDB's number or IMDb's id. Null takes it away.",
        examples=[{"17": "603"}],
    ),
]


class UploadQuery(Query, frozen=True, kw_only=True):
    """The parameters of an upload."""

    source: SourceChoice = AUTO


class ChangeImportIn(PatchBody, frozen=True, kw_only=True):
    """What is to be decided otherwise. What is left out stays."""

    scale: ScaleChoice | UnsetType = UNSET
    columns: ColumnChoices | UnsetType = UNSET
    prefer: PreferChoice | UnsetType = UNSET
    choices: FilmChoices | UnsetType = UNSET


class StartedImportOut(Struct, frozen=True, kw_only=True):
    """An upload that is being read."""

    id: Id


class ImportProgressOut(Struct, frozen=True, kw_only=True):
    """How far the present step is."""

    done: Annotated[int, Meta(ge=0, description="Rows, or films, that are done.", examples=[250])]
    total: Annotated[int, Meta(ge=0, description="All of them. 0 until it is known.", examples=[1501])]


class ImportCountsOut(Struct, frozen=True, kw_only=True):
    """The number of rows, and of those of each class, which add up to it."""

    rows: Annotated[int, Meta(ge=0, description="All rows.", examples=[12])]
    new: Annotated[int, Meta(ge=0, description="You do not have it yet.", examples=[10])]
    changed: Annotated[int, Meta(ge=0, description="It replaces or completes what you have.", examples=[0])]
    unchanged: Annotated[int, Meta(ge=0, description="You have the same.", examples=[0])]
    kept: Annotated[int, Meta(ge=0, description="Yours is newer or preferred, and stays.", examples=[0])]
    not_a_film: Annotated[int, Meta(ge=0, description="A series or something else.", examples=[1])]
    unmatched: Annotated[int, Meta(ge=0, description="The film was not found.", examples=[1])]
    ambiguous: Annotated[int, Meta(ge=0, description="Several films fit: choose.", examples=[0])]
    unreadable: Annotated[int, Meta(ge=0, description="The row cannot be read.", examples=[0])]
    no_place: Annotated[int, Meta(ge=0, description="Lists, tags and the like.", examples=[0])]


class ImportOutcomeOut(Struct, frozen=True, kw_only=True):
    """What a row becomes."""

    rating: Annotated[float | None, Meta(description="The score. Null for none.", examples=[8.5])]
    rated_at: Annotated[
        str | None, Meta(description="When it was given: a day or a moment.", examples=["2024-01-05"])
    ]
    review: Annotated[str | None, Meta(description="The review.", examples=["Good."])]
    watched_on: Annotated[
        list[date | None], Meta(description="The days of viewings. Null for an unknown day.")
    ]
    watchlist: Annotated[bool, Meta(description="Whether it is a place on the watchlist.", examples=[False])]
    is_favorite: Annotated[bool, Meta(description="Whether it is a favourite.", examples=[False])]
    note: Annotated[str | None, Meta(description="The note.", examples=["With Ada."])]


class ImportRowOut(Struct, frozen=True, kw_only=True):
    """A row of an import: as it was, what it becomes, and why."""

    row: Annotated[int, Meta(ge=1, description="The number of the row in the import.", examples=[17])]
    file: Annotated[str, Meta(description="The file that it is in.", examples=["ratings.csv"])]
    line: Annotated[
        int, Meta(ge=1, description="The line where it begins; in JSON the entry.", examples=[18])
    ]
    kind: Annotated[RowKind, Meta(description="What it is in its file.", examples=["rating"])]
    row_class: Annotated[
        RowClass | None, Meta(description="Its class. Null until it is decided.", examples=["new"])
    ] = msgspec.field(name="class")
    reason: Annotated[
        Reason | None, Meta(description="Why it is in that class, as a code.", examples=["several_films"])
    ]
    message: Annotated[
        str | None, Meta(description=ROW_SENTENCE, examples=["fits several films: choose one"])
    ]
    remarks: Annotated[list[Reason], Meta(description="What was done to its values.", examples=[["rounded"]])]
    title: Annotated[str | None, Meta(description="The title in the file.", examples=["The Matrix"])]
    year: Annotated[int | None, Meta(description="The year in the file.", examples=[1999])]
    rating: Annotated[str | None, Meta(description="The rating as it was written.", examples=["4.5"])]
    becomes: ImportOutcomeOut
    movie: Annotated[MovieSummaryOut | None, Meta(description="The film that it is about.")]
    candidates: Annotated[list[MovieSummaryOut], Meta(description="The films that may be meant.")]


class ImportOut(Struct, frozen=True, kw_only=True):
    """An import, and how far it is."""

    id: Id
    name: Annotated[str, Meta(description="The name of the file.", examples=["letterboxd-ada.zip"])]
    state: Annotated[
        ImportState,
        Meta(description="`ready` waits for you; `reading`, `matching` and `applying` for a worker."),
    ]
    source: Annotated[
        SourceFormat | None, Meta(description="The service that the file is from.", examples=["letterboxd"])
    ]
    scale: Annotated[int | None, Meta(description="The largest rating of its scale.", examples=[5])]
    prefer: Annotated[Prefer, Meta(description="Which value wins where two differ.")]
    columns: Annotated[
        dict[str, str], Meta(description="The headers of a table by what they hold.", examples=[{}])
    ]
    headers: Annotated[
        list[str],
        Meta(description="All headers of a table of your own, to choose columns from.", examples=[["film"]]),
    ]
    created_at: Annotated[Moment, Meta(description="When it was uploaded.")]
    progress: ImportProgressOut
    examples: Annotated[list[ImportRowOut], Meta(description="Three rows with ratings, if there are any.")]
    counts: ImportCountsOut
    error: Annotated[
        Refusal | None, Meta(description="Why it failed, as a code.", examples=["unknown_format"])
    ]
    message: Annotated[
        str | None, Meta(description="Why it failed, as a sentence.", examples=["The file must be whole."])
    ]
    not_undone: Annotated[
        int, Meta(ge=0, description="Films that you changed since, and that were not undone.", examples=[0])
    ]


ImportFields = Annotated[str, fields_rule(ImportOut, "each import")]
RowFields = Annotated[str, fields_rule(ImportRowOut, "each row")]


class ImportsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of imports."""

    fields: ImportFields | UnsetType = UNSET


class ImportQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one import."""

    fields: ImportFields | UnsetType = UNSET


class ImportRowsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the rows of an import."""

    row_class: (
        Annotated[
            RowClass,
            rule(f"must be one of {', '.join(RowClass)}", description="Only rows of this class."),
        ]
        | UnsetType
    ) = msgspec.field(name="class", default=UNSET)
    fields: RowFields | UnsetType = UNSET

    @property
    def sort_key(self) -> SortKey:
        """Rows are in the order of their numbers."""
        return SortKey.NUMBER


OF_ONE = {"id": id_parameter("import")}

START_IMPORT = Endpoint(
    operation_id="startImport",
    summary="Import a file",
    tag=TAG,
    answer=StartedImportOut,
    access=Access.USERS,
    query=UploadQuery,
    successes=(202,),
    errors=(409,),
    uploads=True,
)
LIST_IMPORTS = Endpoint(
    operation_id="listImports",
    summary="List your imports",
    tag=TAG,
    answer=PageOut[ImportOut],
    access=Access.USERS,
    query=ImportsQuery,
    linked=True,
    own=True,
)
GET_IMPORT = Endpoint(
    operation_id="getImport",
    summary="Get an import",
    tag=TAG,
    answer=ImportOut,
    access=Access.USERS,
    query=ImportQuery,
    path=OF_ONE,
    errors=(404,),
)
LIST_IMPORT_ROWS = Endpoint(
    operation_id="listImportRows",
    summary="List the rows of an import",
    tag=TAG,
    answer=PageOut[ImportRowOut],
    access=Access.USERS,
    query=ImportRowsQuery,
    path=OF_ONE,
    errors=(404,),
    linked=True,
    own=True,
)
CHANGE_IMPORT = Endpoint(
    operation_id="changeImport",
    summary="Decide otherwise about an import",
    tag=TAG,
    answer=ImportOut,
    access=Access.USERS,
    body=ChangeImportIn,
    path=OF_ONE,
    errors=(404, 409),
)
APPLY_IMPORT = Endpoint(
    operation_id="applyImport",
    summary="Apply an import",
    tag=TAG,
    answer=ImportOut,
    access=Access.USERS,
    path=OF_ONE,
    successes=(202,),
    errors=(404, 409),
)
UNDO_IMPORT = Endpoint(
    operation_id="undoImport",
    summary="Undo an import",
    tag=TAG,
    answer=ImportOut,
    access=Access.USERS,
    path=OF_ONE,
    successes=(202,),
    errors=(404, 409),
)
DELETE_IMPORT = Endpoint(
    operation_id="deleteImport",
    summary="Delete an import",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=OF_ONE,
    successes=(204,),
    errors=(404, 409),
)


@post("/me/imports", sync_to_thread=True, request_max_body_size=None, opt=endpoint_opt(START_IMPORT))
def post_import(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    start_import: Injected[imports.StartImport],
) -> Response:
    """Upload what another service has exported: the file or zip as it is, at most 32 MB, 256 MB unpacked.

    The body is the file, with its name in `X-File-Name`, or a form with one file or several. The file is read
    and matched with films in the background; nothing is written until you apply it.
    """
    wanted = parse_query(UploadQuery, request).source
    with uploaded_file(request, body) as uploaded:
        started = start_import(
            user=caller.user.id,
            name=uploaded.name,
            wanted=None if wanted == AUTO else SourceFormat(wanted),
            upload=pieces(uploaded.file),
        )
    return json_response(StartedImportOut(id=started.id), status=202)


@get("/me/imports", sync_to_thread=True, opt=endpoint_opt(LIST_IMPORTS))
def get_imports(
    request: HttpRequest, caller: Injected[Caller], list_imports: Injected[imports.ListImports]
) -> Response:
    """List your imports, newest first."""
    page = parse_page(ImportsQuery, request)
    listed = list_imports(user=caller.user.id, window=page.window)
    meta = page.meta(listed, lambda view: view.imported.cursor)
    return page.response(PageOut(data=[import_out(each) for each in listed.rows], meta=meta))


@get("/me/imports/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_IMPORT))
def get_import(
    request: HttpRequest, caller: Injected[Caller], get_import: Injected[imports.GetImport]
) -> Response:
    """How far an import is, and how many rows are in each class."""
    query = parse_query(ImportQuery, request)
    return item_response(import_out(get_import(imported=_id(request), user=caller.user.id)), query)


@get("/me/imports/{id:str}/rows", sync_to_thread=True, opt=endpoint_opt(LIST_IMPORT_ROWS))
def get_import_rows(
    request: HttpRequest, caller: Injected[Caller], list_import_rows: Injected[imports.ListImportRows]
) -> Response:
    """Every row with its line, what it becomes and why, in the order of the files."""
    page = parse_page(ImportRowsQuery, request)
    shown = list_import_rows(
        imported=_id(request),
        user=caller.user.id,
        row_class=unset_to_none(page.query.row_class),
        window=page.window,
    )
    meta = page.meta(shown.page, lambda row: Cursor(row.number, f"{row.number:024x}"))
    rows = [row_out(row, shown.imported, shown.movies) for row in shown.page.rows]
    return page.response(PageOut(data=rows, meta=meta))


@patch("/me/imports/{id:str}", sync_to_thread=True, opt=endpoint_opt(CHANGE_IMPORT))
def patch_import(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_import: Injected[imports.ChangeImport],
) -> Response:
    """Choose another scale, other columns, which side wins, or films for rows. Nothing is written yet.

    Other columns, and large imports, are done in the background: the state tells.
    """
    given = parse_body(ChangeImportIn, request, body)
    return json_response(import_out(changed_import(given, _id(request), caller, change_import)))


@post("/me/imports/{id:str}/apply", sync_to_thread=True, opt=endpoint_opt(APPLY_IMPORT))
def post_import_apply(
    request: HttpRequest, caller: Injected[Caller], apply_import: Injected[imports.ApplyImport]
) -> Response:
    """Write what the rows become, in the background. It can be undone."""
    parse_query(Query, request)
    return json_response(import_out(apply_import(imported=_id(request), user=caller.user.id)), status=202)


@post("/me/imports/{id:str}/undo", sync_to_thread=True, opt=endpoint_opt(UNDO_IMPORT))
def post_import_undo(
    request: HttpRequest, caller: Injected[Caller], undo_import: Injected[imports.UndoImport]
) -> Response:
    """Restore what was before, in the background, except what you have changed since.

    The rows about what was left have the reason `changed_meanwhile`.
    """
    parse_query(Query, request)
    return json_response(import_out(undo_import(imported=_id(request), user=caller.user.id)), status=202)


@delete(
    "/me/imports/{id:str}", status_code=DELETE_STATUS, sync_to_thread=True, opt=endpoint_opt(DELETE_IMPORT)
)
def delete_import(
    request: HttpRequest, caller: Injected[Caller], remove_import: Injected[imports.RemoveImport]
) -> Response:
    """Delete an import and its rows. What it wrote stays, and can no longer be undone."""
    parse_query(Query, request)
    remove_import(imported=_id(request), user=caller.user.id)
    return no_content()


def changed_import(
    given: ChangeImportIn, imported: ImportId, caller: Caller, change_import: imports.ChangeImport
) -> imports.ImportView:
    """The import, decided otherwise."""
    choices = unset_to_none(given.choices)
    return change_import(
        imported=imported,
        user=caller.user.id,
        scale=unset_to_none(given.scale),
        columns=unset_to_none(given.columns),
        prefer=unset_to_none(given.prefer),
        choices={int(row): _movie(ref) for row, ref in choices.items()} if choices else None,
    )


def import_out(view: imports.ImportView) -> ImportOut:
    """Convert an import."""
    imported = view.imported
    return ImportOut(
        id=imported.id,
        name=imported.name,
        state=imported.state,
        source=imported.format or imported.wanted,
        scale=imported.scale,
        prefer=imported.prefer,
        columns={**imported.columns_found, **imported.columns},
        headers=list(imported.headers),
        created_at=rfc3339(imported.created_at),
        progress=ImportProgressOut(done=imported.done, total=imported.total),
        examples=[row_out(row, imported, view.movies) for row in view.examples],
        counts=ImportCountsOut(
            rows=imported.rows, **{name.value: imported.counts.get(name, 0) for name in RowClass}
        ),
        error=imported.error,
        message=f"The file {RULES[imported.error]}." if imported.error else None,
        not_undone=imported.not_undone,
    )


def row_out(row: ImportRow, imported: Import, movies: Mapping[MovieId, Movie]) -> ImportRowOut:
    """Convert a row."""
    raw = row.row
    return ImportRowOut(
        row=row.number,
        file=raw.file,
        line=raw.line,
        kind=raw.kind,
        row_class=row.row_class,
        reason=row.reason,
        message=SENTENCES[row.reason] if row.reason else None,
        remarks=list(row.remarks or raw.remarks),
        title=raw.title,
        year=raw.year,
        rating=raw.rating,
        becomes=ImportOutcomeOut(
            rating=_points(row, imported.scale or 10),
            rated_at=_written(raw.rated_at),
            review=raw.review,
            watched_on=[seen.on for seen in raw.viewings],
            watchlist=raw.listed,
            is_favorite=raw.favorite,
            note=raw.note or next((seen.note for seen in raw.viewings if seen.note), None),
        ),
        movie=movie_summary(movies[row.movie]) if row.movie and row.movie in movies else None,
        candidates=[movie_summary(movies[each]) for each in row.candidates if each in movies],
    )


def _points(row: ImportRow, scale: int) -> float | None:
    try:
        conversion = score_of(row.row, scale)
    except UnreadableRating:
        return None
    return conversion.score.points if conversion else None


def _written(when: date | datetime | None) -> str | None:
    if isinstance(when, datetime):
        return rfc3339(when)
    return when.isoformat() if when else None


def _movie(ref: str | None) -> MovieRef | None:
    return movie_ref(ref) if ref else None


def _id(request: HttpRequest) -> ImportId:
    return path_id(request, ImportId, ImportNotFound)


ROUTES = (
    post_import,
    get_imports,
    get_import,
    get_import_rows,
    patch_import,
    post_import_apply,
    post_import_undo,
    delete_import,
)
