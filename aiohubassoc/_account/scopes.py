"""
Which scopes a token needs for an object type.

HubSpot, Scopes (https://developers.hubspot.com/docs/api/scopes, "List of available scopes", read
2026-11-28). A link needs the write scopes of both types, reading it back their read scopes. Types
that are not named here (activities, for instance) share the scopes of other types; HubSpot names
those in a 403 only.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from aiohubassoc.account import ScopeCheck

Access: TypeAlias = Literal["write", "read"]

_ACCESSES: Final[tuple[Access, ...]] = ("write", "read")
_CUSTOM: Final = re.compile(r"2-\d+|p\d+_\w+", re.ASCII)
# Name, singular and id of a type: what the middle of its scope is called.
_TYPES: Final = (
    ("appointments", "appointment", "0-421"),
    ("carts", "cart", "0-142"),
    ("companies", "company", "0-2"),
    ("contacts", "contact", "0-1"),
    ("courses", "course", "0-410"),
    ("deals", "deal", "0-3"),
    ("invoices", "invoice", "0-53"),
    ("leads", "lead", "0-136"),
    ("line_items", "line_item", "0-8"),
    ("listings", "listing", "0-420"),
    ("marketing_events", "marketing_event", "0-54"),
    ("orders", "order", "0-123"),
    ("products", "product", "0-7"),
    ("projects", "project", "0-970"),
    ("quotes", "quote", "0-14"),
    ("services", "service", "0-162"),
    ("subscriptions", "subscription", "0-69"),
    ("tickets", "ticket", "0-5"),
)
_BY_NAME: Final = {name: names[0] for names in _TYPES for name in names}


def find_scopes(object_type: str, access: Access) -> tuple[str, ...]:
    """Return the scopes of which a token needs one; empty where they are not known."""
    written = object_type.lower()
    name = "custom" if _CUSTOM.fullmatch(written) else _BY_NAME.get(written)
    if name is None:
        return ()
    scope = f"crm.objects.{name}.{access}"
    # Tickets had one scope for both long before they had these.
    return ("tickets", scope) if name == "tickets" else (scope,)


def check_scopes(
    types: tuple[str, str], granted: frozenset[str] | None, refused: tuple[str, ...]
) -> ScopeCheck:
    """
    Return which of the scopes that calls for two object types need the token has and lacks.

    Args:
        types: The object types.
        granted: The scopes of the token; None where HubSpot does not say.
        refused: The scopes that HubSpot asked for when it refused a call.
    """
    if granted is None:
        return ScopeCheck(lacks=tuple(dict.fromkeys(refused)))
    has: list[str] = []
    lacks: list[str] = []
    for access in _ACCESSES:
        for kind in types:
            scopes = find_scopes(kind, access)
            held = [scope for scope in scopes if scope in granted]
            has += held[:1]
            lacks += () if held else scopes[:1]
    lacks += [scope for scope in refused if scope not in granted]
    return ScopeCheck(tuple(dict.fromkeys(has)), tuple(dict.fromkeys(lacks)))
