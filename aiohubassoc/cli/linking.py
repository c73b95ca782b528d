"""A run from a command to its exit code: what ``link`` and ``resume`` have in common."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.cli.folder import (
    Command,
    FolderTable,
    check_files,
    how_to_go_on,
    journal_of,
)
from aiohubassoc.cli.lines import OutcomeLines, give_up_output
from aiohubassoc.cli.loops import loop_factory
from aiohubassoc.cli.options import TellOptions, TokenOptions
from aiohubassoc.cli.run import Job, Run
from aiohubassoc.cli.secrets import access_token
from aiohubassoc.cli.summary import print_summary
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.client import BASE_URL, BASE_URL_VARIABLE, AssociationClient
from aiohubassoc.errors import OptionsError
from aiohubassoc.options import Quota
from aiohubassoc.tables.opening import STDIN
from aiohubassoc.tables.pairs import PairTable

if TYPE_CHECKING:
    from aiohubassoc.cli.feed import Table
    from aiohubassoc.cli.tally import Tally

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
    layout = command.input.layout()
    quota = command.pace.parsed_quota()
    with ExitStack() as stack:
        base_url, token = _portal(stack, command, call, quota)
        client = AssociationClient(
            token,
            base_url=base_url,
            api_version=command.portal.api_version,
            quota=quota,
            share=command.pace.share,
            reserve_daily=command.pace.reserve(),
            strict_quota=command.pace.strict_quota,
            concurrency=command.pace.concurrency,
            allow_http=command.portal.allow_http,
        )
        rows = table or stack.enter_context(PairTable(command.files, layout))
        journal = None
        if call.run is not None:
            portal = _SIMULATED if command.portal.simulate else base_url
            journal = journal_of(call.run, command, rows, base_url=portal, force=call.force)
        lines = None
        if call.tell.stream:
            several = rows.names if len(rows.names) > 1 else None
            lines = OutcomeLines(sys.stdout, ordered=call.tell.ordered, several=several)
        job = Job(
            failures=call.tell.failures,
            skip_invalid=command.check.skip_invalid,
            strict=command.check.strict,
            stop_after_failures=command.check.stop_after_failures,
            retry_failed=call.retry_failed,
            ordered=call.tell.ordered,
        )
        run = Run(job, rows, messages(), journal=journal, lines=lines)
        with asyncio.Runner(loop_factory=loop_factory(uvloop=call.uvloop)) as runner:
            code = runner.run(run.go(client))
    _tell(run, code, call, rows)
    return code


def _tell(run: Run, code: int, call: Call, rows: Table) -> None:
    if call.tell.json_:
        # ASCII only: whatever the input held, this can be written and read.
        output().out(json.dumps({**run.tally.as_json(), "run": call.run, "exit_code": int(code)}))
    elif run.began:
        console = messages() if call.tell.stream else output()
        print_summary(run.tally, console)
        if call.run is not None and _has_more(run.tally):
            needs_input = rows.may_block and not run.tally.input_complete
            going_on = how_to_go_on(call.run, needs_input=needs_input)
            console.print(going_on, markup=False, soft_wrap=True)
    if call.tell.stream and run.output_is_gone:
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
    for path in command.files:
        if call.tell.failures is not None and _same_file(path, call.tell.failures):
            raise OptionsError(f"--failures {call.tell.failures} would overwrite the input")
    if STDIN in command.files and call.token.token_stdin:
        raise OptionsError("standard input holds either the pairs or the token")
    if call.run is None:
        for option, given in (("--retry-failed", call.retry_failed), ("--force", call.force)):
            if given:
                raise OptionsError(f"{option} is for a run folder: give --run")
    command.check.check()
    command.pace.reserve()
    call.tell.check()


def _portal(stack: ExitStack, command: Command, call: Call, quota: Quota | None) -> tuple[str, str]:
    """Return base URL and token; a simulated portal ends with *stack*."""
    if command.portal.simulate:
        from aiohubassoc.cli.portals import usual_portal  # noqa: PLC0415 -- only when asked for
        from aiohubassoc.simulator import portal_process  # noqa: PLC0415 -- likewise

        settings = usual_portal(quota or Quota.PROFESSIONAL)
        portal = stack.enter_context(portal_process(settings))
        return portal.base_url, settings.tokens[0]
    token = access_token(call.token.token_file, from_stdin=call.token.token_stdin)
    return base_url_of(command.portal.base_url), token


def base_url_of(given: str | None) -> str:
    """Return where HubSpot's API is: as given, else as the environment says, else HubSpot."""
    return given or os.environ.get(BASE_URL_VARIABLE, "").strip() or BASE_URL


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
