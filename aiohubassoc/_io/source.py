"""The input of a run: pairs from any iterable, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeAlias, cast

from aiohubassoc._io.frames import ArrowArray, ArrowStream, Refused, frame_rows, is_frame
from aiohubassoc.errors import OptionsError, PairError
from aiohubassoc.pair import Pair, RecordId, unchecked_pair

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

_END: Final = object()


class Source:
    """
    Reads pairs in their order, for many readers.

    Args:
        pairs: Any sync or async iterable, or a data frame. A sync one is asked on the event loop:
            it should answer at once, as lists, generators and files do. Nothing is read yet.
        from_type: The object type of all ``from_id``; None if the items are pairs. With a data
            frame: of the rows that have none of their own; None if all have.
        to_type: The object type of all ``to_id``; likewise.

    Raises:
        OptionsError: not an iterable, one type given without the other, or a data frame without
            the library to read it.
        PairError: a type that cannot be sent.
    """

    def __init__(self, pairs: Pairs, from_type: str | None, to_type: str | None) -> None:
        given: object = pairs  # whatever its type promised
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
        self._sync: Iterator[tuple[int, object]] | None = None
        self._async: AsyncIterator[object] | None = None
        if isinstance(given, AsyncIterable):
            self._async = aiter(given)
            self._owned = self._async is not given
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
            self._sync = enumerate(given)
        else:
            lazy = "; collect() it first" if hasattr(given, "collect") else ""
            raise OptionsError(
                f"pairs must be an iterable of Pair, not {type(pairs).__name__}{lazy}"
            )
        self._turn = asyncio.Lock()  # an async iterator is asked by one at a time
        self._over = False
        self._read = 0  # items of an async input

    def next_at_once(self) -> tuple[int, object] | None:
        """Return the same if the input is a sync one; None at its end, or where it is not."""
        return None if self._sync is None or self._over else next(self._sync, None)

    def take_at_once(self, most: int) -> tuple[list[tuple[int, object]], Exception | None]:
        """
        Return the next items and their places, as far as the input need not be waited for.

        Args:
            most: So many at most.

        Returns:
            The items, and what the input raised behind them; None: nothing.
        """
        taken: list[tuple[int, object]] = []
        if self._sync is not None and not self._over:
            try:
                taken.extend(islice(self._sync, most))  # those before an error are kept
            except Exception as error:  # noqa: BLE001 -- the caller's own code may raise anything
                return taken, error
        return taken, None

    async def next(self) -> tuple[int, object] | None:
        """Return the next item and its place in the input, from 0; None at the end."""
        if self._sync is not None:
            read = self.next_at_once()
            self._over = read is None
            return read
        item = await self._next_async()
        if item is _END:
            return None
        self._read += 1
        return self._read - 1, item

    async def _next_async(self) -> object:
        assert self._async is not None  # noqa: S101 -- one of the two is always set
        async with self._turn:
            if self._over:
                return _END
            item = await anext(self._async, _END)
            self._over = item is _END
            return item

    def pair(self, index: int, item: object) -> Pair | tuple[Pair, PairError]:
        """
        Return the pair that *item* is, or the values it has and why they cannot be sent.

        Raises:
            OptionsError: it is not a pair, and no types were given.
            PairError: it is neither a pair nor two ids.
        """
        if isinstance(item, Pair):
            return item
        if self._types is None:
            if isinstance(item, Refused):  # of a data frame, whose rows have their types
                return item
            raise OptionsError(
                f"item {index} of the input is not a Pair but {item!r}: "
                "for pairs of ids give from_type and to_type"
            )
        try:
            if isinstance(item, str | bytes | Mapping | set | frozenset):
                raise TypeError  # noqa: TRY301 -- they unpack, but not into two ids
            from_id, to_id = cast("tuple[RecordId, RecordId]", item)
        except (TypeError, ValueError):
            hint = "; make a Pair or a tuple of it" if isinstance(item, Mapping) else ""
            raise PairError(
                f"item {index} of the input is not (from_id, to_id): {item!r}{hint}"
            ) from None
        from_type, to_type = self._types
        try:
            return Pair(from_type, from_id, to_type, to_id)
        except PairError as error:
            return unchecked_pair(from_type, from_id, to_type, to_id), error

    async def close(self) -> None:
        """Close the iterator if it was made here; the caller's own stays as it is."""
        if self._rows is not None:
            self._rows.close()  # it holds a batch
        if self._async is not None and self._owned and hasattr(self._async, "aclose"):
            await self._async.aclose()
