"""Runs the client over the rows of an input, ends it in good order, and gives an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohubassoc import errors
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli import terminal
from aiohubassoc.cli.report import Example, ExitCode
from aiohubassoc.cli.row_source import RowSource
from aiohubassoc.cli.signals import describe, interruptible
from aiohubassoc.cli.sinks import JsonlOutput, Sinks
from aiohubassoc.cli.summary import log_end, print_invalid, print_portal
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import RowResult, results_format
from aiohubassoc.journal.known_pairs import SeenPairs
from aiohubassoc.journal.row_codec import make_place
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from aiohubassoc.account import AccountCheck
    from aiohubassoc.cli.connection import Connection
    from aiohubassoc.cli.options import PrintOptions
    from aiohubassoc.cli.report import CommandReport
    from aiohubassoc.cli.run_folder import RowTable
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.files.record import Record
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.pair import Pair

    Stream: TypeAlias = OutcomeStream | VerificationStream

# Seconds that requests in flight may take to end after Ctrl-C.
_DRAIN: Final = 5.0
# A run that takes no longer shows no progress.
_SHORT_SECONDS: Final = 0.25
# Seconds that the check of the account may take; then the run begins without it. The attempts of
# a call that makes no connection take 7.5 s at most: the waits of `RetryPolicy`.
_CHECK_SECONDS: Final = 8.0
# Of these, the ones that pass in silence.
_SILENT_SECONDS: Final = 2.0


class Runner(ABC):
    """One run of a command; its subclasses say what becomes of the pairs."""

    is_batch = True  # whether a call is for many pairs
    writes_invalid = False  # whether the file of rows that are not linked has the rejected ones
    checks_account = False
    # Why nothing was sent, if the check found that every pair would fail.
    obstacle: errors.AioHubAssocError | None = None
    journal: Journal | None = None  # the run folder, which finds duplicates
    no_rows: str | None = None  # what to warn of where there are no rows; None: the usual
    began = False  # whether anything may have been sent

    def __init__(
        self,
        connection: Connection,
        table: RowTable,
        report: CommandReport,
        output: PrintOptions,
        *,
        path: str | None,
        ordered: bool = False,
        limit: int | None = None,
    ) -> None:
        if path is not None and table.has_objects and results_format(path) != "jsonl":
            raise errors.OptionsError(
                f"{path}: rows of JSON Lines, each with its own keys, are written as such: let the "
                "name end with .jsonl"
            )
        report.portal, report.limit, report.input_counts = connection.portal, limit, table.counts
        report.has_objects = table.has_objects
        jsonl = JsonlOutput(table.names, ordered=ordered) if output.stream else None
        self.sinks: Final = Sinks(jsonl, path, self.stop)
        self.console: Final = (
            terminal.stderr() if output.stream or terminal.emit_line else terminal.stdout()
        )
        self.command: Final = connection.command
        self.connection: Final = connection
        self._output = output
        self._table = table
        self._report = report
        self.prints_portal = not output.json_
        self.prints_summary = not output.json_ and terminal.emit_line is None
        self._checking: asyncio.Task[AccountCheck] | None = None
        self._source: RowSource | None = None
        self._stream: Stream | None = None

    @abstractmethod
    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> Stream:
        """Return the client's run over *pairs*, not entered yet, and have the report read it."""

    @abstractmethod
    def take(self, result: Any) -> None:  # noqa: ANN401 -- of the stream it started
        """Count and write what became of a pair."""

    async def run(self, client: AssociationClient) -> int:
        """
        Do the work with *client*, which is not entered yet; return the exit code.

        What it raises, `AioHubAssocError` or `StorageError`, is raised before anything is sent.
        """
        check = self.command.check
        with contextlib.ExitStack() as stack:
            # Before anything is read: from then on Ctrl-C ends the run in good order.
            logger, handler = logging.getLogger("aiohubassoc"), _MessageHandler(logging.WARNING)
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
            stack.enter_context(interruptible(self._interrupt))
            self._source = source = self._open_source(stack)
            stack.callback(source.end)
            rejected = await source.check_ahead()
            if self._is_interrupted():
                return self._end_unbegun()
            if rejected and not check.skip_invalid:
                self._refuse(rejected)
                return ExitCode.USAGE
            try:
                await self._work(client, source)
            except terminal.StorageError as error:
                self.sinks.problem = str(error)
                self._report.failure = errors.RunStoppedError(str(error))
            except (errors.InputError, errors.RunStoppedError) as error:
                # The latter: no token came in time.
                self._report.failure = errors.RunStoppedError(str(error))
            except errors.JournalStorageError as error:  # it could not be opened
                raise terminal.StorageError(str(error)) from None
            if self._is_interrupted() and not self.began:
                return self._end_unbegun()
            self.sinks.close()
        self._report.storage_problem = problem = self.sinks.problem
        if problem is not None:
            terminal.print_error(f"Cannot write {problem}")
        else:
            self._report.rows_written = self.sinks.rows_written
        if self._report.input_complete and not self._report.done:
            terminal.print_warning(self.no_rows or f"{self._table.name} holds no pairs")
        return self._report.exit_code(require_rows=check.require_rows)

    def end(self, result: dict[str, Any], what: str, steps: list[str]) -> None:
        """Print and log *result*, which ``--json`` prints; *what*: how many pairs took how long."""
        terminal.print_result(result, json_=self._output.json_)
        if self._stream is not None:
            terminal.run_id = self._stream.run_id  # not that of a verification after it
            log_end(what, self._report, result, steps)
        if self.sinks.output_is_gone:
            terminal.discard_output()

    def _open_source(self, stack: contextlib.ExitStack) -> RowSource:
        seen = None
        if self.journal is None and isinstance(self._table, PairTable):
            try:
                seen = stack.enter_context(SeenPairs())
            except (OSError, sqlite3.Error) as error:
                raise terminal.StorageError(f"the temporary file of duplicates: {error}") from None
        return RowSource(
            self._table,
            self._add_invalid,
            seen=seen,
            on_duplicate=self._add_duplicate,
            limit=self._report.limit,
            on_limit=self._end_at_limit,
        )

    def _is_interrupted(self) -> bool:
        return self._report.signal is not None

    def _end_unbegun(self) -> int:
        what = describe(self._report.signal or 0)
        terminal.stderr().print(f"{what}; nothing was sent. To continue: the same command again")
        return self._report.exit_code()

    def stop(self, reason: str, drain_timeout: float | None = None) -> None:
        """Send nothing more; what is in flight may take *drain_timeout* seconds, None: any."""
        self._cut_short()
        if self._source is not None:
            self._source.end()
        if self._stream is not None:
            self._stream.stop(errors.RunStoppedError(reason), drain_timeout=drain_timeout)

    def place(self, record: Record) -> str:
        return self._table.place(record.source, record.line)

    async def _work(self, client: AssociationClient, source: RowSource) -> None:
        clock = SystemClock()
        began = clock.now()
        try:
            async with client:
                if self.checks_account and (types := source.first_types()) is not None:
                    self.obstacle = self._report.failure = await self._check_account(client, types)
                    if self.obstacle is not None or self._is_interrupted():
                        return
                    began = clock.now()
                stream = self.start(client, source.pairs())
                async with stream:
                    # Now that the run folder is ours; nothing was sent yet.
                    self.sinks.open(self._table.header)
                    terminal.run_id = stream.run_id
                    self.began, self._stream = True, stream
                    if self.prints_portal:
                        print_portal(
                            self._report.portal, self.console, more=self.connection.details
                        )
                    progress = asyncio.create_task(self._show_progress(client, stream))
                    try:
                        async for result in stream:
                            self.take(result)
                    finally:
                        progress.cancel()
                        await asyncio.wait({progress})
        finally:
            self._report.seconds = clock.now() - began
            if not self.is_batch:
                self._report.quota_rate = client.limiter.quota.rate_per_second
            self._report.input_complete = source.is_at_end
            source.restore_counts()
        if self._report.is_limited and self._report.input_rows is None:
            self._report.input_rows = await asyncio.to_thread(self._table.count_rows)

    async def _check_account(
        self, client: AssociationClient, types: tuple[str, str]
    ) -> errors.AioHubAssocError | None:
        """Return what every pair would fail with; None where nothing of the kind is known."""
        self._checking = task = asyncio.create_task(client.check(*types, quick=True))
        text = f"Checking the token and the object types, for at most {_CHECK_SECONDS:g} s. "
        text += "--no-check leaves it out"
        note = asyncio.get_running_loop().call_later(_SILENT_SECONDS, terminal.stderr().print, text)
        await asyncio.wait({task}, timeout=_CHECK_SECONDS)
        note.cancel()
        task.cancel()
        await asyncio.wait({task})
        if task.cancelled() or isinstance(task.exception(), errors.AioHubAssocError):
            return None
        found = task.result()
        if found.utc_offset is not None:
            self._report.utc_offset_seconds = found.utc_offset.total_seconds()
        reads = self.command.send.makes_reads
        lacks = [scope for scope in found.scopes.lacks if reads or not scope.endswith(".read")]
        if lacks and found.obstacle is None:
            terminal.print_warning(
                f"The access token seems to lack scopes: {', '.join(lacks)}. If HubSpot refuses "
                "pairs, add them to its app or service key"
            )
        return found.obstacle

    async def _show_progress(self, client: AssociationClient, stream: Stream) -> None:
        clock, limiter = SystemClock(), client.batch_limiter if self.is_batch else client.limiter
        await clock.sleep(_SHORT_SECONDS)
        from aiohubassoc.cli.progress import Progress, show  # noqa: PLC0415 -- not for short runs

        progress = Progress(
            self._report, limiter=limiter, stream=stream, clock=clock, is_batch=self.is_batch
        )
        await show(progress, terminal.stderr(), self._table.count_rows)

    def _interrupt(self, number: int) -> None:
        self._report.signal = number
        if self._checking is not None:
            self._checking.cancel()
        self.stop("interrupted", drain_timeout=_DRAIN)

    def _end_at_limit(self) -> None:
        self._report.is_limited = True
        self._cut_short()

    def _cut_short(self) -> None:
        if self.journal is not None:
            self.journal.notes.is_cut_short = True

    def _add_invalid(self, record: Record) -> None:
        problem, place = record.problem or "", self.place(record)
        self._report.add_invalid(record.line, place, problem)
        self.sinks.write_line(lambda jsonl: jsonl.invalid(record))
        if self.writes_invalid:
            self.sinks.write_row(record.fields, RowResult.rejected(problem))
        if self.journal is not None:
            fields, at = json.dumps(record.fields), make_place(record.source, record.line)
            self.journal.notes.rejected.append((at, problem, fields))
        if self.command.check.strict:
            self.stop(f"{place} {problem} (--strict)")

    def _add_duplicate(self, record: Record, pair: Pair, message: str) -> None:
        result = RowResult(Status.SKIPPED.value, "DUPLICATE", message)
        self._report.duplicates += 1
        self._report.add_example(Example(record.line, self.place(record), str(pair), result))
        self.sinks.write_line(lambda jsonl: jsonl.duplicate(record, pair, message))

    def _refuse(self, rejected: list[Record]) -> None:
        terminal.print_error(
            f"{self._table.name}: {errors.plural(len(rejected), 'row')} cannot be used; nothing "
            "was sent. Fix the file, or skip such rows with --skip-invalid"
        )
        for record in rejected:
            self._report.add_invalid(record.line, self.place(record), record.problem or "")
        print_invalid(self._report, terminal.stderr())
        if self._table.counts is not None:
            terminal.print_lines(self._table.counts.notes, terminal.stderr())


class _MessageHandler(logging.Handler):
    """Prints what the library warns of, unless it is printed as a log line."""

    def emit(self, record: logging.LogRecord) -> None:
        if not terminal.prints_logs and record.name == "aiohubassoc":
            terminal.print_warning(record.getMessage())


def loop_factory(*, uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop; None: asyncio's own. OptionsError: uvloop is missing."""
    if not uvloop:
        return None
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 -- an extra
    except ImportError:
        raise errors.OptionsError(f"--uvloop: {errors.install_command('speed')}") from None
    return new_event_loop
