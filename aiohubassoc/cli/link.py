"""``aiohubassoc link``, and what ``resume`` has in common with it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import attrs

from aiohubassoc.cli import options, run_folder
from aiohubassoc.cli.connection import Connection, find_base_url
from aiohubassoc.cli.hints import after_link, after_stop, after_verify
from aiohubassoc.cli.report import Example, ExitCode, LinkReport, outcome_result
from aiohubassoc.cli.runner import Runner, loop_factory
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.summary import print_link_report, print_verify_report
from aiohubassoc.cli.terminal import print_error, print_lines
from aiohubassoc.errors import AioHubAssocError, OptionsError, PreviousFailureError, plural
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.journal.header import UTC_OFFSET
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from aiohubassoc._run.stream import OutcomeStream
    from aiohubassoc.cli.report import VerifyReport
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair


def link(
    files: options.Files,
    /,
    *,
    input_: options.InputOptions = Layout(),
    portal: Annotated[options.PortalOptions, options.Flat] = options.PortalOptions(),
    pace: Annotated[options.PaceOptions, options.Flat] = options.PaceOptions(),
    send: Annotated[options.SendOptions, options.Flat] = options.SendOptions(),
    check: Annotated[options.CheckOptions, options.Flat] = options.CheckOptions(),
    token: Annotated[options.AccessOptions, options.Flat] = options.AccessOptions(),
    output: Annotated[options.OutputOptions, options.Flat] = options.OutputOptions(),
    folder: Annotated[run_folder.FolderOptions, options.Flat] = run_folder.FolderOptions(),
    limit: int | None = None,
    dry_run: options.Flag = False,
    daily_limit: int | None = None,
    no_check: options.NoCheck = False,
    uvloop: options.Uvloop = False,
) -> int:
    """
    Link the pairs of files and return the exit code; `help.md` says which.

    Args:
        files: CSV, TSV, JSON Lines, Parquet or Excel files, or - for standard input. Text may be
            compressed with gzip or zstd.
        limit: Link only the first pairs of the input, as many as this: a small run to try.
        dry_run: Send nothing, and print what would be done: as aiohubassoc plan.
        daily_limit: Calls that the account has a day, for --dry-run; else those of the tier that
            --quota names.
    """
    # The address is kept, not the environment: it may be another one next time.
    if not portal.simulate:
        portal = attrs.evolve(portal, base_url=find_base_url(portal.base_url))
    command = run_folder.Command(tuple(files), input_, portal, pace, check, send)
    checks_account = not (no_check or portal.simulate)
    call = run_folder.LinkCall(command, token, output, folder, uvloop, limit, checks_account)
    if dry_run:
        from aiohubassoc.cli.plan import print_plan  # noqa: PLC0415 -- only if asked

        for option, value in (("--limit", limit), ("--on-end", output.on_end)):
            if value is not None:
                raise OptionsError(f"{option} is for a run: --dry-run sends nothing")
        _check(call)
        return print_plan(call, daily_limit=daily_limit)
    if daily_limit is not None:
        raise OptionsError("--daily-limit is for --dry-run: HubSpot reports to a run what is left")
    return link_pairs(call)


class LinkRun(Runner):
    writes_invalid = True

    def __init__(
        self,
        connection: Connection,
        table: run_folder.RowTable,
        call: run_folder.LinkCall,
        journal: Journal | None = None,
    ) -> None:
        self.report = LinkReport(utc_offset_seconds=call.utc_offset_seconds)
        self.journal = journal
        self.is_batch = connection.command.send.is_batch
        self.checks_account = call.checks_account
        self._call = call
        output, limit = call.output, call.limit
        super().__init__(
            connection,
            table,
            self.report,
            output,
            path=output.failures,
            ordered=output.ordered,
            limit=limit,
        )

    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> OutcomeStream:
        send, check = self.command.send, self.command.check
        if self.journal is not None and self.report.utc_offset_seconds is not None:
            self.journal.about[UTC_OFFSET] = self.report.utc_offset_seconds
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
        record = run_folder.get_record(outcome.pair)
        self.sinks.write_line(lambda jsonl: jsonl.outcome(outcome, record))
        if outcome.status is Status.LINKED:  # nearly always
            return
        result = outcome_result(outcome)
        example = Example(record.line, self.place(record), str(outcome.pair), result)
        self.report.add_example(example)
        if isinstance(outcome.error, PreviousFailureError):
            self.report.failed_before += 1
        if not outcome.ok:
            self.sinks.write_row(self._table.cells(outcome.pair), result)

    def explain_obstacle(self) -> str | None:
        """Print and return why no pair can be linked; None: nothing of the kind was found."""
        if self.obstacle is None:
            return None
        step = after_stop(self.obstacle, self._call.token, self.report.day_end)
        problem = step or str(self.obstacle)
        print_error(f"Nothing was sent. {problem}")
        return problem

    def find_steps(self, code: int) -> list[str]:
        """Return what to do next."""
        is_done = code == ExitCode.ALL_LINKED and not self.report.is_limited
        if not self.began or (is_done and self._call.output.failures is None):
            return []
        needs_input = self._table.may_block and not self.report.input_complete
        return after_link(self.report, self._call, needs_input=needs_input)

    def write_report(self, path: str, journal: Journal) -> int:
        """Write the report of the run, and return the exit code of that."""
        from aiohubassoc.cli import report_file  # noqa: PLC0415 -- only if asked

        write = partial(report_file.report_link, path, journal.folder, self.report, self._call)
        return report_file.write_and_say(self, path, write)

    def end_verification(self, report: VerifyReport | None) -> list[str]:
        """Print what was read back (None: nothing), and return what to do about it."""
        if report is None:
            if self.prints_summary:
                ended = "[yellow]Nothing was read back (--verify): the run ended early.[/]"
                self.console.print(ended)
            return []
        steps = after_verify(report, self.command, self._call.token, None, self._call.folder.run)
        if self.prints_summary:
            print_verify_report(report, "the run", self.console)
            print_lines(steps, self.console)
        return steps


def link_pairs(call: run_folder.LinkCall, table: run_folder.FolderTable | None = None) -> int:
    """
    Link what the command says and return the exit code; `help.md` says which.

    What it raises, `AioHubAssocError` or `StorageError`, is raised before anything is sent.
    *table* has the pairs where they are not read from the input any more.
    """
    _check(call, reads_input=table is None)
    command = call.command
    with ExitStack() as stack:
        connection = _connect(stack, call)
        keeps_outcomes = bool(call.folder.run or command.send.verify or call.output.report)
        observer = StatisticsObserver() if keeps_outcomes else None
        client = connection.make_client(observer=observer)
        rows = table or stack.enter_context(PairTable(command.files, command.input))
        journal = None
        if observer is not None:
            limiter = client.batch_limiter if command.send.is_batch else client.limiter
            observer.find_quota = lambda: limiter.quota
            journal = run_folder.open_journal(stack, call, rows, connection.base_url)
            journal.observer = observer
            journal.check()  # before HubSpot is asked
        run, verification = LinkRun(connection, rows, call, journal), None
        with asyncio.Runner(loop_factory=loop_factory(uvloop=call.uvloop)) as loop:
            code = loop.run(run.run(client))
            problem = run.explain_obstacle()
            steps = run.find_steps(code)
            if run.began and run.prints_summary:
                print_link_report(run.report, run.console)
                print_lines(steps, run.console)
            is_at_end = code in {ExitCode.ALL_LINKED, ExitCode.SOME_FAILED}
            if command.send.verify and journal is not None and is_at_end:
                from aiohubassoc.cli.verify import read_back  # noqa: PLC0415 -- only if asked

                read = read_back(connection, client.batch_limiter, journal.folder, rows.place)
                verify_code, verification = loop.run(read)
                code = max(code, verify_code)
        if call.output.report is not None and journal is not None and run.began:
            code = max(code, run.write_report(call.output.report, journal))
        result = {
            **run.report.as_json(),
            "run": call.folder.run,
            "failures": call.output.failures,
            "report": call.output.report,
            "rows_written": run.report.rows_written,
            "verification": None if verification is None else verification.as_json(),
            "error": problem,
            "exit_code": int(code),
        }
        if command.send.verify and run.began:
            steps += run.end_verification(verification)
        pairs = plural(run.report.total, "pair")
        run.end(result, f"{pairs} in {run.report.seconds:,.1f} s", steps)
        return code


def _check(call: run_folder.LinkCall, *, reads_input: bool = True) -> None:
    """Raise OptionsError for what does not go together, before anything is done."""
    command, output = call.command, call.output
    options.check_input(command.input)
    files = {
        "--failures": output.failures,
        "--report": output.report,
        "--log-file": output.log_file,
    }
    check_outputs(
        files,
        inputs=command.files,
        token_file=call.token.token_file,
        folder=call.folder.run,
        shared_quota=command.pace.shared_quota,
    )
    call.token.check(command.files if reads_input else ())
    if call.limit is not None and call.limit < 1:
        raise OptionsError(f"--limit must be 1 or more, not {call.limit}")
    for group in (call.folder, command.check, command.send, command.pace, output):
        group.check()


def _connect(stack: ExitStack, call: run_folder.LinkCall) -> Connection:
    """Return where the pairs go; an error names what is wrong with the input, too."""
    command = call.command
    try:
        return Connection.open(stack, command, call.token, folder=call.folder.run)
    except OptionsError as error:
        try:
            if STDIN not in command.files:  # that may have to be waited for
                with PairTable(command.files, command.input):
                    pass
        except AioHubAssocError as problem:
            raise OptionsError(f"{error}. And {problem}") from None
        raise
