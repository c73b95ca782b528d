"""The rows of the input on their way to the client: checked, without duplicates."""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.thread_reader import ThreadReader
from aiohubassoc.errors import InputError
from aiohubassoc.journal.offsets import parts_of, place_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from aiohubassoc.cli.run_folder import Table
    from aiohubassoc.files.record import Record
    from aiohubassoc.journal.dedupe import SeenPairs
    from aiohubassoc.pair import Pair

# So many rows are looked at before anything is sent.
CHECKED_AHEAD: Final = 1000
_UNUSABLE_AT_ONCE: Final = 100


class StorageError(Exception):
    """A file of ours could not be written."""


class RowSource:
    """
    Gives the pairs to send.

    Args:
        table: The input; what may block is read in a thread.
        seen: Finds duplicates. None: somebody else does.
        on_invalid: Called with each row that cannot be used.
        on_duplicate: Called with each row and pair that repeats an earlier one, and with a message
            that says which.
        limit: The most pairs to take from the input, those that repeat others among them; None:
            all.
        on_limit: Called where the input has more rows than the limit lets through.

    Attributes:
        is_at_end: Whether the input was read to its end.
    """

    def __init__(
        self,
        table: Table,
        *,
        seen: SeenPairs | None,
        on_invalid: Callable[[Record], None],
        on_duplicate: Callable[[Record, Pair, str], None],
        limit: int | None = None,
        on_limit: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_at_end = False
        self._table = table
        self._seen = seen
        self._on_invalid = on_invalid
        self._on_duplicate = on_duplicate
        self._limit = limit
        self._on_limit = on_limit
        self._reader = ThreadReader(table) if table.may_block else None
        self._rows = _readable(self._reader if self._reader is not None else _directly(table))
        self._checked: deque[tuple[Record, Pair | None]] = deque()
        self._ended = False

    async def check_ahead(self) -> list[Record]:
        """
        Read the first thousand rows and return those that cannot be used.

        Raises:
            InputError: the input can no longer be read, or none of these rows can be used.
        """
        async for row in self._rows:
            self._checked.append(row)
            if len(self._checked) >= CHECKED_AHEAD:
                break
        if self._table.counts.none_valid is not None:
            raise InputError(f"{self._table.name}: {self._table.counts.none_valid}")
        return [record for record, pair in self._checked if pair is None]

    def end(self) -> None:
        """Read no further."""
        self._ended = True
        if self._reader is not None:
            self._reader.end()

    async def pairs(self) -> AsyncIterator[Pair]:
        """
        Yield each pair once, tagged with its record.

        Raises:
            StorageError: duplicates can no longer be noted.
            InputError: the input can no longer be read.
        """
        in_a_row = taken = 0
        async for record, pair in self._all():
            if self._ended:
                return
            if taken == self._limit:
                self._on_limit()
                return
            taken += pair is not None
            if (usable := self._usable(record, pair)) is not None:
                yield usable
                in_a_row = 0
            elif (in_a_row := in_a_row + 1) % _UNUSABLE_AT_ONCE == 0:
                await SystemClock().sleep(0)  # or nothing else could run, not even Ctrl-C
        self.is_at_end = not self._ended

    async def _all(self) -> AsyncIterator[tuple[Record, Pair | None]]:
        while self._checked:
            yield self._checked.popleft()
        async for row in self._rows:
            yield row

    def _usable(self, record: Record, pair: Pair | None) -> Pair | None:
        if pair is None:
            self._on_invalid(record)
            return None
        if self._seen is None:
            return pair
        try:
            first = self._seen.first_place(pair, place_of(record.source, record.line))
        except sqlite3.Error as error:
            raise StorageError(f"the temporary file of duplicates: {error}") from None
        if first is None:
            return pair
        self._on_duplicate(record, pair, f"repeats {self._table.place(*parts_of(first))}")
        return None


async def _directly(table: Table) -> AsyncIterator[tuple[Record, Pair | None]]:
    for row in table:
        yield row


async def _readable(
    rows: AsyncIterable[tuple[Record, Pair | None]],
) -> AsyncIterator[tuple[Record, Pair | None]]:
    try:
        async for row in rows:
            yield row
    except OSError as error:
        raise InputError(f"the input can no longer be read: {error.strerror}") from None
