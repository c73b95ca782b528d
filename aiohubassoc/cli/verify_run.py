"""A run that reads links back: what is found is counted and written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.exits import verify_exit_code
from aiohubassoc.cli.findings import Example, Findings, told_of
from aiohubassoc.cli.progress import Progress, shown
from aiohubassoc.cli.run import Run
from aiohubassoc.tables.records import Record
from aiohubassoc.verification import LinkState

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.cli.feed import Feed
    from aiohubassoc.cli.lines import OutcomeLines
    from aiohubassoc.cli.places import CellsTable
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.pair import Pair
    from aiohubassoc.verification import Verification


@attrs.frozen
class Wanted:
    """
    Which rows are written to a file.

    Attributes:
        path: The file; None: none is written.
        missing: Those that are missing.
        unknown: Those of which nothing is known.
    """

    path: str | None = None
    missing: bool = True
    unknown: bool = True


class VerifyRun(Run):
    """
    One run that reads links back.

    Args:
        table: The pairs, open.
        console: For messages and progress: standard error.
        wanted: Which rows are written to a file.
        skip_invalid: Go on without rows that cannot be used.
        finds_duplicates: Whether pairs may repeat others.
        lines: Told of every row; None: nobody is.
    """

    def __init__(
        self,
        table: CellsTable,
        console: Console,
        *,
        wanted: Wanted = Wanted(),
        skip_invalid: bool = False,
        finds_duplicates: bool = False,
        lines: OutcomeLines | None = None,
    ) -> None:
        self.findings = Findings()
        super().__init__(
            self.findings,
            table,
            console,
            skip_invalid=skip_invalid,
            finds_duplicates=finds_duplicates,
            lines=lines,
            path=wanted.path,
        )
        self._cells = table.cells
        self._wanted = {LinkState.MISSING: wanted.missing, LinkState.UNKNOWN: wanted.unknown}

    def duplicate(self, record: Record, pair: Pair, message: str) -> None:
        """Count a pair that repeats an earlier one: it is asked about once."""
        self.findings.duplicates += 1
        self.written.line(lambda lines: lines.duplicate(record, pair, message))

    async def work(self, client: AssociationClient, feed: Feed) -> None:
        """Read the links of the pairs of *feed*."""
        async with client:
            found = client.verify(feed.pairs(), max_failures_kept=0)
            progress = Progress(
                self.findings,
                quota=lambda: client.batch_limiter.quota,
                in_flight=lambda: found.in_flight,
                clock=SystemClock(),
                is_batch=True,
            )
            async with found:
                self.begin(found)
                try:
                    async with shown(progress, self._console, self._table.count_rows):
                        async for verification in found:
                            self._on_found(verification)
                finally:
                    self.findings.take_report(found.report)

    def exit_code(self, signal: int | None, *, storage_failed: bool) -> int:
        """Return the exit code."""
        return verify_exit_code(self.findings, signal=signal, storage_failed=storage_failed)

    def _on_found(self, verification: Verification) -> None:
        pair, state = verification.pair, verification.state
        record = pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- the table tags each pair with its row
        told = told_of(verification)
        self.findings.add(state, Example(record.line, self.place(record), str(pair), told))
        self.written.line(lambda lines: lines.verification(record, pair, told))
        if self._wanted.get(state):
            self.written.row(self._cells(pair), told)
