"""``aiohubassoc resume``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs

from aiohubassoc.cli.hints import after_move
from aiohubassoc.cli.link import link_pairs
from aiohubassoc.cli.options import (
    AccessOptions,
    Flag,
    Flat,
    LastPaceOptions,
    LastSendOptions,
    merged,
)
from aiohubassoc.cli.output_options import (
    OutputOptions,
)
from aiohubassoc.cli.run_folder import (
    Command,
    FolderOptions,
    FolderTable,
    LinkCall,
    is_complete,
    is_from_pipe,
    open_folder,
)
from aiohubassoc.cli.terminal import print_lines, stderr
from aiohubassoc.errors import OptionsError


def resume(
    folder: str,
    /,
    *,
    pace: Annotated[LastPaceOptions, Flat] = LastPaceOptions(),  # noqa: B008 -- frozen, and so below
    send: Annotated[LastSendOptions, Flat] = LastSendOptions(),  # noqa: B008
    token: Annotated[AccessOptions, Flat] = AccessOptions(),  # noqa: B008
    output: Annotated[OutputOptions, Flat] = OutputOptions(),  # noqa: B008
    retry_failed: Flag = False,
    force: Flag = False,
    stop_after_alike: int | None = None,
    no_check: Flag = False,
    uvloop: Flag = False,
) -> int:
    """
    Resume the run of a folder, and return the exit code of ``link``.

    The input and the options are those of the last run; options given here take their place.

    Args:
        folder: The run folder.
        retry_failed: Send pairs again that failed in an earlier run, wholly or in part.
        force: Continue though the input has changed.
        stop_after_alike: Stop once HubSpot has refused this many pairs in a row for the same
            reason, as of link. 0: never.
        no_check: Do not ask HubSpot about the token and the object types before the first pair.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    with open_folder(folder) as reader:
        if not reader.sessions():
            raise OptionsError(
                f"no run of {folder} has begun: the first was killed at once. Give its command "
                "again"
            )
        header = reader.header()
        command = Command.from_header(header)
        check = command.check
        if stop_after_alike is not None:
            check = attrs.evolve(check, stop_after_alike=stop_after_alike)
        command = attrs.evolve(
            command,
            pace=merged(pace, command.pace),
            send=send.over(command.send),
            check=check,
        )
        table = None
        if is_from_pipe(header):
            if not reader.is_read_to_its_end():
                raise OptionsError(
                    f"the input was {command.names}, and it was not read to its end: give it "
                    f"again, with the same command and --run {folder}"
                )
            table = FolderTable(reader)
            # Rejected rows were reported before, and cannot be fixed any more.
            check = attrs.evolve(command.check, skip_invalid=True, strict=False)
            command = attrs.evolve(command, check=check)
        options = FolderOptions(folder, retry_failed, force)
        is_done = is_complete(reader) and not retry_failed
        checks_account = not (no_check or command.portal.simulate or is_done)
        call = LinkCall(token, output, options, uvloop, checks_account=checks_account)
        if table is None and not all(Path(file).exists() for file in command.files):
            print_lines([after_move(folder, command, token)], stderr())
        return link_pairs(command, call, table)
