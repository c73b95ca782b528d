"""``aiohubassoc link``, and what ``resume`` has in common with it."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.connection import Connection, find_base_url
from aiohubassoc.cli.options import (
    AccessOptions,
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    PaceOptions,
    PortalOptions,
    SendOptions,
    check_input,
)
from aiohubassoc.cli.output_options import (
    OutputOptions,
)
from aiohubassoc.cli.report import Example, ExitCode, LinkReport, outcome_result
from aiohubassoc.cli.run_folder import (
    REPORTED_LINKED,
    Command,
    FolderOptions,
    FolderTable,
    LinkCall,
    get_record,
    open_journal,
    open_temporary_journal,
)
from aiohubassoc.cli.runner import Runner, loop_factory
from aiohubassoc.cli.sinks import check_outputs, check_writable
from aiohubassoc.cli.summary import log_end, print_link_report, print_verify_report
from aiohubassoc.cli.terminal import (
    StorageError,
    discard_output,
    print_error,
    print_lines,
    print_result,
)
from aiohubassoc.errors import (
    AioHubAssocError,
    OptionsError,
    PreviousFailureError,
    plural,
)
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import check_file_name
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from aiohubassoc._run.stream import OutcomeStream
    from aiohubassoc.cli.report import VerifyReport
    from aiohubassoc.cli.run_folder import RowTable
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair


def link(
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: InputOptions = Layout(),  # noqa: B008 -- frozen, and so below
    portal: Annotated[PortalOptions, Flat] = PortalOptions(),  # noqa: B008
    pace: Annotated[PaceOptions, Flat] = PaceOptions(),  # noqa: B008
    send: Annotated[SendOptions, Flat] = SendOptions(),  # noqa: B008
    check: Annotated[CheckOptions, Flat] = CheckOptions(),  # noqa: B008
    token: Annotated[AccessOptions, Flat] = AccessOptions(),  # noqa: B008
    output: Annotated[OutputOptions, Flat] = OutputOptions(),  # noqa: B008
    folder: Annotated[FolderOptions, Flat] = FolderOptions(),  # noqa: B008
    limit: int | None = None,
    dry_run: Flag = False,
    daily_limit: int | None = None,
    no_check: Flag = False,
    uvloop: Flag = False,
) -> int:
    """
    Link the pairs of files and return the exit code; `aiohubassoc.cli.app` says which.

    Args:
        files: CSV, TSV, JSON Lines, Parquet or Excel files, or - for standard input. Text may be
            compressed with gzip or zstd.
        limit: Link the first pairs of the input, this many, and end there: to try a run with a few.
        dry_run: Send nothing, and print what would be done: as aiohubassoc plan.
        daily_limit: Calls that the account has a day, for --dry-run; else those of the tier that
            --quota names.
        no_check: Do not ask HubSpot about the token and the object types before the first pair.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    # The address is kept, not the environment: it may be another one next time.
    if not portal.simulate:
        portal = attrs.evolve(portal, base_url=find_base_url(portal.base_url))
    command = Command(tuple(files), input_, portal, pace, check, send)
    checks_account = not (no_check or portal.simulate)
    call = LinkCall(token, output, folder, uvloop, limit, checks_account)
    if dry_run:
        from aiohubassoc.cli.plan import print_plan  # noqa: PLC0415 -- only if asked

        for option, value in (("--limit", limit), ("--on-end", output.on_end)):
            if value is not None:
                raise OptionsError(f"{option} is for a run: --dry-run sends nothing")
        _check(command, call)
        return print_plan(command, call, daily_limit=daily_limit)
    if daily_limit is not None:
        raise OptionsError("--daily-limit is for --dry-run: HubSpot reports to a run what is left")
    return link_pairs(command, call)


class LinkRun(Runner):
    """Links the pairs of a run."""

    writes_invalid = True

    def __init__(
        self,
        connection: Connection,
        table: RowTable,
        call: LinkCall,
        journal: Journal | None = None,
    ) -> None:
        self.report = LinkReport()
        self.journal = journal
        self.is_batch = connection.command.send.is_batch
        self.finds_duplicates = journal is None  # else the run folder does
        self.checks_account = call.checks_account
        self._call = call
        super().__init__(
            connection,
            table,
            self.report,
            connection.command.check,
            call.output,
            path=call.output.failures,
            ordered=call.output.ordered,
            limit=call.limit,
        )

    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> OutcomeStream:
        """Return the client's run over *pairs*, not entered yet, and have the report read it."""
        send, check = self.command.send, self.command.check
        outcomes = client.link_each(
            pairs,
            via=send.via or "put",
            skip_linked=send.skip_linked,
            batch_size=send.size,
            ordered=self._call.output.ordered,
            stop_after_failures=check.stop_after_failures,
            stop_after_alike=check.stop_after_alike or None,
            journal=self.journal,
            retry_failed=self._call.folder.retry_failed,
        )
        self.report.pairs = outcomes.report
        return outcomes

    def take(self, outcome: Outcome) -> None:
        """Count and write what became of a pair."""
        record = get_record(outcome.pair)
        self.sinks.write_line(lambda jsonl: jsonl.outcome(outcome, record))
        if outcome.status is Status.LINKED:  # nearly always
            return
        result = outcome_result(outcome)
        example = Example(record.line, self.place(record), str(outcome.pair), result)
        self.report.add_example(example)
        if isinstance(outcome.error, PreviousFailureError):
            self.report.failed_before += 1
        if not outcome.ok:
            self.sinks.write_row(record.fields, result)


def link_pairs(command: Command, call: LinkCall, table: FolderTable | None = None) -> int:
    """
    Link what *command* says and return the exit code; `aiohubassoc.cli.app` says which.

    Args:
        table: The pairs, where they are not read from the input any more.

    Raises:
        AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
        StorageError: nothing was sent: a file of ours cannot be written.
    """
    _check(command, call)
    with ExitStack() as stack:
        connection = _connect(stack, command, call)
        keeps_outcomes = bool(call.folder.run or command.send.verify or call.output.report)
        observer = StatisticsObserver() if keeps_outcomes else None
        client = _make_client(connection, observer)
        rows = table or stack.enter_context(PairTable(command.files, command.input))
        journal = None
        if observer is not None:
            journal = _open_journal(stack, connection, call, rows)
            journal.observer = observer
        if journal is not None and journal.is_there:
            with Reader(journal.folder):
                pass  # one that cannot be read ends the command before HubSpot is asked
        run = LinkRun(connection, rows, call, journal)
        verification: VerifyReport | None = None
        with asyncio.Runner(loop_factory=loop_factory(uvloop=call.uvloop)) as loop:
            code = loop.run(run.run(client))
            if run.obstacle is not None:
                print_error(f"Nothing was sent. {_describe_obstacle(run.obstacle, call)}")
            steps = _find_steps(run, code, call, needs_input=rows.may_block)
            if run.began and run.prints_summary:
                print_link_report(run.report, run.console)
                print_lines(steps, run.console)
            is_at_end = code in {ExitCode.ALL_LINKED, ExitCode.SOME_FAILED}
            if command.send.verify and journal is not None and is_at_end:
                read_back = _read_back(connection, client, journal, rows)
                verify_code, verification = loop.run(read_back)
                code = max(code, verify_code)
        return _end(run, call, code, verification, steps)


def _end(
    run: LinkRun, call: LinkCall, code: int, verification: VerifyReport | None, steps: list[str]
) -> int:
    """Write, print and log what is to be reported of a run, and return the exit code."""
    if call.output.report is not None and run.began:
        code = max(code, _write_report(run, call))
    about = {
        "run": call.folder.run,
        "failures": call.output.failures,
        "report": call.output.report,
        "rows_written": run.report.rows_written,
        "verification": None if verification is None else verification.as_json(),
        "error": None if run.obstacle is None else _describe_obstacle(run.obstacle, call),
        "exit_code": int(code),
    }
    result = {**run.report.as_json(), **about}
    print_result(result, json_=call.output.json_)
    if run.command.send.verify and run.began:
        steps += _end_verification(verification, run, call)
    if run.began:
        what = f"{plural(run.report.total, 'pair')} in {run.report.seconds:,.1f} s"
        log_end(what, run.report, result, steps)
    if run.sinks.output_is_gone:
        discard_output()
    return code


def _connect(stack: ExitStack, command: Command, call: LinkCall) -> Connection:
    """Return where the pairs go; an error names what is wrong with the input, too."""
    try:
        return Connection.open(stack, command, call.token, folder=call.folder.run)
    except OptionsError as error:
        problem = _find_input_problem(command)
        if problem is None:
            raise
        raise OptionsError(f"{error}. And {problem}") from None


def _find_input_problem(command: Command) -> str | None:
    """Return why files cannot be read as pairs; None if they can, or may have to be waited for."""
    try:
        if STDIN not in command.files:
            with PairTable(command.files, command.input):
                pass
    except AioHubAssocError as error:
        return str(error)
    return None


def _find_steps(run: LinkRun, code: int, call: LinkCall, *, needs_input: bool) -> list[str]:
    """Return what to do after the run."""
    if not run.began or (code == ExitCode.ALL_LINKED and not run.report.is_limited):
        return []
    from aiohubassoc.cli.hints import after_link  # noqa: PLC0415 -- only where there are any

    needs_input = needs_input and not run.report.input_complete
    return after_link(run.report, run.command, call, needs_input=needs_input)


def _describe_obstacle(obstacle: AioHubAssocError, call: LinkCall) -> str:
    from aiohubassoc.cli.hints import after_stop  # noqa: PLC0415 -- only where there is one

    return after_stop(obstacle, call.token) or str(obstacle)


def _open_journal(
    stack: ExitStack, connection: Connection, call: LinkCall, rows: RowTable
) -> Journal:
    """Return the run folder; without ``--run`` one that ends with *stack*."""
    command, folder = connection.command, call.folder
    if folder.run is not None:
        return open_journal(
            folder.run, command, rows, base_url=connection.base_url, force=folder.force
        )
    try:
        temporary = tempfile.TemporaryDirectory(prefix="aiohubassoc-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StorageError(f"a temporary folder: {error.strerror}") from None
    return open_temporary_journal(stack.enter_context(temporary), rows)


def _make_client(connection: Connection, observer: StatisticsObserver | None) -> AssociationClient:
    """Return the client that links, and reports to *observer* if there is one."""
    client = connection.make_client(observer=observer)
    if observer is not None:
        limiter = client.batch_limiter if connection.command.send.is_batch else client.limiter
        observer.find_quota = lambda: limiter.quota
    return client


def _write_report(run: LinkRun, call: LinkCall) -> int:
    """Write the report that is asked for, and return the exit code of that alone."""
    from aiohubassoc.cli.report_file import (  # noqa: PLC0415 -- only if asked
        report_link,
        write_and_say,
    )

    path, journal = call.output.report, run.journal
    assert path is not None  # noqa: S101 -- it is asked for
    assert journal is not None  # noqa: S101 -- then there is one
    return write_and_say(
        path,
        lambda: report_link(path, journal.folder, run.report, run.command, call),
        run.console if run.prints_summary else None,
    )


async def _read_back(
    connection: Connection, client: AssociationClient, journal: Journal, rows: RowTable
) -> tuple[int, VerifyReport]:
    """Read back what a run folder has as linked; return the exit code of it alone and a report."""
    from aiohubassoc.cli.verify import (  # noqa: PLC0415 -- only if asked
        VerifyOptions,
        VerifyRun,
        keep_verification,
    )

    with Reader(journal.folder) as reader:
        table = FolderTable(reader, REPORTED_LINKED, rows.place)
        command = attrs.evolve(connection.command, check=CheckOptions())
        no_rows = "No pair of the run is linked: nothing to read back"
        connection = attrs.evolve(connection, command=command)
        run = VerifyRun(connection, table, VerifyOptions(), no_rows=no_rows)
        run.prints_portal = False
        code = await run.run(connection.make_client(batch_limiter=client.batch_limiter))
    keep_verification(journal.folder, run.report)
    return code, run.report


def _end_verification(report: VerifyReport | None, run: LinkRun, call: LinkCall) -> list[str]:
    """Print what reading back found, and return what to do next."""
    from aiohubassoc.cli.hints import after_verify  # noqa: PLC0415 -- only if asked

    if report is None:
        if run.prints_summary:
            run.console.print("[yellow]Nothing was read back (--verify): the run ended early.[/]")
        return []
    steps = after_verify(report, run.command, call.token, None, call.folder.run)
    if run.prints_summary:
        print_verify_report(report, "the run", run.console)
        print_lines(steps, run.console)
    return steps


def _check(command: Command, call: LinkCall) -> None:
    """Raise OptionsError for what does not go together, before anything is done."""
    check_input(command.input)
    files = {
        "--failures": call.output.failures,
        "--report": call.output.report,
        "--log-file": call.output.log_file,
    }
    check_outputs(
        files, inputs=command.files, token_file=call.token.token_file, folder=call.folder.run
    )
    if call.output.report is not None:
        from aiohubassoc.html_report.page import check_installed  # noqa: PLC0415 -- only if asked

        check_installed()
        check_file_name(call.output.report, ".html", ".htm")
        check_writable(call.output.report)
    if STDIN in command.files and call.token.token_stdin:
        raise OptionsError("standard input holds either the pairs or the token")
    if call.limit is not None and call.limit < 1:
        raise OptionsError(f"--limit must be 1 or more, not {call.limit}")
    for group in (call.folder, command.check, command.send, command.pace, call.output):
        group.check()
