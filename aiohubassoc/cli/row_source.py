"""The rows of the input on their way to the client: checked, without duplicates."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.terminal import StorageError
from aiohubassoc.errors import InputError
from aiohubassoc.files.record import Record
from aiohubassoc.journal.row_codec import make_place, split_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiohubassoc.cli.run_folder import RowTable
    from aiohubassoc.journal.known_pairs import SeenPairs
    from aiohubassoc.pair import Pair

_T = TypeVar("_T")
_TableRow: TypeAlias = "tuple[Record, Pair | None]"
# This many rows are checked before anything is sent.
CHECKED_AHEAD: Final = 1000
_REJECTED_AT_ONCE: Final = 100


class RowSource:
    """Gives the pairs to send; an input that may block is read in a thread."""

    def __init__(
        self,
        table: RowTable,
        on_invalid: Callable[[Record], None],
        *,
        seen: SeenPairs | None = None,  # finds duplicates; None: something else does
        # Called with a message that names the earlier row.
        on_duplicate: Callable[[Record, Pair, str], None] = lambda *_: None,
        limit: int | None = None,  # the most pairs to take, duplicates among them
        on_limit: Callable[[], None] = lambda: None,  # called where the input has more
    ) -> None:
        self.is_at_end = False
        self._table = table
        self._seen = seen
        self._on_invalid = on_invalid
        self._on_duplicate = on_duplicate
        self._limit = limit
        self._on_limit = on_limit
        self._reader = ThreadReader(table) if table.may_block else None
        self._latest = Record(0, [])  # the latest row that was taken
        self._rows = self._read()
        self._checked: deque[_TableRow] = deque()
        self._ended = False

    async def check_ahead(self) -> list[Record]:
        """Read the first thousand rows; return the rejected ones, InputError if all of them are."""
        async for row in self._rows:
            self._checked.append(row)
            if len(self._checked) >= CHECKED_AHEAD:
                break
        counts = self._table.counts
        if counts is not None and counts.none_valid is not None:
            raise InputError(f"{self._table.name}: {counts.none_valid}")
        return [record for record, pair in self._checked if pair is None]

    def first_types(self) -> tuple[str, str] | None:
        """Return the object types of the first pair; None if no pair was read ahead."""
        pairs = (pair for _, pair in self._checked if pair is not None)
        first = next(pairs, None)
        return None if first is None else (first.from_type, first.to_type)

    def end(self) -> None:
        self._ended = True
        if self._reader is not None:
            self._reader.end()

    def restore_counts(self) -> None:
        """Have the input count only what was taken of it, not what was read ahead."""
        if self._table.counts is not None and not self.is_at_end:
            self._table.counts.restore(self._latest)

    async def pairs(self) -> AsyncIterator[Pair]:
        """Yield each pair once, tagged with its record; raise StorageError or InputError."""
        in_a_row = taken = 0
        async for record, pair in self._all():
            if self._ended:
                return
            if taken == self._limit:
                self._on_limit()
                return
            taken += pair is not None
            self._latest = record
            if (valid := self._check(record, pair)) is not None:
                yield valid
                in_a_row = 0
            elif (in_a_row := in_a_row + 1) % _REJECTED_AT_ONCE == 0:
                await SystemClock().sleep(0)  # or nothing else could run, not even Ctrl-C
        self.is_at_end = not self._ended

    async def _all(self) -> AsyncIterator[_TableRow]:
        while self._checked:
            yield self._checked.popleft()
        async for row in self._rows:
            yield row

    async def _read(self) -> AsyncIterator[_TableRow]:
        try:
            if self._reader is None:
                for row in self._table:
                    yield row
            else:
                async for row in self._reader:
                    yield row
        except OSError as error:
            raise InputError(f"the input can no longer be read: {error.strerror}") from None

    def _check(self, record: Record, pair: Pair | None) -> Pair | None:
        """Return the pair if it is to be sent; else report why not."""
        if pair is None:
            self._on_invalid(record)
            return None
        if self._seen is None:
            return pair
        try:
            first = self._seen.first_place(pair, make_place(record.source, record.line))
        except sqlite3.Error as error:
            raise StorageError(f"the temporary file of duplicates: {error}") from None
        if first is None:
            return pair
        self._on_duplicate(record, pair, f"repeats {self._table.place(*split_place(first))}")
        return None


class ThreadReader(Generic[_T]):
    """
    Iterates over *items* in a thread and hands them on to the event loop, at most 1,000 ahead.

    The thread is a daemon: while it waits for somebody to type, the process can end.
    """

    def __init__(self, items: Iterable[_T]) -> None:
        self._items = items
        self._ready: deque[_T] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._wake_up = asyncio.Event()
        self._is_waiting = False
        self._is_over = False
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="aiohubassoc-input", daemon=True).start()

    def end(self) -> None:
        """Give nothing more, even while the thread waits."""
        with self._changed:
            self._is_over = True
            self._ready.clear()
            self._changed.notify_all()
        self._wake_up.set()

    async def __aiter__(self) -> AsyncIterator[_T]:
        while True:
            with self._changed:
                taken = [self._ready.popleft()] if self._ready else []
                is_over = self._is_over
                if taken:
                    self._changed.notify_all()
                elif not is_over:
                    self._is_waiting = True
                    self._wake_up.clear()
            if taken:
                yield taken[0]
            elif is_over:
                break
            else:
                await self._wake_up.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    while len(self._ready) >= CHECKED_AHEAD and not self._is_over:
                        self._changed.wait()
                    if self._is_over:
                        return
                    self._ready.append(item)
                self._notify()
        except BaseException as error:  # noqa: BLE001 -- it is raised where the items are taken
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
            self._notify()

    def _notify(self) -> None:
        with self._changed:
            is_waiting, self._is_waiting = self._is_waiting, False
        if is_waiting:
            try:
                self._loop.call_soon_threadsafe(self._wake_up.set)
            except RuntimeError:  # the loop is closed
                return
