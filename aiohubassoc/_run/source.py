"""The input of a run: pairs from any iterable, and whether it was read to its end."""

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
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, cast

from aiohubassoc._run.dataframes import ArrowArray, ArrowStream, RejectedRow, frame_rows, is_frame
from aiohubassoc._run.input_errors import not_a_pair, not_iterable
from aiohubassoc.errors import OptionsError, PairError, RunStoppedError
from aiohubassoc.pair import Pair, RecordId, unchecked_pair

if TYPE_CHECKING:
    from collections.abc import Generator

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

# They unpack, but not into two ids in an order that anybody chose.
_NOT_TWO_IDS: Final = (str, bytes, bytearray, memoryview, Mapping, AbstractSet)
_NO_MORE: Final = object()


class Source:
    """
    Reads pairs in their order, for any number of readers.

    Only the input itself can say that it is over. An iterator that raised anything, or that was
    cancelled in the middle of a step, is not read any further, but `is_complete` stays False.

    Args:
        pairs: Any sync or async iterable, or a data frame. A sync one is asked on the event loop:
            it should respond at once, as lists, generators and files do. Nothing is read yet.
        from_type: The object type of all ``from_id``; None if the items are pairs. With a data
            frame: of the rows that have none themselves; None if all have one.
        to_type: The object type of all ``to_id``; None as for *from_type*.

    Attributes:
        is_complete: Whether the input said that it has no more items.
        stepping: The task that waits for the next item of an async iterator; None: no task does.

    Raises:
        OptionsError: not an iterable, one type given without the other, or a data frame without
            the library to read it.
        PairError: a type that cannot be sent.
    """

    def __init__(self, pairs: Pairs, from_type: str | None, to_type: str | None) -> None:
        given: object = pairs  # its annotated type promises too much
        self.is_complete = False
        self.stepping: asyncio.Task[object] | None = None
        self._rows: Generator[object, None, None] | None = None
        self._types: tuple[str, str] | None = None
        if is_frame(given):  # before anything else: many are iterables, of their columns' names
            self._rows = frame_rows(given, from_type, to_type)
            given = self._rows
        elif from_type is not None and to_type is not None:
            Pair(from_type, 1, to_type, 1)  # the types of all: refused now, not once a pair
            self._types = (from_type, to_type)
        elif from_type is not None or to_type is not None:
            raise OptionsError("give both from_type and to_type, or neither")
        # Each is None once nothing more is read from it.
        self._sync: Iterator[object] | None = None
        self._async: AsyncIterator[object] | None = None
        self._to_close: AsyncIterator[object] | None = None
        if isinstance(given, AsyncIterable):
            self._async = aiter(given)
            if self._async is not given:  # the caller's own iterator stays as it is
                self._to_close = self._async
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
            self._sync = iter(given)
        else:
            raise not_iterable(given)
        self._turn = asyncio.Lock()  # an async iterator is asked by one task at a time
        self._error: BaseException | None = None  # what the input raised behind the items given
        self._count = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more is read: the input said so, or broke."""
        return self._sync is None and self._async is None and self._error is None

    def next_at_once(self) -> tuple[int, object] | None:
        """Return the next item and its place in the input; None at the end, or if it is async."""
        if self._error is not None:
            self._raise_error()
        if self._sync is None:
            return None
        try:
            item = next(self._sync, _NO_MORE)
        except BaseException as error:  # noqa: BLE001 -- an iterator may raise anything
            self._sync, self._error = None, error
            self._raise_error()
        if item is _NO_MORE:
            self._sync, self.is_complete = None, True
            return None
        self._count += 1
        return self._count - 1, item

    def take_at_once(self, most: int) -> list[tuple[int, object]]:
        """Return up to *most* items with their places, as far as nothing has to be waited for."""
        if self._error is not None:
            self._raise_error()
        taken: list[object] = []
        if self._sync is not None:
            try:
                taken.extend(islice(self._sync, most))  # those before an error are kept
            except BaseException as error:  # noqa: BLE001 -- see above
                self._sync, self._error = None, error
                if not taken:
                    self._raise_error()
            else:
                self.is_complete = len(taken) < most
                self._sync = None if self.is_complete else self._sync
        first, self._count = self._count, self._count + len(taken)
        return list(enumerate(taken, first))

    async def next(self) -> tuple[int, object] | None:
        """Return the next item and its place in the input, from 0; None: nothing more is read."""
        if self._async is None:
            return self.next_at_once()
        async with self._turn:
            if self.is_over:  # it ended while this task waited for its turn
                return None
            task = self.stepping = asyncio.current_task()
            try:
                item = await anext(self._async, _NO_MORE)
            except BaseException as error:
                self._async = None
                if isinstance(error, asyncio.CancelledError) and not (task and task.cancelling()):
                    self._error = error  # nobody cancelled this task: the iterator raised it
                    self._raise_error()
                raise
            finally:
                self.stepping = None
            if item is _NO_MORE:
                self._async, self.is_complete = None, True
                return None
            self._count += 1
            return self._count - 1, item

    def _raise_error(self) -> NoReturn:
        assert self._error is not None  # noqa: S101 -- the callers saw it
        error, self._error = self._error, None
        if isinstance(error, asyncio.CancelledError):
            # As it is, it would pass for a cancellation of the caller's own task.
            raise RunStoppedError("the input raised CancelledError") from error
        raise error

    def pair(self, index: int, item: object) -> Pair | tuple[Pair, PairError]:
        """
        Return the pair that *item* is, or the values it has and why they cannot be sent.

        Raises:
            OptionsError: it is not a pair, and no types were given.
            PairError: it is neither a pair nor two ids.
        """
        if isinstance(item, RejectedRow):  # of a data frame, whose rows have their types
            return item
        return read_pair(index, item, self._types)

    async def close(self) -> None:
        """Close the iterator if it was made here; the caller's own stays as it is."""
        if self._rows is not None:
            self._rows.close()  # it holds a batch
        close = getattr(self._to_close, "aclose", None)
        if close is not None:
            await close()


def read_pair(
    index: int, item: object, types: tuple[str, str] | None
) -> Pair | tuple[Pair, PairError]:
    """
    Return the pair that *item* is, or the values it has and why they cannot be sent.

    It may be two ids where *types* says their object types. *index* is its place, for messages.

    Raises:
        OptionsError: it is not a pair, and no types were given.
        PairError: it is neither a pair nor two ids.
    """
    if isinstance(item, Pair):
        return item
    if types is None:
        raise OptionsError(not_a_pair(index, item, has_types=False))
    try:
        if isinstance(item, _NOT_TWO_IDS):
            raise TypeError  # noqa: TRY301 -- see above
        from_id, to_id = cast("tuple[RecordId, RecordId]", item)
    except (TypeError, ValueError):
        raise PairError(not_a_pair(index, item, has_types=True)) from None
    from_type, to_type = types
    try:
        return Pair(from_type, from_id, to_type, to_id)
    except PairError as error:
        return unchecked_pair(from_type, from_id, to_type, to_id), error
