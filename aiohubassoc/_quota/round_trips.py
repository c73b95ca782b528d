"""When HubSpot counted a call. Time is an argument, in seconds."""

from __future__ import annotations

from typing import Final

# How fast the running mean and deviation follow, as TCP's round-trip estimate does (RFC 6298).
_GAIN: Final = 1 / 16
# A call this many deviations slower than the mean says little about when it was counted.
_SLOW_DEVIATIONS: Final = 2.0
# How far beyond the midpoint, in deviations. tests/quota/test_pacer.py has what it must stand.
_MARGIN_DEVIATIONS: Final = 0.4
# The longest round trip to be expected: so many deviations above the mean (RFC 6298, 2.3), and a
# second more while nothing is known (RFC 6298, 2.1), which goes as fast as the mean is learned.
_LONGEST_DEVIATIONS: Final = 4.0
_UNKNOWN_SECONDS: Final = 1.0


class RoundTrips:
    """
    When HubSpot counted a call, judged by how long calls take.

    Args:
        strict: Whether every call counts at its response: safe whatever the network does.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._mean: float | None = None
        self._deviation = 0.0
        self._unknown = _UNKNOWN_SECONDS
        self._lean = 0.0

    def counted_at(self, sent_at: float, responded_at: float, *, exact: bool) -> float:
        """
        Return the moment at which a call with a response counts, and learn from it.

        The midpoint of the round trip and a margin for jitter; the response itself for a call that
        was much slower than most, or whose request was sent some time after *sent_at*: not *exact*.
        """
        if not exact:
            return responded_at
        took = responded_at - sent_at
        mean, deviation = self._mean, self._deviation
        self._unknown -= _GAIN * self._unknown
        if mean is None:
            self._mean, self._deviation = took, took / 2
            return responded_at
        off = took - mean
        self._mean = mean + _GAIN * off
        self._deviation = deviation + _GAIN * (abs(off) - deviation)
        if self._strict:
            return responded_at
        after_middle = _MARGIN_DEVIATIONS * deviation
        if off > _SLOW_DEVIATIONS * deviation:
            # Whichever way was slow: the way back took about as long as most do.
            counted_at = responded_at - max(0.0, mean / 2 - deviation)
        else:
            counted_at = min(sent_at + took / 2 + after_middle, responded_at)
        return counted_at + self._lean * (responded_at - counted_at) if self._lean else counted_at

    @property
    def longest(self) -> float:
        """Seconds that nearly every round trip stays below."""
        mean = self._mean or 0.0
        return mean + _LONGEST_DEVIATIONS * self._deviation + self._unknown

    def lean(self, share: float) -> None:
        """Count calls nearer to their response by *share* of the way, from 0 to 1."""
        self._lean = share
