"""The pause after a throttled call, for all calls. Time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import Final

# Calls in flight after 0, 1, 2 and more throttles in a row: a closed quota is to reject few.
_MOST_AFTER: Final = (math.inf, 8, 1)


class Cooldown:
    """No call goes after a throttle, until a moment that only ever moves later."""

    def __init__(self) -> None:
        self._ends_at = -math.inf
        self._began_at = -math.inf
        self._throttles_in_a_row = 0

    def wait(self, now: float) -> float:
        """Return the seconds until it ends; 0 when there is none."""
        return max(0.0, self._ends_at - now)

    def is_over(self, now: float) -> bool:
        """Return whether there is nothing to wait for, nor a throttle to be wary of."""
        return self._throttles_in_a_row == 0 and self._ends_at <= now

    @property
    def is_wary(self) -> bool:
        """Whether no call has got through since the last throttle."""
        return self._throttles_in_a_row > 0

    @property
    def max_in_flight(self) -> float:
        """How many calls may be in flight: few until one of them gets through."""
        return _MOST_AFTER[min(self._throttles_in_a_row, len(_MOST_AFTER) - 1)]

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
            self._throttles_in_a_row += 1
            self._began_at = now
        doublings = min(self._throttles_in_a_row - 1, 7)  # 2 ** 7 hundredths are over a window
        pause = max(retry_after or 0.0, min(window, window / 100 * 2.0**doublings))
        self._ends_at = max(self._ends_at, now + pause)
        return self.wait(now)

    def record_accepted(self, sent_at: float) -> None:
        """Begin again with short pauses, if the call was sent after the last throttle."""
        if sent_at > self._began_at:
            self._throttles_in_a_row = 0
