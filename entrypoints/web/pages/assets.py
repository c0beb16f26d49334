"""The files that pages use: style sheet, script, icon."""

from litestar import get
from litestar.exceptions import NotFoundException

from entrypoints.http.requests import HttpRequest
from entrypoints.http.responses import Response
from entrypoints.web.static_files import static_files


@get("/static/{name:str}", sync_to_thread=False)
def get_static_file(request: HttpRequest) -> Response:
    """A file, by the name with the hash of its content."""
    found = static_files().get(request.path_params["name"])
    if found is None:
        raise NotFoundException
    return found


ROUTES = (get_static_file,)
