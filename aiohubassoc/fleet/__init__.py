"""Many portals, any number of workers: runs that are queued in PostgreSQL."""

from aiohubassoc.errors import OptionsError, install_command

try:
    import procrastinate as _procrastinate  # noqa: F401 -- whether the extra is installed
    import psycopg as _psycopg  # noqa: F401 -- likewise
except ImportError as _error:
    raise OptionsError(f"fleets need an extra: {install_command('fleet')} ({_error})") from None

from aiohubassoc.fleet.portals import FleetPortal, find_portal, load_portals
from aiohubassoc.fleet.runs import FleetOptions, FleetRow, FleetRun, RunState, SubmittedInput
from aiohubassoc.fleet.store import Fleet
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
