"""Imports in three steps: upload a file, review its rows, apply it; and undoing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application import imports
from domain.ids import ImportId
from domain.imports.deciding import Prefer
from domain.imports.imports import WORKING, Import, ImportNotFound, ImportState
from domain.imports.rows import RowClass, SourceFormat
from domain.imports.scales import SCALES
from domain.pagination import Cursor, Window
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest, path_id, unset_to_none
from entrypoints.http.resources.imports import (
    AUTO,
    COLUMNS,
    ChangeImportIn,
    ImportRowsQuery,
    changed_import,
    row_out,
)
from entrypoints.http.responses import Response
from entrypoints.http.uploads import pieces, uploaded_file
from entrypoints.web.events import RunEvents
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import Viewers, page_opt
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer
from entrypoints.web.responses import see_other

PATH = "/import"

ROWS_OF_A_PAGE = 20

DATE_ORDER = "date_order"
"""The column that is none: how the dates of a table are written."""

COLUMN = "column_"
"""The beginning of the names of fields that choose columns."""

DATED = frozenset(SourceFormat) - {
    SourceFormat.MATINEE,
    SourceFormat.TRAKT,
    SourceFormat.RYOT,
    SourceFormat.CRITICKER,
    SourceFormat.MOVIELENS,
}
"""The formats that are tables with dates, which a spreadsheet may have written anew."""


@dataclass(frozen=True, slots=True)
class WatchedImport:
    """An import as the stream of events watches it."""

    imported: Import

    @property
    def status(self) -> str:
        """The state."""
        return self.imported.state

    @property
    def pages_done(self) -> int:
        """The rows or films that are done."""
        return self.imported.done

    @property
    def pages_failed(self) -> int:
        """Nothing fails but the whole."""
        return 0

    @property
    def pages_total(self) -> int:
        """All of them."""
        return self.imported.total

    @property
    def fetched(self) -> int:
        """The rows that have a class."""
        return self.imported.rows

    @property
    def running(self) -> bool:
        """Whether a worker has something to do."""
        return self.imported.state in WORKING


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportsView:
    """Shows the form for an upload, and what was imported."""

    list_imports: imports.ListImports
    render: Renderer

    def __call__(self, request: HttpRequest, caller: Caller, errors: FormErrors | None = None) -> Response:
        """The page."""
        errors = errors or FormErrors()
        listed = self.list_imports(user=caller.user.id, window=Window(limit=20))
        return self.render(
            request.scope,
            "imports.html",
            status=errors.status,
            errors=errors,
            listed=[view.imported for view in listed.rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportView:
    """Shows one import: its progress, what becomes of its rows, and what can be done."""

    get_import: imports.GetImport
    list_import_rows: imports.ListImportRows
    render: Renderer

    def __call__(self, request: HttpRequest, caller: Caller, errors: FormErrors | None = None) -> Response:
        """The page."""
        errors = errors or FormErrors()
        page = parse_page(ImportRowsQuery, request)
        view = self.get_import(imported=import_id(request), user=caller.user.id)
        imported, row_class = view.imported, unset_to_none(page.query.row_class)
        shown = self.list_import_rows(
            imported=imported.id, user=caller.user.id, row_class=row_class, window=page.window
        )
        rows = shown.page.rows
        examples = [row_out(row, imported, view.movies) for row in view.examples]
        last = Cursor(rows[-1].number, f"{rows[-1].number:024x}") if rows and shown.page.more else None
        return self.render(
            request.scope,
            "import.html",
            status=errors.status,
            errors=errors,
            imported=imported,
            working=imported.state in WORKING,
            ready=imported.state is ImportState.READY,
            may_undo=imported.state in {ImportState.DONE, ImportState.APPLYING} and not imported.undoing,
            removable=imported.state is not ImportState.APPLYING,
            classes=[(name, imported.counts.get(name, 0)) for name in RowClass],
            row_class=row_class,
            examples=[each for each in examples if each.movie or each.title],
            rows=[row_out(row, imported, shown.movies) for row in rows],
            scales=SCALES,
            preferences=tuple(Prefer),
            dated=imported.format in DATED,
            columns=[name for name in COLUMNS if name != DATE_ORDER] if imported.headers else [],
            chosen={**imported.columns_found, **imported.columns},
            next_link=next_link(page, last, shown.page.total),
        )


@get(PATH, sync_to_thread=True, opt=page_opt(Access.USERS))
def get_imports_page(
    request: HttpRequest, caller: Injected[Caller], imports_view: Injected[ImportsView]
) -> Response:
    """The form for an upload, and the viewer's imports."""
    return imports_view(request, caller)


@post(PATH, request_max_body_size=None, opt=page_opt(Access.USERS))
async def post_import_page(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    start_import: Injected[imports.StartImport],
    imports_view: Injected[ImportsView],
) -> Response:
    """Upload a file, and show how it is read."""

    def start() -> Response:
        with uploaded_file(request, body) as uploaded:
            # The only choice of the form: a table in which nothing may be recognized.
            wanted = SourceFormat.CSV if uploaded.fields.get("source", AUTO) == SourceFormat.CSV else None
            started = start_import(
                user=caller.user.id, name=uploaded.name, wanted=wanted, upload=pieces(uploaded.file)
            )
        return see_other(f"{PATH}/{started.id}")

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(imports_view, request, caller, errors)

    return await submit(partial(sync_to_thread, start), show_again, request.scope)


@get("/import/{id:str}", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_import_page(
    request: HttpRequest, caller: Injected[Caller], import_view: Injected[ImportView]
) -> Response:
    """One import."""
    return import_view(request, caller)


@get("/import/{id:str}/events", opt=page_opt(Access.USERS))
async def get_import_events(
    request: HttpRequest,
    caller: Injected[Caller],
    get_import: Injected[imports.GetImport],
    viewers: Injected[Viewers],
) -> RunEvents:
    """The progress of an import as server-sent events, until a worker has nothing to do."""

    def read() -> WatchedImport:
        return WatchedImport(get_import(imported=import_id(request), user=caller.user.id).imported)

    return RunEvents(read, await sync_to_thread(read), partial(viewers.still_allowed, request))


@post("/import/{id:str}/change", opt=page_opt(Access.USERS))
async def post_import_change(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_import: Injected[imports.ChangeImport],
    import_view: Injected[ImportView],
) -> Response:
    """Decide otherwise: another scale, other columns, which side wins, or a film for a row."""
    form = read_form(request, body)

    def change(imported: ImportId) -> None:
        changed_import(_chosen(form).parse(ChangeImportIn), imported, caller, change_import)

    return await _submit(change, request, caller, import_view)


@post("/import/{id:str}/apply", opt=page_opt(Access.USERS))
async def post_import_apply_page(
    request: HttpRequest,
    caller: Injected[Caller],
    apply_import: Injected[imports.ApplyImport],
    import_view: Injected[ImportView],
) -> Response:
    """Write what the rows become."""
    return await _submit(
        lambda imported: apply_import(imported=imported, user=caller.user.id), request, caller, import_view
    )


@post("/import/{id:str}/undo", opt=page_opt(Access.USERS))
async def post_import_undo_page(
    request: HttpRequest,
    caller: Injected[Caller],
    undo_import: Injected[imports.UndoImport],
    import_view: Injected[ImportView],
) -> Response:
    """Restore what was before."""
    return await _submit(
        lambda imported: undo_import(imported=imported, user=caller.user.id), request, caller, import_view
    )


@post("/import/{id:str}/delete", opt=page_opt(Access.USERS))
async def post_import_delete(
    request: HttpRequest,
    caller: Injected[Caller],
    remove_import: Injected[imports.RemoveImport],
    import_view: Injected[ImportView],
) -> Response:
    """Delete an import. What it wrote stays."""
    return await _submit(
        lambda imported: remove_import(imported=imported, user=caller.user.id),
        request,
        caller,
        import_view,
        then=PATH,
    )


def import_id(request: HttpRequest) -> ImportId:
    """The import that the path names. Raises ImportNotFound for what is no id."""
    return path_id(request, ImportId, ImportNotFound)


def _chosen(form: Form) -> Form:
    """The form with a row and its film, or all columns, as the choices of the API.

    A column that is not sent is none of the table's.
    """
    fields: dict[str, Any] = dict(form.fields)
    if fields.pop("columns", None) is not None:
        chosen = {name: fields.pop(f"{COLUMN}{name}", "") for name in COLUMNS}
        fields["columns"] = {name: header for name, header in chosen.items() if header or name != DATE_ORDER}
    row, movie = fields.pop("row", None), fields.pop("movie", None)
    if row is not None:
        fields["choices"] = {row: movie}
    return Form(fields, form.faults, form.next)


async def _submit(
    action: Callable[[ImportId], object],
    request: HttpRequest,
    caller: Caller,
    import_view: ImportView,
    then: str | None = None,
) -> Response:
    """Do something with the import of the path and show it, or the page `then`; or it with what is wrong."""

    def act() -> Response:
        imported = import_id(request)
        action(imported)
        return see_other(then or f"{PATH}/{imported}")

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(import_view, request, caller, errors)

    return await submit(partial(sync_to_thread, act), show_again, request.scope)


ROUTES = (
    get_imports_page,
    post_import_page,
    get_import_page,
    get_import_events,
    post_import_change,
    post_import_apply_page,
    post_import_undo_page,
    post_import_delete,
)
