"""Counts the rows of a command, in addition to the library's report, and gives its exit code."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc import errors
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._quota.daily_budget import find_midnight
from aiohubassoc.files.record import InputCounts
from aiohubassoc.files.results import RowResult
from aiohubassoc.models import LinkState, Outcome, Report, Status, Verification, VerificationReport

if TYPE_CHECKING:
    from datetime import datetime

_LISTED: Final = 100
# HubSpot's categories are few; a server that makes up a new one each time must not fill memory.
_MOST_CATEGORIES: Final = 50
_WITHOUT_ERROR: Final = {
    LinkState.MISSING: ("NOT_LINKED", "HubSpot does not have the link"),
    LinkState.UNKNOWN: ("UNKNOWN", "the link could not be read"),
}
NO_ERROR: Final = frozenset(category for category, _ in _WITHOUT_ERROR.values())
"""The categories of links that were read back without an error."""


class ExitCode(IntEnum):
    """What the command returns to its caller."""

    ALL_LINKED = 0
    """Every pair is linked or skipped; of ``verify``: linked."""
    SOME_FAILED = 1
    """
    Some failed, partially or wholly, or rows were rejected; of ``verify``: some are missing. Or
    there were no rows, with ``--require-rows``.
    """
    USAGE = 2
    """The command line, the input, or no such run folder: nothing was linked."""
    STOPPED = 3
    """The run ended early, with pairs unprocessed; of ``verify``: some are unknown."""
    UNAUTHORIZED = 4
    """The token, its scopes, or what its user or app may do."""
    STORAGE = 5
    """An output file or the run folder was not written, or a shared quota cannot be used."""
    IN_USE = 75
    """Another process uses the run folder: try again later (EX_TEMPFAIL of sysexits.h)."""


_BY_STOP: Final = {
    errors.JournalStorageError: ExitCode.STORAGE,
    errors.SharedQuotaError: ExitCode.STORAGE,
    errors.AuthenticationError: ExitCode.UNAUTHORIZED,
    errors.MissingScopesError: ExitCode.UNAUTHORIZED,
    errors.PermissionDeniedError: ExitCode.UNAUTHORIZED,
    errors.UnknownObjectTypeError: ExitCode.USAGE,
}


def describe_day_end(utc_offset_seconds: float | None, at: datetime) -> str:
    """Return when the account's day of *at* ends, in the time of this machine, as far as known."""
    if utc_offset_seconds is None:
        return "within 24 hours"
    midnight = find_midnight(at, timedelta(seconds=utc_offset_seconds))
    return f"{midnight.astimezone():%Y-%m-%d %H:%M %Z}"


def outcome_result(outcome: Outcome) -> RowResult:
    """Return what a file of rows says of a pair that was to be linked."""
    message = str((outcome.error if outcome.skip is None else outcome.skip.message) or "")
    return RowResult(outcome.status.value, outcome.category, message, outcome.correlation_id)


def verification_result(verification: Verification) -> RowResult:
    """Return what a file of rows says of a pair whose link was read back."""
    state, error = verification.state, verification.error
    if state is LinkState.LINKED:
        return RowResult(state)
    if error is None:
        return RowResult(state, *_WITHOUT_ERROR[state])
    correlation_id = error.correlation_id if isinstance(error, errors.ApiError) else None
    return RowResult(state, error.label, str(error), correlation_id)


@attrs.frozen
class Example:
    """The line of a row, its place as messages call it, and what became of a pair of it."""

    line: int
    place: str
    pair: str
    result: RowResult

    def as_json(self) -> dict[str, Any]:
        result = attrs.asdict(self.result)
        del result["status"]
        return {"line": self.line, "place": self.place, "pair": self.pair, **result}


@attrs.define
class Category:
    """How many rows have a status and HubSpot's category, or ours, and the first of them."""

    status: str
    name: str
    example: Example
    count: int = 0

    def as_json(self) -> dict[str, Any]:
        example = self.example.as_json()
        del example["category"]
        own = {"status": self.status, "category": self.name, "count": self.count}
        return {**own, "example": example}


@attrs.define(kw_only=True)
class _RowReport:
    """What every run reports; it can be read during the run."""

    portal: str = ""
    pairs: Report | VerificationReport
    # What reading the input has changed and left out; None: no input was read.
    input_counts: InputCounts | None = None
    has_objects: bool = False  # whether rows are objects of JSON Lines
    invalid: int = 0
    # The first of them: each one's line, place as messages call it, and problem.
    invalid_lines: list[dict[str, Any]] = attrs.Factory(list)
    duplicates: int = 0  # rows that repeat an earlier one, where the command itself found them
    # Why the run ended early, where the library's report does not say it.
    failure: errors.AioHubAssocError | None = None
    storage_problem: str | None = None  # which file could not be written, and why
    input_complete: bool = False
    input_rows: int | None = None  # about how many rows the input has; None: not known
    limit: int | None = None
    is_limited: bool = False  # whether the run ended at its limit, before the end of the input
    signal: int | None = None  # the number of the signal that ended the run
    rows_written: int = 0
    seconds: float = 0.0
    quota_rate: float | None = None  # pairs a second; None: no quota counts pairs
    utc_offset_seconds: float | None = None  # of the account's time zone; None: not known

    @property
    def done(self) -> int:
        return self.pairs.total + self.duplicates + self.invalid

    @property
    def rows_read(self) -> int:
        """How many rows were taken; one may hold no pair, or several. Of use after the run."""
        return self.done if self.input_counts is None else self.input_counts.rows

    @property
    def rows_left(self) -> int:
        """About how many rows were not read; 0 where that is not known."""
        return max(0, (self.input_rows or 0) - self.rows_read) if not self.input_complete else 0

    @property
    def goal(self) -> int | None:
        """About how many rows the run takes, for its progress; None if that is not known."""
        if self.limit is None:
            return self.input_rows
        return min(self.limit, self.input_rows or self.limit)

    @property
    def day_end(self) -> str:
        """When the account's day ends, in the time of this machine; as far as it is known."""
        return describe_day_end(self.utc_offset_seconds, SystemClock().utc_now())

    @property
    def stopped(self) -> errors.AioHubAssocError | None:
        """Why the run ended early; None if it did not."""
        return self.failure or self.pairs.stopped

    @property
    def unfinished(self) -> int:
        """How many pairs have no result: they were not sent, or not written down, or not read."""
        return self.pairs.unprocessed if isinstance(self.pairs, Report) else self.pairs.unknown

    @property
    def not_linked(self) -> int:
        """How many pairs HubSpot did not link, wholly or in part, or does not have."""
        pairs = self.pairs
        return pairs.failed + pairs.partial if isinstance(pairs, Report) else pairs.missing

    @property
    def is_at_end(self) -> bool:
        """Whether every row was read, and every pair has a result."""
        return self.input_complete and not self.unfinished

    @property
    def completed(self) -> int:
        return self.pairs.linked + self.not_linked

    def add_invalid(self, line: int, place: str, problem: str) -> None:
        self.invalid += 1
        if len(self.invalid_lines) < _LISTED:
            self.invalid_lines.append({"line": line, "place": place, "problem": problem})

    def exit_code(self, *, require_rows: bool = False) -> int:
        """
        Return the exit code of the run: a signal's, or the highest that applies.

        When links are read back, unknown outranks missing: the result is not complete, and to ask
        again may find more that is missing.
        """
        if self.signal is not None:
            return 128 + self.signal
        if self.storage_problem is not None:
            return ExitCode.STORAGE
        for kind, code in _BY_STOP.items():
            if isinstance(self.stopped, kind):
                return code
        if self.unfinished or not (self.input_complete or self.is_limited):
            return ExitCode.STOPPED
        is_missed = require_rows and not self.done
        failed = self.not_linked or self.invalid or is_missed
        return ExitCode.SOME_FAILED if failed else ExitCode.ALL_LINKED

    def _rows_as_json(self) -> dict[str, Any]:
        return {
            "portal": self.portal,
            "input": None if self.input_counts is None else self.input_counts.as_json(),
            "invalid": self.invalid,
            "seconds": round(self.seconds, 3),
            "responses": self.pairs.responses,
            "error_responses": self.pairs.error_responses,
            "stopped": None if self.stopped is None else str(self.stopped),
            "input_complete": self.input_complete,
            "limit": self.limit,
            "rows_left": self.rows_left if self.input_complete or self.input_rows else None,
            "invalid_lines": self.invalid_lines,
        }


@attrs.define(kw_only=True)
class LinkReport(_RowReport):
    failed_before: int = 0
    pairs: Report = attrs.Factory(Report)
    categories: dict[tuple[str, str], Category] = attrs.Factory(dict)

    @property
    def total(self) -> int:
        return self.pairs.total + self.duplicates

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Category and message of each group of pairs that failed, wholly or partially."""
        return [
            (one.name, one.example.result.message or "")
            for one in self.categories.values()
            if one.status in {Status.FAILED, Status.PARTIAL}
        ]

    @property
    def describe_failures(self) -> str:
        return f"{self.not_linked + self.invalid:,} failed"

    def counts(self) -> dict[str, int]:
        """Return how many pairs there are of each status, and how many rejected rows."""
        counts = {status.value: getattr(self.pairs, status.value) for status in Status}
        skipped = self.pairs.skipped + self.duplicates
        return {**counts, "skipped": skipped, "invalid": self.invalid}

    def add_example(self, example: Example) -> None:
        """Count a row that is not linked under its status and reason."""
        status, name = example.result.status, example.result.category or ""
        if (status, name) not in self.categories and len(self.categories) >= _MOST_CATEGORIES:
            name = "OTHER"
        self.categories.setdefault((status, name), Category(status, name, example)).count += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            **self.counts(),
            **self._rows_as_json(),
            "throttled": self.pairs.throttled,
            "categories": [category.as_json() for category in self.categories.values()],
        }


@attrs.define(kw_only=True)
class VerifyReport(_RowReport):
    pairs: VerificationReport = attrs.Factory(VerificationReport)
    first_missing: list[Example] = attrs.Factory(list)
    first_unknown: list[Example] = attrs.Factory(list)

    @property
    def describe_failures(self) -> str:
        return f"{self.pairs.missing:,} missing, {self.pairs.unknown:,} unknown"

    def add_example(self, example: Example) -> None:
        """Keep a pair that is not linked, if it is among the first."""
        lists = {"missing": self.first_missing, "unknown": self.first_unknown}
        examples = lists.get(example.result.status)
        if examples is not None and len(examples) < _LISTED:
            examples.append(example)

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.pairs.total,
            "linked": self.pairs.linked,
            "missing": self.pairs.missing,
            "unknown": self.pairs.unknown,
            "duplicates": self.duplicates,
            **self._rows_as_json(),
            "first_missing": [example.as_json() for example in self.first_missing],
            "first_unknown": [example.as_json() for example in self.first_unknown],
        }


CommandReport: TypeAlias = LinkReport | VerifyReport
