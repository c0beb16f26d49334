"""What the `matinee` command runs first: it says which extra is missing where only the library is."""

import sys
from importlib.util import find_spec

NEEDED = (
    "argon2",
    "brotli",
    "click",
    "concurrent_log_handler",
    "crontab",
    "dependency_injector",
    "dotenv",
    "httptools",
    "httpx",
    "jwt",
    "limits",
    "litestar",
    "msgspec",
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
    """Run the command line, or exit with 2 and one line."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(  # noqa: T201  the command's own voice
            f"matinee: the server is not installed (no {', '.join(missing)}): pip install 'matinee[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from entrypoints.cli import matinee  # noqa: PLC0415  only now is it known to import

    matinee(prog_name="matinee")
