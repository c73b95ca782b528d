"""What follows from a lookup: linked pairs are skipped, or every pair is reported."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohubassoc._run.lookup import PairLookups
from aiohubassoc.models import LinkState, Outcome, Skip, Status, Verification
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from aiohubassoc._http.call_outcome import History
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.sender import Send
    from aiohubassoc._protocol.requests import LookupRequest
    from aiohubassoc._run.lookup import Found
    from aiohubassoc._run.source import Entry
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair

LINKED_ALREADY: Final = Skip("LINKED_ALREADY", "HubSpot has the link already")


class SkipLinked(PairLookups):
    """
    Reads the pairs of a run that are not linked yet, and reports the others as skipped.

    If HubSpot does not say whether a pair is linked, the pair is read too: to send it is safe.
    """

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
