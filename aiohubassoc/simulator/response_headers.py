"""What every answer has, whatever it says: headers, a correlation id, and the time it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from aiohubassoc.simulator.rate_limits import RateLimits
    from aiohubassoc.simulator.requests import PortalRequest
    from aiohubassoc.simulator.responses import PortalResponse
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings

# With headers="some". Recorded answers lack the daily ones nearly half of the time.
_DAILY_MISSING = 0.5
_ROLLING_MISSING = 0.25


class ResponseHeaders:
    """
    Dresses bare answers.

    Args:
        settings: Say which headers are told and how long an answer takes.
        chance: Draws both.
        quota: What the headers tell of.
    """

    def __init__(self, settings: PortalSettings, chance: SeededRandom, quota: RateLimits) -> None:
        self._headers = settings.headers
        self._latency = settings.latency
        self._chance = chance
        self._quota = quota

    def dressed(self, answer: PortalResponse, arrival: PortalRequest) -> PortalResponse:
        """Return *answer* with all that does not depend on what it says."""
        key, number = arrival.key, arrival.number
        headers = dict(answer.headers)
        document = answer.document
        if answer.by_hubspot:
            correlation_id = self._chance.uuid("correlation id", key, number)
            headers["X-HubSpot-Correlation-Id"] = correlation_id
            if document is not None and not answer.is_success:
                document = document | {"correlationId": correlation_id}
        if answer.tells_limits:
            headers |= self._rate_headers(key, number)
        latency = self._latency
        delay = answer.delay + self._chance.delay(
            latency.after_median, latency.after_sigma, "after", key, number
        )
        return attrs.evolve(answer, document=document, headers=headers, delay=delay)

    def _rate_headers(self, key: str, number: int) -> dict[str, str]:
        if self._headers == "none":
            return {}
        if self._headers == "all":
            return self._quota.headers()
        return self._quota.headers(
            daily=self._chance.share("daily headers", key, number) >= _DAILY_MISSING,
            rolling=self._chance.share("rolling headers", key, number) >= _ROLLING_MISSING,
        )
