"""Stand-in: replaced by the worker of the job queue. It only waits to be stopped."""

import signal

from entrypoints.settings import Settings


def work(settings: Settings) -> None:  # noqa: ARG001  what stands here later needs them
    """Wait for SIGINT or SIGTERM."""
    asked = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    signal.sigwait(asked)
