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

_MODULES = {
    "Fault": "fault_plan",
    "FaultPlan": "fault_plan",
    "Latency": "settings",
    "Neighbour": "settings",
    "Portal": "portal",
    "PortalLedger": "ledger",
    "PortalProcess": "process",
    "PortalSettings": "settings",
    "ServedPortal": "server",
    "portal_process": "process",
    "serve": "server",
    "serve_forever": "server",
}

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
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
