"""Waiting for a condition, since a test cannot know how long it takes."""

import time
from collections.abc import Callable
from typing import Any

import pytest


def eventually(condition: Callable[[], Any], *, timeout: float, interval: float) -> Any:
    """Evaluate a condition every `interval` seconds until it is true, and return its value.

    The test fails if it is not true after `timeout` seconds.
    """
    until = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > until:
            pytest.fail(f"the condition was not true within {timeout} s")
        time.sleep(interval)
    return value
