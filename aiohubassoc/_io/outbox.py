"""The outcomes of a run on their way to the caller: counted, in order if asked for, bounded."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from itertools import repeat
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Final

from aiohubassoc.models import Outcome, Report, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

# The input is read at most this many pairs beyond the last outcome taken.
READ_AHEAD: Final = 1000
_STATUS: Final = attrgetter("status")
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


class Outbox:
    """
    Keeps outcomes until they are taken, and a place for each that is to come.

    Args:
        report: Counts every outcome that is told.
        ordered: Whether outcomes are handed out in the input's order.

    Attributes:
        in_hand: How many pairs were read whose outcome was not taken yet.
        ready: What can be taken.
    """

    def __init__(self, report: Report, *, ordered: bool) -> None:
        self.in_hand = 0
        self.ready: deque[Outcome] = deque()
        self._report = report
        # In order: what is done already but not yet next.
        self._early: dict[int, Outcome] | None = {} if ordered else None
        self._next_index = 0
        self._is_full = self._is_awaited = False
        self._room_at = math.inf
        self._room = asyncio.Event()
        self._news = asyncio.Event()

    # --- the side of those who read and settle -----------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether somebody waits for room."""
        return self._is_full

    async def wait_for_room(self, until: float = math.inf) -> None:
        """
        Return when another pair may be read, or `wake_readers` was called.

        Args:
            until: How many pairs may be in hand then; inf: whatever there was, less one.
        """
        self._is_full = True
        self._room_at = until
        self._room.clear()
        await self._room.wait()

    def wake_readers(self) -> None:
        """Let those who wait for room look again."""
        self._is_full = False
        self._room.set()

    def tell(self, outcome: Outcome) -> None:
        """Count an outcome and offer it."""
        if outcome.status is _LINKED:
            self._report.linked += 1
        else:
            self._report.add(outcome)
        if self._early is None:
            self.ready.append(outcome)
        else:
            self._early[outcome.index] = outcome
            while (following := self._early.pop(self._next_index, None)) is not None:
                self.ready.append(following)
                self._next_index += 1
        if self._is_awaited:
            self.wake_taker()

    def tell_all(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes and offer them."""
        if self._early is None and all(map(is_, map(_STATUS, outcomes), repeat(_LINKED))):
            self._report.linked += len(outcomes)
            self.ready.extend(outcomes)
            self.wake_taker()
            return
        for outcome in outcomes:
            self.tell(outcome)

    # --- the caller's side -------------------------------------------------------------------

    def wake_taker(self) -> None:
        """Let whoever waits for news look again."""
        self._is_awaited = False
        self._news.set()

    async def wait_for_news(self) -> None:
        """Return when an outcome was told, or `wake_taker` was called."""
        self._news.clear()
        self._is_awaited = True
        await self._news.wait()

    def take(self) -> Outcome:
        """Return the next outcome that is ready."""
        self.in_hand -= 1
        if self._is_full and self.in_hand <= self._room_at:
            self._is_full = False
            self._room.set()
        return self.ready.popleft()

    def close_gaps(self) -> bool:
        """Offer what is early, as nothing can come before it any more; return whether it was."""
        if not self._early:
            return False
        # An item that was no pair has no outcome.
        self.ready.extend(self._early.pop(index) for index in sorted(self._early))
        return True
