"""The lock files: the image has the versions that the tests use, all that it needs, and no others."""

from collections.abc import Iterator
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.integration.deployment_files import locked, project, text

WHOLE = "requirements.lock"
SERVER = "requirements-server.lock"
BUILD = "requirements-build.lock"


def needed(requirement: Requirement) -> Iterator[str]:
    """The requirements of an installed package on this platform, recursively."""
    waiting = [(requirement, "")]
    seen = set()
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for of in ("", *wanted.extras):
            if (name, of) not in seen:
                seen.add((name, of))
                waiting += [(Requirement(each), of) for each in distribution(name).requires or ()]
        yield name


def wanted_by_the_server() -> list[Requirement]:
    extras = project()["project"]["optional-dependencies"]
    return [Requirement(each) for each in (*extras["server"], *extras["mongo"])]


@pytest.mark.parametrize("path", [SERVER, BUILD])
def test_partial_locks_have_the_versions_and_hashes_of_the_full_one(path: str) -> None:
    whole = locked(WHOLE)
    part = locked(path)
    assert part
    # The tests do not use setuptools, which builds the only package without a wheel.
    assert {name: pin for name, pin in part.items() if whole.get(name) != pin}.keys() <= {"setuptools"}


@pytest.mark.parametrize("path", [WHOLE, SERVER])
def test_the_lock_satisfies_the_projects_requirements(path: str) -> None:
    pins = locked(path)
    for wanted in wanted_by_the_server():
        version = pins[canonicalize_name(wanted.name)][0]
        assert wanted.specifier.contains(version, prereleases=True), f"{wanted}: make lock"


def test_the_image_has_everything_that_the_server_needs() -> None:
    pins = locked(SERVER)
    found = {name for wanted in wanted_by_the_server() for name in needed(wanted)}
    assert found - pins.keys() == set()


def test_the_image_has_nothing_that_only_development_needs() -> None:
    named = {canonicalize_name(Requirement(each).name) for each in project()["dependency-groups"]["dev"]}
    assert named & locked(SERVER).keys() == set()


def test_the_image_is_built_with_the_build_requirements_of_the_project() -> None:
    for wanted in map(Requirement, project()["build-system"]["requires"]):
        assert wanted.specifier.contains(locked(BUILD)[canonicalize_name(wanted.name)][0])


@pytest.mark.parametrize("path", [WHOLE, SERVER, BUILD])
def test_the_locks_name_no_registry(path: str) -> None:
    assert "://" not in text(path)
    assert "--index" not in text(path)
