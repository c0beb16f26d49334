"""Password hashing, and the check for common passwords."""

import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import Argon2Error, InvalidHashError

from domain.ports import PasswordHasher

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
"""OWASP's minimum for argon2id (Password Storage Cheat Sheet): 19 MiB, t=2, p=1; about 20 ms of one core."""


def _argon2() -> Argon2:
    return Argon2(
        time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID
    )


@dataclass(frozen=True, slots=True)
class Argon2PasswordHasher:
    """argon2id hashes as PHC strings. `verify` returns False for an invalid hash or password."""

    argon2: Argon2 = field(default_factory=_argon2, repr=False)

    def hash(self, password: str) -> str:
        return self.argon2.hash(_normalized(password))

    def verify(self, password_hash: str, password: str) -> bool:
        try:
            return self.argon2.verify(password_hash, _normalized(password))
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False

    def outdated(self, password_hash: str) -> bool:
        try:
            return self.argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True


THREADS = max(2, os.cpu_count() or 1)
"""More would only share the same cores, and each holds `MEMORY_KIB` while it hashes."""


class ThreadedPasswordHasher:
    """Hashes in a small thread pool of its own.

    The calling thread waits for the result. A caller that is busy in the store occupies no hashing thread.
    """

    def __init__(self, hasher: PasswordHasher | None = None, threads: int = THREADS) -> None:
        self._hasher: PasswordHasher = hasher or Argon2PasswordHasher()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="hashing")

    def hash(self, password: str) -> str:
        return self._threads.submit(self._hasher.hash, password).result()

    def verify(self, password_hash: str, password: str) -> bool:
        return self._threads.submit(self._hasher.verify, password_hash, password).result()

    def outdated(self, password_hash: str) -> bool:
        return self._hasher.outdated(password_hash)


def is_common(password: str) -> bool:
    """Whether a password is one of the 30,000 in zxcvbn's list, ignoring case."""
    return password.casefold() in _common()


def _normalized(password: str) -> str:
    """The password in NFC: keyboards differ in how they send an é."""
    return unicodedata.normalize("NFC", password)


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  takes 0.1 s

    return frozenset(each.casefold() for each in FREQUENCY_LISTS["passwords"])
