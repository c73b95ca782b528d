"""How the pairs of a run get results: what a strategy is, and what strategies are made of."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from aiohubassoc._batching.batch import MOST_PAIRS, Batcher, GroupT, LookupBatch
from aiohubassoc._run.lookup import Lookup, LookupCalls
from aiohubassoc._run.source import MOST_READ
from aiohubassoc._run.stream import ResultT
from aiohubassoc.models import LinkState, Outcome, Skip, Status, Verification
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._http.call_outcome import History
    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._http.sender import Send
    from aiohubassoc._protocol.requests import LookupRequest
    from aiohubassoc._run.lookup import Found
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.source import Entry
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair

# One is in flight while the next is read.
_BATCHES_AT_ONCE: Final = 2
LINKED_ALREADY: Final = Skip("LINKED_ALREADY", "HubSpot has the link already")


class Strategy(Protocol[ResultT]):
    """Makes the results of pairs. The run itself reports the pairs that get no result here."""

    read_ahead: int  # how many pairs beyond the last result taken it needs to have read

    def start(self, run: Run[ResultT]) -> None:
        """Begin the tasks."""

    def make_unsent(
        self, index: int, pair: Pair, error: AioHubAssocError | None, history: History | None
    ) -> ResultT:
        """Return the result of a pair that cannot be sent; with *history*: that is left open."""


class LinkStrategy:
    """What both strategies that link pairs have in common."""

    def __init__(self, skip: SkipLinked | None, read_ahead: int) -> None:
        self._skip = skip
        self.read_ahead = read_ahead + (0 if skip is None else skip.read_ahead)

    def start(self, run: Run[Outcome]) -> None:
        self._run = run
        self._read: Callable[[int], Awaitable[list[Entry]]] = run.prefetch.read
        if self._skip is not None:
            self._skip.start(run)
            self._read = self._skip.read
        _ = run.begin(self._work())

    async def _work(self) -> None:
        raise NotImplementedError

    def make_unsent(
        self, index: int, pair: Pair, error: AioHubAssocError | None, history: History | None
    ) -> Outcome:
        if history is None:
            return Outcome(index, pair, Status.FAILED, error=error)
        return Outcome(
            index,
            pair,
            Status.UNPROCESSED,
            history.attempts,
            history.reply,
            history.error or error,
            history.uncertain or history.unmentioned,
        )


class BatchReader(Generic[GroupT]):
    """Makes the batches of a run; with a slow input, one is sent after *linger* seconds."""

    # It waits longer while no pairs are read because the caller takes no results.

    def __init__(
        self, make: Callable[[tuple[str, str], float], GroupT], *, linger: float, clock: Clock
    ) -> None:
        self._linger = linger
        self._clock = clock
        self._batcher: Batcher[GroupT] = Batcher(make, linger)
        self._timer: Timer | None = None

    async def read(
        self,
        run: Run[Any],
        read: Callable[[int], Awaitable[list[Entry]]],
        send: Callable[[GroupT], None],
        is_more_coming: Callable[[], bool] = bool,
    ) -> None:
        """Read pairs until the end or a stop, and *send* each batch that is full or due."""
        # While *is_more_coming* returns True, more pairs are sure to come, so a due batch waits.
        self._run, self._is_more_coming = run, is_more_coming
        self._send: Callable[[GroupT], None] = send
        try:
            while pairs := await read(MOST_READ):
                for group in self._batcher.add(pairs, self._clock.now()):
                    send(group)
                if self._timer is None:
                    self._set_timer(self._batcher.due_at)
            if not run.stopping:
                for group in self._batcher.take(self._clock.now()):
                    send(group)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _set_timer(self, at: float) -> None:
        if at < math.inf:
            self._timer = self._clock.call_at(at, self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        if self._run.stopping:
            return
        now = self._clock.now()
        if self._is_more_coming() or self._run.buffer.holds_up_readers:
            self._set_timer(now + self._linger)
            return
        for group in self._batcher.take(now, by=now):
            self._send(group)
        self._set_timer(self._batcher.due_at)


class PairLookups:
    """Finds out which pairs of a run are linked. A subclass decides what follows."""

    read_ahead = MOST_PAIRS * _BATCHES_AT_ONCE
    is_needed = False  # whether the run stops if no call that reads links reaches HubSpot

    def __init__(self, send: Send[LookupRequest], *, linger: float, clock: Clock) -> None:
        self._calls = LookupCalls(send, self.is_needed)
        self._reader: BatchReader[LookupBatch] = BatchReader(
            LookupBatch, linger=linger, clock=clock
        )
        self._asking: set[asyncio.Task[None]] = set()

    def start(self, run: Run[Any]) -> None:
        """Begin to read pairs, and to look them up."""
        self.run = run
        self._reading = run.begin(self._reader.read(run, run.prefetch.read, self._begin))
        self._reading.add_done_callback(self._on_end)

    def is_asking(self) -> bool:
        """Return whether lookups are in progress, after which `note` is called."""
        return bool(self._asking)

    def note(self, index: int, pair: Pair, found: Found) -> None:
        """Take a pair that was looked up. If the run stopped, *found* may be incomplete."""
        raise NotImplementedError

    @property
    def _is_done(self) -> bool:
        return self._reading.done() and not self._asking

    def _begin(self, batch: LookupBatch) -> None:
        task = self.run.begin(self._ask(batch))
        self._asking.add(task)
        task.add_done_callback(self._on_end)

    async def _ask(self, batch: LookupBatch) -> None:
        found = await Lookup(self.run, self._calls, batch).read()
        for index, pair in batch.items():
            self.note(index, pair, found[canonical_id(pair.from_id)])

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)


class SkipLinked(PairLookups):
    """Reads the pairs of a run that are not linked yet, and reports the others as skipped."""

    # If HubSpot does not say whether a pair is linked, the pair is read too: to send it is safe.

    def __init__(self, send: Send[LookupRequest], *, linger: float, clock: Clock) -> None:
        super().__init__(send, linger=linger, clock=clock)
        self._ready: list[Entry] = []
        self._news = asyncio.Event()

    async def read(self, _: int) -> list[Entry]:
        """Wait for pairs that are not linked, and return them. None of them: there are no more."""
        while not (self._ready or self.run.stopping or self._is_done):
            self._news.clear()
            await self._news.wait()
        ready, self._ready = self._ready, []
        return [] if self.run.stopping else ready

    def _on_end(self, task: asyncio.Task[None]) -> None:
        super()._on_end(task)
        self._news.set()

    def note(self, index: int, pair: Pair, found: Found) -> None:
        """Report a linked pair as skipped, and keep any other pair for `read`."""
        if canonical_id(pair.to_id) in found.linked:
            self.run.put(Outcome(index, pair, Status.SKIPPED, skip=LINKED_ALREADY))
        else:
            self._ready.append((index, pair))
            self._news.set()


class Verify(PairLookups):
    """Reports for every pair whether HubSpot has the link."""

    is_needed = True

    def make_unsent(
        self, index: int, pair: Pair, error: AioHubAssocError | None, _: History | None
    ) -> Verification:
        return Verification(index, pair, LinkState.UNKNOWN, error)

    def note(self, index: int, pair: Pair, found: Found) -> None:
        """Report what was found. The run itself reports a pair of which nothing is known."""
        if canonical_id(pair.to_id) in found.linked:
            self.run.put(Verification(index, pair, LinkState.LINKED))
        elif found.is_known:
            self.run.put(Verification(index, pair, LinkState.MISSING, found.error))
        elif found.error is not None:
            self.run.put(Verification(index, pair, LinkState.UNKNOWN, found.error))
