"""What a process and the common state say to each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import attrs


@attrs.frozen
class Responded:
    """A call ended with a response. The attributes are those of `Limiter.record_response`."""

    sent_at: float
    at: float
    exact: bool
    accepted: bool
    headers: Mapping[str, str]


@attrs.frozen
class NotResponded:
    """A call ended at *at* without a response."""

    sent_at: float
    at: float


@attrs.frozen
class WasThrottled:
    """A response of *at* said that HubSpot accepts no calls; the call itself ends later."""

    sent_at: float
    at: float
    retry_after: float | None
    by_quota: bool


Event: TypeAlias = Responded | NotResponded | WasThrottled


@attrs.frozen
class Request:
    """
    What a process did since its last request, and what it wants.

    Attributes:
        holder: The process, and which of its clients.
        number: Of the request: one that is repeated is carried out once.
        events: What became of calls, in order; instants are of the process' clock.
        in_flight: Permits of calls that have not ended.
        unused: Permits that wait for calls.
        want: More permits that calls wait for.
        base: When it was sent, by the process' clock.
        stamp: The same by the store's, where the process can read that; None: when it came there.
        is_last: Whether the process will not come again.
    """

    holder: str
    number: int
    events: tuple[Event, ...]
    in_flight: int
    unused: int
    want: int
    base: float = 0.0
    stamp: float | None = None
    is_last: bool = False

    @property
    def ended(self) -> int:
        """How many calls ended."""
        return sum(not isinstance(event, WasThrottled) for event in self.events)


@attrs.frozen
class Grant:
    """
    What the common state says to a request.

    Attributes:
        granted: Permits: seconds after which each may be used, in order.
        wait: Seconds until there may be more; inf: none are wanted.
        needs_news: Whether more depend on what becomes of calls in flight.
        is_forfeited: Whether the process was silent for so long that its permits were given up.
        daily: Calls left of the day and calls reserved, as nothing may be sent today; None: it may.
        limit: Calls in a window that are kept now.
        window: The window in seconds.
        max_in_flight: Batch calls that may be in flight; None: any number.
    """

    granted: tuple[float, ...] = ()
    wait: float = math.inf
    needs_news: bool = False
    is_forfeited: bool = False
    daily: tuple[int, int] | None = None
    limit: int = 1
    window: float = 1.0
    max_in_flight: int | None = None
