"""Handlers get dependencies by type, and the application does not start if one is missing."""

from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

import pytest
from litestar import get
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from domain.users import Caller
from entrypoints.http.app import AT_ROOT, CATALOGUE, OTHERS
from entrypoints.http.auth import current_caller
from entrypoints.http.dependencies import InvalidHandler, dependencies
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


def injected(function: Callable[..., Any], *others: HTTPRouteHandler) -> dict[str, Provide]:
    return dependencies([*others, get("/x", sync_to_thread=False)(function)], resolve)


def test_a_use_case_is_found_by_its_type_whatever_the_name_of_the_parameter() -> None:
    def handler(request: HttpRequest, body: RawBody, show: Injected[Project]) -> None: ...

    provided = injected(handler)
    assert list(provided) == ["show"]
    assert provided["show"].dependency() is PROJECT


def test_only_the_caller_differs_between_requests() -> None:
    def handler(caller: Injected[Caller]) -> None: ...

    assert injected(handler)["caller"].dependency is current_caller


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


def test_one_parameter_name_cannot_have_two_types() -> None:
    @get("/other", sync_to_thread=False)
    def other(what: Injected[Project]) -> None: ...

    def handler(what: Injected[Caller]) -> None: ...

    with pytest.raises(InvalidHandler, match=r"handler: what is Caller, elsewhere Project"):
        injected(handler, other)


def test_every_handler_of_the_api_is_checked() -> None:
    handlers = [*chain.from_iterable((*CATALOGUE, *OTHERS)), *AT_ROOT]
    assert len({str(handler) for handler in handlers}) == len(handlers)

    with pytest.raises(InvalidHandler, match="nothing provides BrowseMovies for browse_movies"):
        dependencies(handlers, resolve)
