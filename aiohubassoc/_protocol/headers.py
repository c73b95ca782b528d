"""
What HubSpot says in the headers of a response.

Header mappings given here must ignore the case of names, as HTTP does. Nothing here raises,
for any header: what makes no sense is None.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from aiohubassoc._protocol.bounds import NO_SECRETS, Redaction, short
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import Mapping

# HubSpot, API usage guidelines, "Rate limit headers". Each may be missing: that means unknown.
QUOTA_LIMIT = "X-HubSpot-RateLimit-Max"
QUOTA_WINDOW = "X-HubSpot-RateLimit-Interval-Milliseconds"
_REMAINING = "X-HubSpot-RateLimit-Remaining"
_DAILY = "X-HubSpot-RateLimit-Daily"
_DAILY_REMAINING = "X-HubSpot-RateLimit-Daily-Remaining"
_CORRELATION_ID = "X-HubSpot-Correlation-Id"
# No published limit reaches these; a header beyond them is nonsense, not a quota.
_MOST_CALLS = 1_000_000
# Calls are counted in the longest window named: one header with a day would stop a run for a day.
_LONGEST_WINDOW_MS = 600_000
_MOST_CALLS_A_DAY = 1_000_000_000
# No server means a longer wait: a number of 300 digits, a date in the year 9999.
_LONGEST_WAIT_SECONDS = 366 * 86_400.0
_MOST_OF_AN_ID = 200


def parse_quota(headers: Mapping[str, str]) -> Quota | None:
    """Return the quota that a response names, or None where it names none that makes sense."""
    limit = _number(headers.get(QUOTA_LIMIT), _MOST_CALLS)
    window_ms = _number(headers.get(QUOTA_WINDOW), _LONGEST_WINDOW_MS)
    return Quota(limit, window_ms / 1000) if limit and window_ms else None


def parse_remaining(headers: Mapping[str, str]) -> int | None:
    return _number(headers.get(_REMAINING), _MOST_CALLS)


def parse_daily(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the limit of a day and what is left of it, each None where it is not said."""
    limit = _number(headers.get(_DAILY), _MOST_CALLS_A_DAY) or None
    return limit, _number(headers.get(_DAILY_REMAINING), _MOST_CALLS_A_DAY)


def correlation_id(headers: Mapping[str, str], redaction: Redaction = NO_SECRETS) -> str | None:
    found = headers.get(_CORRELATION_ID)
    return None if found is None else short(redaction.in_text(found), _MOST_OF_AN_ID)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds, up to a year, that the response asks to wait; None: it asks for none."""
    # A date is measured from the response's own, so that the local clock may be wrong.
    text = (headers.get("Retry-After") or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = _date(text)
        if until is None:
            return None
        seconds = (until - (_date(headers.get("Date")) or now)).total_seconds()
    return max(0.0, seconds) if abs(seconds) <= _LONGEST_WAIT_SECONDS else None  # also for nan


def _number(text: str | None, most: int) -> int | None:
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError, LookupError, TypeError):  # as the text is off
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
