"""
A HubSpot portal to run against: with its quota, records and faults, and a ledger of what happened.

It shares no code with the client, so that a wrong assumption about HubSpot in one of them fails a
test with the other. Its names are imported on first use, because the settings do not need aiohttp.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohubassoc.simulator.fault_plan import Fault, FaultPlan
    from aiohubassoc.simulator.ledger import PortalLedger
    from aiohubassoc.simulator.portal import Portal
    from aiohubassoc.simulator.process import PortalProcess, portal_process
    from aiohubassoc.simulator.server import ServedPortal, serve, serve_forever
    from aiohubassoc.simulator.settings import Latency, Neighbour, PortalSettings

# The settings, which need no aiohttp, first: a name is loaded from the first module that has it.
_MODULES = ("settings", "fault_plan", "ledger", "process", "portal", "server")

__all__ = [
    "Fault",
    "FaultPlan",
    "Latency",
    "Neighbour",
    "Portal",
    "PortalLedger",
    "PortalProcess",
    "PortalSettings",
    "ServedPortal",
    "portal_process",
    "serve",
    "serve_forever",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in _MODULES:
            found: object = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
