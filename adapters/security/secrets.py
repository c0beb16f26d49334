"""Secrets of our own making: refresh tokens, and the one secret that signs the access tokens."""

import logging
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Invalid, StorageUnavailable
from domain.signing import weakness

FILE = "jwt-secret"

STORED_SECRET_LENGTH = 64
"""Characters of a secret that is made here; other files of that name were put there by hand."""

logger = logging.getLogger("matinee.security")


@dataclass(eq=False)
class WeakSecret(Invalid):
    """A secret that cannot sign tokens safely; it is not shown itself."""

    name: str
    rule: str

    def __str__(self) -> str:
        return f"{self.name} {self.rule}"


def new_secret() -> str:
    """A text of 256 bits that nobody can guess, without a dot."""
    return secrets.token_urlsafe(32)


def stored_secret(directory: Path) -> bytes:
    """The secret that is kept in a data directory, made at the first call; all processes get the same.

    Raises StorageUnavailable if it can be neither read nor made, WeakSecret if it could be found by trying.
    """
    path = directory / FILE
    try:
        if not path.exists():
            _make(path)
        secret = path.read_bytes().strip()
        if path.stat().st_mode & 0o077:
            logger.warning("%s can be read by others on this machine: chmod 600 %s", path, path)
    except OSError as error:
        reason = f"the secret that signs tokens cannot be kept in {path}: {error.strerror}"
        raise StorageUnavailable(reason) from error
    require_strong(secret, str(path))
    return secret


def require_strong(secret: bytes, name: str) -> None:
    """Raises WeakSecret for a secret that could be found by trying."""
    if rule := weakness(secret):
        raise WeakSecret(name, rule)


def _make(path: Path) -> None:
    """Put a fresh secret at a path, whole or not at all, unless another process was faster.

    The file is written under a name of its own (O_EXCL, mode 600) and then linked to the path, which fails if
    that is taken: nobody ever reads a part of a secret, and nobody's secret is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_urlsafe(48)}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        logger.debug("another process made %s", path)
    finally:
        Path(name).unlink()
