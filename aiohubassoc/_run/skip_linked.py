"""Pairs that are not linked yet: HubSpot is asked first."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohubassoc._run.pair_lookups import PairLookups
from aiohubassoc.models import Outcome, Skip, Status
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._run.lookup import Found, SettleLookup
    from aiohubassoc.pair import Pair

LINKED_ALREADY: Final = Skip("LINKED_ALREADY", "HubSpot has the link already")


class SkipLinked(PairLookups):
    """
    Gives the pairs of a run that are not linked yet; those that are, are reported as skipped.

    A pair of which HubSpot does not say whether it is linked is given too: sending it is safe.
    """

    def __init__(self, settle: SettleLookup, *, linger: float, clock: Clock) -> None:
        super().__init__(settle, linger=linger, clock=clock)
        self._ready: deque[tuple[int, Pair]] = deque()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Let those who wait for pairs look again."""
        super().wake()
        self._news.set()

    async def next(self) -> tuple[int, Pair] | None:
        """Return the next pair that is not linked, and its place; None: there are no more."""
        await self._wait_for_news()
        return None if self._run.stopping or not self._ready else self._ready.popleft()

    async def next_many(self) -> list[tuple[int, Pair]]:
        """Return all that are there, at least one; none: there are no more."""
        await self._wait_for_news()
        pairs = [] if self._run.stopping else list(self._ready)
        self._ready.clear()
        return pairs

    async def _wait_for_news(self) -> None:
        while not (self._ready or self._run.stopping or self._is_done):
            self._news.clear()
            await self._news.wait()

    def note(self, index: int, pair: Pair, found: Found) -> None:
        """Report a pair that is linked, and keep another one for `next`."""
        if canonical_id(pair.to_id) in found.linked:
            self._run.put(Outcome(index, pair, Status.SKIPPED, skip=LINKED_ALREADY))
        else:
            self._ready.append((index, pair))
            self._news.set()
