"""``aiohubassoc verify``."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.connection import Connection
from aiohubassoc.cli.hints import after_verify
from aiohubassoc.cli.jsonl_output import JsonlOutput
from aiohubassoc.cli.operations import VerifyOperation
from aiohubassoc.cli.options import (
    AccessOptions,
    AddressOptions,
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    PaceOptions,
    PortalOptions,
    SendOptions,
    VerifyOptions,
    check_input,
    given,
)
from aiohubassoc.cli.report_file import keep_verification
from aiohubassoc.cli.run_folder import CLAIMED, Command, FolderTable, open_folder
from aiohubassoc.cli.runner import Runner
from aiohubassoc.cli.sinks import check_output
from aiohubassoc.cli.summary import print_portal, print_steps, print_verify_report
from aiohubassoc.cli.terminal import discard_output, stderr, stdout
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.journal.journal import Journal
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from aiohubassoc.journal.reader import Reader


def verify(
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: InputOptions = Layout(),  # noqa: B008 -- frozen, and so below
    address: Annotated[AddressOptions, Flat] = AddressOptions(),  # noqa: B008
    token: Annotated[AccessOptions, Flat] = AccessOptions(),  # noqa: B008
    batch_quota: str | None = None,
    skip_invalid: Flag = False,
    require_rows: Flag = False,
    all_: Flag = False,
    options: Annotated[VerifyOptions, Flat] = VerifyOptions(),  # noqa: B008
) -> int:
    """
    Read links back and return the exit code; `aiohubassoc.cli.app` says which.

    Args:
        files: Files as for link, or - for standard input; or one run folder, of which those pairs
            are read back that it has as linked, wholly or partially. It may be in use.
        input_: What the files are like.
        address: Where HubSpot is.
        token: Where the token is, and the proxy.
        batch_quota: Calls in a window, such as 20/10s, never exceeded. Without it: begin with
            10/10s and rise while HubSpot refuses none.
        skip_invalid: Go on without rows that cannot be used.
        require_rows: Return exit code 1 if the input has no rows.
        all_: Of a run folder read back every pair that it has.
        options: What to print and write.
    """
    options.check()
    folder = _find_folder(files)
    with ExitStack() as stack:
        if folder is None:
            if all_:
                raise OptionsError("--all is for a run folder: of files every row is read back")
            check_input(input_)
            command = Command(
                tuple(files),
                input_,
                PortalOptions(**attrs.asdict(address)),
                check=CheckOptions(skip_invalid=skip_invalid, require_rows=require_rows),
                send=SendOptions(batch_quota=batch_quota, verify=True),
            )
            if STDIN in command.files and token.token_stdin:
                raise OptionsError("standard input holds either the pairs or the token")
            table = stack.enter_context(PairTable(command.files, command.input))
            return _read_back(command, table, token, options)
        flags = {"--skip-invalid": skip_invalid, "--require-rows": require_rows}
        more = [*given(input_), *given(address), *(name for name, on in flags.items() if on)]
        if more:
            raise OptionsError(f"{more[0]} is for files: the run folder {folder} knows its own")
        reader = stack.enter_context(open_folder(folder))
        command = _restore_command(folder, reader, batch_quota)
        statuses = (*CLAIMED, Status.FAILED, Status.UNPROCESSED) if all_ else CLAIMED
        return _read_back(command, FolderTable(reader, statuses), token, options, folder=folder)


def _find_folder(paths: list[str]) -> str | None:
    """Return the run folder among *paths*, which is alone then; None: they are files."""
    folders = [path for path in paths if Path(path).is_dir()]
    if not folders:
        return None
    if not Journal(folders[0]).is_there:
        raise OptionsError(f"{folders[0]} is neither a file nor a run folder: it has no journal.db")
    if len(paths) > 1:
        raise OptionsError(f"the run folder {folders[0]} must be given alone")
    return folders[0]


def _restore_command(folder: str, reader: Reader, batch_quota: str | None) -> Command:
    """Return what the folder's pairs are read back with."""
    header = reader.header()
    if not isinstance(header.get("command"), dict):
        raise OptionsError(
            f"the run folder {folder} was made by a program: read its pairs back with that "
            "program, by client.verify"
        )
    kept = Command.from_header(header)
    if kept.portal.simulate:
        raise OptionsError(f"the run of {folder} was simulated: its portal is gone")
    send = SendOptions(batch_quota=batch_quota or kept.send.batch_quota, verify=True)
    # Reading is little, and the pace and the reserve of a run that links are not for it.
    return attrs.evolve(kept, pace=PaceOptions(), send=send)


def _read_back(
    command: Command,
    table: PairTable | FolderTable,
    token: AccessOptions,
    options: VerifyOptions,
    *,
    folder: str | None = None,
) -> int:
    """
    Read back the pairs of *table*, print what was found, and return the exit code.

    Args:
        command: Where HubSpot is, and what the input is like.
        table: The pairs, open.
        token: Where the token is, and the proxy.
        options: What to print and write.
        folder: The run folder that they are from; None: they are from files.
    """
    check_output(
        "--output",
        options.output,
        inputs=command.files,
        token_file=token.token_file,
        folder=folder,
    )
    operation = VerifyOperation(table, options, finds_duplicates=folder is None)
    jsonl = JsonlOutput(table.names) if options.stream else None
    console = stderr() if options.stream else stdout()
    with ExitStack() as stack:
        connection = Connection.open(stack, command, token)
        operation.report.portal = connection.portal
        run = Runner(operation, table, command.check, jsonl)
        if not options.json_:
            run.on_begin = partial(
                print_portal, connection.portal, console, more=connection.details
            )
        code = asyncio.run(run.run(connection.make_client()))
        if folder is not None and run.began:
            keep_verification(folder, operation.report)
    if options.json_:
        about = {"run": folder, "output": options.output, "exit_code": int(code)}
        stdout().out(json.dumps({**operation.report.as_json(), **about}))
    elif run.began:
        print_verify_report(operation.report, table.name if folder is None else folder, console)
        if run.sinks.problem is None:
            print_steps(after_verify(operation.report, command, options, folder), console)
    if run.sinks.output_is_gone:
        discard_output()
    return code
