"""The messages between a process and the state that processes share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

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
    """A response at *at* was a throttle; the call itself ends later."""

    sent_at: float
    at: float
    retry_after: float | None
    by_quota: bool
    by_second: bool = False


Event: TypeAlias = Responded | NotResponded | WasThrottled


@attrs.frozen
class Request:
    """The calls of a process since its last request, and the permits it needs."""

    holder: str  # the client, as `make_identity` names it
    number: int  # Number of the request. A repeated request is executed once.
    events: tuple[Event, ...]  # the ends of calls, in order, with times of the process's clock
    in_flight: int  # number of permits of calls that have not ended
    unused: int  # number of permits without a call
    want: int  # number of further permits that calls wait for
    base: float = 0.0  # when it was sent, by the process's clock
    # The same by the store's clock. None: only the store knows; its arrival counts.
    stamp: float | None = None
    is_last: bool = False  # whether this is the client's last request

    @property
    def ended(self) -> int:
        return sum(not isinstance(event, WasThrottled) for event in self.events)


@attrs.frozen
class Grant:
    """The reply to a request."""

    granted: tuple[float, ...] = ()  # for each permit, the seconds until it may be used, in order
    wait: float = math.inf  # seconds until there may be more; inf: none are wanted
    needs_news: bool = False  # whether further permits depend on the end of calls in flight
    is_forfeited: bool = False  # whether the process lost its permits because it made no contact
    # Calls left today and calls reserved, if no call may be sent today; else None.
    daily: tuple[int, int] | None = None
    limit: int = 1  # the limit that is kept now, in calls per window
    window: float = 1.0  # in seconds
    max_in_flight: int | None = None  # batch calls that may be in flight; None: any number

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> Grant:
        wait = math.inf if kept["wait"] is None else kept["wait"]
        daily = None if kept["daily"] is None else tuple(kept["daily"])
        return cls(**{**kept, "granted": tuple(kept["granted"]), "wait": wait, "daily": daily})
