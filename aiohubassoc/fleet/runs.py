"""The runs of a fleet as values: their states, options and pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from aiohubassoc._batching.batch import MOST_PAIRS
from aiohubassoc.arguments import check_batches, check_limits
from aiohubassoc.models import Status
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a status is in the database. 0 is a pair without an outcome.
OPEN: Final = 0
NUMBERS: Final = {Status.LINKED: 1, Status.PARTIAL: 2, Status.FAILED: 3, Status.SKIPPED: 5}
STATUSES: Final = {OPEN: Status.UNPROCESSED} | {n: status for status, n in NUMBERS.items()}


class RunState(StrEnum):
    """Where a run of a fleet stands."""

    QUEUED = "queued"
    """It waits for a worker, or for the moment when it may start."""
    RUNNING = "running"
    """A worker has it."""
    SLEEPING = "sleeping"
    """The daily limit is used up, or HubSpot moves the account: it continues after that."""
    DONE = "done"
    """Every pair has its outcome."""
    FAILED = "failed"
    """HubSpot refused the whole run, such as its token, or too many pairs: see ``reason``."""
    CANCELLED = "cancelled"
    """It was cancelled; what was done until then is kept."""


@attrs.frozen
class FleetOptions:
    """
    How the pairs of a run are sent; as `AssociationClient.link_each` takes it.

    Attributes:
        via: ``put`` or ``batch``.
        batch_size: The most pairs of a batch.
        skip_linked: Whether HubSpot is asked first which pairs are linked already.
        stop_after_failures: Stop once this many pairs failed; None: never.
        stop_after_alike: Stop once this many pairs in a row were refused alike; None: never.

    Raises:
        OptionsError: an argument that cannot work.
    """

    via: Literal["put", "batch"] = "put"
    batch_size: int = MOST_PAIRS
    skip_linked: bool = False
    stop_after_failures: int | None = None
    stop_after_alike: int | None = 50

    def __attrs_post_init__(self) -> None:
        check_limits(self.stop_after_failures, self.stop_after_alike)
        check_batches(self.via, self.batch_size, 1.0)


@attrs.frozen(kw_only=True)
class FleetRun:
    """
    A run of a fleet as it stands.

    Attributes:
        run: Its number.
        portal: The name of its portal.
        state: See `RunState`.
        total: How many pairs it has. The five numbers below add up to it.
        rejected: How many rows of its input held no pair.
        priority: Runs with a higher number go first.
        due_at: When it may start, or continues; None: at once.
        reason: Why it stands still; None: it does not.
        submitted_at: When it was submitted, and so on; None: not yet.
    """

    run: int
    portal: str
    state: RunState
    total: int
    linked: int
    partial: int
    failed: int
    unprocessed: int
    skipped: int
    rejected: int
    priority: int
    due_at: datetime | None
    reason: str | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@attrs.frozen
class FleetRow:
    """
    A pair of a run with what became of it.

    Attributes:
        line: Its line in the input, from 1, or its index.
        cells: The row of the input; None where it is just the two ids.
    """

    from_type: str
    from_id: str
    to_type: str
    to_id: str
    source: int
    line: int
    cells: list[str] | dict[str, object] | None
    status: Status
    attempts: int
    maybe_applied: bool
    category: str | None
    message: str | None
    correlation_id: str | None


@attrs.define
class SubmittedInput:
    """
    What is kept of the input of a run besides its pairs.

    Attributes:
        columns: Its columns, to which the names of rows are added; empty for pairs of a program.
        sources: What its files are called.
        cells: Returns the row of a pair; None: none is kept.
        place: Returns the file, from 0, and the line of a pair; None: its index counts.
        describe_place: Returns how messages call such a place.
        rejected: Rows without a pair: file, line, problem and cells; may grow while pairs are
            read.
    """

    columns: list[str] = attrs.Factory(list)
    sources: list[str] = attrs.Factory(list)
    cells: Callable[[Pair], object] | None = None
    place: Callable[[Pair], tuple[int, int]] | None = None
    describe_place: Callable[[int, int], str] = lambda _, line: f"item {line}"
    rejected: list[tuple[int, int, str, object]] = attrs.Factory(list)


def to_row(row: Sequence[Any]) -> FleetRow:
    """Return a row of the database as a pair with what became of it."""
    cells = None if row[7] is None else json.loads(row[7])
    values: list[Any] = [*row[1:7], cells, STATUSES[row[8]], *row[9:]]
    return FleetRow(*values)


@attrs.frozen
class RunEnding:
    """How a worker's part of a run ended: the run is done, failed, or continues later."""

    state: RunState  # the state that the run is in from now on
    reason: str | None = None  # why it stands still
    # When it continues. None: after *wait* seconds, if it is not at its end.
    due_at: datetime | None = None
    wait: float = 0.0  # see *due_at*
    retries: int = 0  # how often it was begun again in a row without a completed pair
