"""Dependency injection: handlers request use cases, and other objects, by the types of their parameters."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import partial, wraps
from inspect import Parameter, Signature, iscoroutinefunction, signature
from typing import Any, Protocol, Self, TypeVar, get_type_hints

from litestar import Router
from litestar.di import Dependency
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


class Repeatable(Protocol):
    """Carries out requests that may be repeated, each once."""

    def applies(self, request: HttpRequest) -> bool:
        """Whether a request may be repeated."""
        ...

    def run(self, request: HttpRequest, body: bytes, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The response to a request, from `call` or from before."""
        ...

    async def run_async(self, request: HttpRequest, body: bytes, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The same for an asynchronous handler."""
        ...


class OwnedRouter(Router):
    """A router that is made for one application. Litestar copies routers when it registers them, with all
    that they refer to, in case they are registered twice: a fourth of the time to make the application.
    """

    def __deepcopy__(self, memo: object) -> Self:
        return self


def bound(
    handlers: Iterable[HTTPRouteHandler], resolve: Resolver, repeatable: Repeatable | None = None
) -> list[HTTPRouteHandler]:
    """The handlers with their `Injected` parameters given: Litestar sees only the request and its body.

    Instances are resolved once, at start-up; only the caller differs from request to request. Litestar's own
    injection would start a task for each of them at every request. Raises InvalidHandler.
    """
    return [_bound(handler, resolve, repeatable) for handler in handlers]


def _bound(handler: HTTPRouteHandler, resolve: Resolver, repeatable: Repeatable | None) -> HTTPRouteHandler:
    function: Callable[..., Any] = handler.fn
    injected = dict(_injected(handler))
    if not injected:
        return copy(handler)
    callers = [name for name, kind in injected.items() if kind is Caller]
    instances = {
        name: _resolved(handler, name, kind, resolve) for name, kind in injected.items() if kind is not Caller
    }
    parameters = [each for name, each in signature(function).parameters.items() if name not in injected]
    takes_request = any(each.name == "request" for each in parameters)
    if not takes_request:
        parameters.append(Parameter("request", Parameter.KEYWORD_ONLY, annotation=HttpRequest))

    @wraps(function)
    def call(*, request: HttpRequest, **arguments: Any) -> Any:  # noqa: ANN401
        if takes_request:
            arguments["request"] = request
        for name in callers:
            arguments[name] = current_caller(request)
        run = partial(function, **arguments, **instances)
        if repeatable is None or not repeatable.applies(request):
            return run()
        runs = repeatable.run_async if iscoroutinefunction(function) else repeatable.run
        return runs(request, arguments.get("body", b""), run)

    @wraps(function)
    async def call_async(**arguments: Any) -> Any:  # noqa: ANN401
        return await call(**arguments)

    replacement: Any = call_async if iscoroutinefunction(function) else call
    replacement.__signature__ = Signature(parameters)
    replacement.__annotations__ = {each.name: each.annotation for each in parameters} | {
        "return": get_type_hints(function)["return"]
    }
    return copy(handler)(replacement)


def _injected(handler: HTTPRouteHandler) -> Iterator[tuple[str, Any]]:
    """The name and the type of each `Injected` parameter."""
    function = getattr(handler.fn, "func", handler.fn)
    for name, annotation in get_type_hints(function, include_extras=True).items():
        if any(isinstance(mark, Dependency) for mark in getattr(annotation, "__metadata__", ())):
            yield name, annotation.__origin__
        elif name != "return" and PLAIN_PARAMETERS.get(name) != annotation:
            raise InvalidHandler(f"{handler}: {name} is not Injected[...], and not a request or its body")


def _resolved(handler: HTTPRouteHandler, name: str, kind: Any, resolve: Resolver) -> object:  # noqa: ANN401
    try:
        return resolve(kind)
    except LookupError:
        raise InvalidHandler(f"{handler}: nothing provides {_name(kind)} for {name}") from None


def _name(kind: Any) -> str:  # noqa: ANN401  a class, or a NewType
    return getattr(kind, "__name__", str(kind))
