"""Plans: what a run would do and how long it would take, before anything is sent."""

from __future__ import annotations

import contextlib
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc._batching.batch import MOST_PAIRS
from aiohubassoc._quota.batch_pacer import BatchPacer
from aiohubassoc._quota.estimate import batch_calls, estimate
from aiohubassoc._quota.pacer import Pacer
from aiohubassoc.journal.database import DatabaseThread
from aiohubassoc.journal.known_pairs import FanOut, SeenPairs
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import Status
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from typing import Self

    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.journal.row_codec import Place
    from aiohubassoc.pair import Pair

# Assumed seconds from sending a call to its response, because nothing was measured yet.
ROUND_TRIP: float = 0.1
# The same of a batch call. An assumption: HubSpot does not publish it, and it grows with the batch.
BATCH_ROUND_TRIP: float = 1.0
_EVENTS_A_LINK: Final = 2


@attrs.frozen
class Plan:
    """
    What a run would do, and how long it would take, with single calls and in batches.

    Attributes:
        pairs: Number of different pairs in the input.
        duplicates: Number of pairs that repeat an earlier one.
        invalid: Number of items or rows that cannot be sent.
        linked_before: Number of pairs that are linked in the run folder.
        failed_before: Number of pairs that failed in the run folder and would not be sent again.
        calls: Number of single calls: one for each remaining pair.
        batch_calls: Number of batch calls for the same pairs, with 2,000 pairs each (HubSpot,
            Associations v4) or the given batch size.
        quota: The quota assumed for single calls, multiplied by the share if one was given.
        seconds: From the first call to the last response, ignoring the daily limit.
        days: Number of the account's days that the run needs.
        finishes_at: Time of the last response if the run started now; timezone-aware. The daily
            limit resets at midnight in the account's time zone, but each further day is assumed to
            begin whole days from now.
        daily_calls: Calls that the account has per day; None: unknown.
        daily_share: The single calls as a share of *daily_calls*; None: unknown.
        batch_quota: The quota assumed for batches. None: 10 calls in 10 s and two in flight at
            first, then rising while HubSpot does not throttle.
        batch_seconds: Like *seconds*, for batch calls that take one second each. The other
            values for batches are calculated in the same way.
        batch_days: Like *days*.
        batch_finishes_at: Like *finishes_at*.
        batch_daily_share: Like *daily_share*.
        largest_fan_out: The record with the most different pairs to records of one type in the
            input, linked before or not; None: there are no pairs.
        association_change_events: Number of ``associationChange`` events that HubSpot sends to each
            app that subscribes to them: two per linked pair, one for each record (HubSpot,
            "Webhooks API", association subscriptions).
    """

    pairs: int
    duplicates: int
    invalid: int
    linked_before: int
    failed_before: int
    calls: int
    batch_calls: int
    quota: Quota
    seconds: float
    days: int
    finishes_at: datetime
    daily_calls: int | None
    daily_share: float | None
    batch_quota: Quota | None
    batch_seconds: float
    batch_days: int
    batch_finishes_at: datetime
    batch_daily_share: float | None
    largest_fan_out: FanOut | None
    association_change_events: int

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        fan_out = self.largest_fan_out
        return {
            **attrs.asdict(self, recurse=False),
            "quota": str(self.quota),
            "seconds": round(self.seconds, 1),
            "finishes_at": self.finishes_at.isoformat(timespec="seconds"),
            "batch_quota": None if self.batch_quota is None else str(self.batch_quota),
            "batch_seconds": round(self.batch_seconds, 1),
            "batch_finishes_at": self.batch_finishes_at.isoformat(timespec="seconds"),
            "largest_fan_out": fan_out and attrs.asdict(fan_out),
        }


class Planner:
    """
    Counts what a run would do. Use it as a context manager.

    Raises:
        JournalError: the run folder exists and cannot be read; raised by every method.
        OSError, sqlite3.Error: the temporary file for duplicates cannot be written.
    """

    def __init__(self, journal: Journal | None, *, retry_failed: bool = False) -> None:
        self.invalid = 0
        self._journal = journal
        self._retry_failed = retry_failed
        self._stack = ExitStack()
        self._folder: Reader | None = None
        self._duplicates = self._pairs = 0
        self._before: Counter[Status | None] = Counter()
        self._needed: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Self:
        with self._stack:
            self._seen = self._stack.enter_context(SeenPairs())
            if self._journal is not None and self._journal.is_there:
                self._folder = self._stack.enter_context(Reader(self._journal.folder))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_all(self, pairs: Iterable[tuple[Pair, Place]]) -> None:
        """Count pairs, each with its place in the input."""
        for pair, place in pairs:
            self.add(pair, place)

    def add(self, pair: Pair, place: Place) -> None:
        """Count the pair at the position *place* of the input."""
        if self._seen.first_place(pair, place) is not None:
            self._duplicates += 1
            return
        self._pairs += 1
        status = None if self._folder is None else self._folder.get_status(pair)
        if status is Status.LINKED or (
            status in {Status.FAILED, Status.PARTIAL} and not self._retry_failed
        ):
            self._before[status] += 1
        else:
            self._needed[pair.from_type, pair.to_type] += 1

    def plan(
        self,
        quota: Quota,
        *,
        concurrency: int,
        daily_calls: int | None,
        now: datetime,
        round_trip: float = ROUND_TRIP,
        batch_quota: Quota | None = None,
        batch_size: int = MOST_PAIRS,
    ) -> Plan:
        """
        Return the plan of a run that starts at *now*, which is timezone-aware.

        *daily_calls*: None if unknown. *batch_quota*: None for the initial quota of batches, which
        rises. *round_trip*: average seconds from sending a single call to its response.
        """
        taken = estimate(
            self._needed.total(),
            Pacer(quota),
            concurrency=concurrency,
            round_trip=round_trip,
            daily_calls=daily_calls,
        )
        batched = estimate(
            batch_calls(self._needed, batch_size),
            BatchPacer(batch_quota),
            concurrency=concurrency,
            round_trip=BATCH_ROUND_TRIP,
            jitter=0.0,
            daily_calls=daily_calls,
        )
        return Plan(
            self._pairs,
            self._duplicates,
            self.invalid,
            self._before[Status.LINKED],
            self._before[Status.FAILED] + self._before[Status.PARTIAL],
            taken.calls,
            batched.calls,
            quota,
            taken.seconds,
            taken.days,
            now + timedelta(seconds=taken.finishes_after),
            daily_calls,
            taken.daily_share,
            batch_quota,
            batched.seconds,
            batched.days,
            now + timedelta(seconds=batched.finishes_after),
            batched.daily_share,
            self._seen.largest_fan_out(),
            _EVENTS_A_LINK * self._needed.total(),
        )


@contextlib.asynccontextmanager
async def used_in_thread(planner: Planner) -> AsyncIterator[DatabaseThread]:
    """Enter *planner* in a separate thread. All its other methods must be called there as well."""
    thread = DatabaseThread("plan")
    try:
        await thread.run(planner.__enter__)
        yield thread
    finally:
        await thread.close(planner.__exit__)
