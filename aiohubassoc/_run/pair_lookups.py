"""Looks the pairs of a run up, a batch of records at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohubassoc._batching.batch import MOST_PAIRS, Window
from aiohubassoc._run.batch_reader import BatchReader
from aiohubassoc._run.lookup import Access, Found, Lookup
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._run.lookup import SettleLookup
    from aiohubassoc._run.run import Run
    from aiohubassoc.pair import Pair

# One is in flight while the next is read.
_BATCHES_AT_ONCE: Final = 2


class PairLookups:
    """
    Finds out which pairs of a run are linked; a subclass says what follows from it.

    Args:
        settle: Asks for the links of records.
        linger: Seconds after which a batch of pairs is looked up though it is not full.
        clock: For *linger*.
    """

    read_ahead = MOST_PAIRS * _BATCHES_AT_ONCE
    is_needed = False
    """Whether the run is to stop if HubSpot's API cannot be asked at all."""

    def __init__(self, settle: SettleLookup, *, linger: float, clock: Clock) -> None:
        self._settle = settle
        self._reader: BatchReader[Window] = BatchReader(Window, linger=linger, clock=clock)
        self._access = Access(self.is_needed)
        self._asking = 0
        self._is_read = False

    def start(self, run: Run[Any]) -> None:
        """Begin to read and to ask."""
        self._run = run
        run.begin(self._reader.read(run, run.prefetch.next_many, self._look_up), self._end_reading)

    def is_asking(self) -> bool:
        """Return whether more pairs may be found soon."""
        return self._asking > 0

    def wake(self) -> None:
        """Look no batch up for its waiting any more, and let those who wait look again."""
        self._reader.cancel_timer()

    def note(self, index: int, pair: Pair, found: Found) -> None:
        """Take a pair that was looked up; with `Found.error` None the run may have stopped."""
        raise NotImplementedError

    @property
    def _is_done(self) -> bool:
        return self._is_read and not self._asking

    def _look_up(self, batch: Window) -> None:
        self._asking += 1
        self._run.begin(self._ask(batch), self._end_asking)

    async def _ask(self, batch: Window) -> None:
        lookup = Lookup(self._run, self._settle, self._access, batch.types, batch.to_ids())
        found = await lookup.read()
        for index, pair in batch.items():
            self.note(index, pair, found[canonical_id(pair.from_id)])

    def _end_asking(self, _: object) -> None:
        self._asking -= 1
        self.wake()

    def _end_reading(self, _: object) -> None:
        self._is_read = True
        self.wake()
