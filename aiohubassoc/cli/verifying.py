"""Reading links back, from a table of pairs to what is told."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.cli.clients import client_of, target_of
from aiohubassoc.cli.lines import OutcomeLines, give_up_output
from aiohubassoc.cli.next_steps import how_to_export, how_to_link
from aiohubassoc.cli.options import TokenOptions
from aiohubassoc.cli.summary import print_findings
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.cli.verify_run import VerifyRun, Wanted
from aiohubassoc.cli.written import refuse_to_overwrite
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.cli.findings import Findings
    from aiohubassoc.cli.folder import Command
    from aiohubassoc.cli.folder_table import FolderTable
    from aiohubassoc.files.pairs import PairTable


@attrs.frozen(kw_only=True)
class VerifyCall:
    """
    How ``verify`` was called.

    Attributes:
        token: Where the token is.
        path: The file for rows that are not linked; None: none is written.
        missing: Whether of these only those that are missing are wanted.
        unknown: Whether of these only those are wanted of which nothing is known.
        stream: Whether a line is printed for each pair.
        json_: Whether one JSON object is printed.
    """

    token: TokenOptions
    path: str | None
    missing: bool
    unknown: bool
    stream: bool
    json_: bool

    def check(self, files: Sequence[str]) -> None:
        """
        Raise OptionsError for what does not go together; *files* are the inputs.

        Raises:
            OptionsError: it does not.
        """
        if self.stream and self.json_:
            raise OptionsError("give --stream or --json: both are for standard output")
        for option, is_given in (("--missing", self.missing), ("--unknown", self.unknown)):
            if is_given and self.path is None:
                raise OptionsError(f"{option} is for --output: it chooses the rows of that file")
        refuse_to_overwrite(files, "--output", self.path)
        if STDIN in files and self.token.token_stdin:
            raise OptionsError("standard input holds either the pairs or the token")

    @property
    def wanted(self) -> Wanted:
        """Which rows are written to a file."""
        is_either = self.missing or self.unknown
        return Wanted(self.path, self.missing or not is_either, self.unknown or not is_either)


def read_back(
    command: Command,
    table: PairTable | FolderTable,
    call: VerifyCall,
    *,
    folder: str | None = None,
) -> int:
    """
    Read back the pairs of *table*, tell what was found, and return the exit code.

    Args:
        command: Where HubSpot is, and what the input is like.
        table: The pairs, open.
        call: What to tell, and where.
        folder: The run folder that they are from, each of them once; None: they are from files.

    Raises:
        AioHubAssocError: nothing was sent: an option or the input cannot work.
    """
    lines = None
    if call.stream:
        several = table.names if len(table.names) > 1 else None
        lines = OutcomeLines(sys.stdout, ordered=False, several=several)
    run = VerifyRun(
        table,
        messages(),
        wanted=call.wanted,
        skip_invalid=command.check.skip_invalid,
        finds_duplicates=folder is None,
        lines=lines,
    )
    with ExitStack() as stack:
        client = client_of(command, *target_of(stack, command, call.token))
        code = asyncio.run(run.go(client))
    if call.json_:
        told = {"run": folder, "output": call.path, "exit_code": int(code)}
        output().out(json.dumps({**run.findings.as_json(), **told}))
    elif run.began:
        console = messages() if call.stream else output()
        print_findings(run.findings, table.name if folder is None else folder, console)
        step = _next_step(command, run.findings, call, folder)
        if step is not None and run.written.problem is None:
            console.print(step, markup=False, soft_wrap=True)
    if call.stream and run.written.output_is_gone:
        give_up_output()
    return code


def _next_step(
    command: Command, findings: Findings, call: VerifyCall, folder: str | None
) -> str | None:
    if not findings.missing + findings.unknown:
        return None
    if call.path is not None:
        return how_to_link(call.path, command.input)
    if folder is not None:
        return how_to_export([folder], None)
    return how_to_export(command.files, command.input)
