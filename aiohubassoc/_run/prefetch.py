"""The pairs of a run on their way in: read as there is room, checked, looked up in its folder."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

from aiohubassoc.errors import JournalError
from aiohubassoc.models import Outcome, Status
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._run.run import Run
    from aiohubassoc._run.source import Source

_REFILL_SHARE: Final = 7 / 8
_READ_AT_ONCE: Final = 250
_ITEM: Final = itemgetter(1)


class Prefetch:
    """
    Reads the pairs of a run, and registers each with the run in the same step.

    Attributes:
        find_known: Gives the outcome of a pair that needs no call; None: no pair is known.
    """

    def __init__(self, run: Run[Any], source: Source) -> None:
        self.find_known: Callable[[int, Pair], Outcome | None] | None = None
        self._run = run
        self._source = source
        self._error: Exception | None = None  # of an item that was read with pairs before it

    async def next(self) -> tuple[int, Pair] | None:
        """Return the next pair that needs a call, with its place; None: there are no more."""
        run, buffer = self._run, self._run.buffer
        while not run.stopping:
            if buffer.in_hand >= run.read_ahead:
                await buffer.wait_for_room()
                continue
            # Without a coroutine where nothing has to be waited for.
            if self._error is None and (read := self._source.next_at_once()) is not None:
                buffer.in_hand += 1
            elif (read := await self._read()) is None:
                return None
            pair = self._register(*read)
            if pair is not None and not run.stopping:
                return read[0], pair
        return None

    async def next_many(self) -> list[tuple[int, Pair]]:
        """Return the next pairs that need a call, with their places; none: there are no more."""
        run, buffer = self._run, self._run.buffer
        while not run.stopping:
            room = run.read_ahead - buffer.in_hand
            if room <= 0:
                # By the hundreds: to wake a reader for each result taken costs more than reading.
                await buffer.wait_for_room(run.read_ahead * _REFILL_SHARE)
                continue
            self._raise_error()
            pairs = self._register_many(self._source.take_at_once(min(room, _READ_AT_ONCE)))
            if not pairs:  # the input has to be waited for, or is at its end
                read = await self._read()
                if read is None:
                    return []
                pair = self._register(*read)
                pairs = [] if pair is None else [(read[0], pair)]
            if pairs and not run.stopping:
                return pairs
        return []

    async def reject_rest(self) -> None:
        """Read the rest of the input once the run has stopped: no pair of it is sent."""
        run, buffer = self._run, self._run.buffer
        while not run.is_cut_off:
            if buffer.in_hand >= run.read_ahead:
                await buffer.wait_for_room()
            elif (read := await self._read()) is None:
                return
            elif self._register(*read) is not None:
                run.report_open()

    async def _read(self) -> tuple[int, object] | None:
        """Return the next item and its place; None: there are no more."""
        self._raise_error()
        buffer = self._run.buffer
        buffer.in_hand += 1  # its place is taken before it is read: reading may wait
        read = None
        try:
            read = self._source.next_at_once() or await self._source.next()
        finally:
            if read is None:
                buffer.in_hand -= 1
        return read

    def _register(self, index: int, item: object) -> Pair | None:
        """Register the pair that *item* is with the run; None: it has its outcome already."""
        run = self._run
        try:
            pair = item if type(item) is Pair else self._source.pair(index, item)
        except BaseException:
            run.buffer.in_hand -= 1  # it is no pair
            raise
        if isinstance(pair, tuple):
            run.reject(index, *pair)
            return None
        run.open[index] = pair
        return pair if self.find_known is None else self._unless_known(index, pair)

    def _unless_known(self, index: int, pair: Pair) -> Pair | None:
        assert self.find_known is not None  # noqa: S101 -- the callers saw it
        try:
            known = self.find_known(index, pair)
        except JournalError as error:
            self._run.stop(error)
            return pair
        if known is None:
            return pair
        self._run.put_known(known, is_written=known.status is Status.SKIPPED)
        return None

    def _register_many(self, items: list[tuple[int, object]]) -> list[tuple[int, Pair]]:
        """Register items, and return the pairs that need a call."""
        run = self._run
        run.buffer.in_hand += len(items)
        if self.find_known is None and {*map(type, map(_ITEM, items))} == {Pair}:
            usual = cast("list[tuple[int, Pair]]", items)  # nearly always: at the speed of C
            run.open.update(usual)
            return usual
        pairs: list[tuple[int, Pair]] = []
        for index, item in items:
            try:
                pair = self._register(index, item)
            except Exception as error:  # noqa: BLE001 -- it is raised behind the pairs before it
                self._error = self._error or error
                continue
            if pair is not None and self._error is None:
                pairs.append((index, pair))
        if not pairs:
            self._raise_error()
        return pairs

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
