"""Pairs that are not linked yet: HubSpot is asked first, a window of pairs at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohubassoc._core.ids import canonical
from aiohubassoc._core.window import MOST_PAIRS, Window
from aiohubassoc._io.gathering import Gathering
from aiohubassoc._io.reading import LinksReader
from aiohubassoc.models import Outcome, Skip, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._io.crew import Run
    from aiohubassoc._io.reading import Found, SettleQuestion
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair

LINKED_ALREADY: Final = Skip("LINKED_ALREADY", "HubSpot has the link already")
# One is asked about while the next is read.
_WINDOWS_AT_ONCE: Final = 2


class Unlinked:
    """
    Gives the pairs of a run that are not linked yet; those that are, are told as skipped.

    A pair of which HubSpot does not say whether it is linked is given too: sending it is safe.

    Args:
        ask: Asks a question until there is an answer.
        wait: Seconds after which a window is asked about though it is not full.
        clock: Time.
    """

    read_ahead = MOST_PAIRS * _WINDOWS_AT_ONCE

    def __init__(self, ask: SettleQuestion, *, wait: float, clock: Clock) -> None:
        self._ask = ask
        self._wait = wait
        self._clock = clock
        self._ready: deque[tuple[int, Pair]] = deque()
        self._news = asyncio.Event()
        self._is_read = False
        self._windows = 0  # that are being asked about

    def start(self, run: Run) -> None:
        """Begin to read and to ask."""
        self._run = run
        self._gathering = Gathering(
            run, run.next_pairs, Window, self._go, wait=self._wait, clock=self._clock
        )
        run.begin(self._read())

    def is_asking(self) -> bool:
        """Return whether more pairs may come soon."""
        return self._windows > 0

    async def next(self) -> tuple[int, Pair] | None:
        """Return the next pair that is not linked, and its place; None: there are no more."""
        await self._until_news()
        return self._ready.popleft() if self._ready else None

    async def next_pairs(self) -> list[tuple[int, Pair]]:
        """Return all that are there, at least one; none: there are no more."""
        await self._until_news()
        pairs = list(self._ready)
        self._ready.clear()
        return pairs

    async def _until_news(self) -> None:
        while not (self._ready or self._run.stopping or (self._is_read and not self._windows)):
            self._news.clear()
            await self._news.wait()

    def abandoned(self) -> Iterable[tuple[int, Pair]]:
        """Give up what nobody took."""
        left = [*self._ready, *self._gathering.abandoned()]
        self._ready.clear()
        self._news.set()
        return left

    # --- what is told of a pair -----------------------------------------------------------------

    def linked(self, index: int, pair: Pair) -> None:
        """Tell that a pair is linked."""
        self._run.put(Outcome(index, pair, Status.SKIPPED, skip=LINKED_ALREADY))

    def missing(self, index: int, pair: Pair, error: AioHubAssocError | None) -> bool:
        """
        Take a pair that is not linked, and return whether it is taken.

        Args:
            index: Its place.
            pair: The pair.
            error: HubSpot's reason, where it gave one.
        """
        del error
        return self._give(index, pair)

    def unknown(self, index: int, pair: Pair, error: AioHubAssocError | None) -> bool:
        """Take a pair of which that is not known, and return whether it is taken."""
        del error
        return self._give(index, pair)

    def _give(self, index: int, pair: Pair) -> bool:
        if self._run.stopping:  # nobody would send it
            return False
        self._ready.append((index, pair))
        return True

    # --- asking ----------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            await self._gathering.read()
        finally:
            self._is_read = True
            self._news.set()

    def _go(self, window: Window) -> None:
        self._windows += 1
        self._run.begin(self._settle(window))

    async def _settle(self, window: Window) -> None:
        left = dict(window.items())
        try:
            reader = LinksReader(self._run, self._ask, window.types, window.to_ids())
            found = await reader.read()
            for index, pair in window.items():
                if self._tell(index, pair, found[canonical(pair.from_id)]):
                    del left[index]
        finally:
            for index, pair in left.items():
                self._run.put(self._run.unprocessed(index, pair))
            self._windows -= 1
            self._news.set()

    def _tell(self, index: int, pair: Pair, found: Found) -> bool:
        if canonical(pair.to_id) in found.linked:
            self.linked(index, pair)
            return True
        if found.is_known:
            return self.missing(index, pair, found.error)
        return self.unknown(index, pair, found.error)
