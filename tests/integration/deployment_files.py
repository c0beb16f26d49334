"""Readers of the files that deploy Matinee."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]

COMMENTED = re.compile(r"^# ([A-Z][A-Z_]*)=(.*)$", re.MULTILINE)
VARIABLE = re.compile(r"\$\{([A-Z_]+)")
PINNED = re.compile(r"^(\S+)==(\S+)(?:.*\\)\n((?:    --hash=.*\n)+)", re.MULTILINE)
INSTRUCTION = re.compile(r"^([A-Z]+) (.+)$", re.MULTILINE)


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def compose() -> dict[str, Any]:
    document: dict[str, Any] = msgspec.yaml.decode(text("docker-compose.yml"))
    return document


def workflow() -> dict[str, Any]:
    document: dict[str, Any] = msgspec.yaml.decode(text(".github/workflows/checks.yml"))
    return document


def example() -> dict[str, str]:
    """The variables and example values of .env.example, without quotation marks."""
    return {name: value.strip('"') for name, value in COMMENTED.findall(text(".env.example"))}


def compose_variables() -> set[str]:
    """The variables that docker-compose.yml reads from .env."""
    return set(VARIABLE.findall(text("docker-compose.yml")))


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined."""
    return INSTRUCTION.findall(re.sub(r"\\\n\s*", "", text("Dockerfile")))


def last_argument(instruction: str) -> str:
    """The argument of the last instruction of a kind in the Dockerfile."""
    return [argument for name, argument in instructions() if name == instruction][-1]


def health_check() -> list[str]:
    """The health check command of the image."""
    command: list[str] = msgspec.json.decode(last_argument("HEALTHCHECK").partition("CMD ")[2])
    return command


def locked(path: str) -> dict[str, tuple[str, str]]:
    """The version and the hashes of each package of a lock file."""
    return {name: (version, hashes) for name, version, hashes in PINNED.findall(text(path))}
