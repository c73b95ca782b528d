"""A run of the command: rows in, outcomes counted and written, an exit code out."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
from rich.markup import escape

from aiohubassoc._io.clock import SystemClock
from aiohubassoc.cli.exits import Exit, exit_code
from aiohubassoc.cli.feed import Feed, StorageError, Table
from aiohubassoc.cli.progress import Progress, shown
from aiohubassoc.cli.signals import interruptible
from aiohubassoc.cli.summary import print_lines
from aiohubassoc.cli.tally import Tally
from aiohubassoc.errors import InputError, JournalStorageError, RunStoppedError
from aiohubassoc.journal.duplicates import SeenPairs
from aiohubassoc.journal.places import place_of
from aiohubassoc.models import Outcome
from aiohubassoc.tables.failures import FailuresFile
from aiohubassoc.tables.records import Record
from aiohubassoc.tables.results import Told

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc._io.stream import OutcomeStream
    from aiohubassoc.cli.lines import OutcomeLines
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.pair import Pair


# Seconds that requests on the wire may take to end after Ctrl-C.
_DRAIN: Final = 5.0


@attrs.frozen
class Job:
    """
    What a run is to do.

    Attributes:
        failures: Where to write the rows that did not come through; None: nowhere.
        skip_invalid: Go on without rows that cannot be used.
        strict: Stop at a later row that cannot be used.
        stop_after_failures: Stop once so many pairs failed; None: never.
        retry_failed: Send pairs again that failed in an earlier run of the folder.
        ordered: Take the outcomes in the order of the input.
        on_outcome: Called with each outcome; None: nobody is.
    """

    failures: str | None = None
    skip_invalid: bool = False
    strict: bool = False
    stop_after_failures: int | None = None
    retry_failed: bool = False
    ordered: bool = False
    on_outcome: Callable[[Outcome], None] | None = None


class Run:
    """
    One run of the command.

    Args:
        job: What to do.
        table: The input, open.
        console: For messages and progress: standard error.
        journal: The run folder; None: none is kept.
        lines: Told of every row as it is settled; None: nobody is.
    """

    def __init__(
        self,
        job: Job,
        table: Table,
        console: Console,
        *,
        journal: Journal | None = None,
        lines: OutcomeLines | None = None,
    ) -> None:
        self.tally = Tally()
        self.began = False
        """Whether anything may have been sent."""
        self.output_is_gone = False
        """Whether nobody reads the lines any more."""
        self._job = job
        self._table = table
        self._console = console
        self._journal = journal
        self._lines = lines
        self._failures: FailuresFile | None = None
        self._storage_error: str | None = None
        self._feed: Feed | None = None
        self._outcomes: OutcomeStream | None = None

    async def go(self, client: AssociationClient) -> int:
        """
        Link the pairs of the table with *client*, which is not entered yet; return the exit code.

        Raises:
            AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
        """
        with contextlib.ExitStack() as stack:
            seen = None
            if self._journal is None:
                try:
                    seen = stack.enter_context(SeenPairs())
                except (OSError, sqlite3.Error) as error:
                    return self._no_storage(f"the temporary file of duplicates: {error}")
            self._feed = feed = Feed(self._table, seen=seen, listener=self)
            stack.callback(feed.end)
            interruption = stack.enter_context(interruptible(self._interrupt))
            unusable = await feed.check_ahead()
            if interruption.signal is not None:
                self._console.print("Interrupted; nothing was sent.")
                return 128 + interruption.signal
            if unusable and not self._job.skip_invalid:
                self._tell_unusable(unusable)
                return Exit.USAGE
            if not await self._link_and_time(client, feed):
                return Exit.STORAGE
            self._close_files()
        if self._storage_error is not None:
            self._no_storage(self._storage_error)
        return exit_code(
            self.tally,
            signal=interruption.signal,
            storage_failed=self._storage_error is not None,
        )

    # --- what the feed tells -------------------------------------------------------------------

    def invalid(self, record: Record) -> None:
        """Count and write a row that cannot be used."""
        place, problem = self._place(record), record.problem or ""
        self.tally.add_invalid(record.line, place, problem)
        if self._lines is not None:
            self._write_line(lambda lines: lines.invalid(record))
        if self._journal is not None:
            fields = json.dumps(record.fields)
            at = place_of(record.source, record.line)
            self._journal.notes.unusable.append((at, problem, fields))
        self._write_failure(record, Told("invalid", "INVALID_ROW", problem))
        if self._job.strict:
            self._stop(f"{place} {problem} (--strict)")

    def duplicate(self, record: Record, pair: Pair, message: str) -> None:
        """Count a pair that repeats an earlier one."""
        self.tally.add_duplicate(str(pair), record.line, self._place(record), message)
        if self._lines is not None:
            self._write_line(lambda lines: lines.duplicate(record, pair, message))

    def read_to_its_end(self) -> None:
        """Note that nothing more comes."""
        self.tally.input_complete = True

    async def _link_and_time(self, client: AssociationClient, feed: Feed) -> bool:
        """Link, and return whether the run folder could be opened for it."""
        clock = SystemClock()
        began = clock.now()
        try:
            await self._link(client, feed)
        except (StorageError, InputError) as error:
            self._keep_error(error)
        except JournalStorageError as error:
            self._no_storage(str(error))
            return False
        self.tally.seconds = clock.now() - began
        return True

    # --- outcomes ------------------------------------------------------------------------------

    async def _link(self, client: AssociationClient, feed: Feed) -> None:
        async with client:
            outcomes = client.link_each(
                feed.pairs(),
                ordered=self._job.ordered,
                stop_after_failures=self._job.stop_after_failures,
                keep_failures=0,
                journal=self._journal,
                retry_failed=self._job.retry_failed,
            )
            progress = Progress(
                self.tally,
                quota=lambda: client.limiter.quota,
                in_flight=lambda: outcomes.in_flight,
                clock=SystemClock(),
            )
            async with outcomes:
                self._open_failures()  # now that the run folder is ours; nothing was sent yet
                self.began = True
                self._outcomes = outcomes
                try:
                    async with shown(progress, self._console, self._table.count_rows):
                        async for outcome in outcomes:
                            self._on_outcome(outcome)
                finally:
                    self.tally.stopped = outcomes.report.stopped
                    self.tally.take_answers(outcomes.report)

    def _on_outcome(self, outcome: Outcome) -> None:
        record = outcome.pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- the table tags each pair with its row
        self.tally.add(outcome, record.line, self._place(record))
        if self._job.on_outcome is not None:
            self._job.on_outcome(outcome)
        if self._lines is not None:
            self._write_line(lambda lines: lines.outcome(outcome, record))
        if not outcome.ok:
            error, correlation_id = str(outcome.error or ""), outcome.correlation_id
            told = Told(outcome.status, outcome.category, error, correlation_id)
            self._write_failure(record, told)

    def _place(self, record: Record) -> str:
        return self._table.place(record.source, record.line)

    def _open_failures(self) -> None:
        if self._job.failures is None:
            return
        try:
            self._failures = FailuresFile(self._job.failures, self._table.header)
        except OSError as error:
            raise StorageError(f"{self._job.failures}: {error.strerror}") from None

    def _write_failure(self, record: Record, told: Told) -> None:
        if self._failures is None:
            return
        try:
            self._failures.write(record.fields, told)
        except OSError as error:
            with self._failures:
                self._failures = None
            self._storage_error = f"{self._job.failures}: {error.strerror}"
            self._stop(f"cannot write {self._storage_error}")

    def _write_line(self, write: Callable[[OutcomeLines], None]) -> None:
        if self._lines is None:
            return
        try:
            write(self._lines)
        except OSError as error:
            self._lines, self.output_is_gone = None, True
            self._storage_error = f"standard output: {error.strerror}"
            self._stop(f"cannot write {self._storage_error}")

    def _close_files(self) -> None:
        self._write_line(lambda lines: lines.close())
        if self._failures is not None:
            with self._failures:
                try:
                    self._failures.flush()
                except OSError as error:
                    self._storage_error = f"{self._job.failures}: {error.strerror}"

    # --- the end -------------------------------------------------------------------------------

    def _interrupt(self) -> None:
        self._stop("interrupted", drain=_DRAIN)

    def _stop(self, reason: str, drain: float | None = None) -> None:
        if self._feed is not None:
            self._feed.end()
        if self._journal is not None:
            self._journal.notes.is_cut_short = True
        if self._outcomes is not None:
            self._outcomes.stop(RunStoppedError(reason), drain=drain)

    def _keep_error(self, error: Exception) -> None:
        if isinstance(error, StorageError):
            self._storage_error = str(error)
        self.tally.stopped = RunStoppedError(str(error))

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
            self.tally.add_invalid(record.line, self._place(record), record.problem or "")
        print_lines(self.tally.invalid_lines, len(records), self._console)
