"""The input of a run: reads pairs from any iterable while there is room, to its end."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
    Set as AbstractSet,
)
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, cast

from aiohubassoc._run.dataframes import ArrowArray, ArrowStream, RejectedRow, frame_rows, is_frame
from aiohubassoc._run.input_errors import not_a_pair, not_iterable
from aiohubassoc.errors import JournalError, OptionsError, PairError, RunStoppedError
from aiohubassoc.models import Outcome, Status
from aiohubassoc.pair import Pair, RecordId, RejectedPair

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from aiohubassoc._run.run import Run

Entry: TypeAlias = tuple[int, Pair]  # a pair with its index in the input

Pairs: TypeAlias = (
    Iterable[Pair]
    | Iterable[tuple[RecordId, RecordId]]
    | AsyncIterable[Pair]
    | AsyncIterable[tuple[RecordId, RecordId]]
    | ArrowStream
    | ArrowArray
)
"""
Pairs; or ``(from_id, to_id)`` where the types are given for all of them; or a data frame.

A data frame is one of pandas, or anything that has the Arrow PyCapsule protocol
(``__arrow_c_stream__`` or ``__arrow_c_array__``), such as one of polars, and pyarrow's Table,
RecordBatch and RecordBatchReader; these need pyarrow. It is read as the run goes, 1,024 rows at a
time. Its columns: ``from_id`` and ``to_id``; where they are there ``from_type`` and ``to_type``,
which win over the types given for all, and ``tag``. Others are ignored. Ids are strings or ints of
any width; a row with another one, or none, is a failed outcome, whose error names the row.
"""

# They may unpack into two values, but these are not two ids in the caller's order.
_NOT_TWO_IDS: Final = (str, bytes, bytearray, memoryview, Mapping, AbstractSet)


_ANY: Final = "contacts"  # stands for a type that is not given
_REFILL_SHARE: Final = 7 / 8
MOST_READ: Final = 250  # at once: other tasks wait meanwhile
_ITEM: Final = itemgetter(1)


def count_items(pairs: object) -> int | None:
    """Return how many items an input has; None where it does not know."""
    try:
        return len(pairs) if hasattr(pairs, "__len__") else None
    except Exception:  # noqa: BLE001 -- code of the caller: the number is not needed
        return None


class Source:
    """Reads pairs in their order, for any number of readers."""

    # An iterator that raised an exception, or was cancelled while it was asked for an item, is not
    # read any further, and `is_complete` stays False.

    def __init__(self, pairs: Pairs, from_type: str | None, to_type: str | None) -> None:
        given: object = pairs  # its annotated type promises too much
        self.is_complete = False  # whether the input was read to its end
        # The task that waits for the next item of an async iterator; None: no task does.
        self.stepping: asyncio.Task[object] | None = None
        self._rows: Generator[object, None, None] | None = None
        self._types: tuple[str, str] | None = None
        # Raises now, not once for each pair.
        checked = Pair(
            _ANY if from_type is None else from_type, 1, _ANY if to_type is None else to_type, 1
        )
        if is_frame(given):  # checked first: many data frames iterate over their columns' names
            self._rows = frame_rows(given, from_type, to_type)
            given = self._rows
        elif from_type is not None and to_type is not None:
            self._types = (checked.from_type, checked.to_type)
        elif from_type is not None or to_type is not None:
            raise OptionsError("give both from_type and to_type, or neither")
        # Each is None once no more is read from it.
        self._sync: Iterator[object] | None = None
        self._async: AsyncIterator[object] | None = None
        self._to_close: AsyncIterator[object] | None = None
        if isinstance(given, AsyncIterable):
            self._async = aiter(given)
            if self._async is not given:  # else the caller gave an iterator, and closes it
                self._to_close = self._async
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
            self._sync = iter(given)
        else:
            raise not_iterable(given)
        self._turn = asyncio.Lock()  # an async iterator is asked by one task at a time
        self._error: BaseException | None = None  # raised by the next `read`
        self._count = 0

    @property
    def is_over(self) -> bool:
        """Whether no more is read: the input ended, or raised an error that was raised here."""
        return self._sync is None and self._async is None and self._error is None

    async def read(self, most: int) -> list[tuple[int, object]]:
        """Return the next items with their indexes, one of an async input; none: it is over."""
        if self._async is None:
            return self.read_now(most)
        async with self._turn:
            return self._numbered(await self._take_step())

    def read_now(self, most: int) -> list[tuple[int, object]]:
        """Return up to *most* items of a sync input. Its error is raised after the items before."""
        if self._error is not None:
            self._raise_error()
        taken: list[object] = []
        if self._sync is not None:
            try:
                taken.extend(islice(self._sync, most))
            except BaseException as error:  # noqa: BLE001 -- an iterator may raise anything
                self._sync, self._error = None, error
                if not taken:
                    self._raise_error()
            else:
                if len(taken) < most:
                    self._sync, self.is_complete = None, True
        return self._numbered(taken)

    def _numbered(self, items: list[object]) -> list[tuple[int, object]]:
        first, self._count = self._count, self._count + len(items)
        return list(enumerate(items, first))

    async def _take_step(self) -> list[object]:
        """Return the next item of an async input in a list; an empty list: there are no more."""
        if self._async is None:  # it ended while this task waited for its turn
            return []
        task = self.stepping = asyncio.current_task()
        try:
            return [await anext(self._async)]
        except StopAsyncIteration:
            # A generator may return because it was cancelled: then this is not the input's end.
            self._async, self.is_complete = None, not (task and task.cancelling())
            return []
        except BaseException as error:
            self._async = None
            if isinstance(error, asyncio.CancelledError) and not (task and task.cancelling()):
                self._error = error  # the iterator raised it: this task was not cancelled
                self._raise_error()
            raise
        finally:
            self.stepping = None

    def end_with(self, error: BaseException) -> None:
        """Read no more, and raise *error* at the next `read`, unless an earlier one is due."""
        self._sync = self._async = None
        self._error = self._error or error

    def _raise_error(self) -> NoReturn:
        assert self._error is not None  # noqa: S101 -- the callers saw it
        error, self._error = self._error, None
        if isinstance(error, asyncio.CancelledError):
            # Unchanged, it would look like a cancellation of the caller's task.
            raise RunStoppedError("the input raised CancelledError") from error
        raise error

    def pair(self, index: int, item: object) -> Pair | tuple[Pair, PairError]:
        """Return what `read_pair` makes of *item*, which may be a row of a data frame."""
        if isinstance(item, RejectedRow):
            return item
        return read_pair(index, item, self._types)

    async def close(self) -> None:
        """Close the iterator if it was made here. The caller closes an iterator that it gave."""
        if self._rows is not None:
            self._rows.close()  # it keeps a slice of the data frame in memory
        close = getattr(self._to_close, "aclose", None)
        if close is not None:
            await close()


def read_pair(
    index: int, item: object, types: tuple[str, str] | None
) -> Pair | tuple[Pair, PairError]:
    """Return *item*, a pair or two ids, as a pair; or a pair of its values, and the error."""
    if isinstance(item, Pair):
        return (item, item.to_error()) if isinstance(item, RejectedPair) else item
    if types is None:
        raise OptionsError(not_a_pair(index, item, has_types=False))
    try:
        if not isinstance(item, tuple) and (isinstance(item, _NOT_TWO_IDS) or is_frame(item)):
            raise TypeError  # noqa: TRY301 -- see above; of a frame it would be names of columns
        from_id, to_id = cast("tuple[RecordId, RecordId]", item)
    except (TypeError, ValueError):
        raise PairError(not_a_pair(index, item, has_types=True)) from None
    if type(item) not in {tuple, list} and _names(item) == ["to_id", "from_id"]:
        from_id, to_id = to_id, from_id
    from_type, to_type = types
    try:
        return Pair(from_type, from_id, to_type, to_id)
    except PairError as error:
        return RejectedPair(from_type, from_id, to_type, to_id, tag=None), error


def _names(row: Any) -> list[str]:  # noqa: ANN401 -- of any database, or a named tuple
    """Return the names that a row has for its values, in their order; none if it has no names."""
    keys = getattr(row, "keys", None)
    names = keys() if callable(keys) else getattr(row, "_fields", ())
    return [str(name).casefold() for name in names]


class Prefetch:
    """Reads the pairs of a run, and registers each with the run in the same step."""

    def __init__(self, run: Run[Any], source: Source) -> None:
        # Returns the outcome of a pair that needs no call. None: every pair needs one.
        self.find_known: Callable[[int, Pair], Outcome | None] | None = None
        self._run = run
        self._source = source

    async def read(self, most: int) -> list[Entry]:
        """Return up to *most* pairs that need a call; an empty list: there are no more."""
        pairs: list[Entry] | None = []
        while not (pairs or self._run.stopping):
            if (pairs := await self._next(most)) is None:
                break
        return [] if self._run.stopping else pairs or []

    async def reject_rest(self) -> None:
        """Read and report the rest of the input after the run has stopped. No pair is sent."""
        while not self._run.is_cut_off and await self._next(MOST_READ) is not None:
            self._run.report_open()

    async def _next(self, most: int) -> list[Entry] | None:
        """Read if there is room, or wait for it. Return pairs that need a call; None: no more."""
        run, buffer = self._run, self._run.buffer
        room = run.read_ahead - buffer.in_hand
        if room <= 0:
            # For room for *most*: to wake a reader for each result taken costs more than reading.
            await buffer.wait_for_room(max(run.read_ahead - most, run.read_ahead * _REFILL_SHARE))
            return []  # the run may have stopped meanwhile
        buffer.in_hand += 1  # reserved before reading, as other tasks may read meanwhile
        items: list[tuple[int, object]] = []
        try:
            items = await self._source.read(min(most, room))
        finally:
            buffer.in_hand += len(items) - 1
        if not items:
            return None
        pairs = self._register(items)
        if len(items) >= MOST_READ or not pairs:
            await run.give_way()  # a sync input does not wait
        return pairs

    def _register(self, items: list[tuple[int, object]]) -> list[Entry]:
        """Register items with the run, and return the pairs that need a call."""
        run = self._run
        if self.find_known is None and {*map(type, map(_ITEM, items))} == {Pair}:
            usual = cast("list[Entry]", items)  # nearly always; fast, as it runs in C
            run.open.update(usual)
            return usual
        pairs: list[Entry] = []
        is_broken = False
        for index, item in items:
            try:
                pair = item if type(item) is Pair else self._source.pair(index, item)
            except BaseException as error:  # noqa: BLE001 -- raised after the pairs before it
                run.buffer.in_hand -= 1  # it gets no result
                self._source.end_with(error)
                is_broken = True
                continue
            if isinstance(pair, tuple):
                run.reject(index, *pair)
                continue
            run.open[index] = pair
            if not (self._is_known(index, pair) or is_broken):
                pairs.append((index, pair))
        return pairs

    def _is_known(self, index: int, pair: Pair) -> bool:
        """Return whether a pair needs no call, as the recorder has its outcome."""
        if self.find_known is None:
            return False
        try:
            known = self.find_known(index, pair)
        except JournalError as error:
            self._run.stop(error)
            return False
        except BaseException as error:  # noqa: BLE001 -- as above; raised once all is reported
            self._run.fail(error)
            return False
        if known is not None:
            self._run.put_known(known, is_written=known.status is Status.SKIPPED)
        return known is not None
