"""The credential for TMDB, and how it is kept out of logs and errors."""

import logging
import re
from dataclasses import dataclass, field

from adapters.redaction import REDACTED, redact

KEY_IN_URL = re.compile(r"(?<=api_key=)[^&\s\"'\\]+")

KEY_LOGGERS = ("httpx", "httpcore.http11")
"""Loggers of URLs: httpx logs that of each request at INFO, httpcore that of a redirect at DEBUG."""


def keep_key_out_of_logs() -> None:
    """Redact a v3 key, which is part of the URL, in the lines of `KEY_LOGGERS`, whatever their level is."""
    for name in KEY_LOGGERS:
        logging.getLogger(name).addFilter(_redact_key)  # no effect if it is there already


def _redact_key(record: logging.LogRecord) -> bool:
    record.msg, record.args = KEY_IN_URL.sub(REDACTED, record.getMessage()), None
    return True


V3_KEY = re.compile(r"[0-9a-fA-F]{32}")
V4_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")

TOKEN_VARIABLE = "TMDB_ACCESS_TOKEN"  # noqa: S105  its name
KEY_VARIABLE = "TMDB_API_KEY"


@dataclass(frozen=True, slots=True)
class Credential:
    """A v4 token, a v3 key or both; empty if not set. The token is preferred: headers are not logged.

    `variable` is the one to correct if TMDB refuses the credential.
    """

    token: str = field(repr=False)
    key: str = field(repr=False)
    variable: str = f"{TOKEN_VARIABLE} or {KEY_VARIABLE}"

    @classmethod
    def recognised(cls, access_token: str, api_key: str) -> "Credential":
        """The credential in the two variables, also if one contains the other's kind."""
        if V4_TOKEN.fullmatch(api_key) and not V4_TOKEN.fullmatch(access_token):
            return cls(api_key, "", KEY_VARIABLE)
        if V3_KEY.fullmatch(access_token):
            return cls("", access_token, TOKEN_VARIABLE)
        if access_token:
            return cls(access_token, api_key, TOKEN_VARIABLE)
        return cls("", api_key, KEY_VARIABLE) if api_key else cls("", "")

    @property
    def sendable(self) -> bool:
        """Whether it is valid in a header; httpx's error about an invalid one would show it."""
        return self._secret.isascii() and self._secret.isprintable() and " " not in self._secret

    @property
    def headers(self) -> dict[str, str]:
        """The headers with the token, if that is sent."""
        return {"Authorization": f"Bearer {self.token}"} if self.token and self.sendable else {}

    @property
    def params(self) -> dict[str, str]:
        """The query parameters with the key, if that is sent."""
        return {"api_key": self.key} if self.key and not self.token else {}

    def redact(self, text: str) -> str:
        """The text without the credential."""
        return redact(text, [self._secret])

    @property
    def _secret(self) -> str:
        return self.token or self.key
