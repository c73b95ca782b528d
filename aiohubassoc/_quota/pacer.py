"""Decides when the next call may be sent. Time is an argument, in seconds."""

from __future__ import annotations

import math
from functools import partial
from typing import Final

from aiohubassoc._quota.adaptive_limit import AdaptiveLimit
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket
from aiohubassoc.options import Quota

# The most calls in flight after 0, 1, 2 and more throttles in a row: then few more are throttled.
_MOST_AFTER: Final = (math.inf, 8, 1)
# The shortest pause after that many throttles in a row, in hundredths of a window. 0: of a call
# that was in flight at an earlier throttle.
_PAUSES: Final = (1, 1, 2, 4, 8, 16, 32, 64, 100)


class Cooldown:
    """The pause after a throttle: no call is sent before its end, which never moves earlier."""

    def __init__(self) -> None:
        self._ends_at = -math.inf
        self._began_at = -math.inf
        self.throttles_in_a_row = 0

    def wait(self, now: float) -> float:
        """Return the seconds until the pause ends; 0: there is none."""
        return max(0.0, self._ends_at - now)

    def is_over(self, now: float) -> bool:
        """Return whether the pause has ended, and a call was accepted since."""
        return self.throttles_in_a_row == 0 and self._ends_at <= now

    @property
    def max_in_flight(self) -> float:
        """How many calls may be in flight: few until one of them is accepted."""
        return _MOST_AFTER[min(self.throttles_in_a_row, len(_MOST_AFTER) - 1)]

    def record_throttle(
        self, now: float, sent_at: float, *, retry_after: float | None, window: float
    ) -> float:
        """
        Begin a pause, or make it longer, and return the seconds until it ends.

        It lasts *retry_after* seconds if HubSpot names them, and at least a hundredth of *window*.
        That minimum doubles with each throttle of a call that was sent after the previous throttle,
        up to the whole window.
        """
        # Calls in flight at a throttle may be throttled too. Together they count as one throttle.
        if sent_at > self._began_at:
            self.throttles_in_a_row += 1
            self._began_at = now
        hundredths = _PAUSES[min(self.throttles_in_a_row, len(_PAUSES) - 1)]
        pause = max(retry_after or 0.0, hundredths * window / 100)
        self._ends_at = max(self._ends_at, now + pause)
        return self.wait(now)

    def record_accepted(self, sent_at: float) -> None:
        """Make the next pause short again if the call was sent after the last throttle."""
        if sent_at > self._began_at:
            self.throttles_in_a_row = 0


# The lowest published ten-second limit of a private app: safe for every account until HubSpot
# names its limit. HubSpot, API usage guidelines, "Limits".
SAFE_START: Final = Quota.STARTER
# After a throttle although the limit was kept: see `RoundTrips.count_later`.
_LATER_SHARE: Final = 0.5
# After a throttle by the quota calls are spaced. In a burst many would be in flight before the next
# throttle is known. The interval is a little shorter than even spacing, to use all of the quota.
_SPACING: Final = 0.9
# How many windows spacing and later counting last.
_WARY_WINDOWS: Final = 10
# While at least this many permits are free, calls may be recorded later.
_AMPLE_CALLS: Final = 1000
# The window of the limit that an account may have besides, in seconds (HubSpot's policy SECONDLY).
_SECOND: Final = 1.0
# After a throttle calls are remembered for this many windows: the window may be longer than named.
_REMEMBERED_WINDOWS: Final = 3
# And at least for this many seconds: a second is measured that ended half a round trip ago.
_LEAST_MEMORY: Final = 2 * _SECOND
# Seconds: the window of the smallest share is about 30 years, not infinite.
_LONGEST_WINDOW: Final = 1e9


class Pacer:
    """
    Decides when single calls may be sent, so that the quota is kept.

    Args:
        given: Upper limit. None: start with `SAFE_START` until HubSpot names a quota.
        share: The part of the quota to use, above 0 and up to 1.
        strict: Whether a call is always counted at its response.
    """

    max_in_flight: int | None = None  # None: only the quota bounds how many calls are in flight

    def __init__(
        self, given: Quota | None = None, *, share: float = 1.0, strict: bool = False
    ) -> None:
        self._given = given
        self._share = share
        self._named: Quota | None = None
        first = _shared(given or SAFE_START, share)
        # If two quotas are kept, the last is HubSpot's.
        self._buckets: tuple[TokenBucket, ...] = (TokenBucket(first),)
        self._adaptive = AdaptiveLimit(first)
        self._second = AdaptiveLimit(first, _SECOND)
        self._round_trips = RoundTrips(strict=strict)
        self._cooldown = Cooldown()
        self._began_at: float | None = None
        # The end of the first window. Later `adopt_remaining` does nothing.
        self.adopts_remaining_until = -math.inf
        # Whether enough permits are free to record calls later, in groups.
        self.has_ample_room = False
        self._room = 0
        self._others_count = 0
        self._others_until = -math.inf
        self._wary_until = self._next_at = -math.inf
        self._lean_until = math.inf
        self._remember()

    @property
    def quota(self) -> Quota:
        """The quota that is kept now. If two are kept, the slower one."""
        return min((b.quota for b in self._buckets), key=lambda quota: quota.rate_per_second)

    @property
    def in_flight(self) -> int:
        """How many calls have a permit and have not ended."""
        return self._buckets[0].in_flight

    @property
    def room(self) -> int:
        """How many more calls may be sent without waiting, however much later."""
        return self._room

    def is_calm(self, now: float) -> bool:
        """Return whether only the limit applies, and calls are not spaced after a throttle."""
        return now >= self._wary_until and self._is_plain(now)

    def count_by(self, moment: float) -> int:
        """Return how many calls may be sent until a future *moment*, while it `is_calm`."""
        flight = self._adaptive.max_in_flight - self.in_flight
        return int(min(flight, *(bucket.count_by(moment) for bucket in self._buckets)))

    def set_aside(self, count: int) -> None:
        """Reserve *count* permits for others. A negative *count* frees them."""
        for bucket in self._buckets:
            bucket.in_flight += count

    def wait(self, now: float) -> float:
        """Return the seconds until a call may be sent; inf: not before another call ends."""
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
            and self._second.level is None
            and now >= self._others_until
            and self._cooldown.is_over(now)
        )

    def _wary_wait(self, now: float) -> float:
        bucket = self._buckets[-1]
        wait = max(bucket.wait(now), self._cooldown.wait(now))
        for learned in (self._adaptive, self._second):
            if learned.level is not None:  # it may rise, the quota not
                allowed = learned.at(now)
                if learned.spares_throttled:
                    allowed += bucket.throttled_since(now - learned.window)
                permit = bucket.wait(now, allowed, learned.window)
                wait = max(wait, min(permit, learned.rises_in(now)))
        if now < self._others_until:
            limit = max(1, bucket.quota.limit - self._others_count)
            wait = max(wait, min(bucket.wait(now, limit), self._others_until - now))
        return wait

    def try_take(self) -> bool:
        """Take a permit if one was free at the last `take`: since then none can have been lost."""
        if self._room <= 0:
            return False
        self._room -= 1
        self._buckets[0].in_flight += 1
        return True

    def take(self, now: float) -> None:
        """Take a permit for a call that is sent now."""
        if self._began_at is None:
            self._began_at = now
            self.adopts_remaining_until = now + self._buckets[-1].quota.window
        for bucket in self._buckets:
            bucket.take()
        if now < self._wary_until:
            if not (self._adaptive.is_doubted or self._second.is_doubted):
                interval = max(self._adaptive.interval(now), self._second.interval(now))
                self._next_at = max(self._next_at + _SPACING * interval, now)
        elif len(self._buckets) == 1 and self._is_plain(now):
            room = self._buckets[0].room
            self.has_ample_room = room >= _AMPLE_CALLS
            self._room = int(min(room, self._adaptive.max_in_flight - self.in_flight))

    def release_unused(self) -> None:
        """Free the permit of a call that was not sent, at once."""
        for bucket in self._buckets:
            bucket.release_unused()

    def record_response(
        self, sent_at: float, responded_at: float, *, exact: bool, accepted: bool
    ) -> None:
        """
        Free the permit of a call one window after HubSpot counted the call.

        *exact*: its request was handed to a connection at *sent_at*, not later. *accepted*: HubSpot
        did not throttle it.
        """
        if self._lean_until <= responded_at:
            self._lean_until = math.inf
            self._round_trips.count_later(0.0)
        counted_at = self._round_trips.counted_at(sent_at, responded_at, exact=exact)
        self._record(counted_at, sent_at, responded_at, accepted=accepted)
        if not accepted:
            for bucket in self._buckets:
                bucket.note_throttled(counted_at)

    def record_no_response(self, sent_at: float, now: float) -> None:
        """Free the permit of a call without a response: HubSpot may count it a round trip later."""
        self._record(now + self._round_trips.longest, sent_at, now, accepted=False)

    def _record(self, counted_at: float, sent_at: float, now: float, *, accepted: bool) -> None:
        for bucket in self._buckets:
            bucket.record(counted_at, now, accepted=accepted)
        if accepted and self._cooldown.throttles_in_a_row:
            self._cooldown.record_accepted(sent_at)
        if self._second.level is not None:
            self._teach(self._second, counted_at, sent_at, accepted=accepted)
        adaptive = self._adaptive
        if adaptive.level is None and adaptive.is_proven:
            return  # the limit is not lowered: an accepted call proves nothing new
        if accepted and adaptive.level is None and bucket.remembered < bucket.quota.limit:
            adaptive.max_in_flight += (
                adaptive.growth
            )  # fewer calls than the limit are remembered: they prove no more
        else:
            self._teach(adaptive, counted_at, sent_at, accepted=accepted)

    def _teach(
        self, learned: AdaptiveLimit, counted_at: float, sent_at: float, *, accepted: bool
    ) -> None:
        if accepted:
            own = self._buckets[-1].accepted_until(counted_at, learned.window)
            learned.record_accepted(own, sent_at=sent_at)
        if learned.cut.in_flight:
            learned.record_end(sent_at=sent_at)
        if learned.level is None:
            self._remember()

    def _remember(self) -> None:
        windows = 1 if self._adaptive.level is None else _REMEMBERED_WINDOWS
        bucket = self._buckets[-1]
        bucket.memory = max(_LEAST_MEMORY, bucket.quota.window, windows * self._adaptive.window)

    def record_throttle(
        self,
        now: float,
        sent_at: float,
        *,
        retry_after: float | None,
        by_quota: bool,
        by_second: bool = False,
    ) -> float:
        """
        Pause all calls after a throttle of one that is not recorded yet.

        *retry_after*: seconds that HubSpot asks for; *by_quota*: the quota was the reason;
        *by_second*: a limit of calls a second was. Returns the seconds until calls may go.
        """
        bucket = self._buckets[-1]
        self._close_room()
        if by_quota or by_second:
            learned = self._second if by_second else self._adaptive
            moment = (sent_at + now) / 2
            if learned.record_throttle(
                bucket.accepted_until(moment, learned.window),
                now,
                sent_at=sent_at,
                beside=bucket.in_flight,
                retry_after=retry_after or 0.0,
                seconds_of=partial(bucket.seconds_of, moment=moment),
            ):
                self._round_trips.count_later(_LATER_SHARE)
                self._lean_until = now + _WARY_WINDOWS * bucket.quota.window
            self._remember()
        window = max(bucket.quota.window, self._adaptive.window)
        self._wary_until = now + _WARY_WINDOWS * window
        return self._cooldown.record_throttle(now, sent_at, retry_after=retry_after, window=window)

    def adopt(self, quota: Quota) -> None:
        """Keep the *quota* that HubSpot names: in addition to the given one, if there is one."""
        if quota == self._named:
            return
        self._named = quota
        if self._began_at is not None:
            self.adopts_remaining_until = self._began_at + quota.window
        self._keep_own_quotas()

    def apply_options(self) -> None:
        """Keep the quotas of this pacer's options, after the state of another was loaded."""
        if self._own_quotas != [bucket.quota for bucket in self._buckets]:
            # Calls are remembered for the longer of both windows: the other's pacer goes on.
            self._adaptive.adopt(self._buckets[-1].quota)
            self._keep_own_quotas()

    @property
    def _own_quotas(self) -> list[Quota]:
        if self._named is None:
            return [_shared(self._given or SAFE_START, self._share)]
        return [_shared(one, self._share) for one in _kept(self._given, self._named)]

    def _keep_own_quotas(self) -> None:
        quotas = self._own_quotas
        self._adaptive.adopt(quotas[-1])
        self._second.adopt(quotas[-1])
        if quotas != [bucket.quota for bucket in self._buckets]:
            self._close_room()
            longest = max(self._buckets, key=lambda bucket: bucket.memory)
            self._buckets = tuple(longest.copy_for(one) for one in quotas)
            self._remember()

    def adopt_remaining(self, now: float, limit: int, remaining: int) -> None:
        """
        Subtract the calls of other programs from the first window.

        *remaining* is what was left of HubSpot's *limit* when it counted a call.
        """
        if now >= self.adopts_remaining_until:
            return
        bucket = self._buckets[-1]
        # At least this many: HubSpot may not have counted all of our calls in flight yet.
        others = limit - remaining - bucket.in_flight - bucket.remembered_accepted
        if others >= max(1, self._others_count):
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
