"""
For tests of code that uses aiohubassoc.

A simulated portal, HubSpot without a network, its replies, and a clock that skips waits. For pytest
there are fixtures: ``hubspot_portal`` and ``mocked_hubspot``.
"""

from aiohubassoc.testing.clock import FakeClock
from aiohubassoc.testing.mocked import MockedHubSpot, mocked
from aiohubassoc.testing.portal import simulated_portal
from aiohubassoc.testing.replies import Reply, batch, linked, rate_limited, refused

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
