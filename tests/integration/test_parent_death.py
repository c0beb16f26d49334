"""Processes that end with their parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

FORKING = """
import os, sys, time
from entrypoints.processes.parent_death import hold_lifeline
hold_lifeline(int(sys.argv[1]))
forked = os.fork()
if not forked:
    os.setpgrp()
print("ready", flush=True)
time.sleep(60)
"""


@dataclass
class Family:
    """A process with a lifeline, and its forks, which have other names."""

    process: subprocess.Popen[bytes]
    end: int

    def all_end(self) -> bool:
        """Wait until all processes have ended."""
        assert self.process.stdout
        return self.process.stdout.read() == b""


@pytest.fixture
def family() -> Iterator[Family]:
    lifeline, end = os.pipe()
    command = [sys.executable, "-c", FORKING, str(lifeline)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[lifeline]) as process:
        os.close(lifeline)
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
        yield Family(process, end)
        process.kill()


def test_a_process_and_its_forks_end_with_the_lifeline(family: Family) -> None:
    os.close(family.end)
    assert family.all_end()
    assert family.process.wait(10) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the lifeline ends them")
def test_a_fork_ends_with_its_parent_even_if_the_lifeline_is_open(family: Family) -> None:
    family.process.kill()
    assert family.all_end()
    os.close(family.end)
