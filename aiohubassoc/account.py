"""The result of an account check."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import attrs

from aiohubassoc.errors import AioHubAssocError
from aiohubassoc.options import Quota


class CheckState(StrEnum):
    """The result of one item of a check."""

    OK = "ok"
    """A run will not fail for this."""
    FAILED = "failed"
    """A run would fail for this, wholly or in part."""
    UNKNOWN = "unknown"
    """Unknown: HubSpot refused the call, does not have it, or did not respond."""


@attrs.frozen
class CheckItem:
    """
    One item of a check.

    Attributes:
        name: ``connection``, ``token``, ``portal``, ``scopes``, ``quota``, ``daily limit``,
            ``object types``, ``read`` or ``association limits``.
        state: See `CheckState`.
        text: The result as a text.
        cure: What to do; None unless the item failed.
    """

    name: str
    state: CheckState
    text: str
    cure: str | None = None


@attrs.frozen
class ScopeCheck:
    """
    The scopes that calls for the two object types need.

    Attributes:
        has: Those that the token has. Empty if HubSpot does not report the token's scopes.
        lacks: Those that the token lacks.
    """

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class AccountCheck:
    """
    The result of a check of an account, a token and two object types.

    Every value is None if HubSpot does not report it.

    Attributes:
        items: All items, always in the same order.
        scopes: The required scopes, and whether the token has them.
        portal_id: The account's id.
        time_zone: The name of the account's time zone, such as ``US/Eastern``.
        utc_offset: Its offset from UTC.
        quota: The quota of single calls.
        daily_limit: Calls that the account has per day.
        daily_left: How many of them are left today.
        resets_at: When the daily limit resets; timezone-aware.
        records_at_limit: How many records of the first type can have no more links to the second.
        obstacle: The error that every pair of a run would get: no connection can be made, the token
            is refused, an object type is unknown, or the daily limit is used up. None: no such
            error was found.
    """

    items: tuple[CheckItem, ...]
    scopes: ScopeCheck = ScopeCheck()
    portal_id: int | None = None
    time_zone: str | None = None
    utc_offset: timedelta | None = None
    quota: Quota | None = None
    daily_limit: int | None = None
    daily_left: int | None = None
    resets_at: datetime | None = None
    records_at_limit: int | None = None
    obstacle: AioHubAssocError | None = None

    @property
    def ok(self) -> bool:
        """Whether no item failed."""
        return all(item.state is not CheckState.FAILED for item in self.items)

    def item(self, name: str) -> CheckItem:
        """
        Return the item with this name.

        Raises:
            KeyError: there is no such item.
        """
        for item in self.items:
            if item.name == name:
                return item
        raise KeyError(name)
