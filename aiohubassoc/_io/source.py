"""The input of a run: pairs from any iterable, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Final, TypeAlias, cast

from aiohubassoc.errors import OptionsError, PairError
from aiohubassoc.pair import Pair, RecordId, unchecked_pair

Pairs: TypeAlias = (
    Iterable[Pair]
    | Iterable[tuple[RecordId, RecordId]]
    | AsyncIterable[Pair]
    | AsyncIterable[tuple[RecordId, RecordId]]
)
"""Pairs, or ``(from_id, to_id)`` where the types are given for all of them."""

_END: Final = object()


class Source:
    """
    Reads pairs in their order, for many readers.

    Args:
        pairs: Any sync or async iterable. A sync one is asked on the event loop: it should answer
            at once, as lists, generators and files do.
        from_type: The object type of all ``from_id``; None if the items are pairs.
        to_type: The object type of all ``to_id``; likewise.

    Raises:
        OptionsError: not an iterable, or one type given without the other.
        PairError: a type that cannot be sent.
    """

    def __init__(self, pairs: Pairs, from_type: str | None, to_type: str | None) -> None:
        self._types: tuple[str, str] | None = None
        if from_type is not None and to_type is not None:
            Pair(from_type, 1, to_type, 1)  # the types of all: refused now, not once a pair
            self._types = (from_type, to_type)
        elif from_type is not None or to_type is not None:
            raise OptionsError("give both from_type and to_type, or neither")
        self._sync: Iterator[tuple[int, object]] | None = None
        self._async: AsyncIterator[object] | None = None
        given: object = pairs  # whatever its type promised
        if isinstance(given, AsyncIterable):
            self._async = aiter(given)
            self._owned = self._async is not given
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
            self._sync = enumerate(given)
        else:
            raise OptionsError(f"pairs must be an iterable of Pair, not {type(pairs).__name__}")
        self._turn = asyncio.Lock()  # an async iterator is asked by one at a time
        self._over = False
        self._read = 0  # items of an async input

    def next_at_once(self) -> tuple[int, object] | None:
        """Return the same if the input is a sync one; None at its end, or where it is not."""
        return None if self._sync is None or self._over else next(self._sync, None)

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
            raise OptionsError(
                f"item {index} of the input is not a Pair but {item!r}: "
                "for pairs of ids give from_type and to_type"
            )
        try:
            if isinstance(item, str | bytes | Mapping | set | frozenset):
                raise TypeError  # noqa: TRY301 -- they unpack, but not into two ids
            from_id, to_id = cast("tuple[RecordId, RecordId]", item)
        except (TypeError, ValueError):
            raise PairError(
                f"item {index} of the input is not (from_id, to_id): {item!r}"
            ) from None
        from_type, to_type = self._types
        try:
            return Pair(from_type, from_id, to_type, to_id)
        except PairError as error:
            return unchecked_pair(from_type, from_id, to_type, to_id), error

    async def close(self) -> None:
        """Close the async iterator if it was made here; the caller's own stays as it is."""
        if self._async is not None and self._owned and hasattr(self._async, "aclose"):
            await self._async.aclose()
