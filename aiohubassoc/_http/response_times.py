"""How long responses usually take, and how long to wait for what may follow one."""

from __future__ import annotations

from typing import Final

# How fast mean and deviation follow: as for TCP's retransmission timer (RFC 6298, section 2).
_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_EARLY_FACTOR: Final = 2.0
# Seconds. The upper bound also holds as long as nothing is known.
_SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 1.0
_EARLY_SHARE: Final = 0.5


class ResponseTimes:
    """Mean and deviation of the seconds from sending requests to their responses."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def add(self, seconds: float) -> None:
        """Take another response into account."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        error = seconds - self._mean
        self._deviation += _DEVIATION_GAIN * (abs(error) - self._deviation)
        self._mean += _MEAN_GAIN * error

    def wait_after(self, seconds: float) -> float:
        """
        Return the seconds after which nothing follows a response that took *seconds*.

        If that one is not the request's own, the request's own comes about when it usually does.
        So a response at its usual time is followed by nothing after a usual time more; the sooner
        it came, the longer it takes to know.
        """
        if self._mean is None:
            return LONGEST_WAIT
        usual = self._mean + self._deviation
        early = max(0.0, self._mean - self._deviation - seconds)
        return min(LONGEST_WAIT, max(_SHORTEST_WAIT, usual + _EARLY_FACTOR * early))

    def is_early(self, seconds: float) -> bool:
        """Return whether a response that took *seconds* came sooner than its server can do it."""
        return self._mean is not None and seconds < self._mean * _EARLY_SHARE
