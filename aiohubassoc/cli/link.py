"""``aiohubassoc link``, and what ``resume`` has in common with it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.connection import Connection, find_base_url
from aiohubassoc.cli.event_loop import loop_factory
from aiohubassoc.cli.exit_codes import ExitCode
from aiohubassoc.cli.hints import after_link, after_verify
from aiohubassoc.cli.jsonl_output import JsonlOutput
from aiohubassoc.cli.operations import LinkOperation, VerifyOperation
from aiohubassoc.cli.options import (
    AccessOptions,
    CheckOptions,
    Flag,
    Flat,
    FolderOptions,
    InputOptions,
    LinkCall,
    OutputOptions,
    PaceOptions,
    PortalOptions,
    SendOptions,
    VerifyOptions,
    check_input,
)
from aiohubassoc.cli.plan import print_plan
from aiohubassoc.cli.report_file import find_steps, keep_verification, write_report
from aiohubassoc.cli.run_folder import (
    CLAIMED,
    Command,
    FolderTable,
    open_journal,
    open_temporary_journal,
)
from aiohubassoc.cli.runner import Runner
from aiohubassoc.cli.sinks import check_output
from aiohubassoc.cli.summary import (
    print_link_report,
    print_portal,
    print_steps,
    print_verify_report,
)
from aiohubassoc.cli.terminal import discard_output, stderr, stdout, warn_cannot_write
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.html_report.page import check_installed
from aiohubassoc.journal.journal import Journal
from aiohubassoc.journal.reader import Reader

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc.cli.report import VerifyReport
    from aiohubassoc.cli.run_folder import Table
    from aiohubassoc.client import AssociationClient


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
    uvloop: Flag = False,
) -> int:
    """
    Link the pairs of files and return the exit code; `aiohubassoc.cli.app` says which.

    Args:
        files: CSV, TSV, JSON Lines, Parquet or Excel files, or - for standard input. Text may be
            compressed with gzip or zstd.
        input_: What they are like.
        portal: Where to.
        pace: How fast.
        send: One by one or in batches, and whether links are read.
        check: What to do about bad rows and failures.
        token: Where the token is, and the proxy.
        output: What to print and write.
        folder: The run folder.
        limit: Link the first so many pairs of the input and end there, to try a run with a few.
        dry_run: Send nothing, and say what would be done: as aiohubassoc plan.
        daily_limit: Calls that the account has a day, for --dry-run; else those of the tier that
            --quota names.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    # The address is kept, not the environment: it may be another one next time.
    if not portal.simulate:
        portal = attrs.evolve(portal, base_url=find_base_url(portal.base_url))
    command = Command(tuple(files), input_, portal, pace, check, send)
    call = LinkCall(token, output, folder, uvloop, limit)
    if dry_run:
        if limit is not None:
            raise OptionsError("--limit is for a run: --dry-run sends nothing")
        _check(command, call)
        return print_plan(
            command,
            None if folder.run is None else Journal(folder.run),
            retry_failed=folder.retry_failed,
            daily_limit=daily_limit,
            json_=output.json_,
        )
    if daily_limit is not None:
        raise OptionsError("--daily-limit is for --dry-run: HubSpot tells a run what is left")
    return link_pairs(command, call)


def link_pairs(command: Command, call: LinkCall, table: FolderTable | None = None) -> int:
    """
    Link what *command* says and return the exit code; `aiohubassoc.cli.app` says which.

    Args:
        command: What to do.
        call: How.
        table: The pairs, where they are not read from the input any more.

    Raises:
        AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
    """
    _check(command, call)
    with ExitStack() as stack:
        connection = Connection.open(stack, command, call.token)
        rows = table or stack.enter_context(PairTable(command.files, command.input))
        try:
            journal = _open_journal(stack, connection, call.folder, call.output, rows)
        except OSError as error:
            warn_cannot_write(f"a temporary folder: {error.strerror}")
            return ExitCode.STORAGE
        client = _make_client(connection, journal)
        operation = LinkOperation(rows, command, call.output, call.folder, journal)
        operation.report.portal = connection.portal
        jsonl = None
        if call.output.stream:
            jsonl = JsonlOutput(rows.names, ordered=call.output.ordered)
        run = Runner(operation, rows, command.check, jsonl, limit=call.limit)
        if not call.output.json_:
            run.on_begin = partial(
                print_portal, connection.portal, _console(call), more=connection.details
            )
        verification: VerifyReport | None = None
        with asyncio.Runner(loop_factory=loop_factory(uvloop=call.uvloop)) as loop:
            code = loop.run(run.run(client))
            if run.began and not call.output.json_:
                print_link_report(operation.report, _console(call))
                if code != ExitCode.ALL_LINKED or operation.report.is_limited:
                    needs_input = rows.may_block and not operation.report.input_complete
                    print_steps(
                        after_link(operation.report, command, call, needs_input=needs_input),
                        _console(call),
                    )
            is_at_end = code in {ExitCode.ALL_LINKED, ExitCode.SOME_FAILED}
            if command.send.verify and journal is not None and is_at_end:
                limiter = client.batch_limiter
                verify_code, verification = loop.run(_read_back(connection, limiter, journal, rows))
                code = max(code, verify_code)
            code = max(code, _write_report(run, call, connection, operation))
        if call.output.json_:
            about = {
                "run": call.folder.run,
                "failures": call.output.failures,
                "report": call.output.report,
                "rows_written": operation.report.rows_written,
                "verification": None if verification is None else verification.as_json(),
                "exit_code": int(code),
            }
            # ASCII only: whatever the input held, this can be written and read.
            stdout().out(json.dumps({**operation.report.as_json(), **about}))
        elif command.send.verify and run.began:
            _print_verification(verification, command, call)
        if run.sinks.output_is_gone:
            discard_output()
    return code


def _console(call: LinkCall) -> Console:
    """Return where people are told what came of it."""
    return stderr() if call.output.stream else stdout()


def _open_journal(
    stack: ExitStack,
    connection: Connection,
    folder: FolderOptions,
    output: OutputOptions,
    rows: Table,
) -> Journal | None:
    """Return the run folder; to read back what was linked, or report it, there is always one."""
    command = connection.command
    if folder.run is not None:
        base_url, force = connection.base_url, folder.force
        return open_journal(folder.run, command, rows, base_url=base_url, force=force)
    if not (command.send.verify or output.report):
        return None
    temporary = tempfile.TemporaryDirectory(prefix="aiohubassoc-", ignore_cleanup_errors=True)
    return open_temporary_journal(stack.enter_context(temporary), rows)


def _make_client(connection: Connection, journal: Journal | None) -> AssociationClient:
    """Return the client that links; the run folder keeps how its run goes."""
    if journal is None:
        return connection.make_client()
    client = connection.make_client(observer=journal.observer)
    is_batch = connection.command.send.is_batch
    limiter = client.batch_limiter if is_batch else client.limiter
    journal.observer.find_quota = lambda: limiter.quota
    return client


def _write_report(
    run: Runner, call: LinkCall, connection: Connection, operation: LinkOperation
) -> int:
    """Write the report of the run, if one is asked for, and return the exit code of that alone."""
    path, report, journal = call.output.report, operation.report, operation.journal
    if path is None or journal is None or not run.began:
        return ExitCode.ALL_LINKED
    command, is_read = connection.command, report.input_complete
    with Reader(journal.folder) as reader:
        header = {
            **reader.header(),
            "command": command.to_header(),
            "job": {"portal": connection.portal},
        }
        if call.folder.run is not None:
            steps = find_steps(reader, header)
        else:
            told = after_link(report, command, call, needs_input=not is_read)
            steps = [(step, "") for step in told]
    rows = None if is_read else report.input_rows
    if not write_report(
        path, journal.folder, header=header, name=call.folder.run, steps=steps, input_rows=rows
    ):
        return ExitCode.STORAGE
    if not call.output.json_:
        _console(call).print(f"Wrote the report to {path}", markup=False)
    return ExitCode.ALL_LINKED


async def _read_back(
    connection: Connection, limiter: Limiter, journal: Journal, rows: Table
) -> tuple[int, VerifyReport]:
    """Read back what a run folder has as linked; return the exit code of it alone and a report."""
    with Reader(journal.folder) as reader:
        table = FolderTable(reader, CLAIMED, rows.place)
        operation = VerifyOperation(table, VerifyOptions())
        operation.report.portal = connection.portal
        client = connection.make_client(batch_limiter=limiter)
        code = await Runner(operation, table, CheckOptions()).run(client)
    keep_verification(journal.folder, operation.report)
    return code, operation.report


def _print_verification(report: VerifyReport | None, command: Command, call: LinkCall) -> None:
    if report is None:
        _console(call).print("[yellow]Nothing was read back (--verify): the run ended early.[/]")
        return
    print_verify_report(report, "the run", _console(call))
    print_steps(after_verify(report, command, VerifyOptions(), call.folder.run), _console(call))


def _check(command: Command, call: LinkCall) -> None:
    """Raise OptionsError for what does not go together, before anything is done."""
    check_input(command.input)
    for option, path in (("--failures", call.output.failures), ("--report", call.output.report)):
        check_output(
            option,
            path,
            inputs=command.files,
            token_file=call.token.token_file,
            folder=call.folder.run,
        )
    if call.output.report is not None:
        check_installed()
    if STDIN in command.files and call.token.token_stdin:
        raise OptionsError("standard input holds either the pairs or the token")
    if call.limit is not None and call.limit < 1:
        raise OptionsError(f"--limit must be 1 or more, not {call.limit}")
    call.folder.check()
    command.check.check()
    command.send.check()
    command.pace.parsed_quota()
    command.pace.reserve()
    call.output.check()
