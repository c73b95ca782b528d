"""Who may call a portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator import error_bodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.responses import PortalResponse
    from aiohubassoc.simulator.settings import PortalSettings


class TokenRegistry:
    """
    The tokens that are good now, and those that were.

    Args:
        settings: Name those that are good at first, and the scopes that are missing.
    """

    def __init__(self, settings: PortalSettings) -> None:
        self._good = set(settings.tokens)
        self._revoked: set[str] = set()
        self._missing_scopes = settings.missing_scopes

    def accept(self, token: str) -> None:
        """Take *token* from now on."""
        self._revoked.discard(token)
        self._good.add(token)

    def revoke(self, token: str) -> None:
        """Call *token* expired from now on."""
        self._good.discard(token)
        self._revoked.add(token)

    def refusal(self, authorization: str | None) -> PortalResponse | None:
        """Return the refusal of a caller who may not call, None for one who may."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or token not in self._good:
            if scheme == "Bearer" and token in self._revoked:
                return error_bodies.expired_authentication()
            return error_bodies.no_authentication()
        if self._missing_scopes:
            return error_bodies.missing_scopes(self._missing_scopes)
        return None
