"""
Fixtures for pytest, available when aiohubassoc is installed.

No fixture is async, so they work in pytest-asyncio's strict and auto mode, with anyio, and in tests
without an event loop.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.simulator import PortalSettings, ServedPortal
    from aiohubassoc.testing.mocked import MockedHubSpot

_START_SECONDS = 30.0


@pytest.fixture
def hubspot_settings() -> PortalSettings:
    """The settings of `hubspot_portal`; override them. Default: every record exists, no quota."""
    from aiohubassoc.simulator import PortalSettings  # noqa: PLC0415 -- only when asked for

    return PortalSettings(quota_limit=None)


@pytest.fixture
def hubspot_portal(hubspot_settings: PortalSettings) -> Iterator[ServedPortal]:
    """
    A simulated portal on a port of this machine, in a thread.

    It has a ``base_url`` for the client, accepts the token ``"simulated-token"``, and its
    ``portal.ledger`` has the links that it made.
    """
    from aiohubassoc.simulator import serve  # noqa: PLC0415 -- an HTTP server

    ready = threading.Event()
    served: list[tuple[ServedPortal, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        async with serve(hubspot_settings) as portal:
            over = asyncio.Event()
            served.append((portal, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="hubspot_portal", daemon=True)
    thread.start()
    if not ready.wait(_START_SECONDS):
        pytest.fail("the simulated portal did not start")
    portal, loop, over = served[0]
    try:
        yield portal
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(_START_SECONDS)


@pytest.fixture
def mocked_hubspot() -> Iterator[MockedHubSpot]:
    """HubSpot without a network: `aiohubassoc.testing.mocked`. By default it links every pair."""
    from aiohubassoc.testing.mocked import mocked  # noqa: PLC0415 -- an extra

    with mocked() as hubspot:
        yield hubspot
