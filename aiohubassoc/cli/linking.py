"""A run from a command to its exit code: what ``link`` and ``resume`` have in common."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.cli.clients import client_of, target_of
from aiohubassoc.cli.exits import Exit
from aiohubassoc.cli.folder import Command, check_files, journal_of, passing_journal_of
from aiohubassoc.cli.lines import OutcomeLines, give_up_output
from aiohubassoc.cli.link_run import Job, LinkRun
from aiohubassoc.cli.loops import loop_factory
from aiohubassoc.cli.next_steps import how_to_go_on
from aiohubassoc.cli.options import TellOptions, TokenOptions
from aiohubassoc.cli.read_again import ReadAgain
from aiohubassoc.cli.summary import print_summary
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.cli.written import refuse_to_overwrite
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.pairs import PairTable

if TYPE_CHECKING:
    from aiohubassoc.cli.feed import Table
    from aiohubassoc.cli.folder_table import FolderTable
    from aiohubassoc.cli.tally import Tally
    from aiohubassoc.journal.journal import Journal

# What a run folder keeps in place of a portal's address that is another one each time.
_SIMULATED: Final = "a simulated portal"


@attrs.frozen
class Call:
    """
    How a command was called, besides what a run folder keeps.

    Attributes:
        token: Where the token is.
        tell: What to tell, and where.
        run: The run folder; None: none.
        retry_failed: Send pairs again that failed in an earlier run of the folder.
        force: Go on though the folder belongs to another job.
        uvloop: Use uvloop.
    """

    token: TokenOptions
    tell: TellOptions
    run: str | None = None
    retry_failed: bool = False
    force: bool = False
    uvloop: bool = False


def execute(command: Command, call: Call, table: FolderTable | None = None) -> int:
    """
    Link what *command* says and return the exit code; `aiohubassoc.cli.app` tells which.

    Args:
        command: What to do.
        call: How it was called.
        table: The pairs, where they are not read from the input any more; None: they are.

    Raises:
        AioHubAssocError: nothing was sent: an option, the input or the run folder cannot work.
    """
    check(command, call)
    with ExitStack() as stack:
        base_url, token = target_of(stack, command, call.token)
        client = client_of(command, base_url, token)
        rows = table or stack.enter_context(PairTable(command.files, command.input.layout()))
        try:
            journal = _journal(stack, command, call, rows, base_url)
        except OSError as error:
            told = f"[bold red]Cannot write[/] a temporary folder: {error.strerror}"
            messages().print(told, soft_wrap=True)
            return Exit.STORAGE
        run = LinkRun(
            _job(command, call), rows, messages(), journal=journal, lines=_lines(call, rows)
        )
        again = None
        with asyncio.Runner(loop_factory=loop_factory(uvloop=call.uvloop)) as runner:
            code = runner.run(run.go(client))
            _summarize(run, call, rows)
            if command.form.verify and journal is not None and ReadAgain.is_due(code):
                next_client = client_of(
                    command, base_url, token, batch_limiter=client.batch_limiter
                )
                again = ReadAgain(journal, rows)
                code = max(code, runner.run(again.go(next_client)))
        _finish(run, again, code, command, call)
    return code


def _journal(
    stack: ExitStack, command: Command, call: Call, rows: PairTable | FolderTable, base_url: str
) -> Journal | None:
    """Return the run folder; to read back what was linked there is always one."""
    if call.run is not None:
        portal = _SIMULATED if command.portal.simulate else base_url
        return journal_of(call.run, command, rows, base_url=portal, force=call.force)
    if not command.form.verify:
        return None
    passing = tempfile.TemporaryDirectory(prefix="aiohubassoc-", ignore_cleanup_errors=True)
    return passing_journal_of(stack.enter_context(passing), rows)


def _job(command: Command, call: Call) -> Job:
    return Job(
        failures=call.tell.failures,
        skip_invalid=command.check.skip_invalid,
        strict=command.check.strict,
        stop_after_failures=command.check.stop_after_failures,
        retry_failed=call.retry_failed,
        ordered=call.tell.ordered,
        form=command.form,
    )


def _lines(call: Call, rows: PairTable | FolderTable) -> OutcomeLines | None:
    if not call.tell.stream:
        return None
    several = rows.names if len(rows.names) > 1 else None
    return OutcomeLines(sys.stdout, ordered=call.tell.ordered, several=several)


def _summarize(run: LinkRun, call: Call, rows: Table) -> None:
    """Tell people what linking came to."""
    if call.tell.json_ or not run.began:
        return
    console = messages() if call.tell.stream else output()
    print_summary(run.tally, console)
    if call.run is not None and _has_more(run.tally):
        needs_input = rows.may_block and not run.tally.input_complete
        going_on = how_to_go_on(call.run, needs_input=needs_input)
        console.print(going_on, markup=False, soft_wrap=True)


def _finish(run: LinkRun, again: ReadAgain | None, code: int, command: Command, call: Call) -> None:
    """Tell what reading back came to, and everything to programs."""
    if call.tell.json_:
        # ASCII only: whatever the input held, this can be written and read.
        verification = None if again is None else again.as_json()
        told = {"run": call.run, "verification": verification, "exit_code": int(code)}
        output().out(json.dumps({**run.tally.as_json(), **told}))
    elif command.form.verify and run.began:
        console = messages() if call.tell.stream else output()
        if again is None:
            console.print("[yellow]Nothing was read back (--verify): the run ended early.[/]")
        else:
            again.summarize(console, command, call.run)
    if call.tell.stream and run.written.output_is_gone:
        give_up_output()


def _has_more(tally: Tally) -> bool:
    return bool(tally.unprocessed) or not tally.input_complete


def check(command: Command, call: Call) -> None:
    """
    Raise OptionsError for what does not go together, before anything is done.

    Raises:
        OptionsError: it does not.
    """
    check_files(command)
    refuse_to_overwrite(command.files, "--failures", call.tell.failures)
    if STDIN in command.files and call.token.token_stdin:
        raise OptionsError("standard input holds either the pairs or the token")
    if call.run is None:
        for option, given in (("--retry-failed", call.retry_failed), ("--force", call.force)):
            if given:
                raise OptionsError(f"{option} is for a run folder: give --run")
    command.check.check()
    command.form.check()
    command.pace.parsed_quota()
    command.pace.reserve()
    call.tell.check()
