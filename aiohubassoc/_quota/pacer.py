"""Everything that decides when the next call may go. Time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import Final

from aiohubassoc._quota.adaptive_limit import AdaptiveLimit
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket
from aiohubassoc.options import Quota

# Calls in flight after 0, 1, 2 and more throttles in a row: a closed quota is to reject few.
_MOST_AFTER: Final = (math.inf, 8, 1)


class Cooldown:
    """No call goes after a throttle, until a moment that only ever moves later."""

    def __init__(self) -> None:
        self._ends_at = -math.inf
        self._began_at = -math.inf
        self.throttles_in_a_row = 0

    def wait(self, now: float) -> float:
        """Return the seconds until it ends; 0 when there is none."""
        return max(0.0, self._ends_at - now)

    def is_over(self, now: float) -> bool:
        """Return whether there is nothing to wait for, nor a throttle to be wary of."""
        return self.throttles_in_a_row == 0 and self._ends_at <= now

    @property
    def max_in_flight(self) -> float:
        """How many calls may be in flight: few until one of them gets through."""
        return _MOST_AFTER[min(self.throttles_in_a_row, len(_MOST_AFTER) - 1)]

    def record_throttle(
        self, now: float, sent_at: float, *, retry_after: float | None, window: float
    ) -> float:
        """
        Begin a pause, or make it longer, and return the seconds until it ends.

        It lasts for *retry_after* seconds where HubSpot names them, and at least for a hundredth
        of *window*, twice as long with each throttle of a call that was sent after the one before,
        up to the whole window.
        """
        # Calls that were in flight together are throttled together: that is one throttle.
        if sent_at > self._began_at:
            self.throttles_in_a_row += 1
            self._began_at = now
        doublings = min(self.throttles_in_a_row - 1, 7)  # 2 ** 7 hundredths are over a window
        pause = max(retry_after or 0.0, min(window, window / 100 * 2.0**doublings))
        self._ends_at = max(self._ends_at, now + pause)
        return self.wait(now)

    def record_accepted(self, sent_at: float) -> None:
        """Reset to short pauses if the call was sent after the last throttle."""
        if sent_at > self._began_at:
            self.throttles_in_a_row = 0


# The lowest published ten-second limit of a private app: safe for every account until HubSpot
# names its limit. HubSpot, API usage guidelines, "Limits".
SAFE_START: Final = Quota.STARTER
# After a throttle although the limit was kept, calls count so much nearer to their responses.
_LEAN: Final = 0.5
# After a throttle by the quota calls keep a distance: bunched together, many would be in flight
# before the next throttle is known. A little less than even, so that none of the quota is lost.
_SPACING: Final = 0.9
# How many windows long either lasts.
_WARY_WINDOWS: Final = 10
# With room for this many more calls it does not matter when a call is recorded.
_AMPLE_CALLS: Final = 1000
# However small a share is: 30 years, still a number.
_LONGEST_WINDOW: Final = 1e9


class Pacer:
    """
    When calls may go, so that the quota is kept.

    Attributes:
        max_in_flight: None: nothing but the quota bounds how many calls are in flight.
        adopts_remaining_until: When the first window ends: until then `adopt_remaining` is of use.
        has_ample_room: Whether the limit is so far away that a call may be recorded a little later.

    Args:
        given: Upper limit. None: start with `SAFE_START` until HubSpot names a quota.
        share: The part of the quota to use, above 0 and up to 1.
        strict: Whether a call counts at its response in any network.
    """

    max_in_flight: int | None = None

    def __init__(
        self, given: Quota | None = None, *, share: float = 1.0, strict: bool = False
    ) -> None:
        self._given = given
        self._share = share
        self._named: Quota | None = None
        first = _shared(given or SAFE_START, share)
        # Where two quotas are kept, the last is the one that HubSpot throttles by.
        self._buckets: tuple[TokenBucket, ...] = (TokenBucket(first),)
        self._adaptive = AdaptiveLimit(first)
        self._round_trips = RoundTrips(strict=strict)
        self._cooldown = Cooldown()
        self._began_at: float | None = None
        self.adopts_remaining_until = -math.inf
        self.has_ample_room = False
        self._room = 0
        self._others_count = 0
        self._others_until = -math.inf
        self._wary_until = self._next_at = -math.inf
        self._lean_until = math.inf

    @property
    def quota(self) -> Quota:
        """The quota that is kept now; of two, the slower."""
        return min((b.quota for b in self._buckets), key=lambda quota: quota.rate_per_second)

    @property
    def in_flight(self) -> int:
        """How many calls took a permit and have not ended."""
        return self._buckets[0].in_flight

    @property
    def room(self) -> int:
        """How many calls more than the last one may go whatever the time is."""
        return self._room

    def is_calm(self, now: float) -> bool:
        """Return whether nothing but the limit is to be kept, and no throttle came of late."""
        return now >= self._wary_until and self._is_plain(now)

    def count_by(self, moment: float) -> int:
        """Return how many calls may go until a *moment* to come, while it `is_calm`."""
        flight = self._adaptive.max_in_flight - self.in_flight
        return int(min(flight, *(bucket.count_by(moment) for bucket in self._buckets)))

    def set_aside(self, count: int) -> None:
        """Leave so many permits to others, until as many are returned by a negative *count*."""
        for bucket in self._buckets:
            bucket.in_flight += count

    def wait(self, now: float) -> float:
        """Return the seconds until a call may go: 0 means now, inf not before the next response."""
        bucket = self._buckets[-1]
        if bucket.in_flight >= self._adaptive.max_in_flight:
            return math.inf
        if self._is_plain(now):
            wait = bucket.wait(now)
        elif bucket.in_flight >= self._cooldown.max_in_flight:
            return math.inf
        else:
            wait = self._wary_wait(now)
        for other in self._buckets[:-1]:
            wait = max(wait, other.wait(now))
        return max(wait, self._next_at - now) if now < self._wary_until else wait

    def _close_room(self) -> None:
        self._room = 0
        self.has_ample_room = False

    def _is_plain(self, now: float) -> bool:
        """Return whether only the limit applies."""
        return (
            self._adaptive.level is None
            and now >= self._others_until
            and self._cooldown.is_over(now)
        )

    def _wary_wait(self, now: float) -> float:
        bucket = self._buckets[-1]
        limit = self._adaptive.at(now)
        if now < self._others_until:
            limit = min(limit, max(1, bucket.quota.limit - self._others_count))
        wait = bucket.wait(now, limit)
        if wait > 0:
            wait = min(wait, self._adaptive.rises_in(now))
            if now < self._others_until:
                wait = min(wait, self._others_until - now)
            wait = max(wait, bucket.wait(now))  # a limit that may rise does not lift the quota
        return max(wait, self._cooldown.wait(now))

    def try_take(self) -> bool:
        """Let a call go if there was room at the last `take`: permits only come back since."""
        if self._room <= 0:
            return False
        self._room -= 1
        self._buckets[0].in_flight += 1
        return True

    def take(self, now: float) -> None:
        """Let a call go."""
        if self._began_at is None:
            self._began_at = now
            self.adopts_remaining_until = now + self._buckets[-1].quota.window
        if now < self._wary_until and not self._adaptive.is_doubted:
            interval = _SPACING * self._buckets[-1].quota.window / self._adaptive.at(now)
            self._next_at = max(self._next_at + interval, now)
        for bucket in self._buckets:
            bucket.take()
        if len(self._buckets) == 1 and now >= self._wary_until and self._is_plain(now):
            room = self._buckets[0].room
            self.has_ample_room = room >= _AMPLE_CALLS
            self._room = int(min(room, self._adaptive.max_in_flight - self.in_flight))

    def release_unused(self) -> None:
        """Return the permit of a call that was not sent."""
        for bucket in self._buckets:
            bucket.release_unused()

    def record_response(
        self, sent_at: float, responded_at: float, *, exact: bool, accepted: bool
    ) -> None:
        """
        Let the permit of a call come back one window after HubSpot counted the call.

        *exact*: its request was handed to a connection at *sent_at*, not later. *accepted*: HubSpot
        did not throttle it.
        """
        if self._lean_until <= responded_at:
            self._lean_until = math.inf
            self._round_trips.lean(0.0)
        counted_at = self._round_trips.counted_at(sent_at, responded_at, exact=exact)
        self._record(counted_at, sent_at, responded_at, accepted=accepted)

    def record_no_response(self, sent_at: float, now: float) -> None:
        """Return the permit of a cancelled call: HubSpot may count it a round trip later."""
        self._record(now + self._round_trips.longest, sent_at, now, accepted=False)

    def _record(self, counted_at: float, sent_at: float, now: float, *, accepted: bool) -> None:
        for bucket in self._buckets:
            bucket.record(counted_at, now, accepted=accepted)
        if accepted and self._cooldown.throttles_in_a_row:
            self._cooldown.record_accepted(sent_at)
        adaptive = self._adaptive
        if adaptive.level is None and adaptive.is_proven:
            return  # all of the limit is available: an accepted call changes nothing
        if accepted and adaptive.level is None and bucket.remembered < bucket.quota.limit:
            adaptive.max_in_flight += adaptive.growth  # too few are remembered to show more
        elif accepted:
            own = bucket.accepted_until(counted_at, adaptive.window)
            adaptive.record_accepted(own, sent_at=sent_at)
        if adaptive.in_flight_at_cut:
            adaptive.record_end(sent_at=sent_at)

    def record_throttle(
        self, now: float, sent_at: float, *, retry_after: float | None, by_quota: bool
    ) -> float:
        """
        Pause all calls after a throttle of one that is not recorded yet.

        *retry_after*: seconds that HubSpot asks for; *by_quota*: the quota was the reason. Returns
        the seconds until calls may go.
        """
        bucket = self._buckets[-1]
        window = bucket.quota.window
        self._wary_until = now + _WARY_WINDOWS * window
        self._close_room()
        if by_quota:
            own = bucket.accepted_until((sent_at + now) / 2, self._adaptive.window)
            beside = bucket.in_flight
            if self._adaptive.record_throttle(own, now, sent_at=sent_at, beside=beside):
                self._round_trips.lean(_LEAN)
                self._lean_until = self._wary_until
        return self._cooldown.record_throttle(now, sent_at, retry_after=retry_after, window=window)

    def adopt(self, quota: Quota) -> None:
        """Keep the *quota* that HubSpot names too, or instead where none was given."""
        if quota == self._named:
            return
        self._named = quota
        if self._began_at is not None:
            self.adopts_remaining_until = self._began_at + quota.window
        self._adaptive.adopt(self._own_quotas[-1])
        self._keep_own_quotas()

    def apply_options(self) -> None:
        """Keep the quotas of this pacer, after another one's state was loaded into it."""
        if self._own_quotas != [bucket.quota for bucket in self._buckets]:
            self._adaptive.adopt(self._own_quotas[-1])
            self._keep_own_quotas()

    @property
    def _own_quotas(self) -> list[Quota]:
        if self._named is None:
            return [_shared(self._given or SAFE_START, self._share)]
        return [_shared(one, self._share) for one in _kept(self._given, self._named)]

    def _keep_own_quotas(self) -> None:
        quotas = self._own_quotas
        if quotas != [bucket.quota for bucket in self._buckets]:
            self._close_room()
            longest = max(self._buckets, key=lambda bucket: bucket.memory)
            remember = self._adaptive.window
            self._buckets = tuple(longest.copy_for(one, remember=remember) for one in quotas)

    def adopt_remaining(self, now: float, limit: int, remaining: int) -> None:
        """
        Leave what other clients have used already out of the first window.

        *remaining* is what was left of HubSpot's *limit* when it counted the call.
        """
        if now >= self.adopts_remaining_until:
            return
        bucket = self._buckets[-1]
        # Some of those in flight were not counted yet: others have used at least this.
        others = limit - remaining - bucket.in_flight - bucket.remembered_accepted
        if others > self._others_count:
            self._others_count = others
            self._others_until = self.adopts_remaining_until
            self._close_room()


def _shared(quota: Quota, share: float) -> Quota:
    """Return *share* of a quota: its limit rounded down, or one call in a longer window."""
    limit = math.floor(quota.limit * share + 1e-9)
    if limit >= 1:
        return Quota(limit, quota.window)
    return Quota(1, min(quota.window / (quota.limit * share), _LONGEST_WINDOW))


def _kept(given: Quota | None, named: Quota) -> tuple[Quota, ...]:
    """Return the quotas to keep at once."""
    if given is None:
        return (named,)
    if given.window == named.window:
        return (Quota(min(given.limit, named.limit), given.window),)
    return (given, named)
