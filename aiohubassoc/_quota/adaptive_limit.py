"""
How much of the quota is there for us: less than its limit while others use it too.

A 429 of the quota is a measurement: the limit, less what others use, is what HubSpot took from us
in the window before. Time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# A refusal this near to the limit is a moment of counting that was a little off, not a neighbour...
_NEAR_CALLS: Final = 2
_NEAR_SHARE: Final = 0.02
# ... unless it comes in one window after another: then the limit is lower than we believe.
_NEAR_MOST: Final = 3
_NEAR_FORGOTTEN_WINDOWS: Final = 5
# More is tried one call at first, then two, four, eight, each time after so much of a window.
_DOUBLING_WINDOWS: Final = 1 / 8
_MOST_DOUBLINGS: Final = 30.0
# How long to wait before that, in windows, after 0, 1, 2 and more tries that came to nothing.
_PATIENCE_WINDOWS: Final = (1 / 4, 1 / 2, 1.0, 2.0, 3.0)
# A refusal with less than this share of the limit taken is doubted: it may be no quota's at all,
# so as many calls as would disprove it, and this share of them more, are tried at once.
_DOUBTED_SHARE: Final = 1 / 10
_DISPROOF_CALLS: Final = 4
_DISPROOF_SHARE: Final = 1 / 8
# A refusal stands alone if so many times as many calls, on the wire beside it, were taken.
_ALONE: Final = 8
# Calls on the wire at first, and how many more for each call taken, until a whole quota got
# through: it bounds the refusals if others use the quota or it is set too high. Twice as fast
# where HubSpot named the limit.
_FIRST_ON_WIRE: Final = 16
_MORE_ON_WIRE: Final = 1 / 8
_MORE_ON_WIRE_TOLD: Final = 1 / 4


@attrs.frozen
class _Level:
    """
    What is allowed after a cut.

    Attributes:
        shown: The most calls that were taken in a window since.
        base: That number when more was last tried.
        tries_at: When more is tried.
        failed_tries: How many tries in a row came to nothing.
        disproof: How many more at once would show that the refusal was not the quota's; 0: it was.
    """

    shown: int
    base: int
    tries_at: float
    failed_tries: int = 0
    disproof: int = 0


class AdaptiveLimit:
    """
    The calls that may go in a window now: the limit, or what a refusal showed to be there.

    Args:
        quota: The limit and the window.
        told: Whether HubSpot named the limit.

    Attributes:
        max_in_flight: How many calls may be on the wire at once.
    """

    def __init__(self, quota: Quota, *, told: bool = False) -> None:
        self._limit = quota.limit
        self._window = quota.window
        self._more_on_wire = _MORE_ON_WIRE_TOLD if told else _MORE_ON_WIRE
        self._proven = False
        self.max_in_flight: float = _FIRST_ON_WIRE
        self._level: _Level | None = None  # None: all of the limit
        self._cut_at = -math.inf
        self._before_cut: _Level | None = None
        # The calls that were on the wire at the cut: how many still are, and what became of others.
        self._beside = self._beside_taken = self._beside_refused = 0
        self._near_count = 0
        self._near_at = -math.inf

    @property
    def is_settled(self) -> bool:
        """Whether all of the limit is there, so that calls that are taken are no news."""
        return self._proven and self._level is None

    @property
    def is_doubted(self) -> bool:
        """Whether it was cut by a refusal that is being tested."""
        return self._level is not None and self._level.disproof > 0

    @property
    def is_whole(self) -> bool:
        """Whether all of the limit is allowed."""
        return self._level is None

    def at(self, now: float) -> int:
        """Return the calls allowed in a window."""
        level = self._level
        if level is None:
            return self._limit
        return min(self._limit, max(1, level.shown, level.base + self._more(level, now)))

    def rises_in(self, now: float) -> float:
        """Return the seconds until time alone allows more; inf: not before there is news."""
        level = self._level
        if level is None or level.shown >= self._limit:
            return math.inf
        more = self._more(level, now) + 1
        if more > _most_more(level):
            return math.inf
        due = level.tries_at + math.log2(more) * _DOUBLING_WINDOWS * self._window
        return max(0.0, due - now)

    def taken(self, own: int, *, sent_at: float) -> None:
        """
        Learn that HubSpot took a call.

        Args:
            own: How many of ours it took in the window that ended with this one.
            sent_at: When it was sent.
        """
        if own >= self._limit:
            self._prove()
        self.grow()
        level = self._level
        if level is None:
            return
        if own > level.shown:
            self._level = attrs.evolve(level, shown=own)
        if sent_at <= self._cut_at:
            self._beside_taken += 1
        elif own >= self._limit or (level.disproof and own >= level.base + level.disproof):
            self._level = None

    def grow(self) -> None:
        """Let more go onto the wire, as HubSpot took a call."""
        self.max_in_flight += self._more_on_wire

    def settled(self, *, sent_at: float) -> None:
        """Learn that a call is off the wire, after what became of it was told."""
        if self._beside and sent_at <= self._cut_at:
            self._beside -= 1
            # Taken back if the refusal stood alone: it did not speak of the quota.
            if not self._beside and self._beside_taken >= _ALONE * max(1, self._beside_refused):
                self._level = self._before_cut

    def record_throttle(self, own: int, now: float, *, sent_at: float, beside: int) -> bool:
        """
        Learn that a call was refused for the quota.

        Args:
            own: How many of ours HubSpot took in the window that ended with it.
            now: When its answer came.
            sent_at: When it was sent.
            beside: How many calls are on the wire, with this one.

        Returns:
            Whether only the moment of counting was misjudged: the limit is right.
        """
        if sent_at <= self._cut_at:  # it was on the wire at the cut: no other news
            self._beside_refused += 1
            return False
        level = self._level
        if level is None and own >= self._limit - _near(self._limit) and self._is_passing(now):
            return True
        self._before_cut, self._cut_at = level, now
        self._beside, self._beside_taken, self._beside_refused = beside, 0, 0
        self._prove()  # from now on the level bounds what goes
        if level is None:
            self._level = self._cut(own, now, 0)
        elif now >= level.tries_at:
            came_to_nothing = own <= level.base + _near(level.base)
            self._level = self._cut(own, now, level.failed_tries + 1 if came_to_nothing else 0)
        elif own >= level.shown - _near(level.shown):
            self._level = attrs.evolve(level, shown=own, base=own)
        else:
            self._level = self._cut(own, now, level.failed_tries)
        return False

    def _prove(self) -> None:
        self._proven = True
        self.max_in_flight = math.inf

    def _cut(self, own: int, now: float, failed_tries: int) -> _Level:
        if failed_tries <= 1 and own < _DOUBTED_SHARE * self._limit:
            disproof = _DISPROOF_CALLS + int(_DISPROOF_SHARE * own)
            return _Level(own, own, now, failed_tries, disproof)
        patience = _PATIENCE_WINDOWS[min(failed_tries, len(_PATIENCE_WINDOWS) - 1)]
        return _Level(own, own, now + patience * self._window, failed_tries)

    def _is_passing(self, now: float) -> bool:
        """Count a refusal near the limit, and return whether there were few in a row."""
        if now - self._near_at > self._window:
            quiet = now - self._near_at > _NEAR_FORGOTTEN_WINDOWS * self._window
            self._near_count = 1 if quiet else self._near_count + 1
            self._near_at = now
        return self._near_count <= _NEAR_MOST

    def _more(self, level: _Level, now: float) -> int:
        """Return how many calls beyond the base are tried."""
        if now < level.tries_at:
            return 0
        if level.disproof:
            return level.disproof
        # The slack: a timer that was set for this very moment must find it come.
        doublings = (now - level.tries_at) / (_DOUBLING_WINDOWS * self._window) + 1e-9
        return min(_most_more(level), int(2.0 ** min(doublings, _MOST_DOUBLINGS)))


def _near(count: int) -> int:
    return max(_NEAR_CALLS, math.ceil(_NEAR_SHARE * count))


def _most_more(level: _Level) -> int:
    # Twice what got through: what nobody asks for does not grow.
    return 1 + 2 * (level.shown - level.base)
