"""Links the open pairs of one run, for as long as this worker owns it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc.errors import OptionsError, RunStoppedError
from aiohubassoc.fleet.ending import RunEnding, make_ending
from aiohubassoc.fleet.recorder import FleetRecorder, OutcomeWriter
from aiohubassoc.fleet.run_observer import RunObserver
from aiohubassoc.fleet.runs import RunState
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.pair import unchecked_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import psycopg

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.fleet.ownership import Owned, Ownership
    from aiohubassoc.fleet.portals import FleetPortal
    from aiohubassoc.fleet.quotas import FleetQuotas
    from aiohubassoc.observer import Observer
    from aiohubassoc.pair import Pair

_PAGE: Final = 2000


class RunLinker:
    """
    Links runs of any number of portals, each in a task of its caller.

    Args:
        portals: The portals by their names.
        owned: The runs that this worker owns.
        writer: Writes their outcomes.
        quotas: The quotas of the portals.
        observer: What every run reports to besides; None: nothing.
        clock: Time.
        drain_timeout: Seconds that calls in flight may take to end when a run is stopped.
    """

    def __init__(
        self,
        portals: Mapping[str, FleetPortal],
        owned: Owned,
        writer: OutcomeWriter,
        quotas: FleetQuotas,
        *,
        observer: Observer | None,
        clock: Clock,
        drain_timeout: float,
    ) -> None:
        self._portals = portals
        self._owned = owned
        self._writer = writer
        self._quotas = quotas
        self._observer = observer
        self._clock = clock
        self._drain_timeout = drain_timeout
        self._streams: set[Any] = set()
        self._is_stopped = False

    def stop(self) -> None:
        """Stop all runs, now and to come, once their calls in flight have ended."""
        self._is_stopped = True
        for stream in self._streams:
            stream.stop(RunStoppedError("the worker stopped"), drain_timeout=self._drain_timeout)

    async def link(self, ownership: Ownership, row: Mapping[str, Any]) -> RunEnding:
        """
        Link the open pairs of a run, and return how it is given back.

        Args:
            ownership: Of the run.
            row: The run, as `Owned.claim` returns it.

        Raises:
            OptionsError: the worker does not know its portal, or cannot use its token or options.
            FleetError: the database was away for too long.
        """
        portal = self._portals.get(row["portal"])
        if portal is None:
            raise OptionsError(f"the worker has no portal {row['portal']!r} in its file")
        tokens = _FencedToken(portal.read_token(), ownership)
        options = row["options"]
        observer = StatisticsObserver() if self._observer is None else RunObserver(self._observer)
        client = portal.make_client(
            tokens,
            shared_quota=self._quotas.for_portal(portal.name),
            observer=observer,
            clock=self._clock,
        )
        limiter = client.batch_limiter if options["via"] == "batch" else client.limiter
        observer.find_quota = lambda: limiter.quota
        recorder = FleetRecorder(
            self._writer,
            ownership,
            observer=observer,
            statistics=row["statistics"],
            clock=self._clock,
        )
        async with client:
            source = _OpenPairs(self._owned, ownership)
            stream = client.link_each(
                source.pairs(),
                journal=recorder,  # type: ignore[arg-type]
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
                if self._is_stopped:
                    return RunEnding(RunState.QUEUED, "the worker stopped")
                with contextlib.suppress(RunStoppedError):  # its report says so too
                    async with stream as outcomes:
                        async for _ in outcomes:
                            pass
            finally:
                self._streams.discard(stream)
            return await make_ending(
                client,
                stream.report,
                is_cancelled=ownership.is_cancelled,
                retries=row["retries"],
            )


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
