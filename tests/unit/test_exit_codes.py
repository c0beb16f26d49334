"""The exit code of a command that runs several syncs."""

import pytest

from domain.sync import Status
from entrypoints.cli.syncs import EXIT_CODES, worst_exit_code


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ((Status.SUCCESS, Status.SUCCESS, Status.SUCCESS), 0),
        ((Status.SUCCESS, Status.PARTIAL, Status.SUCCESS), 3),
        ((Status.PARTIAL, Status.FAILED, Status.SUCCESS), 1),
        ((Status.SUCCESS, Status.CANCELLED, Status.PARTIAL), 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst_run(statuses: tuple[Status, ...], worst: int) -> None:
    assert worst_exit_code([EXIT_CODES[status] for status in statuses]) == worst
