"""A run that links: outcomes counted and written, the run folder kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.exits import exit_code
from aiohubassoc.cli.form import FormOptions
from aiohubassoc.cli.progress import Progress, shown
from aiohubassoc.cli.run import Run
from aiohubassoc.cli.tally import Tally
from aiohubassoc.journal.places import place_of
from aiohubassoc.models import Outcome
from aiohubassoc.tables.records import Record
from aiohubassoc.tables.results import Told

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.cli.feed import Feed, Table
    from aiohubassoc.cli.lines import OutcomeLines
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.pair import Pair


@attrs.frozen
class Job:
    """
    What a run is to do.

    Attributes:
        failures: Where to write the rows that did not come through; None: nowhere.
        skip_invalid: Go on without rows that cannot be used.
        strict: Stop at a later row that cannot be used.
        stop_after_failures: Stop once so many pairs failed; None: never.
        retry_failed: Send pairs again that failed in an earlier run of the folder.
        ordered: Take the outcomes in the order of the input.
        form: One by one or in batches, and whether linked pairs are left out.
        on_outcome: Called with each outcome; None: nobody is.
    """

    failures: str | None = None
    skip_invalid: bool = False
    strict: bool = False
    stop_after_failures: int | None = None
    retry_failed: bool = False
    ordered: bool = False
    form: FormOptions = attrs.Factory(FormOptions)
    on_outcome: Callable[[Outcome], None] | None = None


class LinkRun(Run):
    """
    One run that links.

    Args:
        job: What to do.
        table: The input, open.
        console: For messages and progress: standard error.
        journal: The run folder; None: none is kept.
        lines: Told of every row as it is settled; None: nobody is.
    """

    def __init__(
        self,
        job: Job,
        table: Table,
        console: Console,
        *,
        journal: Journal | None = None,
        lines: OutcomeLines | None = None,
    ) -> None:
        self.tally = Tally()
        super().__init__(
            self.tally,
            table,
            console,
            skip_invalid=job.skip_invalid,
            finds_duplicates=journal is None,  # the run folder does
            lines=lines,
            path=job.failures,
        )
        self._job = job
        self._journal = journal

    # --- what the feed tells -------------------------------------------------------------------

    def invalid(self, record: Record) -> None:
        """Count and write a row that cannot be used."""
        super().invalid(record)
        problem = record.problem or ""
        if self._journal is not None:
            fields = json.dumps(record.fields)
            at = place_of(record.source, record.line)
            self._journal.notes.unusable.append((at, problem, fields))
        self.written.row(record.fields, Told("invalid", "INVALID_ROW", problem))
        if self._job.strict:
            self.stop(f"{self.place(record)} {problem} (--strict)")

    def duplicate(self, record: Record, pair: Pair, message: str) -> None:
        """Count a pair that repeats an earlier one."""
        self.tally.add_duplicate(str(pair), record.line, self.place(record), message)
        self.written.line(lambda lines: lines.duplicate(record, pair, message))

    # --- outcomes ------------------------------------------------------------------------------

    async def work(self, client: AssociationClient, feed: Feed) -> None:
        """Link the pairs of *feed*."""
        form = self._job.form
        limiter = client.batch_limiter if form.is_batch else client.limiter
        async with client:
            outcomes = client.link_each(
                feed.pairs(),
                via=form.via or "put",
                skip_linked=form.skip_linked,
                batch_size=form.size,
                ordered=self._job.ordered,
                stop_after_failures=self._job.stop_after_failures,
                max_failures_kept=0,
                journal=self._journal,
                retry_failed=self._job.retry_failed,
            )
            progress = Progress(
                self.tally,
                quota=lambda: limiter.quota,
                in_flight=lambda: outcomes.in_flight,
                clock=SystemClock(),
                is_batch=form.is_batch,
            )
            async with outcomes:
                self.begin(outcomes)  # now that the run folder is ours; nothing was sent yet
                try:
                    async with shown(progress, self._console, self._table.count_rows):
                        async for outcome in outcomes:
                            self._on_outcome(outcome)
                finally:
                    self.tally.take_report(outcomes.report)
                    self.tally.throttled = outcomes.report.throttled

    def stop(self, reason: str, drain: float | None = None) -> None:
        """Send nothing more; what is on the wire ends."""
        if self._journal is not None:
            self._journal.notes.is_cut_short = True
        super().stop(reason, drain)

    def exit_code(self, signal: int | None, *, storage_failed: bool) -> int:
        """Return the exit code."""
        return exit_code(self.tally, signal=signal, storage_failed=storage_failed)

    def _on_outcome(self, outcome: Outcome) -> None:
        record = outcome.pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- the table tags each pair with its row
        self.tally.add(outcome, record.line, self.place(record))
        if self._job.on_outcome is not None:
            self._job.on_outcome(outcome)
        self.written.line(lambda lines: lines.outcome(outcome, record))
        if not outcome.ok:
            error, correlation_id = str(outcome.error or ""), outcome.correlation_id
            told = Told(outcome.status, outcome.category, error, correlation_id)
            self.written.row(record.fields, told)
