"""Many portals, any number of workers: runs that are queued in PostgreSQL."""

from aiohubassoc.fleet.portals import FleetPortal, find_portal, load_portals
from aiohubassoc.fleet.store import (
    Fleet,
    FleetOptions,
    FleetRow,
    FleetRun,
    RunState,
    SubmittedInput,
)
from aiohubassoc.fleet.worker import FleetWorker

__all__ = [
    "Fleet",
    "FleetOptions",
    "FleetPortal",
    "FleetRow",
    "FleetRun",
    "FleetWorker",
    "RunState",
    "SubmittedInput",
    "find_portal",
    "load_portals",
]
