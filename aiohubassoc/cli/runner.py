"""A run over the rows of an input: checked ahead, ended in good order, an exit code out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rich.markup import escape

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.event_loop import interruptible, printed_warnings
from aiohubassoc.cli.exit_codes import ExitCode, exit_code
from aiohubassoc.cli.progress import Progress, shown
from aiohubassoc.cli.report import Example
from aiohubassoc.cli.row_source import RowSource, StorageError
from aiohubassoc.cli.sinks import Sinks
from aiohubassoc.cli.summary import print_invalid
from aiohubassoc.cli.terminal import print_error, stderr, warn_cannot_write
from aiohubassoc.errors import InputError, JournalStorageError, RunStoppedError
from aiohubassoc.files.results import RowResult
from aiohubassoc.journal.dedupe import SeenPairs
from aiohubassoc.journal.offsets import place_of
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from aiohubassoc.cli.jsonl_output import JsonlOutput
    from aiohubassoc.cli.options import CheckOptions
    from aiohubassoc.cli.report import CommandReport
    from aiohubassoc.cli.run_folder import Table
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.files.record import Record
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.pair import Pair

    Stream: TypeAlias = OutcomeStream | VerificationStream

# Seconds that requests in flight may take to end after Ctrl-C.
_DRAIN: Final = 5.0


class Operation(ABC):
    """
    What a run does with its pairs, and what it writes of them.

    Attributes:
        report: What became of the rows.
        path: The file of some rows; None: none is written.
        is_batch: Whether a call is for many pairs.
        finds_duplicates: Whether pairs may repeat others, and nobody else looks for them.
        writes_invalid: Whether the file has the rows that cannot be used.
        journal: The run folder; None: none is kept.
    """

    report: CommandReport
    path: str | None
    is_batch: bool
    finds_duplicates: bool
    writes_invalid = False
    journal: Journal | None = None

    @abstractmethod
    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> Stream:
        """Return the client's run over *pairs*, not entered yet, and have the report read it."""

    @abstractmethod
    def limiter(self, client: AssociationClient) -> Limiter:
        """Return what limits the calls."""

    @abstractmethod
    def take(self, result: Any, sinks: Sinks) -> None:  # noqa: ANN401 -- of the stream it started
        """Count and write what became of a pair."""


class Runner:
    """
    One run of the command.

    Args:
        operation: What to do with the pairs.
        table: The input, open.
        check: What to do about bad rows.
        jsonl: Writes a line for every row; None: nothing does.
        limit: The most pairs to take from the input; None: all.

    Attributes:
        on_begin: Called before the first pair may be sent.
        began: Whether anything may have been sent.
        sinks: What is written of the rows.
    """

    def __init__(
        self,
        operation: Operation,
        table: Table,
        check: CheckOptions,
        jsonl: JsonlOutput | None = None,
        *,
        limit: int | None = None,
    ) -> None:
        self.on_begin: Callable[[], None] = lambda: None
        self.began = False
        self.sinks: Final = Sinks(jsonl, operation.path, self.stop)
        self._operation = operation
        self._report = operation.report
        self._report.limit = self._limit = limit
        self._table = table
        self._check = check
        self._console = stderr()
        self._source: RowSource | None = None
        self._stream: Stream | None = None

    async def run(self, client: AssociationClient) -> int:
        """
        Do the work with *client*, which is not entered yet; return the exit code.

        Raises:
            AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
        """
        with contextlib.ExitStack() as stack:
            seen = None
            if self._operation.finds_duplicates:
                try:
                    seen = stack.enter_context(SeenPairs())
                except (OSError, sqlite3.Error) as error:
                    warn_cannot_write(f"the temporary file of duplicates: {error}")
                    return ExitCode.STORAGE
            # Before anything is read: from then on whoever interrupts is to be heard.
            stack.enter_context(printed_warnings())
            interruption = stack.enter_context(interruptible(self._interrupt))
            self._source = source = RowSource(
                self._table,
                seen=seen,
                on_invalid=self._invalid,
                on_duplicate=self._duplicate,
                limit=self._limit,
                on_limit=self._end_at_limit,
            )
            stack.callback(source.end)
            unusable = await source.check_ahead()
            if interruption.signal is not None:
                self._console.print("Interrupted; nothing was sent.")
                return 128 + interruption.signal
            if unusable and not self._check.skip_invalid:
                self._refuse(unusable)
                return ExitCode.USAGE
            try:
                await self._work(client, source)
            except (StorageError, InputError) as error:
                if isinstance(error, StorageError):
                    self.sinks.problem = str(error)
                self._report.failure = RunStoppedError(str(error))
            except JournalStorageError as error:  # it could not be opened
                warn_cannot_write(str(error))
                return ExitCode.STORAGE
            self.sinks.close()
        problem = self.sinks.problem
        if problem is not None:
            warn_cannot_write(problem)
        else:
            self._report.rows_written = self.sinks.rows_written
        self._report.signal = interruption.signal
        if self._report.input_complete and not self._report.done:
            self._console.print(f"[yellow]No rows:[/] {escape(self._table.name)} holds no pairs")
        return exit_code(
            self._report,
            storage_failed=problem is not None,
            require_rows=self._check.require_rows,
        )

    def stop(self, reason: str, drain_timeout: float | None = None) -> None:
        """Send nothing more; what is in flight may take *drain_timeout* seconds, None: any."""
        if self._operation.journal is not None:
            self._operation.journal.notes.is_cut_short = True
        if self._source is not None:
            self._source.end()
        if self._stream is not None:
            self._stream.stop(RunStoppedError(reason), drain_timeout=drain_timeout)

    def _end_at_limit(self) -> None:
        self._report.is_limited = True
        if self._operation.journal is not None:
            self._operation.journal.notes.is_cut_short = True

    async def _work(self, client: AssociationClient, source: RowSource) -> None:
        clock = SystemClock()
        began = clock.now()
        try:
            async with client:
                stream = self._operation.start(client, source.pairs())
                progress = Progress(
                    self._report,
                    limiter=self._operation.limiter(client),
                    stream=stream,
                    clock=clock,
                    is_batch=self._operation.is_batch,
                )
                async with stream:
                    # Now that the run folder is ours; nothing was sent yet.
                    self.sinks.open(self._table.header)
                    self.began = True
                    self.on_begin()
                    self._stream = stream
                    async with shown(progress, self._console, self._table.count_rows):
                        async for result in stream:
                            self._operation.take(result, self.sinks)
        finally:
            self._report.seconds = clock.now() - began
            self._report.input_complete = source.is_at_end
        if self._report.is_limited and self._report.input_rows is None:
            self._report.input_rows = await asyncio.to_thread(self._table.count_rows)

    def _interrupt(self) -> None:
        self.stop("interrupted", drain_timeout=_DRAIN)

    def _invalid(self, record: Record) -> None:
        problem, place = record.problem or "", self._table.place(record.source, record.line)
        self._report.add_invalid(record.line, place, problem)
        self.sinks.line(lambda jsonl: jsonl.invalid(record))
        if self._operation.writes_invalid:
            self.sinks.row(record.fields, RowResult("invalid", "INVALID_ROW", problem))
        if self._operation.journal is not None:
            fields, at = json.dumps(record.fields), place_of(record.source, record.line)
            self._operation.journal.notes.unusable.append((at, problem, fields))
        if self._check.strict:
            self.stop(f"{place} {problem} (--strict)")

    def _duplicate(self, record: Record, pair: Pair, message: str) -> None:
        place = self._table.place(record.source, record.line)
        told = RowResult(Status.SKIPPED.value, "DUPLICATE", message)
        self._report.duplicates += 1
        self._report.add_example(Example(record.line, place, str(pair), told))
        self.sinks.line(lambda jsonl: jsonl.duplicate(record, pair, message))

    def _refuse(self, unusable: list[Record]) -> None:
        rows = "row" if len(unusable) == 1 else "rows"
        print_error(
            f"{self._table.name}: {len(unusable):,} {rows} cannot be used; nothing was sent. Fix "
            "them, or skip them with --skip-invalid"
        )
        for record in unusable:
            place = self._table.place(record.source, record.line)
            self._report.add_invalid(record.line, place, record.problem or "")
        print_invalid(self._report, self._console)
