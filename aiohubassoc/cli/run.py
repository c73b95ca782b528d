"""A run of the command: rows in, outcomes counted and written, an exit code out."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
from rich.markup import escape

from aiohubassoc._io.clock import SystemClock
from aiohubassoc.cli.exits import Exit, exit_code
from aiohubassoc.cli.feed import Feed, StorageError, may_block
from aiohubassoc.cli.progress import Progress, shown
from aiohubassoc.cli.signals import interruptible
from aiohubassoc.cli.summary import lines_of, print_lines
from aiohubassoc.cli.tally import Tally
from aiohubassoc.errors import InputError, RunStoppedError
from aiohubassoc.models import Outcome
from aiohubassoc.tables.duplicates import SeenPairs
from aiohubassoc.tables.failures import FailuresFile
from aiohubassoc.tables.records import Record

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc._io.stream import OutcomeStream
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.tables.pairs import PairTable


# Seconds that requests on the wire may take to end after Ctrl-C.
_DRAIN: Final = 5.0


@attrs.frozen
class Job:
    """
    What a run is to do.

    Attributes:
        path: The input's path, ``-`` for standard input.
        failures: Where to write the rows that did not come through; None: nowhere.
        skip_invalid: Go on without rows that cannot be used.
        strict: Stop at a later row that cannot be used.
        stop_after_failures: Stop once so many pairs failed; None: never.
        on_outcome: Called with each outcome; None: nobody is.
    """

    path: str
    failures: str | None = None
    skip_invalid: bool = False
    strict: bool = False
    stop_after_failures: int | None = None
    on_outcome: Callable[[Outcome], None] | None = None


class Run:
    """
    One run of the command.

    Args:
        job: What to do.
        table: The input, open.
        console: For messages and progress: standard error.
    """

    def __init__(self, job: Job, table: PairTable, console: Console) -> None:
        self.tally = Tally()
        self.began = False
        """Whether anything may have been sent."""
        self._job = job
        self._table = table
        self._console = console
        self._failures: FailuresFile | None = None
        self._storage_error: str | None = None
        self._feed: Feed | None = None
        self._outcomes: OutcomeStream | None = None

    async def go(self, client: AssociationClient) -> int:
        """
        Link the pairs of the table with *client*, which is not entered yet; return the exit code.

        Raises:
            AioHubAssocError: nothing was sent: an option or the input cannot work.
        """
        with contextlib.ExitStack() as stack:
            try:
                seen = stack.enter_context(SeenPairs())
            except (OSError, sqlite3.Error) as error:
                return self._no_storage(f"the temporary file of duplicates: {error}")
            self._feed = feed = Feed(
                self._table,
                self._job.path,
                seen=seen,
                tally=self.tally,
                on_invalid=self._on_invalid,
            )
            stack.callback(feed.end)
            interruption = stack.enter_context(interruptible(self._interrupt))
            unusable = await feed.check_ahead()
            if interruption.signal is not None:
                self._console.print("Interrupted; nothing was sent.")
                return 128 + interruption.signal
            if unusable and not self._job.skip_invalid:
                self._tell_unusable(unusable)
                return Exit.USAGE
            if self._job.failures is not None:
                try:
                    failures = FailuresFile(self._job.failures, self._table.header)
                    self._failures = stack.enter_context(failures)
                except OSError as error:
                    return self._no_storage(f"{self._job.failures}: {error.strerror}")
            clock = SystemClock()
            began = clock.now()
            self.began = True
            try:
                await self._link(client, feed)
            except (StorageError, InputError) as error:
                self._keep_error(error)
            self.tally.seconds = clock.now() - began
            self._close_failures()
        if self._storage_error is not None:
            self._no_storage(self._storage_error)
        return exit_code(
            self.tally,
            signal=interruption.signal,
            storage_failed=self._storage_error is not None,
        )

    async def _link(self, client: AssociationClient, feed: Feed) -> None:
        rows = await asyncio.to_thread(_rough_rows, self._job.path)
        async with client:
            outcomes = client.link_each(
                feed.pairs(), stop_after_failures=self._job.stop_after_failures, keep_failures=0
            )
            progress = Progress(
                self.tally,
                rows=rows,
                quota=lambda: client.limiter.quota,
                in_flight=lambda: outcomes.in_flight,
                clock=SystemClock(),
            )
            async with outcomes, shown(progress, self._console):
                self._outcomes = outcomes
                try:
                    async for outcome in outcomes:
                        self._on_outcome(outcome)
                finally:
                    self.tally.stopped = outcomes.report.stopped
                    self.tally.take_answers(outcomes.report)

    def _on_outcome(self, outcome: Outcome) -> None:
        record = outcome.pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- the table tags each pair with its row
        self.tally.add(outcome, record.line)
        if self._job.on_outcome is not None:
            self._job.on_outcome(outcome)
        if not outcome.ok:
            error, category = str(outcome.error or ""), outcome.category
            self._write_failure(record, outcome.status, category, error, outcome.correlation_id)

    def _on_invalid(self, record: Record) -> None:
        self._write_failure(record, "invalid", "INVALID_ROW", record.problem or "", None)
        if self._job.strict:
            self._stop(f"line {record.line} {record.problem} (--strict)")

    def _write_failure(
        self,
        record: Record,
        status: str,
        category: str | None,
        message: str,
        correlation_id: str | None,
    ) -> None:
        if self._failures is None:
            return
        try:
            self._failures.write(record.fields, status, category, message, correlation_id)
        except OSError as error:
            self._failures = None
            self._storage_error = f"{self._job.failures}: {error.strerror}"
            self._stop(f"cannot write {self._storage_error}")

    def _close_failures(self) -> None:
        if self._failures is not None:
            try:
                self._failures.flush()
            except OSError as error:
                self._storage_error = f"{self._job.failures}: {error.strerror}"

    def _interrupt(self) -> None:
        self._stop("interrupted", drain=_DRAIN)

    def _stop(self, reason: str, drain: float | None = None) -> None:
        if self._feed is not None:
            self._feed.end()
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
        print_lines(lines_of(records), len(records), self._console)


def _rough_rows(path: str) -> int | None:
    """Return the number of line ends behind the header, quickly; None where nobody can know."""
    try:
        if may_block(path):
            return None
        with open(path, "rb") as file:  # noqa: PTH123 -- the same name as everywhere
            blocks = iter(lambda: file.read(1 << 20), b"")
            count = sum(block.count(b"\n") for block in blocks)
    except OSError:  # it was moved or deleted meanwhile; what is open can still be read
        return None
    return max(count - 1, 1)
