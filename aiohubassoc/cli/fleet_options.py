"""The options of the commands of a fleet."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import attrs
from cyclopts import Parameter

from aiohubassoc.cli import signals
from aiohubassoc.cli.options import Flag, option_name
from aiohubassoc.errors import OptionsError
from aiohubassoc.fleet import Fleet, FleetOptions, FleetPortal, FleetWorker, load_portals
from aiohubassoc.fleet.worker import check_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cyclopts import Token

_T = TypeVar("_T")


def _to_run_number(_: object, tokens: Sequence[Token]) -> int:
    """Return the number of a run; a fraction is not rounded to the number of another run."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"RUN must be the number of a run, such as 7, not {text!r}") from None


RunNumber: Final = Parameter(converter=_to_run_number)
"""Of an argument that is the number of a run."""

_DATABASE: Final = "AIOHUBASSOC_DATABASE"
_PORTALS: Final = "AIOHUBASSOC_PORTALS"


@attrs.frozen
class DatabaseOptions:
    """
    Where the runs are.

    Args:
        database: The PostgreSQL database, as postgresql://user@host/name; else
            AIOHUBASSOC_DATABASE.
    """

    database: str | None = None

    def url(self) -> str:
        """Return the connection URI, or OptionsError."""
        if url := self.database or os.environ.get(_DATABASE, "").strip():
            return url
        raise OptionsError(f"no database: give --database, or set {_DATABASE}")

    def use(self, work: Callable[[Fleet], Awaitable[_T]]) -> _T:
        """Return what *work* returns for the fleet in it."""

        async def connected() -> _T:
            async with Fleet(self.url()) as fleet:
                return await work(fleet)

        return signals.run(connected())


@attrs.frozen
class PortalsOptions:
    """
    Which portals there are.

    Args:
        portals: The TOML file with a [portals.NAME] table for each; else AIOHUBASSOC_PORTALS.
    """

    portals: str | None = None

    @property
    def files(self) -> list[str]:
        """That file, if there is one."""
        path = self.portals or os.environ.get(_PORTALS, "").strip()
        return [path] if path else []

    def load(self) -> dict[str, FleetPortal]:
        """Return the portals, or OptionsError."""
        if files := self.files:
            return load_portals(files[0])
        raise OptionsError(f"no portals: give --portals, or set {_PORTALS}")


@attrs.frozen
class SubmitOptions:
    """
    How a run is sent, and when.

    Args:
        via: put: a call for each pair. batch: a call for up to 2,000 pairs.
        skip_linked: Ask HubSpot first which pairs are linked already; these are skipped.
        skip_invalid: Leave out rows that hold no pair; export --failed writes them.
        stop_after_failures: Stop once this many pairs failed.
        stop_after_alike: Stop once HubSpot refused this many pairs in a row for the same reason. 0:
            never.
        priority: Runs with a higher number go first.
        start_at: Start no earlier, as 2026-11-30T22:00+01:00.
    """

    via: Literal["put", "batch"] = "put"
    skip_linked: Flag = False
    skip_invalid: Flag = False
    stop_after_failures: int | None = None
    stop_after_alike: int = 50
    priority: int = 0
    start_at: str | None = None

    def to_fleet(self) -> FleetOptions:
        """Return what is kept with the run, or OptionsError."""
        if self.stop_after_failures is not None and self.stop_after_failures < 1:
            raise OptionsError("--stop-after-failures must be 1 or more")
        if self.stop_after_alike < 0:
            raise OptionsError("--stop-after-alike must be 1 or more, or 0 for never")
        return FleetOptions(
            via=self.via,
            skip_linked=self.skip_linked,
            stop_after_failures=self.stop_after_failures,
            stop_after_alike=self.stop_after_alike or None,
        )

    def start(self) -> datetime | None:
        """Return the earliest start with its time zone, or OptionsError."""
        if self.start_at is None:
            return None
        try:
            return datetime.fromisoformat(self.start_at).astimezone()
        except (ValueError, OverflowError):
            raise OptionsError(
                f"--start-at {self.start_at!r} is no time such as 2026-11-30T22:00+01:00"
            ) from None


@attrs.frozen
class WorkerOptions:
    """
    How a worker works.

    Args:
        max_runs: The most runs at once; of one portal one runs at a time.
        poll: Seconds between looks for new runs, besides PostgreSQL's notifications.
        heartbeat: Seconds between signs of life.
        dead_after: Seconds without one after which other workers take the runs over.
        drain_timeout: Seconds that calls in flight may take to end when the worker is stopped.
        no_listen: Use no LISTEN, for a PgBouncer that pools transactions.
    """

    max_runs: int = 150
    poll: float = 1.0
    heartbeat: float = 5.0
    dead_after: float = 30.0
    drain_timeout: float = 5.0
    no_listen: Flag = False

    def make_worker(self, database: str, portals: Mapping[str, FleetPortal]) -> FleetWorker:
        """Return the worker, or OptionsError."""
        options = attrs.asdict(self)
        listen = not options.pop("no_listen")
        check_worker(**options, name=lambda field: f"--{option_name(field)}")
        return FleetWorker(database, portals, listen=listen, **options)
