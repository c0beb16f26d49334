"""Generated secrets: refresh tokens, and the secret that signs access tokens."""

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
"""Characters of a generated secret; a file of another length was written by the operator."""

logger = logging.getLogger("matinee.security")


@dataclass(eq=False)
class WeakSecret(Invalid):
    """A secret that is too weak to sign tokens; the message does not show it."""

    name: str
    rule: str

    def __str__(self) -> str:
        return f"{self.name} {self.rule}"


def new_secret() -> str:
    """A random text of 256 bits, without dots."""
    return secrets.token_urlsafe(32)


def stored_secret(directory: Path) -> bytes:
    """The secret stored in a data directory; the first call creates it. All processes get the same one.

    Raises StorageUnavailable if it can be neither read nor created, WeakSecret if it can be guessed.
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
    """Raises WeakSecret for a secret that can be guessed."""
    if rule := weakness(secret):
        raise WeakSecret(name, rule)


def _make(path: Path) -> None:
    """Create a secret at a path atomically, unless another process has done so.

    A temporary file (O_EXCL, mode 600) is written and then linked to the path, which fails if the path
    exists: no process reads an incomplete secret or replaces an existing one.
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
        logger.debug("another process created %s", path)
    finally:
        Path(name).unlink()
