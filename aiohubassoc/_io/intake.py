"""The pairs of a run on their way in: read as there is room, checked, asked for in its folder."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol, cast

from aiohubassoc.errors import JournalError
from aiohubassoc.models import Outcome, Status
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._io.outbox import Outbox
    from aiohubassoc._io.source import Source
    from aiohubassoc.errors import AioHubAssocError

_REFILL_SHARE: Final = 7 / 8
_READ_AT_ONCE: Final = 250
_ITEM: Final = itemgetter(1)


class Reading(Protocol):
    """The run that pairs are read for."""

    stopping: bool
    read_ahead: int
    """How many pairs beyond the last outcome taken may be read."""

    def put(self, outcome: Outcome) -> None:
        """Tell an outcome."""
        ...

    def put_again(self, outcome: Outcome) -> None:
        """Tell an outcome of an earlier run, which stops nothing."""
        ...

    def unprocessed(self, index: int, pair: Pair) -> Outcome:
        """Return the outcome of a pair that was not sent."""
        ...

    def stop(self, cause: AioHubAssocError) -> None:
        """Send nothing more."""
        ...


class Intake:
    """
    Reads the pairs of a run.

    Args:
        run: The run.
        source: The pairs.
        outbox: Has a place for each that was read and not taken.

    Attributes:
        ask: Gives the outcome of a pair that needs no call; None: nobody knows any.
        is_read: Whether the input was read to its end.
    """

    def __init__(self, run: Reading, source: Source, outbox: Outbox) -> None:
        self.ask: Callable[[int, Pair], Outcome | None] | None = None
        self.is_read = False
        self._run = run
        self._source = source
        self._outbox = outbox
        self._error: Exception | None = None

    async def read(self) -> tuple[int, object] | None:
        """Return the next item and its place; None: there are no more."""
        if self._error is not None:
            raise self._error
        self._outbox.in_hand += 1  # its place is taken before it is read: reading may wait
        read = None
        try:
            read = self._source.next_at_once() or await self._source.next()
        finally:
            if read is None:
                self._outbox.in_hand -= 1
        if read is None:
            self.is_read = True
        return read

    def pair(self, index: int, item: object) -> Pair | None:
        """Return the pair that *item* is, or tell its outcome if it needs no call."""
        try:
            pair = item if type(item) is Pair else self._source.pair(index, item)
        except BaseException:
            self._outbox.in_hand -= 1
            raise
        if isinstance(pair, tuple):
            bad, error = pair
            if self._run.stopping:  # nothing is judged any more, nor kept: it is no pair
                self._outbox.tell(self._run.unprocessed(index, bad))
                return None
            self._run.put(Outcome(index, bad, Status.FAILED, error=error))
            return None
        if self.ask is None:
            return pair
        try:
            known = self.ask(index, pair)
        except JournalError as error:
            self._run.stop(error)
            return pair
        if known is None:
            return pair
        if known.status is Status.SKIPPED:
            self._outbox.tell(known)
        else:
            self._run.put_again(known)
        return None

    async def next_pairs(self) -> list[tuple[int, Pair]]:
        """Return the next pairs that need a call, with their places; none: there are no more."""
        run, outbox = self._run, self._outbox
        while not run.stopping:
            room = run.read_ahead - outbox.in_hand
            if room <= 0:
                # By the hundreds: to wake a reader for each outcome taken costs more than reading.
                await outbox.wait_for_room(run.read_ahead * _REFILL_SHARE)
            elif pairs := self._unless_stopping(self._at_once(min(room, _READ_AT_ONCE))):
                return pairs
            elif (read := await self.read()) is None:
                break
            elif (pair := self.pair(*read)) is not None:
                return self._unless_stopping([(read[0], pair)])
        return []

    async def tell_rest(self, is_left: Callable[[], bool]) -> None:
        """Tell what the input still holds, once the run has stopped; until *is_left* says so."""
        run, outbox = self._run, self._outbox
        while not is_left():
            if outbox.in_hand >= run.read_ahead:
                await outbox.wait_for_room()
            elif (read := await self.read()) is None:
                return
            elif (pair := self.pair(*read)) is not None:
                run.put(run.unprocessed(read[0], pair))

    def _at_once(self, most: int) -> list[tuple[int, Pair]]:
        """Return the next pairs that need a call, as far as the input need not be waited for."""
        if self._error is not None:
            return []  # it is raised where the next item would be read
        items, self._error = self._source.take_at_once(most)  # those before an error come first
        self._outbox.in_hand += len(items)
        if self.ask is None and {*map(type, map(_ITEM, items))} == {Pair}:  # nearly always
            return cast("list[tuple[int, Pair]]", items)
        pairs: list[tuple[int, Pair]] = []
        for place, (index, item) in enumerate(items, 1):
            try:
                pair = self.pair(index, item)
            except Exception as error:
                self._outbox.in_hand -= len(items) - place  # they belong to nobody
                if not pairs:
                    raise
                self._error = error
                break
            if pair is not None:
                pairs.append((index, pair))
        return pairs

    def _unless_stopping(self, pairs: list[tuple[int, Pair]]) -> list[tuple[int, Pair]]:
        """Return pairs that were read, or tell them if the run stopped meanwhile."""
        if not self._run.stopping:
            return pairs
        for index, pair in pairs:
            self._run.put(self._run.unprocessed(index, pair))
        return []
