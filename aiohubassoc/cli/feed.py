"""The rows of the input on their way to the client: checked, without duplicates, counted."""

from __future__ import annotations

import sqlite3
import stat
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohubassoc._io.clock import SystemClock
from aiohubassoc.cli.pump import Pump
from aiohubassoc.errors import InputError
from aiohubassoc.tables.opening import STDIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from aiohubassoc.cli.tally import Tally
    from aiohubassoc.pair import Pair
    from aiohubassoc.tables.duplicates import SeenPairs
    from aiohubassoc.tables.pairs import PairTable
    from aiohubassoc.tables.records import Record

# So many rows are looked at before anything is sent.
CHECKED_AHEAD: Final = 1000
_UNUSABLE_AT_ONCE: Final = 100


class StorageError(Exception):
    """A file of ours could not be written."""


class Feed:
    """
    Gives the pairs to send.

    Args:
        table: The input.
        path: Where it comes from: what may block is read in a thread.
        seen: Finds duplicates.
        tally: Told of duplicates and of rows that cannot be used.
        on_invalid: Called with each row that cannot be used.
    """

    def __init__(
        self,
        table: PairTable,
        path: str,
        *,
        seen: SeenPairs,
        tally: Tally,
        on_invalid: Callable[[Record], None],
    ) -> None:
        self._seen = seen
        self._tally = tally
        self._on_invalid = on_invalid
        self._pump = Pump(table) if may_block(path) else None
        self._rows = _readable(self._pump if self._pump is not None else _directly(table))
        self._checked: deque[tuple[Record, Pair | None]] = deque()
        self._ended = False

    async def check_ahead(self) -> list[Record]:
        """
        Read the first thousand rows and return those that cannot be used.

        Raises:
            InputError: the input can no longer be read.
        """
        async for row in self._rows:
            self._checked.append(row)
            if len(self._checked) >= CHECKED_AHEAD:
                break
        return [record for record, pair in self._checked if pair is None]

    def end(self) -> None:
        """Read no further."""
        self._ended = True
        if self._pump is not None:
            self._pump.end()

    async def pairs(self) -> AsyncIterator[Pair]:
        """
        Yield each pair once, tagged with its record.

        Raises:
            StorageError: duplicates can no longer be noted.
            InputError: the input can no longer be read.
        """
        in_a_row = 0
        async for record, pair in self._all():
            if self._ended:
                return
            if (usable := self._usable(record, pair)) is not None:
                yield usable
                in_a_row = 0
            elif (in_a_row := in_a_row + 1) % _UNUSABLE_AT_ONCE == 0:
                await SystemClock().sleep(0)  # or nothing else could run, not even Ctrl-C
        self._tally.input_complete = not self._ended

    async def _all(self) -> AsyncIterator[tuple[Record, Pair | None]]:
        while self._checked:
            yield self._checked.popleft()
        async for row in self._rows:
            yield row

    def _usable(self, record: Record, pair: Pair | None) -> Pair | None:
        if pair is None:
            self._tally.add_invalid(record)
            self._on_invalid(record)
            return None
        try:
            first_line = self._seen.first_line(pair, record.line)
        except sqlite3.Error as error:
            raise StorageError(f"the temporary file of duplicates: {error}") from None
        if first_line is None:
            return pair
        self._tally.add_duplicate(str(pair), record.line, first_line)
        return None


async def _directly(table: PairTable) -> AsyncIterator[tuple[Record, Pair | None]]:
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


def may_block(path: str) -> bool:
    """Return whether reading *path* may wait for somebody: anything but a plain file."""
    return path == STDIN or not stat.S_ISREG(Path(path).stat().st_mode)
