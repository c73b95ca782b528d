"""Pairs that are not linked yet: HubSpot is asked first."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohubassoc._core.ids import canonical
from aiohubassoc._run.pair_lookups import PairLookups
from aiohubassoc.models import Outcome, Skip, Status

if TYPE_CHECKING:
    from aiohubassoc._run.lookup import Found
    from aiohubassoc._run.run import Run
    from aiohubassoc.pair import Pair

LINKED_ALREADY: Final = Skip("LINKED_ALREADY", "HubSpot has the link already")


class SkipLinked:
    """
    Gives the pairs of a run that are not linked yet; those that are, are reported as skipped.

    A pair of which HubSpot does not say whether it is linked is given too: sending it is safe.

    Args:
        lookups: Finds out which pairs are linked.
    """

    read_ahead = PairLookups.read_ahead

    def __init__(self, lookups: PairLookups) -> None:
        self._lookups = lookups
        self._ready: deque[tuple[int, Pair]] = deque()
        self._news = asyncio.Event()

    def start(self, run: Run[Outcome]) -> None:
        """Begin to read and to ask."""
        self._run = run
        self._lookups.start(run, self._sort, lambda _: self._news.set())

    def is_asking(self) -> bool:
        """Return whether more pairs may come soon."""
        return self._lookups.is_asking()

    def wake(self) -> None:
        """Let those who wait for pairs look again."""
        self._lookups.wake()
        self._news.set()

    async def next(self) -> tuple[int, Pair] | None:
        """Return the next pair that is not linked, and its place; None: there are no more."""
        await self._wait_for_news()
        return None if self._run.stopping or not self._ready else self._ready.popleft()

    async def next_many(self) -> list[tuple[int, Pair]]:
        """Return all that are there, at least one; none: there are no more."""
        await self._wait_for_news()
        if self._run.stopping:
            return []
        pairs = list(self._ready)
        self._ready.clear()
        return pairs

    async def _wait_for_news(self) -> None:
        while not (self._ready or self._run.stopping or self._lookups.is_done):
            self._news.clear()
            await self._news.wait()

    def _sort(self, index: int, pair: Pair, found: Found) -> None:
        if canonical(pair.to_id) in found.linked:
            self._run.put(Outcome(index, pair, Status.SKIPPED, skip=LINKED_ALREADY))
        else:
            self._ready.append((index, pair))
            self._news.set()
