"""What a report says, as plain values: read from a run folder, before any HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc.html_report.advice import advise
from aiohubassoc.journal.reader import Session
from aiohubassoc.journal.report_reader import FailureGroup, ReportReader, RowWithoutPair
from aiohubassoc.journal.schema import is_in_use
from aiohubassoc.journal.statistics import Statistics
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohubassoc.journal.report_reader import KeptVerification

DescribePlace: TypeAlias = "Callable[[int, int], str]"

_MOST_TYPES: Final = 5
_MOST_GROUPS: Final = 20
MOST_REJECTED: Final = 20
"""The most rejected rows that a report shows."""
_MOST_SESSIONS: Final = 20
_MOST_VERIFICATIONS: Final = 5
_MOST_EXAMPLES: Final = 10


@attrs.frozen(kw_only=True)
class Asked:
    """
    What was asked for, and where it went.

    Attributes:
        portal: The host of HubSpot's API; empty: not known.
        is_simulated: Whether it was a simulated portal.
        inputs: The names of the inputs; none: the pairs were a program's.
        settings: The options of the run that matter, each a name and a value.
        input_rows: About how many rows the input has; None: not known.
    """

    portal: str = ""
    is_simulated: bool = False
    inputs: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    input_rows: int | None = None


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
class Failure:
    """Pairs that are not linked for one reason, and what to do about them."""

    group: FailureGroup
    advice: str


@attrs.frozen
class VerificationResult:
    """What reading links back found, at one time."""

    at: datetime
    linked: int
    missing: int
    unknown: int
    is_complete: bool
    examples: tuple[dict[str, Any], ...]

    @property
    def total(self) -> int:
        """How many pairs were to be read back."""
        return self.linked + self.missing + self.unknown

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """Key, name for people, and number."""
        return [
            ("linked", "linked", self.linked),
            ("failed", "missing: HubSpot does not have the link", self.missing),
            ("unprocessed", "unknown: HubSpot was not asked, or did not say", self.unknown),
        ]


@attrs.frozen(kw_only=True)
class ReadBack:
    """
    All that a report says of links that were read back, where there is no run folder.

    Attributes:
        asked: What was asked for, and where it went.
        result: What was found.
        duplicates: Rows that repeat an earlier one.
        rejected: Rows of the input that hold no pair.
        rejected_rows: The first of them: the place of each, and its problem.
        stopped: Why the reading ended early; None: it did not.
        seconds: How long it took.
        calls: How many calls it took.
        version: Of this package.
        made_at: When the report was made; aware.
        steps: What to do next: a sentence, and a command or an empty string.
    """

    asked: Asked
    result: VerificationResult
    duplicates: int
    rejected: int
    rejected_rows: Sequence[tuple[str, str]]
    stopped: str | None
    seconds: float
    calls: int
    version: str
    made_at: datetime
    steps: Sequence[tuple[str, str]] = ()


@attrs.frozen(kw_only=True)
class Contents:
    """
    All that a report says.

    Attributes:
        folder: The name of the run folder; None: the run kept none that lasts.
        state: ``complete``, ``unfinished`` or ``running``.
        is_read: Whether the input was read to its end.
        asked: What was asked for, and where it went.
        types: The object types of the pairs: a few of them.
        outcomes: What became of the pairs.
        failures: What is not linked, by reason, the most frequent first.
        other_groups: How many reasons are left out.
        statistics: How the runs went; None: not known.
        rejected: The first rows of the input that hold no pair.
        verifications: What reading links back found, the latest first.
        sessions: The latest runs of the folder.
        session_count: How many there are.
        place: How messages call a source and a line.
        version: Of this package.
        made_at: When the report was made; aware.
        steps: What to do next: a sentence, and a command or an empty string.
    """

    folder: str | None
    state: str
    is_read: bool
    asked: Asked
    types: Sequence[tuple[str, str]]
    outcomes: Outcomes
    failures: Sequence[Failure]
    other_groups: int
    statistics: Statistics | None
    rejected: Sequence[RowWithoutPair]
    verifications: Sequence[VerificationResult]
    sessions: Sequence[Session]
    session_count: int
    place: DescribePlace
    version: str
    made_at: datetime
    steps: Sequence[tuple[str, str]] = ()

    @property
    def stopped(self) -> str | None:
        """Why the last run ended early; None: it did not, or is under way."""
        return self.sessions[-1].stopped if self.sessions else None

    @property
    def is_killed(self) -> bool:
        """Whether the last run neither ended nor is under way."""
        is_open = bool(self.sessions) and self.sessions[-1].ended_at is None
        return is_open and self.state != "running"


def read_contents(  # noqa: D417 -- see `Contents`
    folder: Path,
    *,
    name: str | None,
    asked: Asked,
    place: DescribePlace,
    version: str,
    made_at: datetime,
) -> Contents:
    """
    Return what a report says of a run folder.

    Args:
        folder: The run folder; a run may be using it.
        name: What it is called in the report; None: it does not last.

    Raises:
        JournalError: it is not a run folder, or cannot be read.
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
            asked=asked,
            types=reader.types(_MOST_TYPES),
            outcomes=outcomes,
            failures=[
                Failure(group, advise(group.status, group.category)) for group in failures.groups
            ],
            other_groups=failures.other_groups,
            statistics=reader.statistics(),
            rejected=reader.rejected_rows(MOST_REJECTED),
            verifications=[
                _to_result(kept) for kept in reader.verifications()[:_MOST_VERIFICATIONS]
            ],
            sessions=sessions[-_MOST_SESSIONS:],
            session_count=len(sessions),
            place=place,
            version=version,
            made_at=made_at,
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
