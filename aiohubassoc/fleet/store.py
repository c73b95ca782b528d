"""The runs of a fleet in PostgreSQL: submitted, read, cancelled."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from aiohubassoc._run.source import Pairs, Source
from aiohubassoc.errors import FleetError, OptionsError
from aiohubassoc.fleet.database import (
    DUPLICATE,
    check_version,
    connect,
    create_tables,
    defer_jobs,
    describe,
    fetch_one,
    store_run,
    to_text,
)
from aiohubassoc.fleet.runs import (
    NUMBERS,
    OPEN,
    STATUSES,
    FleetOptions,
    FleetRow,
    FleetRun,
    RunState,
    SubmittedInput,
    to_row,
)
from aiohubassoc.journal.statistics import Statistics
from aiohubassoc.models import Status
from aiohubassoc.shared_quota.postgres_store import PostgresStore
from aiohubassoc.shared_quota.store import PermanentStoreError, TransientStoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from typing import Self

_PAGE: Final = 2000
_ROW: Final = (
    "n, from_type, from_id, to_type, to_id, source, line, cells, status, attempts, maybe_applied,"
    " category, message, correlation_id"
)


class Fleet:
    """
    The runs of many portals in a PostgreSQL database; an async context manager.

    Args:
        database: A libpq connection URI, such as ``postgresql://user@host/name``.

    Raises:
        FleetError: the database cannot be reached, or has no fleet of this version; so for every
            method.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._db: psycopg.AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        self._db = await connect(self._database)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._db is not None:
            await self._db.close()

    async def init(self) -> bool:
        """Make the tables, and return whether any was missing. It may be repeated."""
        async with self._connection(checked=False) as db:
            is_new = await create_tables(db)
        # Workers may lack the right to make tables.
        await asyncio.to_thread(_create_quota_tables, self._database)
        return is_new

    async def submit(
        self,
        portal: str,
        pairs: Pairs,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        options: FleetOptions = FleetOptions(),  # noqa: B008 -- frozen
        priority: int = 0,
        start_at: datetime | None = None,
        about: SubmittedInput | None = None,
    ) -> int:
        """
        Store a run with all its pairs, or nothing of it, and return its number.

        A pair that repeats an earlier one is ``skipped`` at once.

        Args:
            portal: The name of its portal, which the workers know.
            pairs: As for `AssociationClient.link_each`.
            from_type: As for `AssociationClient.link_each`.
            to_type: As for `AssociationClient.link_each`.
            options: How they are sent.
            priority: Runs with a higher number go first; -2**31 to 2**31 - 1.
            start_at: An aware time before which it does not start. None: at once.
            about: What else is kept of the input. None: nothing.

        Raises:
            OptionsError: an argument that cannot work.
            PairError: an item that cannot be sent.
            OSError, sqlite3.Error: the temporary file that finds duplicates cannot be written.
        """
        if to_text(portal) != portal:
            raise OptionsError(f"a portal cannot be called {portal!r}")
        if not -(2**31) <= priority < 2**31:  # an integer of PostgreSQL
            raise OptionsError(f"priority must be from {-(2**31)} to {2**31 - 1}, not {priority}")
        if start_at is not None:
            _check_start(start_at)
        about = SubmittedInput() if about is None else about
        source = Source(pairs, from_type, to_type)
        async with self._connection() as db, db.transaction():
            run = await store_run(
                db,
                portal,
                source,
                options=options,
                priority=priority,
                start_at=start_at,
                about=about,
            )
            if start_at is None:
                await defer_jobs(db, [run])
        return run

    async def runs(self, run: int | None = None) -> list[FleetRun]:
        """
        Return how a run stands, or how all runs stand, in their order.

        Raises:
            OptionsError: there is no such run.
        """
        async with self._connection() as db, db.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                "select id as run, portal, state, total, linked, partial, failed, total - linked -"
                " partial - failed - skipped as unprocessed, skipped, rejected, priority, due_at,"
                " reason, submitted_at, started_at, ended_at from aiohubassoc_runs"
                " where %(run)s::numeric is null or id = %(run)s order by id",
                {"run": run},
            )
            found = [
                FleetRun(**{**row, "state": RunState(row["state"])})
                for row in await cursor.fetchall()
            ]
        if run is not None and not found:
            raise OptionsError(f"there is no run {run}")
        return found

    async def cancel(self, run: int) -> None:
        """
        Cancel a run: what is queued never starts, what runs stops within a second.

        What was done until then is kept. A run that has ended stays as it is.

        Raises:
            OptionsError: there is no such run.
        """
        async with self._connection() as db, db.transaction():
            row = await fetch_one(
                db,
                "update aiohubassoc_runs set cancel_requested = true, reason = null,"
                " state = case when owner is null then 'cancelled' else state end,"
                " ended_at = case when owner is null then now() end"
                " where id = %s and state in ('queued', 'running', 'sleeping') returning job",
                (run,),
            )
            if row is None:
                await self._find(run, "id")
            elif row[0] is not None:  # one that no worker has fetched yet
                await db.execute("select procrastinate_cancel_job_v1(%s, false, false)", row)

    async def resume(self, run: int, *, retry_failed: bool = False) -> None:
        """
        Queue a run again that failed or was cancelled, or that is done with failed pairs.

        Args:
            run: Its number.
            retry_failed: Whether pairs that failed, or are linked in part, are sent again, too.
                False: only those without an outcome.

        Raises:
            OptionsError: there is no such run, it has not ended, or nothing of it is left to send.
        """
        async with self._connection() as db, db.transaction():
            (state,) = await self._find(run, "state", "for update")
            if state in {RunState.QUEUED, RunState.RUNNING, RunState.SLEEPING}:
                raise OptionsError(f"run {run} has not ended: it is {state}")
            if retry_failed:
                partial, failed = NUMBERS[Status.PARTIAL], NUMBERS[Status.FAILED]
                await db.execute(
                    "update aiohubassoc_pairs set status = 0,"
                    " maybe_applied = maybe_applied or status = %s"
                    " where run = %s and status in (%s, %s)",
                    (partial, run, partial, failed),
                )
                await db.execute(
                    "update aiohubassoc_runs set partial = 0, failed = 0 where id = %s", (run,)
                )
            queued = await fetch_one(
                db,
                "update aiohubassoc_runs set state = 'queued', owner = null, reason = null,"
                " due_at = null, ended_at = null, retries = 0, cancel_requested = false"
                " where id = %s and total > linked + partial + failed + skipped returning id",
                (run,),
            )
            if queued is None:
                raise OptionsError(
                    f"nothing of run {run} is left to send"
                    + ("" if retry_failed else "; --retry-failed sends its failed pairs again")
                )
            await defer_jobs(db, [run])

    async def rows(self, run: int, *statuses: Status) -> AsyncIterator[FleetRow]:
        """
        Yield the pairs of a run with these statuses, of every one if none is given, in order.

        Pairs without an outcome are ``unprocessed``.

        Raises:
            OptionsError: there is no such run.
        """
        await self.runs(run)
        wanted = [OPEN if s is Status.UNPROCESSED else NUMBERS[s] for s in statuses or Status]
        last = -1
        while True:
            page = await self._fetch(
                f"select {_ROW} from aiohubassoc_pairs where run = %s and n > %s"
                " and status = any(%s) order by n limit %s",
                (run, last, wanted, _PAGE),
            )
            for row in page:
                yield to_row(row)
                last = row[0]
            if len(page) < _PAGE:
                return

    async def rejected_rows(self, run: int) -> list[tuple[int, int, str, Any]]:
        """Return the rows of a run's input without a pair: file, line, problem and cells."""
        rows = await self._fetch(
            "select source, line, problem, cells from aiohubassoc_rejected_rows"
            " where run = %s order by source, line",
            (run,),
        )
        return [(source, line, why, json.loads(cells)) for source, line, why, cells in rows]

    async def failure_groups(
        self, run: int, *, most: int, examples: int
    ) -> list[tuple[Status, str, int, list[FleetRow]]]:
        """
        Return what of a run is not linked, by reason, the most frequent reasons first.

        Args:
            run: Its number.
            most: How many reasons to return.
            examples: How many pairs to return of each.

        Returns:
            Status, category, number of pairs, and the first of them.
        """
        groups = await self._fetch(
            "select status, coalesce(category, ''), count(*) from aiohubassoc_pairs"
            " where run = %s and status = any(%s) group by 1, 2 order by 3 desc limit %s",
            (run, [NUMBERS[Status.PARTIAL], NUMBERS[Status.FAILED]], most),
        )
        found = []
        for status, category, count in groups:
            rows = await self._fetch(
                f"select {_ROW} from aiohubassoc_pairs where run = %s and status = %s"
                " and coalesce(category, '') = %s order by n limit %s",
                (run, status, category, examples),
            )
            found.append((STATUSES[status], category, count, list(map(to_row, rows))))
        return found

    async def skipped_counts(self, run: int) -> tuple[int, int]:
        """Return how many pairs of a run repeat an earlier one, and how many were linked before."""
        rows = await self._fetch(
            "select category, count(*) from aiohubassoc_pairs where run = %s and status = %s"
            " group by 1",
            (run, NUMBERS[Status.SKIPPED]),
        )
        counts: dict[str | None, int] = dict(rows)
        repeats = counts.pop(DUPLICATE, 0)
        return repeats, sum(counts.values())

    async def statistics(self, run: int) -> Statistics | None:
        """Return how a run went over time; None: a worker of an earlier version linked it."""
        kept, started_at = await self._find(run, "statistics, started_at")
        if started_at is None:
            return Statistics()
        return None if kept is None else Statistics.from_json(kept)

    async def types_of(self, run: int) -> list[tuple[str, str]]:
        """Return the first few pairs of object types of a run."""
        return await self._fetch(
            "select distinct from_type, to_type from (select from_type, to_type"
            " from aiohubassoc_pairs where run = %s order by n limit 10000) t limit 5",
            (run,),
        )

    async def input_of(self, run: int) -> tuple[list[str], list[str]]:
        """Return the columns of a run's input, and what its files are called."""
        columns, sources = await self._find(run, "columns, sources")
        return json.loads(columns), json.loads(sources)

    async def _fetch(self, statement: str, values: Any) -> list[Any]:  # noqa: ANN401 -- of psycopg
        async with self._connection() as db:
            return await (await db.execute(statement, values)).fetchall()

    async def _find(self, run: int, columns: str, lock: str = "") -> Any:  # noqa: ANN401 -- a row
        """Return columns of a run; raise OptionsError if there is no such run."""
        statement = f"select {columns} from aiohubassoc_runs where id = %s {lock}"
        if rows := await self._fetch(statement, (run,)):
            return rows[0]
        raise OptionsError(f"there is no run {run}")

    @asynccontextmanager
    async def _connection(self, *, checked: bool = True) -> AsyncIterator[psycopg.AsyncConnection]:
        if self._db is None:
            raise FleetError("use it as 'async with Fleet(database) as fleet'")
        try:
            if checked:
                await check_version(self._db)
            yield self._db
        except psycopg.Error as error:
            raise FleetError(f"the fleet's database: {describe(error)}") from error


def _check_start(start_at: datetime) -> None:
    """Return if a run may start then, and each reader can show it in a time zone."""
    if start_at.tzinfo is None:
        raise OptionsError("start_at must be aware: give it a time zone")
    try:
        for days in (-2, 2):
            (start_at + timedelta(days)).astimezone(UTC)
    except OverflowError:
        raise OptionsError(f"start_at {start_at} is out of range") from None


def _create_quota_tables(database: str) -> None:
    store = PostgresStore(database)
    try:
        store.open()
    except (TransientStoreError, PermanentStoreError) as error:
        raise FleetError(f"the tables of the shared quotas: {error}") from error
    finally:
        store.close()
