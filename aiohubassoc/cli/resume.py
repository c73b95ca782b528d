"""``aiohubassoc resume``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import attrs

from aiohubassoc.cli.folder_table import FolderTable
from aiohubassoc.cli.linking import Call, execute
from aiohubassoc.cli.options import Flag, Flat, OutputOptions, PaceOptions, TokenOptions
from aiohubassoc.cli.run_folder import Command, is_of_pipe, names_of
from aiohubassoc.cli.send_options import SendOptions
from aiohubassoc.errors import OptionsError
from aiohubassoc.journal.reader import Reader


def resume(
    folder: str,
    /,
    *,
    pace: Annotated[PaceOptions, Flat] = PaceOptions(),  # noqa: B008 -- frozen, and so below
    form: Annotated[SendOptions, Flat] = SendOptions(),  # noqa: B008
    token: Annotated[TokenOptions, Flat] = TokenOptions(),  # noqa: B008
    tell: Annotated[OutputOptions, Flat] = OutputOptions(),  # noqa: B008
    retry_failed: Flag = False,
    force: Flag = False,
    uvloop: Flag = False,
) -> int:
    """
    Go on with the run of a folder, and return the exit code of ``link``.

    The input and the options are those of the last run; options given here take their place.

    Args:
        folder: The run folder.
        pace: How fast.
        form: One by one or in batches, and whether links are read.
        token: Where the token is.
        tell: What to tell.
        retry_failed: Send pairs again that failed in an earlier run.
        force: Go on though the input has changed.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(folder))
        if not reader.sessions():
            raise OptionsError(
                f"no run of {folder} has begun: the first was killed at once. Give its command "
                "again"
            )
        header = reader.header()
        command = Command.kept(header)
        command = attrs.evolve(command, pace=pace.over(command.pace), form=form.over(command.form))
        table = None
        if is_of_pipe(header):
            if not reader.is_read_to_its_end():
                raise OptionsError(
                    f"the input was {names_of(command)}, and it was not read to its end: give it "
                    f"again, with the same command and --run {folder}"
                )
            table = FolderTable(reader)
            # Rows that could not be used were told before, and nobody can mend them now.
            check = attrs.evolve(command.check, skip_invalid=True, strict=False)
            command = attrs.evolve(command, check=check)
        call = Call(token, tell, run=folder, retry_failed=retry_failed, force=force, uvloop=uvloop)
        return execute(command, call, table)
