"""Who may read what: the guard before each call that wants a token."""

from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from domain.errors import Unauthenticated


@dataclass(eq=False)
class AccountsAreComing(Unauthenticated):
    """A token is wanted, and this version gives none."""

    def __str__(self) -> str:
        return (
            "A token is needed to read the catalogue, and accounts arrive with a later version of Matinee; "
            "until then the operator can open the catalogue: start the service with PUBLIC_CATALOGUE=true"
        )


def readers(*, public: bool) -> Guard:
    """The guard of the catalogue. Raises Unauthenticated for a request that may not read it.

    It is `async` because Litestar would send any other to a thread.
    """

    async def may_read(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if not public and connection.scope.get("method") != "OPTIONS":
            raise AccountsAreComing

    return may_read
