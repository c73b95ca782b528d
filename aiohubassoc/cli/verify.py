"""``aiohubassoc verify``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.folder import Command, check_files
from aiohubassoc.cli.folder_table import FolderTable
from aiohubassoc.cli.form import FormOptions
from aiohubassoc.cli.options import (
    AddressOptions,
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    PaceOptions,
    PortalOptions,
    TokenOptions,
    given,
    plain,
)
from aiohubassoc.cli.read_again import CLAIMED
from aiohubassoc.cli.verifying import VerifyCall, read_back
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.journal.journal import Journal
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import Status


def verify(
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: Annotated[InputOptions, Flat] = InputOptions(),  # noqa: B008 -- frozen, and so below
    address: Annotated[AddressOptions, Flat] = AddressOptions(),  # noqa: B008
    token: Annotated[TokenOptions, Flat] = TokenOptions(),  # noqa: B008
    batch_quota: str | None = None,
    skip_invalid: Flag = False,
    all_: Annotated[Flag, Parameter(name="--all")] = False,
    output_file: Annotated[str | None, Parameter(name="--output")] = None,
    missing: Flag = False,
    unknown: Flag = False,
    stream: Flag = False,
    json_: Annotated[Flag, Parameter(name="--json")] = False,
) -> int:
    """
    Read links back and return the exit code; `aiohubassoc.cli.app` tells which.

    Args:
        files: Files as for link, or - for standard input; or one run folder, of which those pairs
            are read back that it has as linked, wholly or partially. It may be in use.
        input_: What the files are like.
        address: Where HubSpot is.
        token: Where the token is.
        batch_quota: Calls in a window, such as 20/10s, never exceeded. Without it: begin with
            10/10s and rise while HubSpot refuses none.
        skip_invalid: Go on without rows that cannot be used.
        all_: Of a run folder read back every pair that it has.
        output_file: Write the rows that are missing or unknown to this file, as they were in the
            input, with the reason: as CSV, or as JSON Lines where its name ends with .jsonl.
        missing: Of these write only those that are missing.
        unknown: Of these write only those that are unknown.
        stream: Print one JSON object a line on standard output for each pair, as it is found, and
            nothing else.
        json_: Print one JSON object with the result on standard output, and nothing else.
    """
    call = VerifyCall(
        token=token, path=output_file, missing=missing, unknown=unknown, stream=stream, json_=json_
    )
    folder = _folder_of(files)
    with ExitStack() as stack:
        if folder is None:
            if all_:
                raise OptionsError("--all is for a run folder: of files every row is read back")
            command = Command(
                tuple(files),
                input_,
                PortalOptions(**plain(address)),
                PaceOptions(),
                CheckOptions(skip_invalid=skip_invalid),
                FormOptions(batch_quota=batch_quota, verify=True),
            )
            check_files(command)
            call.check(command.files)
            table = stack.enter_context(PairTable(command.files, command.input.layout()))
            return read_back(command, table, call)
        options = [*given(input_), *given(address), *(["--skip-invalid"] if skip_invalid else [])]
        if options:
            raise OptionsError(f"{options[0]} is for files: the run folder {folder} knows its own")
        reader = stack.enter_context(Reader(folder))
        command = _kept_command(folder, reader, batch_quota)
        call.check([path for path in command.files if path != STDIN])  # that is not read now
        statuses = (*CLAIMED, Status.FAILED, Status.UNPROCESSED) if all_ else CLAIMED
        return read_back(command, FolderTable(reader, statuses), call, folder=folder)


def _folder_of(paths: list[str]) -> str | None:
    """Return the run folder among *paths*, which is alone then; None: they are files."""
    folders = [path for path in paths if Path(path).is_dir()]
    if not folders:
        return None
    if not Journal(folders[0]).is_there:
        raise OptionsError(f"{folders[0]} is neither a file nor a run folder: it has no journal.db")
    if len(paths) > 1:
        raise OptionsError(f"the run folder {folders[0]} must be given alone")
    return folders[0]


def _kept_command(folder: str, reader: Reader, batch_quota: str | None) -> Command:
    """Return what the folder's pairs are read back with."""
    header = reader.header()
    if not isinstance(header.get("command"), dict):
        raise OptionsError(
            f"the run folder {folder} was made by a program: read its pairs back with that "
            "program, by client.verify"
        )
    kept = Command.kept(header)
    if kept.portal.simulate:
        raise OptionsError(f"the run of {folder} was simulated: its portal is gone")
    form = FormOptions(batch_quota=batch_quota or kept.form.batch_quota, verify=True)
    # Reading is little, and the pace and the reserve of a run that links are not for it.
    return attrs.evolve(kept, pace=PaceOptions(), form=form)
