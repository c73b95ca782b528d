"""
How much of the quota is available: less than its limit while other programs use it too.

A 429 by the quota is a measurement: what is available is what HubSpot accepted from this client in
the window before it. If that is next to nothing although many calls were accepted before, the
window is longer than HubSpot says. But a 429 may have another cause than the quota: a few more
calls at once show that. Time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc._quota.causes import Causes, Cut, MisjudgedMoments

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.options import Quota

# A throttle this near to the limit is an error in the estimated times, not other programs' calls.
_NEAR_CALLS: Final = 2
_NEAR_SHARE: Final = 0.02
# One more call is tried at first, then two, four, eight, each time after this part of a window.
_DOUBLING_WINDOWS: Final = 1 / 8
_MOST_DOUBLINGS: Final = 30.0
# How many windows to wait before that, after 0, 1, 2 and more failed tries.
_PATIENCE_WINDOWS: Final = (1 / 4, 1 / 2, 1.0, 2.0, 3.0)
# And at least the time of this many calls for each failed try after the second, up to the second
# number: a window may hold so few that failed tries alone would be 5 % of responses.
_PATIENCE_CALLS: Final = 20
_MOST_PATIENCE_CALLS: Final = 80
# A try has failed if what it gained is lost within this many windows. If HubSpot counts in fixed
# windows, up to twice the limit is accepted in a window around their border.
_TRIAL_WINDOWS: Final = 3.0
# A window is shorter than HubSpot's if less than this share of the most calls was accepted in it.
_HOLLOW_SHARE: Final = 1 / 4
# And if this many throttles came in a row. One alone may have another cause: if each made the
# window longer, fewer calls would be accepted in it, and the next one would make it longer still.
_HOLLOW_THROTTLES: Final = 3
# Or if HubSpot asks to wait for longer, but for the rounding to whole seconds.
_ROUNDED_SECONDS: Final = 1.0
# If less than this share of the limit was accepted before a throttle, the quota may not be its
# cause. To find out, more calls are tried at once: this number, and this share of those accepted.
_DOUBTED_SHARE: Final = 1 / 10
_DISPROOF_CALLS: Final = 4
_DISPROOF_SHARE: Final = 1 / 8
# How many more calls a test of the cause sends at once, in addition to `_near`, and how many
# throttles it tolerates.
_TEST_CALLS: Final = 2
_TOLERATED: Final = 2
# The most calls in flight at first, and how many more for each accepted call, until a whole quota
# of calls was accepted in a window. This bounds the 429s if other programs use the quota, or if it
# is set too high. It rises twice as fast if HubSpot named the limit.
_FIRST_IN_FLIGHT: Final = 16
_GROWTH: Final = 1 / 8
_GROWTH_NAMED: Final = 1 / 4


@attrs.frozen
class _Level:
    """What is allowed after a cut."""

    shown: int  # the most calls that were accepted in a window since
    base: int  # that number when more was last tried
    tries_at: float  # when more is tried
    failed_tries: int  # how many tries in a row failed
    # How many more at once would show that the throttle was not the quota's; 0: it was.
    disproof: int = 0
    # How many throttles do not end the test that this is; None: it is none, and one ends the doubt.
    tolerated: int | None = None


class AdaptiveLimit:
    """
    The calls that may go in a window now: the limit, or less after a throttle.

    Args:
        quota: The limit that is assumed, and its window.
        window: The seconds of another limit that the account may have besides. None: it is that of
            the quota, whose window may be longer than HubSpot names.
    """

    def __init__(self, quota: Quota, window: float | None = None) -> None:
        self._quota = quota
        self._is_named = False
        self._fixed_window = window
        # The longest of the windows that HubSpot names in turn.
        self._named_window = quota.window
        # The seconds of the limit: all measurements and counts are of such a window.
        self.window = window or quota.window
        self._limit = quota.limit * max(1.0, self.window / quota.window)
        self.growth = _GROWTH  # how many more for each call that HubSpot accepts
        self.is_proven = False  # whether HubSpot accepted a whole window of calls, or throttled one
        self.max_in_flight: float = _FIRST_IN_FLIGHT  # how many calls may be in flight
        self.level: _Level | None = None  # what is allowed after a throttle; None: all of the limit
        # The highest limit since the cut: to reach a lower one proves nothing about this one.
        self._whole = self._limit
        # The most calls that were accepted in a window as it was named.
        self._peak = 0
        # What was allowed before the last cut, and in which window.
        self._before_cut: _Level | None = None
        self._window_before_cut = self.window
        self.cut = Cut()  # the last throttle that lowered the limit
        self._misjudged = MisjudgedMoments()
        self._causes = Causes()
        # What was allowed before the last try that came to something, and until when it may turn
        # out to have come to nothing.
        self._tried_from: _Level | None = None
        self._tried_until = -math.inf

    @property
    def is_doubted(self) -> bool:
        """Whether the last throttle may have had another cause than the quota."""
        return self.level is not None and bool(self.level.disproof)

    @property
    def spares_throttled(self) -> bool:
        """
        Whether a throttled call takes no permit of what is allowed.

        If it took one, fewer calls could be accepted in each window than in the one before.
        """
        level = self.level
        is_test = level is None or not level.disproof or level.tolerated is not None
        return self.window <= self._named_window and (is_test or self._causes.are_others)

    def at(self, now: float) -> int:
        """Return the calls allowed in a `window`."""
        level = self.level
        if level is None:
            return int(self._limit)
        return max(1, min(int(self._limit), max(level.shown, level.base + self._more(level, now))))

    def interval(self, now: float) -> float:
        """Return the seconds between calls that use what is allowed evenly."""
        level, quota = self.level, self._quota
        if level is not None and not level.failed_tries and self.window > self._named_window:
            # No try has shown yet that a window is longer than named.
            return quota.window / quota.limit
        return self.window / self.at(now)

    def rises_in(self, now: float) -> float:
        """Return the seconds until time alone allows more; inf: not before the next response."""
        level = self.level
        if level is None or level.shown >= self._limit:
            return math.inf
        more = max(self._more(level, now), level.shown - level.base) + 1
        if more > _most_more(level):
            return math.inf
        return level.tries_at + math.log2(more) * _DOUBLING_WINDOWS * self._named_window - now

    def adopt(self, quota: Quota) -> None:
        """
        Take a *quota* that HubSpot named for the limit, and keep what throttles showed.

        Where it names windows in turn, the longest is the one that is measured: what got through
        in a short one is no proof for a longer one.
        """
        before = self._quota.window if self._is_named else quota.window
        self._named_window = max(quota.window, before)
        self._quota, self._is_named = quota, True
        least = self.window if self.level is not None else 0.0
        self._measure_in(self._fixed_window or max(self._named_window, least))
        self._whole = self._limit if self.level is None else max(self._limit, self._whole)
        self.growth = _GROWTH_NAMED

    def _measure_in(self, window: float) -> None:
        """Count in windows of this length from now on."""
        scale = window / self.window
        self.window = window
        self._limit = self._quota.limit * max(1.0, window / self._quota.window)
        self.level, self._before_cut, self._tried_from = (
            _scaled(level, scale) for level in (self.level, self._before_cut, self._tried_from)
        )
        self._whole *= scale

    def record_accepted(self, own: int, *, sent_at: float) -> None:
        """
        Learn that HubSpot accepted a call.

        *own*: how many of our calls it accepted in the `window` that ended with this one.
        """
        if own >= self._limit:
            self._prove()
            self._peak = self._quota.limit
        self.max_in_flight += self.growth
        level = self.level
        if sent_at > self.cut.at:
            self.cut.accepted_later += 1
        if level is None:
            return
        self._causes.note_accepted()
        if own > level.shown:
            level = self.level = attrs.evolve(level, shown=own)
        if sent_at <= self.cut.at:
            self.cut.accepted += 1
            if level.disproof:  # this one was accepted before the cut, and disproves nothing
                self.level = attrs.evolve(level, base=max(level.base, own))
        elif own >= self._whole or (level.disproof and own >= level.base + level.disproof):
            if level.tolerated is not None:
                self._causes.note_test(is_quota=False)
            self._note_try(level, sent_at)
            self._return_to(None)

    def record_end(self, *, sent_at: float) -> None:
        """Learn that a call is no longer in flight. Its result was recorded before."""
        if sent_at <= self.cut.at:
            self.cut.in_flight -= 1
            if self.cut.was_isolated:  # then it was not by the quota
                before = max(self._window_before_cut, self._named_window)
                self._measure_in(self._fixed_window or before)
                self._return_to(self._before_cut)

    def record_throttle(
        self,
        own: int,
        now: float,
        *,
        sent_at: float,
        beside: int,
        retry_after: float = 0.0,
        seconds_of: Callable[[int], float] = lambda _: math.inf,
    ) -> bool:
        """
        Learn that a call was throttled by this limit.

        *own*: as for `record_accepted`; *beside*: how many calls are in flight, with this one.
        *retry_after*: seconds that HubSpot asks for. *seconds_of*: in how many seconds until this
        call that number of calls was accepted.
        Returns whether only the moment of counting was misjudged: the limit is right.
        """
        if sent_at <= self.cut.at:  # it was in flight at the cut: the same throttle
            self.cut.throttled += 1
            return False
        level = self.level
        failed_from = self._failed_try(level, own, now)
        is_whole = level is None and failed_from is None
        is_near = is_whole and own >= self._limit - _near(self._limit)
        if is_near and self._misjudged.note(now, self.window):
            return True
        before = self.cut
        in_a_row = 1 if level is None or before.accepted_later else before.in_a_row + 1
        self._before_cut, self._window_before_cut = level, self.window
        self.cut = Cut(now, beside, in_a_row)
        if level is None:
            self._whole = self._limit
            self._peak = max(self._peak, own)
        self._prove()  # from now on the level bounds the calls
        asked = retry_after if retry_after > self.window + _ROUNDED_SECONDS else 0.0
        is_hollow = own < _HOLLOW_SHARE * self._peak or bool(asked)
        is_sure = bool(asked) or (in_a_row >= _HOLLOW_THROTTLES and not self._causes.are_others)
        if is_sure and (longer := self._longer_window(own, seconds_of, asked, is_hollow=is_hollow)):
            self._measure_in(longer)
            level, own = self.level, self._peak
            if is_hollow:  # more is tried at once: what held back the calls may have ended
                self.level = _Level(own, own, now, 0)
                return False
        if level is not None and level.tolerated is not None:
            # Fewer calls than before the test, and nearly all accepted: that shows nothing of more.
            is_stray = own < level.base - _near(level.base) and before.was_long_ago
            if is_stray or level.tolerated:  # the test goes on
                self.level = attrs.evolve(level, tolerated=level.tolerated - (not is_stray))
                return False
        is_try = failed_from is not None or (level is not None and now >= level.tries_at)
        needs_test = self._needs_test(level, is_explained=is_try or in_a_row > 1)
        if level is not None and level.tolerated is not None:
            level = attrs.evolve(level, disproof=0, tolerated=None)
        self.level = self._lowered(level, failed_from, own, now)
        if needs_test:
            more = _TEST_CALLS + _near(own)
            self.level = attrs.evolve(self.level, tries_at=now, disproof=more, tolerated=_TOLERATED)
        return False

    def _longer_window(
        self, own: int, seconds_of: Callable[[int], float], asked: float, *, is_hollow: bool
    ) -> float | None:
        """Return the window that a throttle shows, if that is longer than the one measured."""
        is_longer = self.window > self._named_window  # than named: then it is made to fit
        if self._fixed_window is not None or not (
            is_hollow or (is_longer and own < self._peak - _near(self._peak))
        ):
            return None
        seconds = seconds_of(self._peak)
        if asked and seconds < math.inf:
            seconds = min(seconds, self.window) + asked
        return seconds if self.window < seconds < math.inf else None

    def _needs_test(self, level: _Level | None, *, is_explained: bool) -> bool:
        """Note a throttle after *level*, and return whether its cause is to be tested."""
        if level is None:
            return self._causes.are_others
        if level.tolerated is not None:  # it has failed the test
            self._causes.note_test(is_quota=True)
            return False
        return not is_explained and self._causes.note_unexplained()

    def _lowered(
        self, level: _Level | None, failed_from: _Level | None, own: int, now: float
    ) -> _Level:
        """Return what is allowed after a throttle; *failed_from*: as `_failed_try` returns it."""
        if failed_from is not None:
            return self._lower(own, now, failed_from.failed_tries + 1)
        if level is None:
            return self._lower(own, now, 0)
        if now >= level.tries_at:
            self._note_try(level, now)
            return self._lower(own, now, 0, is_doubtful=bool(level.disproof))
        if own >= level.shown - _near(level.shown):
            return attrs.evolve(level, shown=own, base=own)
        return self._lower(own, now, level.failed_tries)

    def _note_try(self, level: _Level, now: float) -> None:
        """Note that more than *level* allows was accepted, perhaps for a moment only."""
        if now >= self._tried_until:
            self._tried_from, self._tried_until = level, now + _TRIAL_WINDOWS * self.window

    def _failed_try(self, level: _Level | None, own: int, now: float) -> _Level | None:
        """Return what was allowed before a try that this throttle fails; None: it fails none."""
        before = self._tried_from if now < self._tried_until else None
        if before is None or own > before.base + _near(before.base):
            before = level
            if level is None or now < level.tries_at or own > level.base + _near(level.base):
                return None
        self._tried_until = -math.inf
        return before

    def _return_to(self, level: _Level | None) -> None:
        self.level = level
        if level is None:
            self._measure_in(self._fixed_window or self._named_window)

    def _prove(self) -> None:
        self.is_proven = True
        self.max_in_flight = math.inf

    def _lower(
        self, own: int, now: float, failed_tries: int, *, is_doubtful: bool = True
    ) -> _Level:
        quota = self._quota
        in_quota_window = own * max(1.0, quota.window / self.window)
        is_doubtful = is_doubtful and failed_tries <= 1
        if is_doubtful and in_quota_window < _DOUBTED_SHARE * quota.limit:
            disproof = _DISPROOF_CALLS + int(_DISPROOF_SHARE * own)
            return _Level(own, own, now, failed_tries, disproof)
        windows = _PATIENCE_WINDOWS[min(failed_tries, len(_PATIENCE_WINDOWS) - 1)]
        calls = min(_PATIENCE_CALLS * max(0, failed_tries - 2), _MOST_PATIENCE_CALLS)
        patience = max(
            windows * max(self.window, self._named_window), calls * self.window / max(1, own)
        )
        return _Level(own, own, now + patience, failed_tries)

    def _more(self, level: _Level, now: float) -> int:
        """Return how many calls beyond the base are tried."""
        if now < level.tries_at:
            return 0
        # 1e-9: rounding must not make a timer that was set for this moment too early.
        doublings = (now - level.tries_at) / (_DOUBLING_WINDOWS * self._named_window) + 1e-9
        tried = min(_most_more(level), int(2.0 ** min(doublings, _MOST_DOUBLINGS)))
        return max(level.disproof, tried)


def _scaled(level: _Level | None, scale: float) -> _Level | None:
    """Return *level* for a window that is *scale* times as long."""
    if level is None or scale == 1:
        return level
    return attrs.evolve(level, shown=round(level.shown * scale), base=round(level.base * scale))


def _near(count: float) -> int:
    return max(_NEAR_CALLS, math.ceil(_NEAR_SHARE * count))


def _most_more(level: _Level) -> int:
    # At most twice what was accepted beyond the base: without demand it does not grow.
    return 1 + 2 * (level.shown - level.base)
