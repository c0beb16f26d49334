"""Links to the next page of a list, by cursor."""

from typing import Any

from msgspec.structs import replace

from entrypoints.http.cursors import Position
from entrypoints.http.pagination import PageRequest, links


def next_link(page: PageRequest[Any], last: Position | None, total: int) -> str | None:
    """The link to the page after the row at `last`; None if no rows follow."""
    if last is None:
        return None
    given = {name: value for name, value in page.query.given.items() if name not in {"page", "cursor"}}
    meta = page.meta_after(last, total=total, more=True)
    return dict(links(replace(meta, page=None), page.path, given))["next"]
