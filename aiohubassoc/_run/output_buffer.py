"""Results on their way to the caller: counted, in the input's order if asked for, bounded."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.models import RunReport

# The input is read at most this many pairs beyond the last result taken.
READ_AHEAD: Final = 1000


class Indexed(Protocol):
    """What became of a pair."""

    index: int
    """The pair's place in the input, from 0."""


ResultT = TypeVar("ResultT", bound=Indexed)


class OutputBuffer(Generic[ResultT]):
    """
    Keeps results until they are taken; in order, it is a reorder buffer.

    Attributes:
        in_hand: How many pairs were read whose result was not taken yet.
        ready: What can be taken.
    """

    def __init__(self, report: RunReport, *, ordered: bool) -> None:
        self.in_hand = 0
        self.ready: deque[ResultT] = deque()
        self._report = report
        # In order: what is done already but not yet next.
        self._early: dict[int, ResultT] | None = {} if ordered else None
        self._next_index = 0
        self._is_full = self._is_awaited = False
        self._room_at = math.inf
        self._room = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def holds_up_readers(self) -> bool:
        """Whether nothing more is read until results are taken, and some can be taken."""
        return self._is_full and bool(self.ready)

    async def wait_for_room(self, until: float = math.inf) -> None:
        """Return when no more than *until* pairs are in hand, or `wake_readers` was called."""
        self._is_full = True
        self._room_at = until
        self._room.clear()
        await self._room.wait()

    def wake_readers(self) -> None:
        """Let those who wait for room look again."""
        self._is_full = False
        self._room.set()

    def emit(self, result: ResultT) -> None:
        """Count a result and offer it."""
        self._report.add(result)
        if self._early is None:
            self.ready.append(result)
        else:
            self._early[result.index] = result
            while (following := self._early.pop(self._next_index, None)) is not None:
                self.ready.append(following)
                self._next_index += 1
        if self._is_awaited:
            self.wake_taker()

    def emit_all(self, results: Sequence[ResultT]) -> None:
        """Count results and offer them."""
        if self._early is not None:
            for result in results:
                self.emit(result)
            return
        self._report.add_all(results)
        self.ready.extend(results)
        self.wake_taker()

    def wake_taker(self) -> None:
        """Let whoever waits for news look again."""
        self._is_awaited = False
        self._news.set()

    async def wait_for_news(self) -> None:
        """Return when a result was emitted, or `wake_taker` was called."""
        self._news.clear()
        self._is_awaited = True
        await self._news.wait()

    def take(self) -> ResultT:
        """Return the next result that is ready."""
        self.in_hand -= 1
        if self._is_full and self.in_hand <= self._room_at:
            self.wake_readers()
        return self.ready.popleft()

    def close_gaps(self) -> bool:
        """Offer what is early, as nothing can come before it any more; return whether it was."""
        if not self._early:
            return False
        # An item that was no pair has no result.
        self.ready.extend(self._early.pop(index) for index in sorted(self._early))
        return True
