"""The contents of a report as plain values, read from a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc import __version__
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.journal.reader import Session
from aiohubassoc.journal.report_reader import FailureGroup, ReportReader, RowWithoutPair
from aiohubassoc.journal.row_codec import name_line
from aiohubassoc.journal.schema import is_in_use
from aiohubassoc.journal.statistics import Statistics
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from pathlib import Path

    from aiohubassoc.journal.reader import KeptVerification

_MOST_TYPES: Final = 5
_MOST_GROUPS: Final = 20
MOST_REJECTED: Final = 20
"""The most rejected rows that a report shows."""
_MOST_SESSIONS: Final = 20
_MOST_VERIFICATIONS: Final = 5
_MOST_EXAMPLES: Final = 10


@attrs.frozen(kw_only=True)
class RunDescription:
    """The input, the options and the portal of a run."""

    portal: str = ""  # the host of HubSpot's API; empty: not known
    is_simulated: bool = False
    inputs: tuple[str, ...] = ()  # their names; empty if a program supplied the pairs
    settings: tuple[tuple[str, str], ...] = ()  # the options of the run, each a name and a value
    input_rows: int | None = None  # about how many rows the input has; None: not known


@attrs.frozen
class Outcomes:
    """How many pairs there are of each status; the parts add up to *total*."""

    linked_now: int
    linked_already: int
    partial: int
    failed: int
    unprocessed: int
    rejected: int

    @property
    def linked(self) -> int:
        """How many pairs are linked."""
        return self.linked_now + self.linked_already

    @property
    def not_linked(self) -> int:
        """How many pairs failed, wholly or partially."""
        return self.partial + self.failed

    @property
    def total(self) -> int:
        """How many rows have an outcome; duplicates are not among them."""
        return self.linked + self.not_linked + self.unprocessed + self.rejected

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """Key, name for people, and number."""
        return [
            ("linked", "linked", self.linked_now),
            ("already", "already linked in HubSpot", self.linked_already),
            ("partial", "linked with errors (partial)", self.partial),
            ("failed", "failed", self.failed),
            ("unprocessed", "not sent yet (unprocessed)", self.unprocessed),
            ("rejected", "rejected rows of the input", self.rejected),
        ]


@attrs.frozen
class VerificationResult:
    """The result of one verification."""

    at: datetime
    linked: int
    missing: int
    unknown: int
    is_complete: bool
    examples: tuple[dict[str, Any], ...]

    @property
    def total(self) -> int:
        """Number of pairs that were verified."""
        return self.linked + self.missing + self.unknown

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """Key, name for people, and number."""
        return [
            ("linked", "linked", self.linked),
            ("failed", "missing: HubSpot does not have the link", self.missing),
            ("unprocessed", "unknown: the link could not be read (reason below)", self.unknown),
        ]


@attrs.frozen(kw_only=True)
class ReadBack:
    """The contents of a report of links that were read back without a run folder."""

    run: RunDescription
    result: VerificationResult
    duplicates: int  # rows that repeat an earlier row
    rejected: int
    rejected_rows: Sequence[tuple[str, str]]  # the first: the place of each, and its problem
    stopped: str | None  # why the run ended early; None: it did not
    seconds: float
    calls: int
    version: str = __version__
    made_at: datetime = attrs.Factory(SystemClock().utc_now)
    steps: Sequence[tuple[str, str]] = ()  # what to do next: a sentence, and a command or ""


@attrs.frozen(kw_only=True)
class Contents:
    """The contents of a report of a run folder."""

    folder: str | None  # its name; None: it is temporary
    state: str  # ``complete``, ``unfinished`` or ``running``
    is_read: bool  # whether the input was read to its end
    run: RunDescription
    types: Sequence[tuple[str, str]]  # the most frequent object types of the pairs
    outcomes: Outcomes
    failures: Sequence[FailureGroup]  # what is not linked, the most frequent reason first
    other_groups: int  # how many reasons are left out
    statistics: Statistics | None  # calls and outcomes over time; None: not known
    rejected: Sequence[RowWithoutPair]  # the first of them
    verifications: Sequence[VerificationResult]  # the latest first
    sessions: Sequence[Session]  # the latest runs of the folder
    session_count: int
    version: str = __version__
    made_at: datetime = attrs.Factory(SystemClock().utc_now)
    steps: Sequence[tuple[str, str]] = ()  # what to do next: a sentence, and a command or ""

    def place(self, source: int, line: int) -> str:
        """Return how messages call a line of an input."""
        return name_line(self.run.inputs, source, line)

    @property
    def stopped(self) -> str | None:
        """Why the last run ended early; None: it did not, or is running."""
        return self.sessions[-1].stopped if self.sessions else None

    @property
    def is_killed(self) -> bool:
        """Whether the last run was killed, or could not write how it ended."""
        is_open = bool(self.sessions) and self.sessions[-1].ended_at is None
        return is_open and self.stopped is None and self.state != "running"


def read_contents(folder: Path, *, name: str | None, run: RunDescription) -> Contents:
    """
    Return the contents of a report of a run folder, which a run may be using.

    *name* is its name in the report; None: it is temporary. Other arguments are as in `Contents`.
    """
    with ReportReader(folder) as reader:
        (linked, already), failures = reader.linked(), reader.failures(_MOST_GROUPS)
        outcomes = Outcomes(
            linked - already,
            already,
            failures.counts.get(Status.PARTIAL, 0),
            failures.counts.get(Status.FAILED, 0),
            failures.counts.get(Status.UNPROCESSED, 0),
            reader.rejected_count(),
        )
        sessions = reader.sessions()
        is_read = reader.is_read_to_its_end()
        is_settled = is_read and not outcomes.unprocessed
        state = "complete" if is_settled else "unfinished"
        return Contents(
            folder=name,
            state="running" if is_in_use(folder) else state,
            is_read=is_read,
            run=run,
            types=reader.types(_MOST_TYPES),
            outcomes=outcomes,
            failures=failures.groups,
            other_groups=failures.other_groups,
            statistics=reader.statistics(),
            rejected=reader.rejected_rows(MOST_REJECTED),
            verifications=[
                _to_result(kept) for kept in reader.verifications()[:_MOST_VERIFICATIONS]
            ],
            sessions=sessions[-_MOST_SESSIONS:],
            session_count=len(sessions),
        )


def _to_result(kept: KeptVerification) -> VerificationResult:
    value = kept.value
    return VerificationResult(
        kept.at,
        value["linked"],
        value["missing"],
        value["unknown"],
        value["input_complete"],
        tuple([*value["first_missing"], *value["first_unknown"]][:_MOST_EXAMPLES]),
    )
