"""The jobs by which procrastinate starts runs: one for each run that may start now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

QUEUE: Final = "aiohubassoc"
TASK: Final = "aiohubassoc.link_run"

# In one transaction with the run, so that no run is without its job and no job without its run.
_DEFER: Final = f"""
update aiohubassoc_runs r set job = (
  select unnest(procrastinate_defer_jobs_v1(array[row(
    '{QUEUE}', '{TASK}', r.priority, 'aiohubassoc:' || r.portal, null,
    jsonb_build_object('run', r.id), null
  )::procrastinate_job_to_defer_v1]))
)
where r.id = any(%s)
"""


async def defer_jobs(db: AsyncConnection, runs: Sequence[int]) -> None:
    """Give each of the *runs* a new job, in the caller's transaction."""
    await db.execute(_DEFER, (list(runs),))


async def cancel_job(db: AsyncConnection, job: int) -> None:
    """Cancel a job that no worker has fetched yet."""
    await db.execute("select procrastinate_cancel_job_v1(%s, false, false)", (job,))


async def finish_job(db: AsyncConnection, job: int) -> None:
    """End a job whose worker is gone."""
    await db.execute("select procrastinate_finish_job_v1(%s, 'aborted', true)", (job,))
