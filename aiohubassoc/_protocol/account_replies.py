"""
The replies to calls about an account, read leniently: what is missing or odd is None.

HubSpot, Account information API and Limits tracking API, 2026-03 (read 2026-11-28).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import attrs

from aiohubassoc._protocol import json_values
from aiohubassoc._protocol.json_values import integer, text
from aiohubassoc.account import ScopeCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")
_DAY = timedelta(days=1)
_YEARS = range(2000, 3000)  # others are no dates of a usage, and break sums with days
_DAY_MILLISECONDS = 86_400_000  # Python knows no offsets of a day and more


@attrs.frozen
class PortalReply:
    """The account: its id, and its time zone by name and offset."""

    portal_id: int | None = None
    time_zone: str | None = None
    utc_offset: timedelta | None = None

    @classmethod
    def from_reply(cls, reply: Mapping[str, Any]) -> PortalReply:
        offset = reply.get("utcOffsetMilliseconds")
        return cls(
            _or_none(integer, reply.get("portalId")),
            _or_none(text, reply.get("timeZone")),
            timedelta(milliseconds=offset)
            if isinstance(offset, int) and abs(offset) < _DAY_MILLISECONDS
            else None,
        )

    def to_local(self, moment: datetime | None) -> datetime | None:
        """Return *moment* in the account's time; as it is where that is not known."""
        if moment is None or self.utc_offset is None:
            return moment
        return moment.astimezone(timezone(self.utc_offset))


@attrs.frozen
class DailyUsageReply:
    """The calls of a day: how many there are, how many were made, when the count restarts."""

    limit: int | None = None
    used: int | None = None
    resets_at: datetime | None = None

    @property
    def left(self) -> int | None:
        if self.limit is None or self.used is None:
            return None
        return max(0, self.limit - self.used)

    @classmethod
    def from_reply(cls, reply: Mapping[str, Any]) -> DailyUsageReply:
        results = reply.get("results")
        first = results[0] if isinstance(results, list) and results else None
        if not isinstance(first, dict):
            return cls()
        collected, resets_at = _date(first.get("collectedAt")), _date(first.get("resetsAt"))
        # In HubSpot's own example it is the last midnight, not the next.
        if collected is not None and resets_at is not None and resets_at <= collected:
            resets_at += _DAY * ((collected - resets_at) // _DAY + 1)
        return cls(
            _or_none(integer, first.get("usageLimit")),
            _or_none(integer, first.get("currentUsage")),
            resets_at,
        )


@attrs.frozen
class AssociationLimitsReply:
    """How many links a record may have, and how many records have nearly or all of them."""

    limit: int | None = None  # links of one record
    at_limit: int | None = None  # how many records take no more
    near_limit: int | None = None  # how many are near
    samples: tuple[str, ...] = ()  # ids of some of those that take no more

    @classmethod
    def from_reply(cls, reply: Mapping[str, Any]) -> AssociationLimitsReply:
        samples = reply.get("atLimitFromRecordSamples")
        ids = [
            _or_none(text, sample.get("objectId"))
            for sample in (samples if isinstance(samples, list) else ())
            if isinstance(sample, dict)
        ]
        return cls(
            _or_none(integer, reply.get("limit")),
            _or_none(integer, reply.get("totalRecordsAtLimit")),
            _or_none(integer, reply.get("totalRecordsNearLimit")),
            tuple(filter(None, ids)),
        )


def parse_scopes(reply: Mapping[str, Any]) -> frozenset[str] | None:
    scopes = reply.get("scopes")
    if not isinstance(scopes, list):
        return None
    return frozenset(scope for scope in scopes if isinstance(scope, str))


def _date(value: object) -> datetime | None:
    date = json_values.date(value)
    return date if date is not None and date.year in _YEARS else None


def _or_none(read: Callable[[object], _T], value: object) -> _T | None:
    try:
        return read(value)
    except json_values.WrongShapeError:
        return None


Access: TypeAlias = Literal["write", "read"]

_ACCESSES: Final[tuple[Access, ...]] = ("write", "read")
_CUSTOM: Final = re.compile(r"2-\d+|p\d+_\w+", re.ASCII)
# Name, singular and id of a type: what the middle of its scope is called.
_TYPES: Final = """
    appointments appointment 0-421, carts cart 0-142, companies company 0-2, contacts contact 0-1,
    courses course 0-410, deals deal 0-3, invoices invoice 0-53, leads lead 0-136,
    line_items line_item 0-8, listings listing 0-420, marketing_events marketing_event 0-54,
    orders order 0-123, products product 0-7, projects project 0-970, quotes quote 0-14,
    services service 0-162, subscriptions subscription 0-69, tickets ticket 0-5
"""
_BY_NAME: Final = {name: names.split()[0] for names in _TYPES.split(",") for name in names.split()}


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

    *granted*: those of the token; None where HubSpot does not say. *refused*: those that HubSpot
    asked for when it refused a call.
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
