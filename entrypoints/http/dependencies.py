"""Dependency injection: handlers request use cases, and other objects, by the types of their parameters."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, get_type_hints

from litestar.di import Dependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from domain.users import Caller
from entrypoints.http.auth import current_caller
from entrypoints.http.requests import HttpRequest

T = TypeVar("T")

PLAIN_PARAMETERS = {"request": HttpRequest, "body": RawBody}
"""The parameters that Litestar provides itself."""


class Resolver(Protocol):
    """Finds an instance by its class."""

    def __call__(self, kind: type[T]) -> T:
        """Return the instance. Raises LookupError if nothing provides the class."""
        ...


class InvalidHandler(TypeError):  # noqa: N818  as the domain's errors are named
    """A handler has a parameter that cannot be provided, so the application cannot start."""


def dependencies(handlers: Iterable[HTTPRouteHandler], resolve: Resolver) -> dict[str, Provide]:
    """The Litestar dependencies, by name, for all `Injected` parameters of these handlers.

    Instances are resolved once, at start-up; only the caller differs from request to request. Litestar finds
    dependencies by name, so parameters with the same name must have the same type. Raises InvalidHandler.
    """
    kinds: dict[str, Any] = {}
    provided: dict[str, Provide] = {}
    for handler in handlers:
        for name, kind in _injected(handler):
            if name not in kinds:
                kinds[name] = kind
                provided[name] = Provide(_provider(handler, name, kind, resolve), sync_to_thread=False)
            elif kinds[name] is not kind:
                raise InvalidHandler(f"{handler}: {name} is {_name(kind)}, elsewhere {_name(kinds[name])}")
    return provided


def _injected(handler: HTTPRouteHandler) -> Iterator[tuple[str, Any]]:
    """The name and the type of each `Injected` parameter."""
    function = getattr(handler.fn, "func", handler.fn)
    for name, annotation in get_type_hints(function, include_extras=True).items():
        if any(isinstance(mark, Dependency) for mark in getattr(annotation, "__metadata__", ())):
            yield name, annotation.__origin__
        elif name != "return" and PLAIN_PARAMETERS.get(name) != annotation:
            raise InvalidHandler(f"{handler}: {name} is not Injected[...], and not a request or its body")


def _provider(handler: HTTPRouteHandler, name: str, kind: Any, resolve: Resolver) -> Callable[..., Any]:  # noqa: ANN401
    if kind is Caller:
        return current_caller
    try:
        instance = resolve(kind)
    except LookupError:
        raise InvalidHandler(f"{handler}: nothing provides {_name(kind)} for {name}") from None
    return lambda: instance


def _name(kind: Any) -> str:  # noqa: ANN401  a class, or a NewType
    return getattr(kind, "__name__", str(kind))
