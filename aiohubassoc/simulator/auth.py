"""Which tokens may call a portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator import error_bodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.responses import PortalResponse
    from aiohubassoc.simulator.settings import PortalSettings


class TokenRegistry:
    """
    The tokens that are valid now, and those that were.

    Args:
        settings: The tokens that are valid at first, and the scopes that they lack.
    """

    def __init__(self, settings: PortalSettings) -> None:
        self._valid = set(settings.tokens)
        self._revoked: set[str] = set()
        self._missing_scopes = settings.missing_scopes

    def accept(self, token: str) -> None:
        """Accept *token* from now on."""
        self._revoked.discard(token)
        self._valid.add(token)

    def revoke(self, token: str) -> None:
        """Refuse *token* as expired from now on."""
        self._valid.discard(token)
        self._revoked.add(token)

    def error(self, authorization: str | None) -> PortalResponse | None:
        """Return the response to a caller who may not call, None for one who may."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or token not in self._valid:
            if scheme == "Bearer" and token in self._revoked:
                return error_bodies.expired_token()
            return error_bodies.invalid_token()
        if self._missing_scopes:
            return error_bodies.missing_scopes(self._missing_scopes)
        return None
