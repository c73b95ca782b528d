"""What a check of an account found before a run."""

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
    """HubSpot does not report it: it refused the call, does not know it, or did not respond."""


@attrs.frozen
class CheckItem:
    """
    One item of a check.

    Attributes:
        name: ``connection``, ``token``, ``portal``, ``scopes``, ``quota``, ``daily limit``,
            ``object types``, ``read`` or ``association limits``.
        state: See `CheckState`.
        text: What was found, for people.
        cure: What to do about it; None unless it failed.
    """

    name: str
    state: CheckState
    text: str
    cure: str | None = None


@attrs.frozen
class ScopeCheck:
    """
    The scopes of the token, of those that calls for the two object types need.

    Attributes:
        has: Those that it has. Empty where HubSpot does not say.
        lacks: Those that it lacks.
    """

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class AccountCheck:
    """
    What HubSpot reports about an account, a token and two object types.

    Attributes:
        items: Every item, always in the same order.
        scopes: The scopes that are needed, and whether the token has them.
        portal_id: The account's id; None where HubSpot does not say.
        time_zone: The name of the account's time zone, such as ``US/Eastern``.
            None: not known.
        utc_offset: Its offset from UTC; None: not known.
        quota: The quota of single calls that HubSpot names; None: not known.
        daily_limit: Calls that the account has a day; None: not known.
        daily_left: How many of them are left; None: not known.
        resets_at: When the daily count restarts, aware; None: not known.
        records_at_limit: How many records of the first type take no more links to the second;
            None: not known.
        obstacle: The error that every pair of a run would meet: the token is refused, a type is
            unknown, or the day's calls are used up. None: none was found.
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
        """True where no item failed."""
        return all(item.state is not CheckState.FAILED for item in self.items)

    def item(self, name: str) -> CheckItem:
        """
        Return the item of that name.

        Raises:
            KeyError: there is none.
        """
        for item in self.items:
            if item.name == name:
                return item
        raise KeyError(name)
