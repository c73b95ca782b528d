"""What a run does with its pairs: link them, or read their links back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.cli.report import (
    Example,
    LinkReport,
    VerifyReport,
    outcome_result,
    verification_result,
)
from aiohubassoc.cli.run_folder import row_of
from aiohubassoc.cli.runner import Operation
from aiohubassoc.models import LinkState, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from aiohubassoc.cli.options import FolderOptions, OutputOptions, VerifyOptions
    from aiohubassoc.cli.run_folder import Command, Table
    from aiohubassoc.cli.sinks import Sinks
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.models import Outcome, Verification
    from aiohubassoc.pair import Pair


class LinkOperation(Operation):
    """
    Links the pairs of a run.

    Args:
        table: The pairs.
        command: How to send them.
        output: What is written of them.
        folder: Whether those are sent again that failed in an earlier run.
        journal: The run folder; None: none is kept.
    """

    report: LinkReport
    writes_invalid = True

    def __init__(
        self,
        table: Table,
        command: Command,
        output: OutputOptions,
        folder: FolderOptions,
        journal: Journal | None = None,
    ) -> None:
        self.report = LinkReport()
        self.path = output.failures
        self.is_batch = command.send.is_batch
        self.finds_duplicates = journal is None  # else the run folder does
        self._table = table
        self._command = command
        self._output = output
        self._folder = folder
        self.journal = journal

    def limiter(self, client: AssociationClient) -> Limiter:
        """Return what limits the calls."""
        return client.batch_limiter if self.is_batch else client.limiter

    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> OutcomeStream:
        """Return the client's run over *pairs*, not entered yet, and have the report read it."""
        send = self._command.send
        outcomes = client.link_each(
            pairs,
            via=send.via or "put",
            skip_linked=send.skip_linked,
            batch_size=send.size,
            ordered=self._output.ordered,
            stop_after_failures=self._command.check.stop_after_failures,
            stop_after_alike=self._command.check.stop_after_alike or None,
            journal=self.journal,
            retry_failed=self._folder.retry_failed,
        )
        self.report.pairs = outcomes.report
        return outcomes

    def take(self, outcome: Outcome, sinks: Sinks) -> None:
        """Count and write what became of a pair."""
        record = row_of(outcome.pair)
        sinks.line(lambda jsonl: jsonl.outcome(outcome, record))
        if outcome.status is Status.LINKED:  # nearly always
            return
        told, place = outcome_result(outcome), self._table.place(record.source, record.line)
        self.report.add_example(Example(record.line, place, str(outcome.pair), told))
        if not outcome.ok:
            sinks.row(record.fields, told)


class VerifyOperation(Operation):
    """
    Reads back the links of the pairs of a run.

    Args:
        table: The pairs.
        options: Which rows are written, and where.
        finds_duplicates: Whether pairs may repeat others.
    """

    report: VerifyReport
    is_batch = True

    def __init__(
        self, table: Table, options: VerifyOptions, *, finds_duplicates: bool = False
    ) -> None:
        self.report = VerifyReport()
        self.path = options.output
        self.finds_duplicates = finds_duplicates
        self._options = options
        self._table = table

    def limiter(self, client: AssociationClient) -> Limiter:
        """Return what limits the calls."""
        return client.batch_limiter

    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> VerificationStream:
        """Return the client's run over *pairs*, not entered yet, and have the report read it."""
        verifications = client.verify(pairs)
        self.report.pairs = verifications.report
        return verifications

    def take(self, verification: Verification, sinks: Sinks) -> None:
        """Count and write what was found of a pair."""
        pair, told = verification.pair, verification_result(verification)
        record = row_of(pair)
        sinks.line(lambda jsonl: jsonl.verification(record, pair, told))
        if verification.state is LinkState.LINKED:
            return
        place = self._table.place(record.source, record.line)
        self.report.add_example(Example(record.line, place, str(pair), told))
        if self._options.wants(verification.state):
            sinks.row(self._table.cells(pair), told)
