"""A response before it is sent, and the headers that every response gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

if TYPE_CHECKING:
    from aiohubassoc.simulator.rate_limits import RateLimits
    from aiohubassoc.simulator.routing import PortalRequest
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings

Document: TypeAlias = dict[str, Any]

HTML = "text/html;charset=iso-8859-1"
JSON = "application/json;charset=utf-8"

# With headers="some". Nearly half of the recorded responses lack the daily headers.
_DAILY_MISSING = 0.5
_ROLLING_MISSING = 0.25


class Delivery(Enum):
    """How a response is sent."""

    WHOLE = auto()
    TRUNCATED = auto()  # half of the body, and a Content-Length that agrees with it
    CUT = auto()  # the connection closes in the middle of the body
    NEVER = auto()  # nothing is sent, the connection stays open
    RESET = auto()  # nothing is sent, the connection is reset


@attrs.frozen
class PortalResponse:
    """One response."""

    status: int
    # The body as JSON; the correlation id of an error is added later. None: `text` is the
    # body.
    document: Document | None = None
    text: str = ""  # the body where there is no document; may be empty
    content_type: str = JSON  # of a body that is not empty
    # Headers beyond those that every response has.
    headers: Mapping[str, str] = attrs.field(factory=dict)
    from_hubspot: bool = True  # whether HubSpot itself responds, with a correlation id
    has_rate_headers: bool = True  # whether it has the rate-limit headers
    delay: float = 0.0  # seconds to wait before it is sent
    delivery: Delivery = Delivery.WHOLE  # how it is sent

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 -- RFC 9110, 15.3: successful

    def body(self) -> bytes:
        """Return the bytes of the body; half of them where it is truncated."""
        if self.document is None:
            whole = self.text.encode()
        else:
            whole = json.dumps(self.document, separators=(",", ":")).encode()
        return whole[: len(whole) // 2] if self.delivery is Delivery.TRUNCATED else whole


class ResponseHeaders:
    """Adds what every response has: headers, correlation id, delay."""

    def __init__(self, settings: PortalSettings, rng: SeededRandom, limits: RateLimits) -> None:
        self._headers = settings.headers
        self._latency = settings.latency
        self._rng = rng
        self._limits = limits

    def add(self, response: PortalResponse, request: PortalRequest) -> PortalResponse:
        """Return *response* with headers, correlation id and delay."""
        key, number = request.key, request.number
        headers = dict(response.headers)
        document = response.document
        if response.from_hubspot:
            correlation_id = self._rng.uuid("correlation id", key, number)
            headers["X-HubSpot-Correlation-Id"] = correlation_id
            if document is not None and not response.is_success:
                document = document | {"correlationId": correlation_id}
        if response.has_rate_headers:
            headers |= self._rate_headers(key, number)
        latency = self._latency
        delay = response.delay + self._rng.lognormal(
            latency.after_median, latency.after_sigma, "after", key, number
        )
        return attrs.evolve(response, document=document, headers=headers, delay=delay)

    def _rate_headers(self, key: str, number: int) -> dict[str, str]:
        if self._headers == "none":
            return {}
        if self._headers == "all":
            return self._limits.headers()
        return self._limits.headers(
            daily=self._rng.uniform("daily headers", key, number) >= _DAILY_MISSING,
            rolling=self._rng.uniform("rolling headers", key, number) >= _ROLLING_MISSING,
        )
