"""The console entry point: checks that the server's dependencies are installed, and runs the command line."""

import gc
import sys
from importlib.util import find_spec

REQUIRED_MODULES = (
    "argon2",
    "brotli",
    "click",
    "concurrent_log_handler",
    "crontab",
    "dependency_injector",
    "dotenv",
    "httptools",
    "httpx",
    "jinja2",
    "jwt",
    "litestar",
    "msgspec",
    "multipart",
    "prometheus_client",
    "redis",
    "rich",
    "rq",
    "rq_scheduler",
    "structlog",
    "tenacity",
    "uvicorn",
    "zstandard",
    "zxcvbn",
)

GC_THRESHOLD = 10_000
"""Objects that are created before the youngest are searched for cycles. With Python's own 700 the search is a
tenth of the time of all imports.
"""


def main() -> None:
    """Run the command line; exit with code 2 and one line if a dependency is missing."""
    missing = [name for name in REQUIRED_MODULES if find_spec(name) is None]
    if missing:
        print(  # noqa: T201  click may be missing
            f"matinee: the server is not installed (no {', '.join(missing)}): pip install 'matinee[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    gc.set_threshold(GC_THRESHOLD)
    from entrypoints.cli import matinee  # noqa: PLC0415  it may not be importable before

    matinee(prog_name="matinee")
