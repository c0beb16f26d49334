"""The `.env` file: reads its variables, and finds names in it that look mistyped."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from domain.errors import Invalid

PREFIX = "MATINEE_"
"""A prefix that our variables do not have, but that people add."""

OUR_PREFIXES = (PREFIX, "TMDB_")
"""Prefixes that only variables for us have."""

MIN_SIMILARITY = 0.75
"""The similarity (`difflib` ratio) from which a name counts as mistyped, such as PROT for PORT."""

MIN_STEM_LENGTH = 6
"""Characters of a variable from which a longer name counts as mistyped: DATA_DIRECTORY for DATA_DIR."""

COMPOSE_VARIABLES = frozenset(
    {
        "API_PORTS",
        "API_REPLICAS",
        "MATINEE_IMAGE",
        "MONGO_CACHE_GB",
        "MONGO_PASSWORD",
        "MONGO_ROOT_PASSWORD",
        "REDIS_MEMORY",
        "REDIS_PASSWORD",
        "WORKERS",
    }
)
"""Variables in the same file that only docker-compose.yml uses."""


@dataclass(eq=False)
class EnvFileUnreadable(Invalid):
    """There is a `.env` file, but it cannot be read or parsed."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read: {self.reason}"


def read_env_file(path: Path) -> dict[str, str | None]:
    """The variables of the file; none if there is no such file. Raises EnvFileUnreadable."""
    try:
        text = _decoded(path, path.read_bytes())
    except FileNotFoundError:
        if path.is_symlink():
            raise EnvFileUnreadable(path, "it is a link to a file that does not exist") from None
        return {}
    except NotADirectoryError:
        return {}
    except IsADirectoryError:
        reason = "it is a directory; put the settings into a file of that name"
        raise EnvFileUnreadable(path, reason) from None
    except OSError as error:
        raise EnvFileUnreadable(path, error.strerror or str(error)) from error
    broken = [
        str(_first_line(binding.original.string, binding.original.line))
        for binding in parse_stream(StringIO(text))
        if binding.error
    ]
    if broken:
        where = f"line {broken[0]} is" if len(broken) == 1 else f"lines {', '.join(broken)} are"
        reason = f"{where} not NAME=VALUE; a value with spaces, quotes or # goes into one pair of quotes"
        raise EnvFileUnreadable(path, reason)
    return dotenv_values(stream=StringIO(text))


def misnamed(names: Collection[str], ours: Collection[str]) -> Iterator[str]:
    """Yield a warning for each name that is not one of `ours` and looks like a mistyped one."""
    for name in names:
        if name in ours or name in COMPOSE_VARIABLES:
            continue
        meant = _nearest(name, ours)
        if meant:
            yield f"{name} is not a setting of Matinee and is ignored; did you mean {meant}?"
        elif name.upper().startswith(OUR_PREFIXES):
            yield f"{name} is not a setting of Matinee and is ignored; docs/operating.md lists all settings"


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise EnvFileUnreadable(path, "it is UTF-16 text; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EnvFileUnreadable(path, f"line {line} is not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        reason = f"line {line} holds a NUL character; save the file as plain UTF-8 text"
        raise EnvFileUnreadable(path, reason)
    return text


def _first_line(statement: str, line: int) -> int:
    """The line of a statement. The parser counts from the blank lines and comments before it."""
    return line + statement[: len(statement) - len(statement.lstrip())].count("\n")


def _nearest(name: str, ours: Collection[str]) -> str | None:
    """The one of our names that was probably meant, if any."""
    bare = name.upper().replace("-", "_").replace(".", "_").removeprefix(PREFIX)
    if bare in ours:
        return bare
    words = set(bare.split("_"))
    alike = [each for each in ours if _share_words(words, set(each.split("_")))]
    longer = [each for each in ours if len(each) >= MIN_STEM_LENGTH and bare.startswith(each)]
    close = get_close_matches(
        bare, alike or longer or ours, n=1, cutoff=0 if alike or longer else MIN_SIMILARITY
    )
    return close[0] if close else None


def _share_words(some: set[str], others: set[str]) -> bool:
    """Whether one name has all words of the other, at least two: TMDB_TOKEN and TMDB_ACCESS_TOKEN."""
    return min(len(some), len(others)) > 1 and (some <= others or others <= some)
