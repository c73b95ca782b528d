"""A worker of a fleet: links the runs of any number of portals, one run a portal at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Any, Final

import psycopg
from procrastinate import App, PsycopgConnector, exceptions as procrastinate_errors
from psycopg_pool import AsyncConnectionPool

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.errors import AioHubAssocError, FleetError, OptionsError
from aiohubassoc.fleet.database import CONNECTION, QUEUE, TASK, check_version, connect
from aiohubassoc.fleet.ownership import OwnedRuns, Reaper
from aiohubassoc.fleet.portals import FleetQuotas
from aiohubassoc.fleet.recorder import OutcomeWriter
from aiohubassoc.fleet.run_linker import RunLinker, continue_later
from aiohubassoc.fleet.runs import RunEnding, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from procrastinate import JobContext

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.fleet.portals import FleetPortal
    from aiohubassoc.observer import Observer

logger = logging.getLogger("aiohubassoc")

_RECONNECT_SECONDS: Final = 2.0
# How long procrastinate waits for a connection. A worker that is stopped while the database is away
# waits for several.
_POOL_SECONDS: Final = 5.0


class FleetWorker:
    """
    Works on the runs of a fleet until it is stopped.

    Args:
        database: A libpq connection URI.
        portals: The portals by their names.
        max_runs: The most runs at once, 1 or more; one at a time of a portal.
        heartbeat: Seconds between signs of life.
        dead_after: Seconds without one after which others take its runs over; it stops sending
            once the database has not confirmed a run for half as long.
        poll: Seconds between looks for new runs, besides the database's own notifications.
        drain_timeout: Seconds that calls in flight may take to end when it is stopped.
        listen: Whether to be notified by the database; False behind a PgBouncer that pools
            transactions.
        trust_env: Whether to use the proxy that the environment names; as for `AssociationClient`.
        observer: What every run reports to; None: nothing. See `Observer`.
        clock: For tests. None: the running event loop's.

    Raises:
        OptionsError: an argument that cannot work.
    """

    def __init__(
        self,
        database: str,
        portals: Mapping[str, FleetPortal],
        *,
        max_runs: int = 150,
        heartbeat: float = 5.0,
        dead_after: float = 30.0,
        poll: float = 1.0,
        drain_timeout: float = 5.0,
        listen: bool = True,
        trust_env: bool = False,
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> None:
        _check(
            max_runs=max_runs,
            poll=poll,
            heartbeat=heartbeat,
            dead_after=dead_after,
            drain_timeout=drain_timeout,
        )
        self._database = database
        self._dead_after = dead_after
        self._poll = poll
        self._options: dict[str, Any] = {
            "queues": [QUEUE],
            "concurrency": max_runs,
            "install_signal_handlers": False,
            "listen_notify": listen,
            "fetch_job_polling_interval": poll,
            "update_heartbeat_interval": heartbeat,
            "stalled_worker_timeout": dead_after,
            "shutdown_graceful_timeout": drain_timeout + 10.0,
            "delete_jobs": "always",
        }
        self._pool: AsyncConnectionPool = AsyncConnectionPool(
            database,
            min_size=1,
            max_size=8,
            open=False,
            timeout=dead_after / 2,
            kwargs={"autocommit": True, **CONNECTION},
        )
        self._clock = SystemClock() if clock is None else clock
        self._owned = OwnedRuns(self._pool, dead_after / 2, self._clock)
        self._writer = OutcomeWriter(self._pool, self._clock)
        self._quotas = FleetQuotas(database)
        self._linker = RunLinker(
            portals,
            self._owned,
            self._writer,
            self._quotas,
            observer=observer,
            clock=self._clock,
            drain_timeout=drain_timeout,
            trust_env=trust_env,
        )
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more runs, and leave those that it has to others once their calls have ended."""
        self._stopping.set()
        self._linker.stop()

    async def run(self) -> None:
        """
        Work until `stop` is called; return at once if it was called before.

        Raises:
            FleetError: the database cannot be reached at the start, or has no fleet of this
                version. While it is away later the worker waits for it.
        """
        async with await connect(self._database) as db:
            await check_version(db)
        async with self._pool:
            reaper = Reaper(self._pool, self._dead_after, self._clock)
            side = [
                asyncio.create_task(work, name=f"aiohubassoc fleet {name}")
                for name, work in (
                    ("watch", self._owned.watch()),
                    ("writer", self._writer.run()),
                    ("reaper", reaper.run(self._poll)),
                )
            ]
            try:
                while not self._stopping.is_set():
                    await self._run_procrastinate()
            finally:
                for task in side:
                    task.cancel()
                await asyncio.wait(side)
                await self._quotas.close()

    async def _run_procrastinate(self) -> None:
        """Let procrastinate fetch jobs until this worker is stopped or the database goes away."""
        app = App(
            connector=PsycopgConnector(
                conninfo=self._database,
                min_size=1,
                max_size=4,
                timeout=_POOL_SECONDS,
                kwargs=CONNECTION,
            )
        )
        app.task(name=TASK, queue=QUEUE, pass_context=True)(self._link_run)
        try:
            async with app.open_async():
                # `run_worker_async` gives nothing to stop.
                worker: Any = app._worker(**self._options)  # noqa: SLF001
                running = asyncio.create_task(worker.run())
                waiting = asyncio.create_task(self._stopping.wait())
                try:
                    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
                except asyncio.CancelledError:
                    self.stop()
                    raise
                finally:
                    waiting.cancel()
                    worker.stop()
                    await asyncio.wait({running, waiting})
                await running
        except (procrastinate_errors.ConnectorException, psycopg.Error) as error:
            logger.warning("the fleet's database is away: %s", error)
        if not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RECONNECT_SECONDS):
                    await self._stopping.wait()

    async def _link_run(self, context: JobContext, run: int) -> None:
        assert context.job.id is not None  # noqa: S101 -- it is being worked on
        claimed = await self._owned.claim(run, context.job.id)
        if claimed is None:
            return
        ownership, row = claimed
        ending = RunEnding(RunState.QUEUED, "the worker stopped")
        try:
            ending = await self._linker.link(ownership, row)
        except OptionsError as error:
            ending = RunEnding(RunState.FAILED, str(error))
        except FleetError as error:
            ending = RunEnding(RunState.QUEUED, str(error))
        except AioHubAssocError as error:  # such as SharedQuotaError
            ending = continue_later(str(error), row["retries"] + 1)
        except Exception as error:  # else it would be begun again at once, again and again
            logger.exception("fleet run %d", run)
            ending = continue_later(f"{type(error).__name__}: {error}", row["retries"] + 1)
        finally:
            why = f": {ending.reason}" if ending.reason else ""
            logger.info("fleet run %d is %s%s", run, ending.state, why)
            with contextlib.suppress(FleetError):  # the reaper finds it
                await self._owned.end(ownership, ending)


def _check(
    *, max_runs: int, poll: float, heartbeat: float, dead_after: float, drain_timeout: float
) -> None:
    if max_runs < 1:
        raise OptionsError(f"max_runs must be 1 or more, not {max_runs}")
    for name, value in (("poll", poll), ("heartbeat", heartbeat), ("dead_after", dead_after)):
        if not 0 < value < math.inf:
            raise OptionsError(f"{name} must be more than 0 seconds, not {value:g}")
    if not 0 <= drain_timeout < math.inf:
        raise OptionsError(f"drain_timeout must be 0 or more, not {drain_timeout:g}")
    if not 2 * heartbeat < dead_after:
        raise OptionsError(f"dead_after must be more than twice heartbeat, not {dead_after:g}")
