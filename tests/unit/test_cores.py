"""The cores on which the supervisor keeps API processes."""

import os

import pytest

from entrypoints.processes.supervisor import cores_for


@pytest.mark.parametrize(
    ("api_processes", "kept_on"),
    [(1, [None]), (2, [1, 4]), (3, [1, 4, 6]), (4, [None, None, None, None])],
)
def test_several_processes_get_a_core_each_if_there_are_as_many(
    monkeypatch: pytest.MonkeyPatch, api_processes: int, kept_on: list[int | None]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {6, 1, 4}, raising=False)
    assert cores_for(api_processes) == kept_on


def test_where_the_system_cannot_keep_them_they_use_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores_for(2) == [None, None]
