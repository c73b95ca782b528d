"""A run over the rows of an input: checked ahead, ended in good order, an exit code out."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol

from rich.markup import escape

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.exits import Exit
from aiohubassoc.cli.feed import Feed, StorageError
from aiohubassoc.cli.signals import interruptible
from aiohubassoc.cli.summary import print_lines
from aiohubassoc.cli.written import Written
from aiohubassoc.errors import AioHubAssocError, InputError, JournalStorageError, RunStoppedError
from aiohubassoc.journal.duplicates import SeenPairs

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.cli.counts import RowCounts
    from aiohubassoc.cli.feed import Table
    from aiohubassoc.cli.lines import OutcomeLines
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.pair import Pair
    from aiohubassoc.tables.records import Record

# Seconds that requests on the wire may take to end after Ctrl-C.
_DRAIN: Final = 5.0


class _Stream(Protocol):
    """What the client gives for the pairs."""

    def stop(self, cause: AioHubAssocError, *, drain_timeout: float | None = None) -> None:
        """Send nothing more."""
        ...


class Run(ABC):
    """
    One run of the command.

    Args:
        counts: Counts its rows.
        table: The input, open.
        console: For messages and progress: standard error.
        skip_invalid: Go on without rows that cannot be used.
        finds_duplicates: Whether pairs may repeat others, and nobody else looks for them.
        lines: Told of every row; None: nobody is.
        path: The file of some rows; None: none is written.
    """

    def __init__(
        self,
        counts: RowCounts,
        table: Table,
        console: Console,
        *,
        skip_invalid: bool,
        finds_duplicates: bool,
        lines: OutcomeLines | None,
        path: str | None,
    ) -> None:
        self.began = False
        """Whether anything may have been sent."""
        self.written: Final = Written(lines, path, self.stop)
        """What is written of its rows."""
        self._counts = counts
        self._table = table
        self._console = console
        self._skip_invalid = skip_invalid
        self._finds_duplicates = finds_duplicates
        self._feed: Feed | None = None
        self._stream: _Stream | None = None

    async def go(self, client: AssociationClient) -> int:
        """
        Do the work with *client*, which is not entered yet; return the exit code.

        Raises:
            AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
        """
        with contextlib.ExitStack() as stack:
            seen = None
            if self._finds_duplicates:
                try:
                    seen = stack.enter_context(SeenPairs())
                except (OSError, sqlite3.Error) as error:
                    return self._no_storage(f"the temporary file of duplicates: {error}")
            # Before anything is read: from then on whoever interrupts is to be heard.
            interruption = stack.enter_context(interruptible(self._interrupt))
            self._feed = feed = Feed(self._table, seen=seen, listener=self)
            stack.callback(feed.end)
            unusable = await feed.check_ahead()
            if interruption.signal is not None:
                self._console.print("Interrupted; nothing was sent.")
                return 128 + interruption.signal
            if unusable and not self._skip_invalid:
                self._tell_unusable(unusable)
                return Exit.USAGE
            if not await self._work_and_time(client, feed):
                return Exit.STORAGE
            self.written.close()
        problem = self.written.problem
        if problem is not None:
            self._no_storage(problem)
        return self.exit_code(interruption.signal, storage_failed=problem is not None)

    # --- what each kind of run does ------------------------------------------------------------

    @abstractmethod
    async def work(self, client: AssociationClient, feed: Feed) -> None:
        """
        Do the work, and tell what came of it.

        Raises:
            StorageError: a file of ours cannot be written.
            InputError: the input can no longer be read.
            JournalStorageError: nothing was sent: the run folder cannot be written.
        """

    @abstractmethod
    def exit_code(self, signal: int | None, *, storage_failed: bool) -> int:
        """
        Return the exit code.

        Args:
            signal: The number of the signal that ended the run; None if none did.
            storage_failed: Whether a file of ours could not be written.
        """

    @abstractmethod
    def duplicate(self, record: Record, pair: Pair, message: str) -> None:
        """Count a pair that repeats an earlier one."""

    # --- what the feed tells -------------------------------------------------------------------

    def invalid(self, record: Record) -> None:
        """Count a row that cannot be used."""
        self._counts.add_invalid(record.line, self.place(record), record.problem or "")
        self.written.line(lambda lines: lines.invalid(record))

    def read_to_its_end(self) -> None:
        """Note that nothing more comes."""
        self._counts.input_complete = True

    # --- what the work needs -------------------------------------------------------------------

    def begin(self, stream: _Stream) -> None:
        """
        Note that from now on something may be sent, and that *stream* ends it.

        Raises:
            StorageError: a file of ours cannot be written.
        """
        self.written.open(self._table.header)
        self.began = True
        self._stream = stream

    def place(self, record: Record) -> str:
        """Return how messages call the place of a row."""
        return self._table.place(record.source, record.line)

    def stop(self, reason: str, drain: float | None = None) -> None:
        """
        Send nothing more; what is on the wire ends.

        Args:
            reason: Why.
            drain: Seconds that it may take to. None: as long as its timeouts allow.
        """
        if self._feed is not None:
            self._feed.end()
        if self._stream is not None:
            self._stream.stop(RunStoppedError(reason), drain_timeout=drain)

    async def _work_and_time(self, client: AssociationClient, feed: Feed) -> bool:
        """Do the work, and return whether the run folder could be opened for it."""
        clock = SystemClock()
        began = clock.now()
        try:
            await self.work(client, feed)
        except (StorageError, InputError) as error:
            if isinstance(error, StorageError):
                self.written.problem = str(error)
            self._counts.stopped = RunStoppedError(str(error))
        except JournalStorageError as error:
            self._no_storage(str(error))
            return False
        self._counts.seconds = clock.now() - began
        return True

    def _interrupt(self) -> None:
        self.stop("interrupted", drain=_DRAIN)

    def _no_storage(self, told: str) -> int:
        self._console.print(f"[bold red]Cannot write[/] {escape(told)}", soft_wrap=True)
        return Exit.STORAGE

    def _tell_unusable(self, records: list[Record]) -> None:
        rows = "row" if len(records) == 1 else "rows"
        self._console.print(
            f"[bold red]{escape(self._table.name)}:[/] {len(records):,} {rows} cannot be used; "
            "nothing was sent. Mend them, or go on without them: --skip-invalid",
            soft_wrap=True,
        )
        for record in records:
            self._counts.add_invalid(record.line, self.place(record), record.problem or "")
        print_lines(self._counts.invalid_lines, len(records), self._console)
