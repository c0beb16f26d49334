"""The console entry point: checks that the server's dependencies are installed, and runs the command line."""

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


def main() -> None:
    """Run the command line; exit with code 2 and one line if a dependency is missing."""
    missing = [name for name in REQUIRED_MODULES if find_spec(name) is None]
    if missing:
        print(  # noqa: T201  click may be missing
            f"matinee: the server is not installed (no {', '.join(missing)}): pip install 'matinee[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from entrypoints.cli import matinee  # noqa: PLC0415  it may not be importable before

    matinee(prog_name="matinee")
