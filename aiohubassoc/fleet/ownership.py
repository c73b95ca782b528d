"""Which worker has a run: one at a time, until the database no longer confirms it."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import attrs
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from aiohubassoc._http.clock import Clock
from aiohubassoc.errors import FleetError
from aiohubassoc.fleet.database import defer_jobs, describe, fetch_one

if TYPE_CHECKING:
    from aiohubassoc.fleet.runs import RunEnding

logger = logging.getLogger("aiohubassoc")

# A cancelled run stops within a second: so often the database is asked.
_ASK_EVERY: Final = 0.4
_RETRY_SECONDS: Final = 0.5
_CLAIM: Final = """
update aiohubassoc_runs set state = 'running', owner = %s, due_at = null, reason = null,
  started_at = coalesce(started_at, now())
where id = %s and job = %s and state in ('queued', 'running', 'sleeping')
returning portal, options, retries, statistics
"""
_END: Final = """
update aiohubassoc_runs set owner = null, job = null, reason = %(reason)s, retries = %(retries)s,
  state = case when cancel_requested and %(state)s in ('queued', 'sleeping') then 'cancelled'
    else %(state)s end,
  due_at = case when %(state)s in ('queued', 'sleeping') then
    coalesce(%(due_at)s, now() + make_interval(secs => %(wait)s)) end,
  ended_at = case when %(state)s in ('queued', 'sleeping') and not cancel_requested then null
    else now() end
where id = %(run)s and owner = %(owner)s
"""
_CONFIRM: Final = """
select owner, cancel_requested from aiohubassoc_runs where id = any(%s) and owner = any(%s)
"""


@attrs.define(eq=False)
class Ownership:
    """A worker's right to work on a run."""

    # It ends when another worker takes the run over, and is not used for `valid_for` seconds after
    # the database last confirmed it: another worker may have it by then.

    run: int  # the run's number
    valid_for: float  # seconds for which a confirmation holds
    clock: Clock
    on_lost: Callable[[], None] = lambda: None  # called once when it ended
    on_cancel: Callable[[], None] = lambda: None  # called once when a user cancelled the run
    owner: UUID = attrs.Factory(uuid4)  # what the database knows this worker's claim by
    is_lost: bool = False
    is_cancelled: bool = False
    _confirmed_at: float = attrs.field(
        default=attrs.Factory(lambda self: self.clock.now(), takes_self=True)
    )

    @property
    def holds(self) -> bool:
        """Whether requests may be sent and outcomes written."""
        return not self.is_lost and self.clock.now() - self._confirmed_at < self.valid_for

    def confirm(self, asked_at: float) -> None:
        self._confirmed_at = max(self._confirmed_at, asked_at)

    def lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self.on_lost()

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self.on_cancel()


@attrs.define(eq=False)
class OwnedRuns:
    """The runs that this worker has; it asks the database again and again whether it still does."""

    _pool: AsyncConnectionPool
    _valid_for: float
    _clock: Clock
    _held: dict[UUID, Ownership] = attrs.field(factory=dict, init=False)

    async def claim(self, run: int, job: int) -> tuple[Ownership, dict[str, Any]] | None:
        """Take the run for its job, and return it with its row; None: it is not to be run."""
        ownership = Ownership(run, self._valid_for, self._clock)
        async with self._pool.connection() as db, db.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_CLAIM, (ownership.owner, run, job))
            row = await cursor.fetchone()
        if row is None:
            return None
        self._held[ownership.owner] = ownership
        return ownership, row

    async def end(self, ownership: Ownership, ending: RunEnding) -> None:
        """Store how a run ended; nothing happens where another worker has it by now."""
        values = {
            "run": ownership.run,
            "owner": ownership.owner,
            **attrs.asdict(ending, recurse=False),
        }
        try:
            await self.retry(ownership, lambda db: db.execute(_END, values))
        finally:
            del self._held[ownership.owner]

    async def retry(
        self, ownership: Ownership, work: Callable[[psycopg.AsyncConnection], Any]
    ) -> Any:  # noqa: ANN401 -- what *work* returns
        """Return what *work* returns, tried again until the ownership ends: FleetError then."""
        while True:
            try:
                async with self._pool.connection(timeout=self._valid_for) as db:
                    return await work(db)
            except psycopg.OperationalError as error:  # a pool that gives none raises it too
                if not ownership.holds:
                    raise FleetError(f"the fleet's database is away: {describe(error)}") from error
            await self._clock.sleep(_RETRY_SECONDS)

    async def watch(self) -> None:
        """Ask again and again, until this is cancelled."""
        while True:
            await self._clock.sleep(_ASK_EVERY)
            if not self._held:
                continue
            with contextlib.suppress(psycopg.Error):  # nothing is confirmed then: see `holds`
                await self._ask()
            for ownership in list(self._held.values()):
                if not ownership.holds:
                    ownership.lose()

    async def _ask(self) -> None:
        held = dict(self._held)
        asked_at = self._clock.now()
        async with self._pool.connection(timeout=self._valid_for / 2) as db:
            cursor = await db.execute(_CONFIRM, ([one.run for one in held.values()], list(held)))
            rows: dict[UUID, bool] = dict(await cursor.fetchall())
        for owner, ownership in held.items():
            if owner not in rows:
                if owner in self._held:  # else its run has ended meanwhile
                    ownership.lose()
            else:
                ownership.confirm(asked_at)
                if rows[owner]:
                    ownership.cancel()


# --- runs without a worker ---------------------------------------------------------------------

_REAPER_LOCK: Final = 0x61686174  # of all workers one reaps at a time
# Runs whose time has come. They have no job before: one that waits would keep other runs of its
# portal from starting, since procrastinate starts the jobs of a lock in their order.
_DUE: Final = """
select id from aiohubassoc_runs
where state in ('queued', 'sleeping') and job is null and (due_at is null or due_at <= now())
order by id for update skip locked
"""
# Runs with a job that no worker processes: it is gone or ended, or its worker is. The rows of
# workers that procrastinate has pruned are gone while their jobs are "doing" for ever.
_ORPHANED: Final = """
select r.id, r.job, j.status = 'doing' as is_doing
from aiohubassoc_runs r
left join procrastinate_jobs j on j.id = r.job
left join procrastinate_workers w on w.id = j.worker_id
where r.state in ('queued', 'running', 'sleeping') and r.job is not null
  and (j.id is null or j.status not in ('todo', 'doing') or (j.status = 'doing' and
    (w.id is null or w.last_heartbeat < now() - make_interval(secs => %s))))
order by r.id for update of r skip locked
"""
_REQUEUE: Final = """
update aiohubassoc_runs set owner = null, job = null,
  state = case when cancel_requested then 'cancelled' else 'queued' end,
  ended_at = case when cancel_requested then now() end
where id = any(%s) returning id, state
"""


@attrs.define(eq=False)
class Reaper:
    """Finds runs that are due, or that a worker left behind, and defers a new job for each."""

    # A new job, not the old one again: a worker that comes back ends the job it knows.

    _pool: AsyncConnectionPool
    _dead_after: float
    _clock: Clock
    _reaped_at: float = attrs.field(default=-math.inf, init=False)

    async def run(self, every: float) -> None:
        while True:
            try:
                await self._reap()
            except psycopg.Error as error:
                logger.warning("the fleet's database: %s", describe(error))
            await self._clock.sleep(every)

    async def _reap(self) -> None:
        async with self._pool.connection() as db, db.transaction():
            (is_alone,) = await fetch_one(
                db, "select pg_try_advisory_xact_lock(%s)", (_REAPER_LOCK,)
            )
            if not is_alone:
                return
            due = [row[0] for row in await (await db.execute(_DUE)).fetchall()]
            now = self._clock.now()
            if now - self._reaped_at >= self._dead_after / 6:
                due += await self._requeue_orphaned(db)
                self._reaped_at = now
            if due:
                await defer_jobs(db, due)

    async def _requeue_orphaned(self, db: psycopg.AsyncConnection) -> list[int]:
        cursor = await db.execute(_ORPHANED, (self._dead_after,))
        orphaned = await cursor.fetchall()
        for _, job, is_doing in orphaned:
            if is_doing:
                await db.execute("select procrastinate_finish_job_v1(%s, 'aborted', true)", (job,))
        runs = [run for run, *_ in orphaned]
        if not runs:
            return []
        logger.info("fleet: taking over %d runs", len(runs))
        cursor = await db.execute(_REQUEUE, (runs,))
        return [run for run, state in await cursor.fetchall() if state == "queued"]
