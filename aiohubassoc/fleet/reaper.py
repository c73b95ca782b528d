"""Gives every unfinished run a job, and a worker that processes it."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

import psycopg

from aiohubassoc.fleet.database import describe
from aiohubassoc.fleet.jobs import defer_jobs, finish_job

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from aiohubassoc._http.clock import Clock

logger = logging.getLogger("aiohubassoc")

_LOCK: Final = 0x61686174  # of all workers one reaps at a time
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


class Reaper:
    """
    Finds runs that are due, or that a worker left behind, and defers a new job for each.

    A new job, not the old one again: a worker that comes back ends the job it knows.

    Args:
        pool: Connections in autocommit mode.
        dead_after: Seconds without a sign of life after which a worker is dead.
        clock: Time.
    """

    def __init__(self, pool: AsyncConnectionPool, dead_after: float, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._dead_after = dead_after
        self._reaped_at = -math.inf

    async def run(self, every: float) -> None:
        """Do so at each interval, until this is cancelled."""
        while True:
            try:
                await self.reap()
            except psycopg.Error as error:
                logger.warning("the fleet's database: %s", describe(error))
            await self._clock.sleep(every)

    async def reap(self) -> None:
        """Do so once."""
        async with self._pool.connection() as db, db.transaction():
            row = await (
                await db.execute("select pg_try_advisory_xact_lock(%s)", (_LOCK,))
            ).fetchone()
            if row is None or not row[0]:
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
                await finish_job(db, job)
        runs = [run for run, *_ in orphaned]
        if not runs:
            return []
        logger.info("fleet: taking over %d runs", len(runs))
        cursor = await db.execute(_REQUEUE, (runs,))
        return [run for run, state in await cursor.fetchall() if state == "queued"]
