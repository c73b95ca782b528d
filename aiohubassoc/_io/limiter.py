"""Makes callers wait for the quota, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from aiohubassoc._core.bucket import Gate, RoundTrips, TokenBucket
from aiohubassoc._io.clock import Clock, SystemClock, Timer
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import Iterable

# The lowest published ten-second limit of a private app: safe for every account until told more.
# HubSpot, API usage guidelines, "Limits".
SAFE_START = Quota.STARTER
# A timer may fire a little early; asking again at once would spin without time moving on.
_TICK = 1e-4


class Limiter(Protocol):
    """
    What lets calls go, so that their number stays within the quota.

    Every `acquire` that returns is followed by one `settle` or `give_back`. Instants are those of
    the event loop's clock, in seconds.
    """

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        ...

    async def acquire(self) -> None:
        """Return when one call may be sent. Cancelled, it costs nothing."""
        ...

    def give_back(self) -> None:
        """Say that the call was not sent."""
        ...

    def settle(self, sent_at: float, answered_at: float, *, fresh: bool) -> None:
        """
        Say that the call is over.

        Args:
            sent_at: When it was sent.
            answered_at: When it was answered or given up.
            fresh: Whether it had to open a connection first.
        """
        ...

    def accepted(self, sent_at: float) -> None:
        """Say that HubSpot took the call that was sent then: it was not refused by a limit."""
        ...

    def refused(self, sent_at: float, retry_after: float | None) -> float:
        """
        Hold everybody back, as HubSpot took no call.

        Args:
            sent_at: When the refused call was sent.
            retry_after: Seconds that HubSpot asks for; None where it did not say.

        Returns:
            Seconds until calls may go again.
        """
        ...

    def told(self, quota: Quota) -> None:
        """Take note of the quota that HubSpot names in its answers."""
        ...


class WindowLimiter:
    """
    A `Limiter` that never lets more calls into any window than the quota holds.

    Several clients of the same token keep one quota by sharing one limiter, in one event loop.

    Args:
        quota: Calls in a window. It is never exceeded; what HubSpot names in its answers can only
            lower it. None: begin with 100 in 10 s and take what HubSpot names.
        clock: For tests. None: the running event loop's.
    """

    def __init__(self, quota: Quota | None = None, *, clock: Clock | None = None) -> None:
        self._given = quota
        self._told: Quota | None = None
        self._buckets: tuple[TokenBucket, ...] = (TokenBucket(quota or SAFE_START),)
        self._round_trips = RoundTrips()
        self._gate = Gate()
        self._clock = clock or SystemClock()
        self._line: deque[asyncio.Future[None]] = deque()
        self._timer: Timer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def quota(self) -> Quota:
        """The quota that is kept now; of two, the slower."""
        return min((b.quota for b in self._buckets), key=lambda quota: quota.rate_per_second)

    async def acquire(self) -> None:
        """Return when one call may be sent, in the order of asking."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A line or timer of a loop that is gone would never move again.
            self._loop, self._timer = loop, None
            self._line.clear()
        if not self._line and self._wait(self._clock.now()) <= 0:
            self._take()
            return
        turn = loop.create_future()
        self._line.append(turn)
        self._move()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn came in the same tick as the cancellation
                self.give_back()
            raise

    def give_back(self) -> None:
        """Return the token of a call that was not sent."""
        for bucket in self._buckets:
            bucket.give_back()
        self._move()

    def settle(self, sent_at: float, answered_at: float, *, fresh: bool) -> None:
        """Let the token come back one window after the call was counted."""
        counted_at = self._round_trips.counted_at(sent_at, answered_at, fresh=fresh)
        for bucket in self._buckets:
            bucket.settle(counted_at)
        self._move()

    def accepted(self, sent_at: float) -> None:
        """Begin again with short pauses."""
        self._gate.accepted(sent_at)

    def refused(self, sent_at: float, retry_after: float | None) -> float:
        """Close for everybody, those in line included; return the seconds until it opens."""
        window = self._buckets[0].quota.window
        now = self._clock.now()
        return self._gate.refused(now, sent_at, retry_after=retry_after, window=window)

    def told(self, quota: Quota) -> None:
        """Keep *quota* too, or instead where none was given."""
        if quota == self._told:
            return
        self._told = quota
        known = self._buckets[0]
        self._buckets = tuple(known.copy_for(one) for one in _kept(self._given, quota))
        self._move()

    def _wait(self, now: float) -> float:
        return max(self._gate.wait(now), *(bucket.wait(now) for bucket in self._buckets))

    def _take(self) -> None:
        for bucket in self._buckets:
            bucket.take()

    def _move(self) -> None:
        """Let go whoever may go, and set the timer for the head of the line."""
        line = self._line
        if not line:
            return
        now = self._clock.now()
        while line:
            turn = line[0]
            if turn.done():  # cancelled in line
                line.popleft()  # type: ignore[unused-awaitable]  # nobody waits for it
            elif (wait := self._wait(now)) <= 0:
                self._take()
                line.popleft()  # type: ignore[unused-awaitable]  # it is awaited in acquire()
                turn.set_result(None)
            else:
                self._wake_in(now, wait)
                return

    def _wake_in(self, now: float, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # All tokens in flight: no timer, the next settle moves the line.
        endless = wait == float("inf")
        self._timer = None if endless else self._clock.call_at(now + max(wait, _TICK), self._move)


def _kept(given: Quota | None, told: Quota) -> Iterable[Quota]:
    """Return the quotas to keep at once."""
    if given is None:
        return (told,)
    if given.window == told.window:
        return (Quota(min(given.limit, told.limit), given.window),)
    return (given, told)
