"""Looks the pairs of a run up, a batch of records at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohubassoc._core.ids import canonical
from aiohubassoc._core.window import MOST_PAIRS, Window
from aiohubassoc._run.batch_reader import BatchReader
from aiohubassoc._run.lookup import Found, Lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._io.clock import Clock
    from aiohubassoc._run.lookup import SettleLookup
    from aiohubassoc._run.run import Run
    from aiohubassoc.pair import Pair

# One is in flight while the next is read.
_BATCHES_AT_ONCE: Final = 2


class PairLookups:
    """
    Finds out which pairs are linked.

    Args:
        settle: Asks for the links of records.
        linger: Seconds after which a batch of pairs is looked up though it is not full.
        clock: Time.
    """

    read_ahead = MOST_PAIRS * _BATCHES_AT_ONCE

    def __init__(self, settle: SettleLookup, *, linger: float, clock: Clock) -> None:
        self._settle = settle
        self._reader: BatchReader[Window] = BatchReader(Window, linger=linger, clock=clock)
        self._asking = 0
        self._is_read = False

    @property
    def is_done(self) -> bool:
        """Whether no further pair will be looked up."""
        return self._is_read and not self._asking

    def start(
        self,
        run: Run[Any],
        on_found: Callable[[int, Pair, Found], None],
        on_end: Callable[[object], None],
    ) -> None:
        """
        Begin to read and to ask.

        Args:
            run: The run, which owns the pairs.
            on_found: Called with each pair, its place first, and what was found about its first
                record. Where nothing is known because the run stops, `Found.error` is None.
            on_end: Called when a lookup, or the reading, has ended in whatever way.
        """
        self._run, self._on_found, self._on_end = run, on_found, on_end
        run.begin(self._reader.read(run, run.prefetch.next_many, self._look_up), self._end_reading)

    def is_asking(self) -> bool:
        """Return whether more pairs may be found soon."""
        return self._asking > 0

    def wake(self) -> None:
        """Look no batch up for its waiting any more."""
        self._reader.cancel_timer()

    def _look_up(self, batch: Window) -> None:
        self._asking += 1
        self._run.begin(self._ask(batch), self._end_asking)

    async def _ask(self, batch: Window) -> None:
        found = await Lookup(self._run, self._settle, batch.types, batch.to_ids()).read()
        for index, pair in batch.items():
            self._on_found(index, pair, found[canonical(pair.from_id)])

    def _end_asking(self, task: object) -> None:
        self._asking -= 1
        self._on_end(task)

    def _end_reading(self, task: object) -> None:
        self._is_read = True
        self._on_end(task)
