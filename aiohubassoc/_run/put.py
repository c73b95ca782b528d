"""Links pairs by a call for each: one pair, one call, one outcome."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohubassoc._http.call_outcome import NO_HISTORY, make_outcome
from aiohubassoc._http.sender import Call
from aiohubassoc._protocol.verdicts import About, Accepted, Replied
from aiohubassoc._run.strategy import LinkStrategy
from aiohubassoc._run.stream import READ_AHEAD
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc._http.sender import Send
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.source import Entry
    from aiohubassoc._run.strategy import SkipLinked
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair

# How many pairs are read at a time: responses wait while a sync input is read.
_MOST_READ: Final = 16
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


async def link_one(
    run: Run[Outcome], send: Send[Pair], index: int, pair: Pair
) -> AioHubAssocError | None:
    """Make the call for one pair, and give its outcome to the run. Return why it was refused."""
    call = Call(pair, run, run.histories.get(index, NO_HISTORY))
    verdict = await run.call(send, call, (index,))
    if isinstance(verdict, Accepted):  # nearly always
        run.on_progress()
        outcome = Outcome(index, pair, _LINKED, call.total_attempts, verdict.reply)
        is_refusal = False
    else:
        assert not isinstance(verdict, Replied)  # noqa: S101 -- it was a call for one pair
        outcome = make_outcome(index, pair, call, verdict)
        is_refusal = verdict.about is About.PAIR
    if run.repeats:
        await run.put_each([outcome], is_refusal=is_refusal)
    else:
        run.put(outcome, is_refusal=is_refusal)
    return outcome.error if is_refusal else None


async def link_singly(
    run: Run[Outcome], send: Send[Pair], entries: Iterable[Entry], concurrency: int
) -> int:
    """Make a call for each pair. Return how many HubSpot refused. A stop leaves pairs open."""
    waiting = deque(entries)
    refused = 0

    async def work() -> None:
        nonlocal refused
        while waiting and not run.stopping:
            error = await link_one(run, send, *waiting.popleft())
            refused += error is not None

    await asyncio.wait([run.begin(work()) for _ in range(min(len(waiting), concurrency))])
    return refused


class Put(LinkStrategy):
    """Links pairs by a call for each, *workers* at a time; *skip* leaves out linked pairs."""

    def __init__(self, send: Send[Pair], *, workers: int, skip: SkipLinked | None = None) -> None:
        super().__init__(skip, READ_AHEAD)
        self._send = send
        self._most_workers = min(workers, READ_AHEAD)
        self._workers = 0
        self._in_doubt = 0  # workers that wait until a refusal can be believed
        self._is_growing = True  # whether one task reads, and begins a worker for each pair
        self._entries: deque[Entry] = deque()  # read, and not yet sent

    def start(self, run: Run[Outcome]) -> None:
        run.on_doubt = self._on_doubt
        super().start(run)

    async def _work(self) -> None:
        """Begin a worker for each pair, up to the most workers."""
        while self._is_growing and (entry := await self._next()) is not None:
            self._workers += 1
            self._is_growing = self._workers < self._most_workers
            _ = self._run.begin(self._link_from(entry))

    async def _link_from(self, entry: Entry | None = None) -> None:
        """Link a pair, if it is given, then further pairs if each worker reads its own."""
        while (entry := entry or await self._next()) is not None:
            await link_one(self._run, self._send, *entry)
            if self._is_growing or (
                self._workers > self._most_workers and not self._may_send(self._workers)
            ):
                self._workers -= 1
                return
            entry = None

    def _on_doubt(self, change: int) -> None:
        """Let another worker send while one waits until its refusal can be believed."""
        self._in_doubt += change
        if change > 0 and not self._is_growing and self._may_send(self._workers + 1):
            self._workers += 1
            _ = self._run.begin(self._link_from())

    def _may_send(self, workers: int) -> bool:
        """Return whether *workers* stay within the concurrency and `stop_after_alike`."""
        # More in doubt than `Connections` keeps for one client would be lost.
        in_doubt, most = self._in_doubt, self._most_workers
        return workers - in_doubt <= most >= in_doubt and self._run.allows_doubts(in_doubt)

    async def _next(self) -> Entry | None:
        """Return the next pair; None: there are no more."""
        entries = self._entries
        while not (entries or self._run.stopping):
            if not (read := await self._read(min(self._most_workers, _MOST_READ))):
                return None
            entries.extend(read)
        return None if self._run.stopping else entries.popleft()
