"""The cookies of a session: its access token and its refresh token, the same as those of the API.

Behind TLS their names begin with `__Host-`, so that browsers accept them only for this host and over TLS.
"""

from collections.abc import Mapping
from datetime import timedelta

from litestar.types import Scope

from application.accounts import SignedIn
from entrypoints.web.responses import set_cookie

ACCESS, REFRESH = "matinee", "matinee-refresh"


class SessionCookies:
    """Reads, sets and deletes the cookies. The refresh token is kept for `refresh_ttl`."""

    def __init__(self, refresh_ttl: timedelta) -> None:
        self._refresh_ttl = refresh_ttl

    def read(self, cookies: Mapping[str, str], scope: Scope) -> tuple[str | None, str | None]:
        """The access token and the refresh token of a request."""
        return cookies.get(_name(scope, ACCESS)) or None, cookies.get(_name(scope, REFRESH)) or None

    def keep(self, signed_in: SignedIn, scope: Scope) -> None:
        """Let the client keep the tokens of a new or continued session."""
        _set(scope, ACCESS, signed_in.access_token, signed_in.lifetime)
        _set(scope, REFRESH, signed_in.refresh_token, self._refresh_ttl)

    def delete(self, scope: Scope) -> None:
        """Let the client delete the tokens."""
        for name in (ACCESS, REFRESH):
            _set(scope, name, "", timedelta())


def _name(scope: Scope, name: str) -> str:
    return f"__Host-{name}" if scope["scheme"] == "https" else name


def _set(scope: Scope, name: str, value: str, lifetime: timedelta) -> None:
    secure = "; Secure" if scope["scheme"] == "https" else ""
    seconds = int(lifetime.total_seconds())
    set_cookie(
        scope, f"{_name(scope, name)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    )
