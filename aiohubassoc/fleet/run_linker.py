"""Links the open pairs of one run, for as long as this worker owns it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc._http.clock import Clock
from aiohubassoc._http.events import METHODS
from aiohubassoc._quota.daily_budget import find_midnight
from aiohubassoc._run.failure_limits import FailureLimitError
from aiohubassoc.errors import (
    AioHubAssocError,
    DailyLimitError,
    DailyReserveError,
    FleetError,
    GatewayError,
    JournalStorageError,
    MigratingError,
    OptionsError,
    RunStoppedError,
    SharedQuotaError,
)
from aiohubassoc.fleet.ownership import OwnedRuns
from aiohubassoc.fleet.portals import FleetPortal, FleetQuotas
from aiohubassoc.fleet.recorder import FleetRecorder, OutcomeWriter
from aiohubassoc.fleet.runs import RunEnding, RunState
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.observer import Observer
from aiohubassoc.pair import unchecked_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import psycopg

    from aiohubassoc._http.auth import TokenProvider
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.fleet.ownership import Ownership
    from aiohubassoc.models import Report
    from aiohubassoc.pair import Pair

_PAGE: Final = 2000
_FIRST_WAIT: Final = 2.0  # seconds before a run that broke continues; doubles each time
_LONGEST_WAIT: Final = 300.0
_MOST_DOUBLINGS: Final = 10
_LONGEST_DAY: Final = timedelta(hours=25)  # when clocks are set back
# Clocks differ: a run that continues just before HubSpot's midnight would sleep for another day.
_AFTER_MIDNIGHT: Final = timedelta(minutes=1)


@attrs.define(eq=False)
class RunLinker:
    """Links runs of any number of portals, each in a task of its caller."""

    _portals: Mapping[str, FleetPortal]
    _owned: OwnedRuns
    _writer: OutcomeWriter
    _quotas: FleetQuotas
    _observer: Observer | None
    _clock: Clock
    _drain_timeout: float
    _trust_env: bool
    _streams: set[Any] = attrs.field(factory=set, init=False)
    _token_waits: set[Event] = attrs.field(factory=set, init=False)
    _is_stopped: bool = attrs.field(default=False, init=False)

    def stop(self) -> None:
        """Stop all runs, now and to come, once their calls in flight have ended."""
        self._is_stopped = True
        for is_over in self._token_waits:
            is_over.set()
        for stream in self._streams:
            stream.stop(RunStoppedError("the worker stopped"), drain_timeout=self._drain_timeout)

    async def link(self, ownership: Ownership, row: Mapping[str, Any]) -> RunEnding:
        """Link the open pairs of a run that was claimed, and return how it ended."""
        portal = self._portals.get(row["portal"])
        if portal is None:
            raise OptionsError(
                f"the worker has no portal {row['portal']!r} in its file: add it there, start the "
                f"worker again, and continue with aiohubassoc fleet resume {ownership.run}"
            )
        token = await self._read_token(portal, ownership)
        if token is None:
            return self._early_ending(ownership)
        options = row["options"]
        observer, other = StatisticsObserver(), self._observer
        client = portal.make_client(
            _fence(token, ownership),
            shared_quota=self._quotas.for_portal(portal.name),
            observer=observer if other is None else RunObservers(observer, other),
            clock=self._clock,
            trust_env=self._trust_env,
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
            stream = client.link_each(
                self._open_pairs(ownership, lambda: stream.report.stopped is not None),
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
            self._streams.add(stream)
            try:
                if self._is_stopped or ownership.is_cancelled or ownership.is_lost:
                    return self._early_ending(ownership)
                with contextlib.suppress(RunStoppedError):  # its report says so too
                    async with stream as outcomes:
                        async for _ in outcomes:
                            pass
            finally:
                self._streams.discard(stream)
            return await make_ending(
                client, stream.report, is_cancelled=ownership.is_cancelled, retries=row["retries"]
            )

    async def _read_token(
        self, portal: FleetPortal, ownership: Ownership
    ) -> str | TokenProvider | None:
        """Return the token of a portal; None: the run is to end before it is read."""
        is_over = Event()
        ownership.on_cancel = ownership.on_lost = is_over.set
        self._token_waits.add(is_over)
        try:
            # A command may ask a person: other runs go on meanwhile.
            return await asyncio.to_thread(portal.read_token, is_over)
        except OptionsError:
            if is_over.is_set():
                return None
            raise
        finally:
            self._token_waits.discard(is_over)
            is_over.set()

    def _early_ending(self, ownership: Ownership) -> RunEnding:
        """Return how a run ends that was stopped before its first call."""
        if ownership.is_cancelled:
            return RunEnding(RunState.CANCELLED, "it was cancelled")
        return RunEnding(RunState.QUEUED, "the worker stopped")

    async def _open_pairs(
        self, ownership: Ownership, is_stopped: Callable[[], bool]
    ) -> AsyncIterator[Pair]:
        """Yield the pairs without an outcome, tagged with their numbers, until the run stops."""
        last, page = -1, [()] * _PAGE
        while len(page) == _PAGE:
            values = (ownership.run, last, _PAGE)
            page = await self._owned.retry(ownership, partial(_read_page, values))
            for n, *ends in page:
                if is_stopped():
                    return
                last = n
                yield unchecked_pair(*ends, tag=n)


async def _read_page(values: tuple[int, int, int], db: psycopg.AsyncConnection) -> list[Any]:
    cursor = await db.execute(
        "select n, from_type, from_id, to_type, to_id from aiohubassoc_pairs"
        " where run = %s and n > %s and status = 0 order by n limit %s",
        values,
    )
    return await cursor.fetchall()


def _fence(token: str | TokenProvider, ownership: Ownership) -> TokenProvider:
    """Return a provider that gives *token* only while the run is certainly this worker's."""
    # A client asks it before each request: so nothing is sent without a confirmed ownership, even
    # by a process that was stopped for an hour and continues.

    async def provide(refused: str | None) -> str:
        if not ownership.holds:
            ownership.lose()
            raise RunStoppedError("another worker may have taken the run over")
        return token if isinstance(token, str) else await token(refused)

    return provide


async def make_ending(
    client: AssociationClient, report: Report, *, is_cancelled: bool, retries: int
) -> RunEnding:
    """Return how a run ended whose last part has this *report*."""
    # *retries*: how often it was begun again in a row without a completed pair before.
    stopped = report.stopped
    if is_cancelled:
        return RunEnding(RunState.CANCELLED, "it was cancelled")
    if stopped is None and report.input_complete and not report.unprocessed:
        return RunEnding(RunState.DONE)
    reason = str(stopped) if stopped is not None else "its pairs were not all read"
    cause = getattr(stopped, "error", None) or stopped
    if isinstance(cause, DailyLimitError | DailyReserveError):
        due_at = await _end_of_day(client) + _AFTER_MIDNIGHT
        return RunEnding(RunState.SLEEPING, reason, due_at=due_at)
    if isinstance(cause, MigratingError):
        wait = min(cause.retry_after or _LONGEST_WAIT, _LONGEST_DAY.total_seconds())
        return RunEnding(RunState.SLEEPING, reason, wait=wait)
    # What may pass by itself; the last of them is not of HubSpot.
    passing = RunStoppedError | JournalStorageError | SharedQuotaError | FleetError | GatewayError
    if cause is None or (isinstance(cause, passing) and not isinstance(cause, FailureLimitError)):
        is_stuck = report.total == report.unprocessed
        return (
            continue_later(reason, retries + 1) if is_stuck else RunEnding(RunState.QUEUED, reason)
        )
    return RunEnding(RunState.FAILED, reason)


def continue_later(reason: str, retries: int) -> RunEnding:
    """Return how a run ended that completed no pair, *retries* times in a row: it waits."""
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(retries, _MOST_DOUBLINGS))
    return RunEnding(RunState.QUEUED, reason, wait=wait, retries=retries)


async def _end_of_day(client: AssociationClient) -> datetime:
    """Return when the account's day ends; where HubSpot does not say, in an hour."""
    with contextlib.suppress(AioHubAssocError):
        check = await client.check("contacts", "companies")
        now = datetime.now(UTC)
        # Not what would let the run sleep for years, or go on at once, again and again.
        if check.resets_at is not None and now < check.resets_at < now + _LONGEST_DAY:
            return check.resets_at
        if check.utc_offset is not None:
            return find_midnight(now, check.utc_offset)
    return datetime.now(UTC) + timedelta(hours=1)


class RunObservers:
    """Passes each event of a run on to several observers."""

    def __init__(self, *observers: Observer) -> None:
        for name in METHODS:
            methods = [getattr(one, name) for one in observers if hasattr(one, name)]
            setattr(self, name, partial(_report_to_all, methods))


def _report_to_all(methods: Sequence[Callable[[object], None]], event: object) -> None:
    for method in methods:
        method(event)
