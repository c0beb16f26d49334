"""Our credential at TMDB, and what keeps it out of sight."""

import logging
import re
from dataclasses import dataclass, field

KEY_IN_ADDRESS = re.compile(r"(?<=api_key=)[^&\s\"'\\]+")


def without_key(record: logging.LogRecord) -> bool:
    """Blacken the key in a line of the log."""
    record.msg, record.args = KEY_IN_ADDRESS.sub("***", record.getMessage()), None
    return True


# httpx logs the address of each request at INFO, httpcore that of a redirect at DEBUG; a v3 key is part of
# both. A filter holds at whatever level the loggers are set to.
for name in ("httpx", "httpcore.http11"):
    logging.getLogger(name).addFilter(without_key)


V3_KEY = re.compile(r"[0-9a-fA-F]{32}")
V4_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")

TOKEN_VARIABLE = "TMDB_ACCESS_TOKEN"  # noqa: S105  its name
KEY_VARIABLE = "TMDB_API_KEY"


@dataclass(frozen=True, slots=True)
class Credential:
    """What TMDB knows us by; empty is not set. Of the two the v4 token is sent: a header is in no log.

    `variable` is the one to mend if TMDB refuses us.
    """

    token: str = field(repr=False)
    key: str = field(repr=False)
    variable: str = f"{TOKEN_VARIABLE} or {KEY_VARIABLE}"

    @classmethod
    def recognised(cls, access_token: str, api_key: str) -> "Credential":
        """The credential in the two variables; one that looks like the other kind is taken for that."""
        if V4_TOKEN.fullmatch(api_key) and not V4_TOKEN.fullmatch(access_token):
            return cls(api_key, "", KEY_VARIABLE)
        if V3_KEY.fullmatch(access_token):
            return cls("", access_token, TOKEN_VARIABLE)
        if access_token:
            return cls(access_token, api_key, TOKEN_VARIABLE)
        return cls("", api_key, KEY_VARIABLE) if api_key else cls("", "")

    @property
    def sendable(self) -> bool:
        """Whether it can stand in a header: what cannot would be spelt out in the exception that says so."""
        return self._secret.isascii() and self._secret.isprintable() and " " not in self._secret

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry it."""
        return {"Authorization": f"Bearer {self.token}"} if self.token and self.sendable else {}

    @property
    def params(self) -> dict[str, str]:
        """The query parameters that carry it."""
        return {"api_key": self.key} if self.key and not self.token else {}

    def hidden(self, text: str) -> str:
        """A text without it, whoever wrote it there."""
        return text.replace(self._secret, "***") if self._secret else text

    @property
    def _secret(self) -> str:
        return self.token or self.key
