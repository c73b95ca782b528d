"""The contents of a report as plain values, read from a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc.journal.reader import FailureGroup, ReportReader, RowWithoutPair, Session
from aiohubassoc.journal.schema import is_in_use
from aiohubassoc.journal.statistics import Statistics
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohubassoc.journal.reader import KeptVerification

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
    The input, the options and the portal of a run.

    Attributes:
        portal: The host of HubSpot's API; empty: not known.
        inputs: The names of the inputs; empty if a program supplied the pairs.
        settings: The options of the run, each a name and a value.
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
    """
    The contents of a report of links that were read back without a run folder.

    Attributes:
        duplicates: Number of rows that repeat an earlier row.
        rejected_rows: The first rejected rows: the place of each, and its problem.
        stopped: Why the run ended early; None: it did not.
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
    The contents of a report of a run folder.

    Attributes:
        folder: The name of the run folder; None: it is temporary.
        state: ``complete``, ``unfinished`` or ``running``.
        is_read: Whether the input was read to its end.
        types: The most frequent object types of the pairs.
        failures: The pairs that are not linked, by reason, the most frequent first.
        other_groups: The number of reasons that are left out.
        statistics: Calls and outcomes over time; None: not known.
        rejected: The first rejected rows.
        verifications: The results of verifications, the latest first.
        sessions: The latest runs of the folder.
        place: Returns the name of a source and a line for messages.
        steps: What to do next: a sentence, and a command or an empty string.
    """

    folder: str | None
    state: str
    is_read: bool
    asked: Asked
    types: Sequence[tuple[str, str]]
    outcomes: Outcomes
    failures: Sequence[FailureGroup]
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
        """Why the last run ended early; None: it did not, or is running."""
        return self.sessions[-1].stopped if self.sessions else None

    @property
    def is_killed(self) -> bool:
        """Whether the last run was killed, or could not write its end."""
        is_open = bool(self.sessions) and self.sessions[-1].ended_at is None
        return is_open and self.state != "running"


def read_contents(
    folder: Path,
    *,
    name: str | None,
    asked: Asked,
    place: DescribePlace,
    version: str,
    made_at: datetime,
) -> Contents:
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
            asked=asked,
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
