"""A run over the rows of an input: checked ahead, ended in good order, an exit code out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli import terminal
from aiohubassoc.cli.report import Example, ExitCode
from aiohubassoc.cli.row_source import RowSource
from aiohubassoc.cli.signals import describe, interruptible
from aiohubassoc.cli.sinks import JsonlOutput, Sinks
from aiohubassoc.cli.summary import print_invalid, print_portal
from aiohubassoc.cli.terminal import StorageError, print_error, print_warning, stderr, stdout
from aiohubassoc.errors import (
    AioHubAssocError,
    InputError,
    JournalStorageError,
    OptionsError,
    RunStoppedError,
    install_command,
    plural,
)
from aiohubassoc.files.results import RowResult
from aiohubassoc.journal.known_pairs import SeenPairs
from aiohubassoc.journal.row_codec import make_place
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from aiohubassoc.account import AccountCheck
    from aiohubassoc.cli.connection import Connection
    from aiohubassoc.cli.options import CheckOptions
    from aiohubassoc.cli.output_options import PrintOptions
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


class Runner(ABC):
    """
    One run of a command; its subclasses say what becomes of the pairs.

    Args:
        path: The file of rows that are not linked; None: none is written.
        ordered: Whether lines of JSON come in the order of the input.

    Attributes:
        is_batch: Whether a call is for many pairs.
        finds_duplicates: Whether pairs may repeat others, and no run folder finds them.
        writes_invalid: Whether the file has the rejected rows.
        checks_account: Whether the account is checked before the first pair.
        obstacle: Why nothing was sent, if the check found that every pair would fail.
        console: Where people read what comes of it.
        prints_portal: Whether the first line says where the pairs go.
        prints_summary: Whether people read at the end what came of it.
        began: Whether anything may have been sent.
        sinks: What is written of the rows.
    """

    is_batch = True
    finds_duplicates = False
    writes_invalid = False
    checks_account = False
    obstacle: AioHubAssocError | None = None
    journal: Journal | None = None

    def __init__(
        self,
        connection: Connection,
        table: RowTable,
        report: CommandReport,
        check: CheckOptions,
        output: PrintOptions,
        *,
        path: str | None,
        ordered: bool = False,
        limit: int | None = None,
    ) -> None:
        report.portal, report.limit, report.input_counts = connection.portal, limit, table.counts
        jsonl = JsonlOutput(table.names, ordered=ordered) if output.stream else None
        self.began = False
        self.sinks: Final = Sinks(jsonl, path, self.stop)
        self.console: Final = stderr() if output.stream or terminal.emit_line else stdout()
        self.command: Final = connection.command
        self._connection = connection
        self._table = table
        self._report = report
        self._check = check
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

    def limiter(self, client: AssociationClient) -> Limiter:
        """Return what limits the calls."""
        return client.batch_limiter if self.is_batch else client.limiter

    def describe_no_rows(self) -> str:
        """Return what to warn of where the input has no rows."""
        return f"{self._table.name} holds no pairs"

    async def run(self, client: AssociationClient) -> int:
        """
        Do the work with *client*, which is not entered yet; return the exit code.

        Raises:
            AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
            StorageError: nothing was sent: a file of ours cannot be written.
        """
        with contextlib.ExitStack() as stack:
            seen = stack.enter_context(_open_seen_pairs()) if self.finds_duplicates else None
            # Before anything is read: from then on Ctrl-C ends the run in good order.
            stack.enter_context(printed_warnings())
            stack.enter_context(interruptible(self._interrupt))
            self._source = source = RowSource(
                self._table,
                seen=seen,
                on_invalid=self._add_invalid,
                on_duplicate=self._add_duplicate,
                limit=self._report.limit,
                on_limit=self._end_at_limit,
            )
            stack.callback(source.end)
            rejected = await source.check_ahead()
            if self._is_interrupted():
                return self._end_unbegun()
            if rejected and not self._check.skip_invalid:
                self._refuse(rejected)
                return ExitCode.USAGE
            try:
                await self._work(client, source)
            except StorageError as error:
                self.sinks.problem = str(error)
                self._report.failure = RunStoppedError(str(error))
            except (InputError, RunStoppedError) as error:  # the latter: no token came in time
                self._report.failure = RunStoppedError(str(error))
            except JournalStorageError as error:  # it could not be opened
                raise StorageError(str(error)) from None
            if self._is_interrupted() and not self.began:
                return self._end_unbegun()
            self.sinks.close()
        self._report.storage_problem = problem = self.sinks.problem
        if problem is not None:
            print_error(f"Cannot write {problem}")
        else:
            self._report.rows_written = self.sinks.rows_written
        if self._report.input_complete and not self._report.done:
            print_warning(self.describe_no_rows())
        return self._report.exit_code(require_rows=self._check.require_rows)

    def _is_interrupted(self) -> bool:
        return self._report.signal is not None

    def _end_unbegun(self) -> int:
        what = describe(self._report.signal or 0)
        stderr().print(f"{what}; nothing was sent. To continue: the same command again")
        return self._report.exit_code()

    def stop(self, reason: str, drain_timeout: float | None = None) -> None:
        """Send nothing more; what is in flight may take *drain_timeout* seconds, None: any."""
        self._cut_short()
        if self._source is not None:
            self._source.end()
        if self._stream is not None:
            self._stream.stop(RunStoppedError(reason), drain_timeout=drain_timeout)

    def place(self, record: Record) -> str:
        """Return how messages call the place of a row."""
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
                    self._begin()
                    self._stream = stream
                    async with self._progress(client, stream):
                        async for result in stream:
                            self.take(result)
        finally:
            self._report.seconds = clock.now() - began
            self._report.input_complete = source.is_at_end
        if self._report.is_limited and self._report.input_rows is None:
            self._report.input_rows = await asyncio.to_thread(self._table.count_rows)

    async def _check_account(
        self, client: AssociationClient, types: tuple[str, str]
    ) -> AioHubAssocError | None:
        """Return what every pair would fail with; None where nothing of the kind is known."""
        self._checking = task = asyncio.create_task(client.check(*types, quick=True))
        await asyncio.wait({task}, timeout=_CHECK_SECONDS)
        task.cancel()
        await asyncio.wait({task})
        if task.cancelled() or isinstance(task.exception(), AioHubAssocError):
            return None
        found = task.result()
        reads = self.command.send.makes_reads
        lacks = [scope for scope in found.scopes.lacks if reads or not scope.endswith(".read")]
        if lacks and found.obstacle is None:
            print_warning(
                f"The access token seems to lack scopes: {', '.join(lacks)}. If HubSpot refuses "
                "pairs, add them to its app or service key"
            )
        return found.obstacle

    def _begin(self) -> None:
        self.began = True
        if self.prints_portal:
            print_portal(self._report.portal, self.console, more=self._connection.details)

    @contextlib.asynccontextmanager
    async def _progress(self, client: AssociationClient, stream: Stream) -> AsyncIterator[None]:
        """Show progress while the block runs; a short run shows none."""
        task = asyncio.create_task(self._show_progress(client, stream))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _show_progress(self, client: AssociationClient, stream: Stream) -> None:
        await SystemClock().sleep(_SHORT_SECONDS)
        from aiohubassoc.cli.progress import Progress, show  # noqa: PLC0415 -- not for short runs

        progress = Progress(
            self._report,
            limiter=self.limiter(client),
            stream=stream,
            clock=SystemClock(),
            is_batch=self.is_batch,
        )
        await show(progress, stderr(), self._table.count_rows)

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
            self.sinks.write_row(record.fields, RowResult("invalid", "INVALID_ROW", problem))
        if self.journal is not None:
            fields, at = json.dumps(record.fields), make_place(record.source, record.line)
            self.journal.notes.rejected.append((at, problem, fields))
        if self._check.strict:
            self.stop(f"{place} {problem} (--strict)")

    def _add_duplicate(self, record: Record, pair: Pair, message: str) -> None:
        result = RowResult(Status.SKIPPED.value, "DUPLICATE", message)
        self._report.duplicates += 1
        self._report.add_example(Example(record.line, self.place(record), str(pair), result))
        self.sinks.write_line(lambda jsonl: jsonl.duplicate(record, pair, message))

    def _refuse(self, rejected: list[Record]) -> None:
        print_error(
            f"{self._table.name}: {plural(len(rejected), 'row')} cannot be used; nothing was sent. "
            "Fix them, or skip them with --skip-invalid"
        )
        for record in rejected:
            self._report.add_invalid(record.line, self.place(record), record.problem or "")
        print_invalid(self._report, stderr())


def _open_seen_pairs() -> SeenPairs:
    try:
        return SeenPairs()
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"the temporary file of duplicates: {error}") from None


class _MessageHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless it is printed as a log line, or a summary says it."""
        if not terminal.prints_logs and record.name == "aiohubassoc":
            print_warning(record.getMessage())


@contextlib.contextmanager
def printed_warnings() -> Iterator[None]:
    """Print in the block what the library warns of."""
    logger, handler = logging.getLogger("aiohubassoc"), _MessageHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def loop_factory(*, uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """
    Return what makes the event loop; None: asyncio's own.

    Raises:
        OptionsError: uvloop is asked for and not installed.
    """
    if not uvloop:
        return None
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 -- an extra
    except ImportError:
        raise OptionsError(f"--uvloop: {install_command('speed')}") from None
    return new_event_loop
