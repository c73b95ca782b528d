"""
For tests of code that uses aiohubassoc.

A simulated portal, HubSpot without a network, its replies, and a clock that skips waits. For pytest
there are fixtures: ``hubspot_portal`` and ``mocked_hubspot``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.testing.clock import FakeClock
from aiohubassoc.testing.mocked import (
    MockedHubSpot,
    Reply,
    batch,
    linked,
    mocked,
    rate_limited,
    refused,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aiohubassoc.simulator import PortalSettings, ServedPortal

__all__ = [
    "FakeClock",
    "MockedHubSpot",
    "Reply",
    "batch",
    "linked",
    "mocked",
    "rate_limited",
    "refused",
    "simulated_portal",
]


def simulated_portal(
    settings: PortalSettings | None = None,
) -> AbstractAsyncContextManager[ServedPortal]:
    """
    Serve a simulated HubSpot portal on a port of this machine while the context lasts.

    It has a ``base_url`` for the client and accepts the token ``"simulated-token"``; its
    ``portal.ledger`` has the requests that it got and the links that it made. In a pytest fixture,
    put an ``async with`` around a ``yield``.

    Args:
        settings: How the portal behaves; of `aiohubassoc.simulator`. None: HubSpot's quota of
            190 calls in 10 s, every record exists, no faults.
    """
    from aiohubassoc.simulator import serve  # noqa: PLC0415 -- an HTTP server, only when asked for

    return serve(settings)
