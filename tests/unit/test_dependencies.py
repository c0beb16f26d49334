"""Handlers get dependencies by type, and the application does not start if one is missing."""

import asyncio
from collections.abc import Callable
from inspect import iscoroutinefunction
from itertools import chain
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from domain.users import Caller
from entrypoints.http.app import AT_ROOT, CATALOGUE, OTHERS
from entrypoints.http.dependencies import InvalidHandler, bound
from entrypoints.http.endpoints import Injected
from entrypoints.http.requests import HttpRequest

T = TypeVar("T")


class Project:
    """A use case."""


class Rewind:
    """Another use case."""


PROJECT = Project()


def resolve(kind: type[T]) -> T:
    """A resolver that provides one use case."""
    instances: dict[object, Any] = {Project: PROJECT}
    found: T = instances[kind]
    return found


def injected(function: Callable[..., Any]) -> HTTPRouteHandler:
    (handler,) = bound(
        [get("/x", sync_to_thread=None if iscoroutinefunction(function) else False)(function)], resolve
    )
    return handler


def test_a_use_case_is_found_by_its_type_whatever_the_name_of_the_parameter() -> None:
    def handler(request: HttpRequest, body: RawBody, show: Injected[Project]) -> list[object]:
        return [request, body, show]

    given = injected(handler)
    assert list(given.parsed_fn_signature.parameters) == ["request", "body"]
    call: Any = given.fn
    assert call(request="a request", body=b"{}") == ["a request", b"{}", PROJECT]


@pytest.mark.parametrize("is_async", [True, False])
def test_the_caller_is_that_of_the_request(is_async: bool) -> None:
    def handler(caller: Injected[Caller]) -> object:
        return caller

    async def async_handler(caller: Injected[Caller]) -> object:
        return caller

    caller = object()
    request = SimpleNamespace(scope={"state": {"caller": caller}})
    call: Any = injected(async_handler if is_async else handler).fn
    found = call(request=request)
    assert (asyncio.run(found) if is_async else found) is caller


def test_a_type_that_nothing_provides_is_named_at_start() -> None:
    def handler(rewind: Injected[Rewind]) -> None: ...

    with pytest.raises(InvalidHandler, match=r"handler: nothing provides Rewind for rewind"):
        injected(handler)


def test_a_misspelt_type_is_named_at_start() -> None:
    def handler(project: Injected["Projet"]) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError, match="Projet"):
        injected(handler)


def test_a_parameter_without_injected_is_refused() -> None:
    def handler(project: Project) -> None: ...

    with pytest.raises(InvalidHandler, match=r"handler: project is not Injected\[\.\.\.\]"):
        injected(handler)


def test_every_handler_of_the_api_is_checked() -> None:
    handlers = [*chain.from_iterable((*CATALOGUE, *OTHERS)), *AT_ROOT]
    assert len({str(handler) for handler in handlers}) == len(handlers)

    with pytest.raises(InvalidHandler, match="nothing provides BrowseMovies for browse_movies"):
        bound(handlers, resolve)
