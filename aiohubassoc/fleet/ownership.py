"""Which worker may work on a run: one at a time, and for as long as the database says so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import attrs
import psycopg
from psycopg.rows import dict_row

from aiohubassoc._http.clock import Clock
from aiohubassoc.errors import FleetError

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from aiohubassoc.fleet.ending import RunEnding

# A cancelled run stops within a second: so often the database is asked.
_ASK_EVERY: Final = 0.4
_RETRY_SECONDS: Final = 0.5


@attrs.define(eq=False)
class Ownership:
    """
    A worker's right to work on a run.

    It ends when another worker takes the run over, and is not used for `valid_for` seconds after
    the database last confirmed it: another worker may have it by then.

    Attributes:
        run: The run's number.
        valid_for: Seconds for which a confirmation holds.
        clock: Time.
        on_lost: Called once when it ended.
        on_cancel: Called once when a user cancelled the run.
        owner: What the database knows this worker's claim by.
    """

    run: int
    valid_for: float
    clock: Clock
    on_lost: Callable[[], None] = lambda: None
    on_cancel: Callable[[], None] = lambda: None
    owner: UUID = attrs.Factory(uuid4)
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
        """Note that the database confirmed it when it was asked at that moment."""
        self._confirmed_at = max(self._confirmed_at, asked_at)

    def lose(self) -> None:
        """Note that it ended."""
        if not self.is_lost:
            self.is_lost = True
            self.on_lost()

    def cancel(self) -> None:
        """Note that a user cancelled the run."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self.on_cancel()


class Owned:
    """
    The runs that this worker has; it asks the database again and again whether it still does.

    Args:
        pool: Connections in autocommit mode.
        valid_for: Seconds for which a confirmation holds.
        clock: Time.
    """

    def __init__(self, pool: AsyncConnectionPool, valid_for: float, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._valid_for = valid_for
        self._held: dict[UUID, Ownership] = {}

    async def claim(self, run: int, job: int) -> tuple[Ownership, dict[str, Any]] | None:
        """Take the run for its job, and return it with its row; None: it is not to be run."""
        ownership = Ownership(run, self._valid_for, self._clock)
        async with self._pool.connection() as db, db.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                "update aiohubassoc_runs set state = 'running', owner = %s, due_at = null,"
                " reason = null, started_at = coalesce(started_at, now())"
                " where id = %s and job = %s and state in ('queued', 'running', 'sleeping')"
                " returning portal, options, retries, statistics",
                (ownership.owner, run, job),
            )
            row = await cursor.fetchone()
        if row is None:
            return None
        self._held[ownership.owner] = ownership
        return ownership, row

    async def end(self, ownership: Ownership, ending: RunEnding) -> None:
        """Give a run back; nothing happens where another worker has it by now."""
        statement = (
            "update aiohubassoc_runs set owner = null, job = null, reason = %(reason)s,"
            " retries = %(retries)s, state = case when cancel_requested and"
            " %(state)s in ('queued', 'sleeping') then 'cancelled' else %(state)s end,"
            " due_at = case when %(state)s in ('queued', 'sleeping') then"
            " coalesce(%(due_at)s, now() + make_interval(secs => %(wait)s)) end,"
            " ended_at = case when %(state)s in ('queued', 'sleeping') and not cancel_requested"
            " then null else now() end"
            " where id = %(run)s and owner = %(owner)s"
        )
        values = {
            "run": ownership.run,
            "owner": ownership.owner,
            **attrs.asdict(ending, recurse=False),
        }
        try:
            await self.retry(ownership, lambda db: db.execute(statement, values))
        finally:
            del self._held[ownership.owner]

    async def retry(
        self,
        ownership: Ownership,
        work: Callable[[psycopg.AsyncConnection], Any],
    ) -> Any:  # noqa: ANN401 -- what *work* returns
        """
        Return what *work* returns for a connection, tried again while the database is away.

        Raises:
            FleetError: the ownership ended first.
        """
        while True:
            try:
                async with self._pool.connection(timeout=self._valid_for) as db:
                    return await work(db)
            except psycopg.OperationalError as error:  # a pool that gives none raises it too
                if not ownership.holds:
                    reason = " ".join(str(error).split())
                    raise FleetError(f"the fleet's database is away: {reason}") from error
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
            cursor = await db.execute(
                "select owner, cancel_requested from aiohubassoc_runs where id = any(%s)"
                " and owner = any(%s)",
                ([one.run for one in held.values()], list(held)),
            )
            rows: dict[UUID, bool] = dict(await cursor.fetchall())
        for owner, ownership in held.items():
            if owner not in rows:
                if owner in self._held:  # else its run has ended meanwhile
                    ownership.lose()
            else:
                ownership.confirm(asked_at)
                if rows[owner]:
                    ownership.cancel()
