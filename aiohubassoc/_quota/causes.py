"""Which throttles are not by the quota, or show nothing of it. Time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import Final

import attrs

# A throttle is isolated if this many times as many of the calls in flight with it were accepted, or
# this many between the throttle before it and it.
_ISOLATED: Final = 8
# A throttle near the limit in each of more windows than this shows a lower limit.
_MOST_WINDOWS: Final = 3
_FORGOTTEN_WINDOWS: Final = 5
# After this many unexplained throttles a test shows whether the quota is the cause. Each accepted
# call takes off a part.
_UNEXPLAINED: Final = 2.0
_UNEXPLAINED_CALLS: Final = 40
# How many more must be unexplained before the next test, if the quota was the cause.
_MORE_UNEXPLAINED: Final = 4.0
# While more tests showed another cause than the quota, of this many, throttles have other causes.
_REMEMBERED_TESTS: Final = 3


@attrs.define(slots=False)
class Cut:
    """A throttle after which the limit was judged anew, and the calls around it."""

    at: float = -math.inf
    in_flight: int = 0  # how many calls that were in flight with it still are
    in_a_row: int = 0  # how many such throttles, with this one, since a call was accepted
    accepted: int = 0  # of the calls in flight with it
    throttled: int = 0  # besides this one
    accepted_later: int = 0  # of the calls that were sent after it

    @property
    def was_isolated(self) -> bool:
        """Whether the calls in flight with it ended, and nearly all were accepted."""
        return not self.in_flight and self.accepted >= _ISOLATED * max(1, self.throttled)

    @property
    def was_long_ago(self) -> bool:
        """Whether enough calls were accepted after it for the next throttle to be isolated."""
        return self.accepted_later >= _ISOLATED


@attrs.define(slots=False)
class MisjudgedMoments:
    """Throttles near the limit: the moment at which HubSpot counted a call was misjudged."""

    _windows: int = 0  # how many windows in a row had one
    _since: float = -math.inf  # the last of them

    def note(self, now: float, window: float) -> bool:
        """Note a throttle, and return whether that explains it: there were few in a row."""
        if now - self._since > window:
            is_forgotten = now - self._since > _FORGOTTEN_WINDOWS * window
            self._windows = 1 if is_forgotten else self._windows + 1
            self._since = now
        return self._windows <= _MOST_WINDOWS


@attrs.define(slots=False)
class Causes:
    """
    Whether throttles have other causes than the quota.

    A throttle is unexplained if it was alone, and no more calls were tried than were accepted
    before.
    """

    _unexplained: float = 0.0
    _most_unexplained: float = _UNEXPLAINED  # before their cause is tested
    _others: int = 0  # tests that showed another cause, less those that did not

    @property
    def are_others(self) -> bool:
        """Whether more tests showed another cause than the quota."""
        return self._others > 0

    def note_accepted(self) -> None:
        """Note an accepted call: it takes off a part of an unexplained throttle."""
        self._unexplained = max(0.0, self._unexplained - 1 / _UNEXPLAINED_CALLS)

    def note_unexplained(self) -> bool:
        """Note a throttle, and return whether to test the cause now."""
        self._unexplained += 1
        if self._unexplained < self._most_unexplained:
            return False
        self._unexplained = 0.0
        return True

    def note_test(self, *, is_quota: bool) -> None:
        """Note whether a test showed that the quota is the cause."""
        if is_quota:
            self._most_unexplained += _MORE_UNEXPLAINED
            self._others = max(0, self._others - 1)
        else:
            self._most_unexplained = _UNEXPLAINED
            self._others = min(_REMEMBERED_TESTS, self._others + 1)
