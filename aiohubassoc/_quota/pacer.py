"""Everything that decides when the next call may go. Time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from aiohubassoc._quota.adaptive_limit import AdaptiveLimit
from aiohubassoc._quota.cooldown import Cooldown
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import Iterable

# The lowest published ten-second limit of a private app: safe for every account until told more.
# HubSpot, API usage guidelines, "Limits".
SAFE_START: Final = Quota.STARTER
# After a refusal although the limit was kept, calls count so much nearer to their answers.
_LEAN: Final = 0.5
# After a refusal of the quota calls keep a distance: bunched together, many would be on the wire
# before the next refusal is known. A little less than even, so that none of the quota is lost.
_SPACING: Final = 0.9
# How many windows long either lasts.
_WARY_WINDOWS: Final = 10
# With room for so many more calls it is no matter when a call is settled.
_AMPLE_CALLS: Final = 1000


class Pacer:
    """
    When calls may go, so that the quota is kept.

    Attributes:
        adopts_remaining_until: When the first window ends: until then `told_remaining` is of use.
        has_ample_room: Whether the limit is so far away that settling may wait a little.

    Args:
        given: The quota that is never exceeded. None: begin with `SAFE_START` until told.
        share: The part of whatever quota is kept that is ours, above 0 and up to 1.
        strict: Whether a call counts at its answer whatever the network does.
    """

    def __init__(
        self, given: Quota | None = None, *, share: float = 1.0, strict: bool = False
    ) -> None:
        self._given = given
        self._share = share
        self._told: Quota | None = None
        first = _shared(given or SAFE_START, share)
        # Where two quotas are kept, the last is the one that HubSpot refuses by.
        self._buckets: tuple[TokenBucket, ...] = (TokenBucket(first),)
        self._allowance = AdaptiveLimit(first)
        self._round_trips = RoundTrips(strict=strict)
        self._gate = Cooldown()
        self._began_at: float | None = None
        # Until when `told_remaining` is of use.
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
        """How many calls were let go and are not settled."""
        return self._buckets[0].in_flight

    def wait(self, now: float) -> float:
        """Return the seconds until a call may go: 0 means now, inf not before there is news."""
        allowance, bucket = self._allowance, self._buckets[-1]
        if bucket.in_flight >= allowance.max_in_flight:
            return math.inf
        if self._is_plain(now):
            wait = bucket.wait(now)
        elif bucket.in_flight >= self._gate.max_in_flight:
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
        """Return whether nothing but the limit is to be kept."""
        return self._allowance.is_whole and now >= self._others_until and self._gate.is_open(now)

    def _wary_wait(self, now: float) -> float:
        bucket = self._buckets[-1]
        limit = self._allowance.at(now)
        if now < self._others_until:
            limit = min(limit, max(1, bucket.quota.limit - self._others_count))
        wait = bucket.wait(now, limit)
        if wait > 0:
            wait = min(wait, self._allowance.rises_in(now))
            if now < self._others_until:
                wait = min(wait, self._others_until - now)
        return max(wait, self._gate.wait(now))

    def try_take(self) -> bool:
        """
        Let a call go if there is room for it whatever the time is; return whether there was.

        Tokens come back as time goes on: what had room a moment ago has it still, unless a refusal
        or other limits came between.
        """
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
        if now < self._wary_until and not self._allowance.is_doubted:
            interval = _SPACING * self._buckets[-1].quota.window / self._allowance.at(now)
            self._next_at = max(self._next_at + interval, now)
        for bucket in self._buckets:
            bucket.take()
        if len(self._buckets) == 1 and now >= self._wary_until and self._is_plain(now):
            room = self._buckets[0].room
            self.has_ample_room = room >= _AMPLE_CALLS
            self._room = int(min(room, self._allowance.max_in_flight - self.in_flight))

    def release_unused(self) -> None:
        """Say that a call was not sent."""
        for bucket in self._buckets:
            bucket.release_unused()

    def record_response(
        self, sent_at: float, answered_at: float, *, fresh: bool, taken: bool
    ) -> None:
        """
        Let the token of a call come back one window after it was counted.

        Args:
            sent_at: When it was sent.
            answered_at: When it was answered or given up.
            fresh: Whether it had to open a connection first.
            taken: Whether HubSpot took it: not refused, nor left without an answer.
        """
        if self._lean_until <= answered_at:
            self._lean_until = math.inf
            self._round_trips.lean(0.0)
        counted_at = self._round_trips.counted_at(sent_at, answered_at, fresh=fresh)
        for bucket in self._buckets:
            bucket.record_response(counted_at, taken=taken)
        if taken and self._gate.has_refused:
            self._gate.accepted(sent_at)
        allowance = self._allowance
        if allowance.is_settled:
            return
        if taken and allowance.is_whole and bucket.remembered < bucket.quota.limit:
            allowance.grow()  # too few are remembered to tell more
        elif taken:
            allowance.taken(bucket.taken_until(counted_at), sent_at=sent_at)
        allowance.settled(sent_at=sent_at)

    def record_throttle(
        self, now: float, sent_at: float, *, retry_after: float | None, by_quota: bool
    ) -> float:
        """
        Hold everybody back after a refusal of a call that is not settled yet.

        Args:
            now: When its answer came.
            sent_at: When it was sent.
            retry_after: Seconds that HubSpot asks for; None where it did not say.
            by_quota: Whether the quota was the reason, so that there is something to learn.

        Returns:
            Seconds until calls may go again.
        """
        bucket = self._buckets[-1]
        window = bucket.quota.window
        self._wary_until = now + _WARY_WINDOWS * window
        self._close_room()
        if by_quota:
            own = bucket.taken_until((sent_at + now) / 2)
            beside = bucket.in_flight
            if self._allowance.record_throttle(own, now, sent_at=sent_at, beside=beside):
                self._round_trips.lean(_LEAN)
                self._lean_until = self._wary_until
        return self._gate.record_throttle(now, sent_at, retry_after=retry_after, window=window)

    def told(self, quota: Quota) -> None:
        """Keep the *quota* that HubSpot names too, or instead where none was given."""
        if quota == self._told:
            return
        self._told = quota
        if self._began_at is not None:
            self.adopts_remaining_until = self._began_at + quota.window
        self._close_room()
        known = self._buckets[0]
        quotas = [_shared(one, self._share) for one in _kept(self._given, quota)]
        self._buckets = tuple(known.copy_for(one) for one in quotas)
        self._allowance = AdaptiveLimit(quotas[-1], told=True)

    def told_remaining(self, now: float, limit: int, remaining: int) -> None:
        """
        Leave what others have used already out of the first window.

        Args:
            now: When the answer came.
            limit: HubSpot's limit, of all who use it.
            remaining: What was left of it when HubSpot counted the call.
        """
        if now >= self.adopts_remaining_until:
            return
        bucket = self._buckets[-1]
        # Some of those in flight were not counted yet: others have used at least this.
        others = limit - remaining - bucket.in_flight - bucket.remembered_taken
        if others > self._others_count:
            self._others_count = others
            self._others_until = self.adopts_remaining_until
            self._close_room()


def _shared(quota: Quota, share: float) -> Quota:
    """Return *share* of a quota: its limit rounded down, or one call in a longer window."""
    limit = math.floor(quota.limit * share + 1e-9)
    if limit >= 1:
        return Quota(limit, quota.window)
    return Quota(1, quota.window / (quota.limit * share))


def _kept(given: Quota | None, told: Quota) -> Iterable[Quota]:
    """Return the quotas to keep at once."""
    if given is None:
        return (told,)
    if given.window == told.window:
        return (Quota(min(given.limit, told.limit), given.window),)
    return (given, told)
