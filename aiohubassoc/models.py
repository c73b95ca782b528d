"""Results: the outcome or the verification of each pair, and the reports of runs."""

from __future__ import annotations

from enum import StrEnum
from itertools import repeat
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any, Final, Generic

import attrs

from aiohubassoc.errors import AioHubAssocError, ApiError, PreviousFailureError, plural
from aiohubassoc.pair import Pair, TagT
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_ERROR: Final = 400
_TOO_MANY: Final = 429


class Status(StrEnum):
    """The status of a pair."""

    LINKED = "linked"
    """HubSpot confirmed the link, without errors."""
    PARTIAL = "partial"
    """HubSpot confirmed the link, but with errors or the status ``CANCELED``."""
    FAILED = "failed"
    """HubSpot refused the pair, or did not confirm it in any attempt."""
    UNPROCESSED = "unprocessed"
    """The run ended before the pair completed."""
    SKIPPED = "skipped"
    """No call was needed."""


@attrs.frozen
class Skip:
    """
    Why a pair needed no call.

    Attributes:
        label: ``LINKED_ALREADY``, ``LINKED_BEFORE`` or ``DUPLICATE``.
        message: The reason as a text, such as ``"repeats item 5"``.
    """

    label: str
    message: str


def _count(results: Sequence[object]) -> str:
    """Return what a repr shows of results: a report may keep a thousand."""
    return f"<{len(results):,} kept>"


_LINKED: Final = Status.LINKED  # a lookup on the enum costs as much as a function call
_STATUS: Final = attrgetter("status")


@attrs.define
class Outcome(Generic[TagT]):
    """
    The result of one pair. It is generic in the pair's tag, as `Pair` is.

    Attributes:
        index: The pair's position in the input, from 0.
        pair: The pair as the caller gave it.
        status: See `Status`.
        attempts: The number of attempts; 0 if no call was made. Not counted are throttled attempts
            and requests that are repeated because of a broken connection. In batches: the attempts
            of all calls that contained the pair.
        reply: HubSpot's last readable reply, for any status; None if there was none.
        error: Why the pair is not linked; None for linked and skipped pairs.
        maybe_applied: True if HubSpot may have made the link although it did not confirm it: the
            response to an attempt was lost, invalid, or a server error, or the run ended after the
            reply to a batch left the pair out. Sending the pair again is safe.
        skip: Why a skipped pair needed no call; None for all other pairs.
    """

    index: int
    pair: Pair[TagT]
    status: Status
    attempts: int = 0
    reply: DefaultAssociations | None = None
    error: AioHubAssocError | None = None
    maybe_applied: bool = False
    skip: Skip | None = None

    @property
    def ok(self) -> bool:
        """True for linked and skipped pairs."""
        return self.status is _LINKED or self.status is Status.SKIPPED

    @property
    def category(self) -> str | None:
        """A name to group outcomes by: HubSpot's category if there is one. None if linked."""
        if self.error is not None:
            return self.error.label
        return None if self.skip is None else self.skip.label

    @property
    def correlation_id(self) -> str | None:
        """The correlation id for HubSpot's support; None if there is none."""
        if isinstance(self.error, ApiError | PreviousFailureError):
            return self.error.correlation_id
        return None


@attrs.define(kw_only=True)
class RunReport:
    """
    The counts that the reports of all runs have in common.

    Attributes:
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to its end. False during the run, if the run
            ended early, and if the input raised an error.
        responses: The number of HubSpot's responses, including those to retries.
        error_responses: How many of them had a status of 400 or more.
        throttled: How many of them were 429.
        max_failures_kept: The maximum number of kept results of pairs that are not linked.
    """

    stopped: AioHubAssocError | None = None
    input_complete: bool = False
    responses: int = 0
    error_responses: int = 0
    throttled: int = 0
    max_failures_kept: int = 1000

    @property
    def error_share(self) -> float:
        """
        The share of responses that were errors, from 0 to 1.

        HubSpot asks to keep it below 0.05 over a day (HubSpot, API usage guidelines).
        """
        return self.error_responses / self.responses if self.responses else 0.0

    def add(self, result: Any) -> None:  # noqa: ANN401 -- each report counts its own
        """Count a result."""
        raise NotImplementedError

    def add_all(self, results: Sequence[Any]) -> None:
        """Count results."""
        for result in results:
            self.add(result)

    def add_response(self, status: int) -> None:
        """Count a response with this HTTP status."""
        self.responses += 1
        if status >= _FIRST_ERROR:
            self.error_responses += 1
            self.throttled += status == _TOO_MANY


@attrs.define(slots=False)
class BulkLinkError(AioHubAssocError):
    """
    Pairs of a run are not linked, or not all pairs of its input were read.

    Attributes:
        failures: The outcomes that are neither linked nor skipped and that the report kept.
        not_linked: The number of all outcomes that are neither linked nor skipped.
        total: How many pairs were read; each has an outcome.
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to its end.
    """

    failures: tuple[Outcome, ...] = attrs.field(repr=_count)
    not_linked: int
    total: int
    stopped: AioHubAssocError | None = None
    input_complete: bool = True
    _label = "BULK_LINK"

    def __str__(self) -> str:
        verb = "is" if self.not_linked == 1 else "are"
        text = f"{self.not_linked:,} of {plural(self.total, 'pair')} {verb} not linked"
        if not self.input_complete:
            read = "this one was" if self.total == 1 else f"these {self.total:,} were"
            text += f". Only {read} read, not the rest of the input"
        if self.stopped is not None:
            text += f". The run stopped: {self.stopped}"
        if not self.failures:
            return text
        first = self.failures[0]
        return f"{text}; the first: {first.pair}: {first.status}: {first.error}"


@attrs.define(kw_only=True)
class Report(RunReport):
    """
    The report of a run that links: the number of pairs with each status.

    Attributes:
        linked: Number of linked pairs. The five numbers add up to `total`.
        partial: Number of pairs that were linked with errors.
        failed: Number of failed pairs.
        unprocessed: Number of pairs that did not complete before the run ended.
        skipped: Number of pairs that needed no call.
        failures: The first *max_failures_kept* outcomes that are neither linked nor skipped.
    """

    linked: int = 0
    partial: int = 0
    failed: int = 0
    unprocessed: int = 0
    skipped: int = 0
    failures: list[Outcome] = attrs.field(factory=list, repr=_count)

    @property
    def total(self) -> int:
        """How many pairs have an outcome; after the run, all pairs that were read."""
        return self.linked + self.partial + self.failed + self.unprocessed + self.skipped

    @property
    def not_linked(self) -> int:
        """How many pairs are neither linked nor skipped."""
        return self.partial + self.failed + self.unprocessed

    def add(self, outcome: Outcome) -> None:
        """Count *outcome*."""
        if outcome.status is _LINKED:
            self.linked += 1
            return
        if outcome.status is Status.SKIPPED:
            self.skipped += 1
            return
        if outcome.status is Status.PARTIAL:
            self.partial += 1
        elif outcome.status is Status.FAILED:
            self.failed += 1
        else:
            self.unprocessed += 1
        if len(self.failures) < self.max_failures_kept:
            self.failures.append(outcome)

    def add_all(self, outcomes: Sequence[Outcome]) -> None:
        """Count *outcomes*."""
        if all(map(is_, map(_STATUS, outcomes), repeat(_LINKED))):  # nearly always: fast in C
            self.linked += len(outcomes)
        else:
            super().add_all(outcomes)

    def raise_for_failures(self) -> None:
        """
        Return if the whole input was read and every pair is linked or skipped.

        Raises:
            BulkLinkError: pairs failed, the run stopped, or the input was not read to its end. It
                contains the failures that were kept.
        """
        if self.not_linked or self.stopped is not None or not self.input_complete:
            raise BulkLinkError(
                tuple(self.failures),
                self.not_linked,
                self.total,
                self.stopped,
                input_complete=self.input_complete,
            )


class LinkState(StrEnum):
    """Whether a pair is linked at HubSpot."""

    LINKED = "linked"
    """HubSpot has the default link."""
    MISSING = "missing"
    """HubSpot does not have the default link."""
    UNKNOWN = "unknown"
    """The link was not read, or there was no valid response."""


@attrs.define
class Verification:
    """
    Whether one pair is linked.

    Attributes:
        index: The pair's position in the input, from 0.
        pair: The pair as the caller gave it.
        state: See `LinkState`.
        error: Why the state is unknown, or for a missing link HubSpot's reason, such as a record
            that does not exist. None if there is none.
    """

    index: int
    pair: Pair
    state: LinkState
    error: AioHubAssocError | None = None


@attrs.define(kw_only=True)
class VerificationReport(RunReport):
    """
    The report of a run that verifies: the number of pairs in each state.

    Attributes:
        linked: Number of linked pairs. The three numbers add up to `total`.
        missing: Number of missing pairs.
        unknown: Number of unknown pairs.
        not_linked: The first *max_failures_kept* verifications that are missing or unknown.
    """

    linked: int = 0
    missing: int = 0
    unknown: int = 0
    not_linked: list[Verification] = attrs.field(factory=list, repr=_count)

    @property
    def total(self) -> int:
        """How many pairs have a verification; after the run, all pairs that were read."""
        return self.linked + self.missing + self.unknown

    def add(self, verification: Verification) -> None:
        """Count *verification*."""
        if verification.state is LinkState.LINKED:
            self.linked += 1
            return
        if verification.state is LinkState.MISSING:
            self.missing += 1
        else:
            self.unknown += 1
        if len(self.not_linked) < self.max_failures_kept:
            self.not_linked.append(verification)
