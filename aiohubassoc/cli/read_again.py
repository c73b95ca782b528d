"""``--verify``: what a run told as linked, read back at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohubassoc.cli.exit_codes import ExitCode
from aiohubassoc.cli.findings import Findings
from aiohubassoc.cli.folder_table import FolderTable
from aiohubassoc.cli.hints import how_to_export
from aiohubassoc.cli.summary import print_findings
from aiohubassoc.cli.terminal import messages
from aiohubassoc.cli.verify_run import VerifyRun
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.cli.row_source import Table
    from aiohubassoc.cli.run_folder import Command
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.journal import Journal

# What a run claims to be there.
CLAIMED = (Status.LINKED, Status.PARTIAL)


class ReadAgain:
    """
    Reads back what a run folder has as linked.

    Args:
        journal: The run folder.
        rows: The input, which says how messages call its places.
    """

    def __init__(self, journal: Journal, rows: Table) -> None:
        self._journal = journal
        self._rows = rows
        self._findings = Findings()

    @staticmethod
    def is_due(code: int) -> bool:
        """Return whether a run of this exit code came to its end."""
        return code in {ExitCode.ALL_LINKED, ExitCode.SOME_FAILED}

    async def go(self, client: AssociationClient) -> int:
        """
        Read back, and return the exit code of it alone.

        Raises:
            JournalError: the folder cannot be read.
        """
        with Reader(self._journal.folder) as reader:
            table = FolderTable(reader, CLAIMED, self._rows.place)
            run = VerifyRun(table, messages())
            self._findings = run.findings
            return await run.go(client)

    def as_json(self) -> dict[str, Any]:
        """Return what was found as plain values."""
        return self._findings.as_json()

    def summarize(self, console: Console, command: Command, folder: str | None) -> None:
        """
        Tell people what was found, and what to do about it.

        Args:
            console: Where.
            command: What was called.
            folder: The run folder that lasts; None: there is none.
        """
        print_findings(self._findings, "the run", console)
        if not self._findings.missing + self._findings.unknown:
            return
        if folder is not None:
            step = how_to_export([folder], None)
        else:
            step = how_to_export(command.files, command.input)
        console.print(step, markup=False, soft_wrap=True)
