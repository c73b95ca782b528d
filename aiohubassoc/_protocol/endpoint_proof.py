"""Whether HubSpot itself can be reached: when it last responded."""

from __future__ import annotations

from math import inf
from typing import Final

# So long a response of HubSpot's own shows that a gateway's refusal is about one pair. It is longer
# than a usual call with its retries, and short enough that a firewall that closes in the midst of a
# run costs few pairs.
PROVEN_SECONDS: Final = 10.0


class EndpointProof:
    """
    What shows that HubSpot's API is behind the base URL.

    Attributes:
        responded_at: When HubSpot itself last responded, whatever it said. Seconds on the clock.
    """

    __slots__ = ("responded_at",)

    def __init__(self) -> None:
        self.responded_at = -inf

    def holds(self, now: float) -> bool:
        """Return whether HubSpot itself responded a moment ago; *now* is on the same clock."""
        return now - self.responded_at <= PROVEN_SECONDS
