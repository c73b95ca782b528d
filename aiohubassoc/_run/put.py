"""A call for each pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc._run.output_buffer import READ_AHEAD
from aiohubassoc._run.settle_one import settle_one
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._http.request_state import History
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.settle_one import SettlePair
    from aiohubassoc._run.skip_linked import SkipLinked
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair


class LinkStrategy:
    """What the strategies that link have in common: their results are outcomes."""

    def __init__(self, skip: SkipLinked | None, read_ahead: int) -> None:
        self._skip = skip
        self.read_ahead = read_ahead + (0 if skip is None else skip.read_ahead)

    def wake(self) -> None:
        """Let tasks that wait for one another look again."""
        if self._skip is not None:
            self._skip.wake()

    def make_rejected(self, index: int, pair: Pair, error: AioHubAssocError) -> Outcome:
        """Return the outcome of a pair that cannot be sent."""
        return Outcome(index, pair, Status.FAILED, error=error)

    def make_open(
        self, index: int, pair: Pair, history: History, cause: AioHubAssocError | None
    ) -> Outcome:
        """Return the outcome of a pair that the run leaves open."""
        return Outcome(
            index,
            pair,
            Status.UNPROCESSED,
            history.attempts,
            history.reply,
            history.error or cause,
            history.uncertain,
        )


class Put(LinkStrategy):
    """Links pairs by a call for each, *workers* at once; *skip* leaves out what is linked."""

    def __init__(self, settle: SettlePair, *, workers: int, skip: SkipLinked | None = None) -> None:
        super().__init__(skip, READ_AHEAD)
        self._settle = settle
        self._most_workers = min(workers, READ_AHEAD)
        self._workers = 0
        self._is_growing = True  # whether one task reads, and begins a worker for each pair

    def start(self, run: Run[Outcome]) -> None:
        """Begin to read: workers come as pairs do."""
        self._run = run
        self._next: Callable[[], Awaitable[tuple[int, Pair] | None]] = run.prefetch.next
        if self._skip is not None:
            self._next = self._skip.next
            self._skip.start(run)
        run.begin(self._read())

    async def _read(self) -> None:
        """Begin a worker for each pair, until there are as many as may be."""
        while self._is_growing and (entry := await self._next()) is not None:
            self._workers += 1
            self._is_growing = self._workers < self._most_workers
            self._run.begin(self._work(entry))

    async def _work(self, entry: tuple[int, Pair] | None) -> None:
        """Settle a pair, and the next ones if nobody else reads."""
        while entry is not None:
            await settle_one(self._run, self._settle, *entry)
            if self._is_growing:
                self._workers -= 1
                return
            entry = await self._next()
