"""How many calls the account has a day."""

from __future__ import annotations

from typing import Final

from aiohubassoc.errors import OptionsError

# HubSpot, API usage guidelines, "Limits": calls a day, by the account's tier.
DAILY_CALLS: Final = {"STARTER": 250_000, "PROFESSIONAL": 625_000, "ENTERPRISE": 1_000_000}


def daily_calls(given: int | None, quota: str | None) -> int | None:
    """
    Return the calls of a day: as given, else the tier's; None if neither says it.

    Raises:
        OptionsError: a number that cannot work.
    """
    if given is not None and given < 1:
        raise OptionsError("--daily-limit must be 1 or more")
    tier = (quota or "").strip().upper().replace("-", "_")
    return DAILY_CALLS.get(tier) if given is None else given
