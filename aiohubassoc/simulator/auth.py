"""Which tokens may call a portal, and the scopes that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.routing import AccountCall, ReadCall

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import ObjectType, ObjectTypes
    from aiohubassoc.simulator.responses import PortalResponse
    from aiohubassoc.simulator.routing import Call
    from aiohubassoc.simulator.settings import PortalSettings

# HubSpot, Scopes: types without a scope of their own name. Activities: HubSpot, Notes guide.
_OTHER_SCOPES = {
    "tickets": "tickets",
    **dict.fromkeys(
        ("calls", "communications", "emails", "meetings", "notes", "postal_mail", "tasks"),
        "crm.objects.contacts.{access}",
    ),
}


class Auth:
    """
    The tokens that are valid now, those that were, and their scopes.

    Args:
        settings: The tokens that are valid at first, and the scopes that they have and lack.
        types: The portal's object types.
    """

    def __init__(self, settings: PortalSettings, types: ObjectTypes) -> None:
        self._valid = set(settings.tokens)
        self._revoked: set[str] = set()
        self._missing_scopes = settings.missing_scopes
        self._scopes = settings.scopes
        self._types = types

    def accept(self, token: str) -> None:
        """Accept *token* from now on."""
        self._revoked.discard(token)
        self._valid.add(token)

    def revoke(self, token: str) -> None:
        """Refuse *token* as expired from now on."""
        self._valid.discard(token)
        self._revoked.add(token)

    def is_valid(self, token: object) -> bool:
        """Return whether *token* is accepted now."""
        return token in self._valid

    def scopes(self) -> list[str]:
        """Return the scopes of every valid token, sorted."""
        if self._scopes is not None:
            return sorted(self._scopes)
        known = {_scope(kind, access) for kind in self._types for access in ("read", "write")}
        return sorted(known.difference(self._missing_scopes))

    def error(self, authorization: str | None, call: Call) -> PortalResponse | None:
        """Return the response to a caller who may not make *call*, None for one who may."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or token not in self._valid:
            if scheme == "Bearer" and token in self._revoked:
                return error_bodies.expired_token()
            return error_bodies.invalid_token()
        missing = self._missing(call)
        return error_bodies.missing_scopes(missing) if missing else None

    def _missing(self, call: Call) -> tuple[str, ...]:
        if isinstance(call, AccountCall):
            return ()  # any token may make these calls
        if self._missing_scopes or self._scopes is None:
            return self._missing_scopes
        access: Literal["read", "write"] = "read" if isinstance(call, ReadCall) else "write"
        kinds = map(self._types.find, (call.from_type, call.to_type))
        needed = dict.fromkeys(_scope(kind, access) for kind in kinds if kind is not None)
        return tuple(scope for scope in needed if scope not in (self._scopes or ()))


def _scope(kind: ObjectType, access: str) -> str:
    name = "custom" if kind.custom else kind.name
    return _OTHER_SCOPES.get(name, f"crm.objects.{name}.{{access}}").format(access=access)
