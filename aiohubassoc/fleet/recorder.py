"""Writes outcomes to PostgreSQL, for all runs of a worker together, before they are reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import psycopg
from psycopg_pool import AsyncConnectionPool

from aiohubassoc._http.clock import Clock
from aiohubassoc.errors import JournalStorageError
from aiohubassoc.fleet.database import describe, to_text
from aiohubassoc.fleet.ownership import Ownership
from aiohubassoc.fleet.runs import NUMBERS, OPEN
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from aiohubassoc.models import Report
    from aiohubassoc.pair import Pair

# Outcomes of all runs wait this long to be written together, unless there are many already.
_LINGER_SECONDS: Final = 0.2
_MANY: Final = 400
_RETRY_SECONDS: Final = 0.5
# How a run goes is kept with a write this often: some kB for each run.
_STATISTICS_EVERY: Final = 10.0
# The rows of runs are locked in their order, so that no two workers wait for each other. Who does
# not own a run any more writes nothing of it: another worker has its pairs.
_OWNED: Final = """
select r.id from aiohubassoc_runs r
join unnest(%s::bigint[], %s::uuid[]) as claim (run, owner)
  on r.id = claim.run and r.owner = claim.owner
order by r.id for no key update of r
"""
_WRITE: Final = """
update aiohubassoc_pairs p set
  status = o.status, attempts = p.attempts + o.attempts,
  maybe_applied = o.status not in (1, 2) and (p.maybe_applied or o.maybe),
  category = o.category, message = o.message, correlation_id = o.correlation_id, at = now()
from unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::integer[], %s::boolean[], %s::text[],
  %s::text[], %s::text[]) as o (run, n, status, attempts, maybe, category, message, correlation_id)
where p.run = o.run and p.n = o.n and p.status = 0 and p.run = any(%s)
returning p.run, p.status
"""
_COUNT: Final = """
update aiohubassoc_runs r set linked = r.linked + c.linked, partial = r.partial + c.partial,
  failed = r.failed + c.failed, skipped = r.skipped + c.skipped
from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
  as c (run, linked, partial, failed, skipped)
where r.id = c.run
"""
_KEEP_STATISTICS: Final = """
update aiohubassoc_runs r set statistics = k.statistics
from unnest(%s::bigint[], %s::text[]) as k (run, statistics) where r.id = k.run
"""
_COUNTED: Final = tuple(NUMBERS.values())  # linked, partial, failed, skipped: see `_COUNT`


@attrs.frozen(eq=False)
class _PendingWrite:
    """Outcomes of one run, and the future that completes when they are written."""

    ownership: Ownership
    outcomes: Sequence[Outcome]
    statistics: str | None
    written: asyncio.Future[None]


@attrs.define(eq=False)
class OutcomeWriter:
    """Writes the outcomes of all runs of a worker: one transaction for many runs."""

    _pool: AsyncConnectionPool
    _clock: Clock
    _waiting: list[_PendingWrite] = attrs.field(factory=list, init=False)
    _count: int = attrs.field(default=0, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _many: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def write(
        self, ownership: Ownership, outcomes: Sequence[Outcome], statistics: str | None = None
    ) -> None:
        """Return when *outcomes* are written; raise JournalStorageError if none of them is."""
        # Those of a pair that has one already are not written. *statistics*, how the run went so
        # far, is kept instead of what was; None: not due.
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_PendingWrite(ownership, outcomes, statistics, written))
        self._count += len(outcomes)
        self._news.set()
        if self._count >= _MANY:
            self._many.set()
        await written

    async def run(self) -> None:
        while True:
            await self._news.wait()
            try:
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self._many.wait()
            except TimeoutError:
                pass
            groups, self._waiting, self._count = self._waiting, [], 0
            self._news.clear()
            self._many.clear()
            await self._write_groups(groups)

    async def _write_groups(self, groups: list[_PendingWrite]) -> None:
        """Write groups; while the database is away, for as long as their runs are owned."""
        while groups:
            try:
                async with self._pool.connection() as db, db.transaction():
                    owned = await _write(db, groups)
            except psycopg.OperationalError as error:
                reason = describe(error)
            except Exception as error:  # noqa: BLE001 -- else all runs would wait for ever
                _fail(groups, f"the fleet's database: {describe(error)}")
                return
            else:
                for group in groups:
                    if group.ownership.run in owned:
                        if not group.written.done():
                            group.written.set_result(None)
                    else:
                        group.ownership.lose()
                        _fail([group], "another worker has taken the run over")
                return
            ended = [group for group in groups if not group.ownership.holds]
            _fail(ended, f"the fleet's database is away: {reason}")
            groups = [group for group in groups if group.ownership.holds]
            await self._clock.sleep(_RETRY_SECONDS)


def _fail(groups: list[_PendingWrite], reason: str) -> None:
    for group in groups:
        if not group.written.done():
            group.written.set_exception(JournalStorageError(reason))


async def _write(db: psycopg.AsyncConnection, groups: list[_PendingWrite]) -> set[int]:
    """Write groups, and return the runs that are owned: of the others nothing is written."""
    claims = {group.ownership.run: group.ownership.owner for group in groups}
    cursor = await db.execute(_OWNED, (list(claims), list(claims.values())))
    owned = {row[0] for row in await cursor.fetchall()}
    rows = [
        _values(group.ownership.run, outcome)
        for group in groups
        if group.ownership.run in owned
        for outcome in group.outcomes
    ]
    kept = {
        group.ownership.run: group.statistics
        for group in groups
        if group.statistics is not None and group.ownership.run in owned
    }
    if kept:
        await db.execute(_KEEP_STATISTICS, (list(kept), list(kept.values())))
    if not rows:
        return owned
    columns = [list(column) for column in zip(*rows, strict=True)]
    cursor = await db.execute(_WRITE, (*columns, list(owned)))
    counts: dict[int, dict[int, int]] = defaultdict(lambda: dict.fromkeys(_COUNTED, 0))
    for run, status in await cursor.fetchall():
        if status != OPEN:
            counts[run][status] += 1
    if counts:
        by_status = [[each[status] for each in counts.values()] for status in _COUNTED]
        await db.execute(_COUNT, (list(counts), *by_status))
    return owned


def _values(run: int, outcome: Outcome) -> tuple[Any, ...]:
    is_open = outcome.status is Status.UNPROCESSED
    error = outcome.error
    skip = outcome.skip
    message = skip.message if skip is not None else None if error is None else str(error)
    return (
        run,
        outcome.pair.tag,
        OPEN if is_open else NUMBERS[outcome.status],
        outcome.attempts,
        outcome.maybe_applied,
        *(text and to_text(text) for text in (outcome.category, message, outcome.correlation_id)),
    )


@attrs.define(eq=False)
class FleetRecorder:
    """Keeps the outcomes of one run: a `Recorder`, and the ``journal`` of a client."""

    _writer: OutcomeWriter
    _ownership: Ownership
    _observer: StatisticsObserver
    _statistics: str | None
    _clock: Clock
    _statistics_at: float = attrs.field(default=0.0, init=False)
    # What its events and log lines know the run by.
    run_id: str | None = attrs.field(default=None, init=False)

    def recording(self, *_: object, **__: object) -> FleetRecorder:
        return self

    async def open(self) -> None:
        self._observer.begin(self._statistics, self._clock, self.run_id)
        self._statistics_at = self._clock.now()

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """Return None: only pairs without an outcome are read."""
        del index, pair
        return None

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Return when *outcomes* are written; raise JournalStorageError if none of them is."""
        # What the run left open without sending it is as it was.
        completed = [
            one for one in outcomes if one.attempts or one.status is not Status.UNPROCESSED
        ]
        if not completed:
            return
        statistics = None
        if self._clock.now() - self._statistics_at >= _STATISTICS_EVERY:
            self._statistics_at = self._clock.now()
            statistics = self._observer.to_json()
        await self._writer.write(self._ownership, completed, statistics)
        self._observer.count(completed)

    async def close(self, report: Report, *, complete: bool) -> None:
        """Keep how the run went; the worker says how it ended."""
        del report, complete
        if self._ownership.holds:
            with contextlib.suppress(JournalStorageError):  # no outcome is lost by that
                await self._writer.write(self._ownership, (), self._observer.to_json())
