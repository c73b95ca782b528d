"""The pause after a refusal, for everybody."""

from __future__ import annotations

import math
from typing import Final

# Calls on the wire after 0, 1, 2 and more refusals in a row: a closed quota is to refuse few.
_MOST_AFTER: Final = (math.inf, 8, 1)


class Cooldown:
    """Closed for everybody after a refusal, until a moment that only ever moves later."""

    def __init__(self) -> None:
        self._opens_at = -math.inf
        self._closed_at = -math.inf
        self._refusals_in_a_row = 0

    def wait(self, now: float) -> float:
        """Return the seconds until it opens; 0 when it is open."""
        return max(0.0, self._opens_at - now)

    def is_open(self, now: float) -> bool:
        """Return whether no refusal stands: nothing is to wait for, nor to be wary of."""
        return self._refusals_in_a_row == 0 and self._opens_at <= now

    @property
    def has_refused(self) -> bool:
        """Whether the last refusal still counts."""
        return self._refusals_in_a_row > 0

    @property
    def max_in_flight(self) -> float:
        """How many calls may be on the wire: few until one of them gets through."""
        return _MOST_AFTER[min(self._refusals_in_a_row, len(_MOST_AFTER) - 1)]

    def record_throttle(
        self, now: float, sent_at: float, *, retry_after: float | None, window: float
    ) -> float:
        """
        Close after a refusal and return the seconds until it opens.

        It stays closed for *retry_after* seconds where HubSpot named them, and at least for a
        hundredth of *window*, twice as long with each refusal of a call that was sent after the
        one before, up to the whole window.
        """
        # Calls that were on the wire together are refused together: that is one refusal.
        if sent_at > self._closed_at:
            self._refusals_in_a_row += 1
            self._closed_at = now
        doublings = min(self._refusals_in_a_row - 1, 7)  # 2 ** 7 hundredths are over a window
        pause = max(retry_after or 0.0, min(window, window / 100 * 2.0**doublings))
        self._opens_at = max(self._opens_at, now + pause)
        return self.wait(now)

    def accepted(self, sent_at: float) -> None:
        """Begin again with short pauses, if the call was sent after the last refusal."""
        if sent_at > self._closed_at:
            self._refusals_in_a_row = 0
