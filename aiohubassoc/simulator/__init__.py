"""
A HubSpot portal to run against: it keeps the quota, knows records, makes faults and keeps books.

An island: it shares no code with the client, so that a misreading of HubSpot in the one shows
against the other. The names below are loaded when they are first used: settings need no aiohttp.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohubassoc.simulator.fault_plan import Fault, FaultPlan
    from aiohubassoc.simulator.ledger import PortalLedger
    from aiohubassoc.simulator.network import Latency, Neighbour
    from aiohubassoc.simulator.portal import Portal
    from aiohubassoc.simulator.process import PortalProcess, portal_process
    from aiohubassoc.simulator.serve_forever import serve_forever
    from aiohubassoc.simulator.server import ServedPortal, serve
    from aiohubassoc.simulator.settings import PortalSettings

_HOMES = {
    "PortalLedger": "ledger",
    "Fault": "fault_plan",
    "FaultPlan": "fault_plan",
    "Latency": "network",
    "Neighbour": "network",
    "Portal": "portal",
    "PortalProcess": "process",
    "PortalSettings": "settings",
    "ServedPortal": "server",
    "portal_process": "process",
    "serve_forever": "serve_forever",
    "serve": "server",
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
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
