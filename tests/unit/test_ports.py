"""Adapters have the signatures of their ports, so that what is left out means the same on each."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import adapters.mongo
import adapters.sqlite
from adapters.demo import DemoMovieSource
from adapters.tmdb.source import TmdbMovieSource
from domain import ports


def classes_of(package: Any) -> dict[str, type]:
    """All public classes of a package."""
    modules = [
        importlib.import_module(f"{package.__name__}.{each.name}")
        for each in pkgutil.iter_modules(package.__path__)
    ]
    return {
        name: each
        for module in modules
        for name, each in vars(module).items()
        if inspect.isclass(each) and each.__module__ == module.__name__ and not name.startswith("_")
    }


def implementations() -> Iterator[tuple[type, type]]:
    """Each port with an adapter of it."""
    stores = (("Sqlite", classes_of(adapters.sqlite)), ("Mongo", classes_of(adapters.mongo)))
    for name in ports.__all__:
        for technology, classes in stores:
            if adapter := classes.get(technology + name):
                yield getattr(ports, name), adapter
    yield ports.MovieSource, TmdbMovieSource
    yield ports.MovieSource, DemoMovieSource


def defaults_of(owner: type) -> dict[str, dict[str, object]]:
    """The defaults of the parameters of each public method."""
    return {
        name: {
            parameter.name: parameter.default for parameter in inspect.signature(method).parameters.values()
        }
        for name, method in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
    }


PAIRS = list(implementations())


def test_both_stores_implement_the_repositories() -> None:
    assert len(PAIRS) > 30


@pytest.mark.parametrize(("port", "adapter"), PAIRS, ids=lambda each: each.__name__)
def test_an_adapter_has_the_parameters_and_defaults_of_its_port(port: type, adapter: type) -> None:
    found = defaults_of(adapter)
    for method, promised in defaults_of(port).items():
        assert list(found[method]) == list(promised)
        for name, default in promised.items():
            if default is ...:  # any default
                assert found[method][name] is not inspect.Parameter.empty
            else:
                assert found[method][name] == default
