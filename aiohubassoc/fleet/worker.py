"""A worker of a fleet: links the runs of any number of portals, one run a portal at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg
from procrastinate import App, PsycopgConnector, exceptions as procrastinate_errors
from psycopg_pool import AsyncConnectionPool

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.client import AssociationClient
from aiohubassoc.errors import (
    AioHubAssocError,
    DailyLimitError,
    DailyReserveError,
    FleetError,
    JournalStorageError,
    OptionsError,
    RunStoppedError,
)
from aiohubassoc.fleet.ownership import Owned, Ownership
from aiohubassoc.fleet.quotas import FleetQuotas
from aiohubassoc.fleet.reaper import Reaper
from aiohubassoc.fleet.recorder import FleetRecorder, OutcomeWriter
from aiohubassoc.fleet.schema import QUEUE, TASK, check_version
from aiohubassoc.fleet.store import connect
from aiohubassoc.pair import unchecked_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from procrastinate import JobContext

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.fleet.portals import FleetPortal
    from aiohubassoc.models import Report
    from aiohubassoc.observer import Observer
    from aiohubassoc.pair import Pair

logger = logging.getLogger("aiohubassoc")

_PAGE: Final = 2000
_RECONNECT_SECONDS: Final = 2.0
_FIRST_WAIT: Final = 2.0  # seconds before a run that broke continues; doubles each time
_LONGEST_WAIT: Final = 300.0


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
        observer: What every run reports to; None: nothing. See `Observer`.
        clock: For tests. None: the running event loop's.
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
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> None:
        if max_runs < 1:
            raise OptionsError(f"max_runs must be 1 or more, not {max_runs}")
        if not 0 < 2 * heartbeat < dead_after:
            raise OptionsError("dead_after must be more than twice heartbeat")
        self._database = database
        self._portals = portals
        self._max_runs = max_runs
        self._heartbeat = heartbeat
        self._dead_after = dead_after
        self._poll = poll
        self._drain_timeout = drain_timeout
        self._listen = listen
        self._pool: AsyncConnectionPool = AsyncConnectionPool(
            database,
            min_size=1,
            max_size=8,
            open=False,
            timeout=dead_after / 2,
            kwargs={"autocommit": True, "connect_timeout": 10},
        )
        self._clock = SystemClock() if clock is None else clock
        self._owned = Owned(self._pool, dead_after / 2, self._clock)
        self._writer = OutcomeWriter(self._pool, self._clock)
        self._quotas = FleetQuotas(database)
        self._observer = observer
        self._streams: set[Any] = set()
        self._stopping: asyncio.Event | None = None

    def stop(self) -> None:
        """Take no more runs, and give back those that it has, once their calls have ended."""
        if self._stopping is not None:
            self._stopping.set()
        for stream in self._streams:
            stream.stop(RunStoppedError("the worker stopped"), drain_timeout=self._drain_timeout)

    async def run(self) -> None:
        """
        Work until `stop` is called.

        Raises:
            FleetError: the database cannot be reached at the start, or has no fleet of this
                version. While it is away later the worker waits for it.
        """
        self._stopping = asyncio.Event()
        db = await connect(self._database)
        async with db:
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
                    await self._run_procrastinate(self._stopping)
            finally:
                for task in side:
                    task.cancel()
                await asyncio.wait(side)
                await self._quotas.close()

    async def _run_procrastinate(self, stopping: asyncio.Event) -> None:
        """Let procrastinate fetch jobs until this worker is stopped or the database goes away."""
        app = App(
            connector=PsycopgConnector(
                conninfo=self._database, min_size=1, max_size=4, kwargs={"connect_timeout": 10}
            )
        )
        app.task(name=TASK, queue=QUEUE, pass_context=True)(self._link_run)
        try:
            async with app.open_async():
                worker: Any = app._worker(  # noqa: SLF001 -- `run_worker_async` gives nothing to stop
                    queues=[QUEUE],
                    concurrency=self._max_runs,
                    install_signal_handlers=False,
                    listen_notify=self._listen,
                    fetch_job_polling_interval=self._poll,
                    update_heartbeat_interval=self._heartbeat,
                    stalled_worker_timeout=self._dead_after,
                    shutdown_graceful_timeout=self._drain_timeout + 10.0,
                    delete_jobs="always",
                )
                running = asyncio.create_task(worker.run())
                waiting = asyncio.create_task(stopping.wait())
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
        if not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RECONNECT_SECONDS):
                    await stopping.wait()

    async def _link_run(self, context: JobContext, run: int) -> None:
        """Link the open pairs of a run: the one task of a fleet."""
        assert context.job.id is not None  # noqa: S101 -- it is being worked on
        claimed = await self._owned.claim(run, context.job.id)
        if claimed is None:
            return
        ownership, row = claimed
        ending = _Ending("queued", "the worker stopped")
        try:
            ending = await self._link(ownership, row)
        except (FleetError, OptionsError) as error:
            ending = _Ending("failed" if isinstance(error, OptionsError) else "queued", str(error))
        finally:
            logger.info("fleet run %d: %s %s", run, ending.state, ending.reason or "")
            with contextlib.suppress(FleetError):  # the reaper finds it
                await self._owned.end(
                    ownership,
                    ending.state,
                    reason=ending.reason,
                    due_at=ending.due_at,
                    wait=ending.wait,
                    retries=ending.retries,
                )

    async def _link(self, ownership: Ownership, row: dict[str, Any]) -> _Ending:
        portal = self._portals.get(row["portal"])
        if portal is None:
            raise OptionsError(f"the worker has no portal {row['portal']!r} in its file")
        tokens = _FencedToken(portal.read_token(), ownership)
        options = row["options"]
        client = AssociationClient(
            tokens,
            base_url=portal.base_url,
            api_version=portal.api_version,
            quota=portal.quota,
            batch_quota=portal.batch_quota,
            share=portal.share,
            reserve_daily=portal.reserve_daily,
            allow_http=portal.allow_http,
            shared_quota=self._quotas.of_portal(portal.name),  # type: ignore[arg-type]
            observer=self._observer,
        )
        async with client:
            source = _OpenPairs(self._owned, ownership)
            stream = client.link_each(
                source.pairs(),
                journal=FleetRecorder(self._writer, ownership),  # type: ignore[arg-type]
                drain_timeout=self._drain_timeout,
                max_failures_kept=0,
                **options,
            )
            ownership.on_lost = lambda: stream.stop(
                RunStoppedError("another worker may have taken the run over"), drain_timeout=0.0
            )
            ownership.on_cancel = lambda: stream.stop(
                RunStoppedError("the run was cancelled"), drain_timeout=0.5
            )
            source.is_stopped = lambda: stream.report.stopped is not None
            self._streams.add(stream)
            try:
                if self._stopping is not None and self._stopping.is_set():
                    return _Ending("queued", "the worker stopped")
                with contextlib.suppress(RunStoppedError):  # its report says so too
                    async with stream as outcomes:
                        async for _ in outcomes:
                            pass
            finally:
                self._streams.discard(stream)
            settled = stream.report.total - stream.report.unprocessed
            retries = 0 if settled else row["retries"] + 1
            return await _make_ending(client, stream.report, ownership, retries)


class _Ending:
    """How a run is given back."""

    def __init__(
        self,
        state: str,
        reason: str | None = None,
        *,
        due_at: datetime | None = None,
        wait: float = 0.0,
        retries: int = 0,
    ) -> None:
        self.state = state
        self.reason = reason
        self.due_at = due_at
        self.wait = wait
        self.retries = retries


async def _make_ending(
    client: AssociationClient, report: Report, ownership: Ownership, retries: int
) -> _Ending:
    stopped = report.stopped
    if ownership.is_cancelled:
        return _Ending("cancelled", "it was cancelled")
    if stopped is None and report.input_complete and not report.unprocessed:
        return _Ending("done")
    reason = str(stopped) if stopped is not None else "its pairs were not all read"
    cause = getattr(stopped, "error", None) or stopped
    if isinstance(cause, DailyLimitError | DailyReserveError):
        return _Ending("sleeping", reason, due_at=await _end_of_day(client))
    if _is_temporary(cause):
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(retries, 10)) if retries else 0.0
        return _Ending("queued", reason, wait=wait, retries=retries)
    return _Ending("failed", reason)


def _is_temporary(cause: BaseException | None) -> bool:
    """Return whether the run may continue by itself, later."""
    return isinstance(cause, RunStoppedError | JournalStorageError | FleetError) or cause is None


async def _end_of_day(client: AssociationClient) -> datetime:
    """Return when the account's day ends; where HubSpot does not say, in an hour."""
    with contextlib.suppress(AioHubAssocError):
        check = await client.check("contacts", "companies")
        if check.resets_at is not None:
            return check.resets_at
        if check.utc_offset is not None:
            here = datetime.now(UTC) + check.utc_offset
            midnight = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return midnight - check.utc_offset
    return datetime.now(UTC) + timedelta(hours=1)


class _FencedToken:
    """
    A `TokenProvider` that gives no token once the run may be another worker's.

    A client asks it before each request: so nothing is sent without a confirmed ownership, even by
    a process that was stopped for an hour and continues.
    """

    def __init__(self, source: Any, ownership: Ownership) -> None:  # noqa: ANN401 -- str or provider
        self._source = source
        self._ownership = ownership

    async def __call__(self, refused: str | None) -> str:
        if not self._ownership.holds:
            self._ownership.lose()
            raise RunStoppedError("another worker may have taken the run over")
        if isinstance(self._source, str):
            return self._source
        token: str = await self._source(refused)
        return token


class _OpenPairs:
    """The pairs of a run without an outcome, page by page."""

    def __init__(self, owned: Owned, ownership: Ownership) -> None:
        self._owned = owned
        self._ownership = ownership
        self.is_stopped: Callable[[], bool] = lambda: False

    async def pairs(self) -> AsyncIterator[Pair]:
        """Yield them, tagged with their numbers; a run that stops reads no further."""
        last = -1
        while True:
            values = (self._ownership.run, last, _PAGE)
            page = await self._owned.retry(self._ownership, partial(_read_page, values))
            for n, *ends in page:
                if self.is_stopped():
                    return
                last = n
                yield unchecked_pair(*ends, tag=n)
            if len(page) < _PAGE:
                return


async def _read_page(values: tuple[int, int, int], db: psycopg.AsyncConnection) -> list[Any]:
    cursor = await db.execute(
        "select n, from_type, from_id, to_type, to_id from aiohubassoc_pairs"
        " where run = %s and n > %s and status = 0 order by n limit %s",
        values,
    )
    return await cursor.fetchall()
