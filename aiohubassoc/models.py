"""What became of pairs: the outcome or the verification of each, and the reports of runs."""

from __future__ import annotations

from enum import StrEnum
from itertools import repeat
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any, Final, Generic

import attrs

from aiohubassoc.errors import AioHubAssocError, ApiError, PreviousFailureError
from aiohubassoc.pair import Pair, TagT
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_ERROR: Final = 400
_TOO_MANY: Final = 429


class Status(StrEnum):
    """What became of a pair."""

    LINKED = "linked"
    """HubSpot confirmed the link, without any error."""
    PARTIAL = "partial"
    """HubSpot confirmed a link together with errors, or cancelled."""
    FAILED = "failed"
    """Refused, or not confirmed until the attempts were used up."""
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
        message: The same for people, such as ``"repeats item 5"``.
    """

    label: str
    message: str


_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call
_STATUS: Final = attrgetter("status")


@attrs.define
class Outcome(Generic[TagT]):
    """
    What became of one pair. It is generic in the pair's tag, as `Pair` is.

    Attributes:
        index: The pair's place in the input, from 0.
        pair: The caller's own pair.
        status: See `Status`.
        attempts: Attempts made, from 1; a throttle is not counted, nor is a request that is
            repeated because its connection was the cause. 0 when none was made. By batches: the
            calls that the pair was in.
        reply: HubSpot's last readable reply, for any status; None where there was none.
        error: Why the pair is not linked; None for linked and skipped pairs.
        maybe_applied: True when HubSpot may have made the link though it did not confirm it: the
            response to an attempt was lost, invalid or a server's failure. A resend
            is safe.
        skip: Why a skipped pair needed no call; None for all others.
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
        """A name to group outcomes by, HubSpot's category where there is one; None if linked."""
        if self.error is not None:
            return self.error.label
        return None if self.skip is None else self.skip.label

    @property
    def correlation_id(self) -> str | None:
        """What HubSpot's support asks for; None where there was none."""
        if isinstance(self.error, ApiError | PreviousFailureError):
            return self.error.correlation_id
        return None


@attrs.define(kw_only=True)
class RunReport:
    """
    What the reports of all runs have in common.

    Attributes:
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to the end that it has itself. False while the
            run continues, and if it was left early, cut off, or the input failed.
        responses: How many responses HubSpot gave, those to repeated attempts included.
        error_responses: How many of them had a status of 400 or more.
        throttled: How many of these were 429.
        max_failures_kept: How many of the results that are not linked are kept.
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

        HubSpot wants it below 0.05 over a day (HubSpot, API usage guidelines).
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
        failures: The outcomes that are neither linked nor skipped, as many as the report kept.
        not_linked: How many there were in all.
        total: How many pairs were read; each has an outcome.
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to its end.
    """

    failures: tuple[Outcome, ...]
    not_linked: int
    total: int
    stopped: AioHubAssocError | None = None
    input_complete: bool = True
    _label = "BULK_LINK"

    def __str__(self) -> str:
        text = f"{self.not_linked} of {self.total} pairs are not linked"
        if not self.input_complete:
            text += f". Only these {self.total} were read, not the rest of the input"
        if self.stopped is not None:
            text += f". The run stopped: {self.stopped}"
        if not self.failures:
            return text
        first = self.failures[0]
        return f"{text}; the first: {first.pair}: {first.status}: {first.error}"


@attrs.define(kw_only=True)
class Report(RunReport):
    """
    What became of all pairs of a run.

    Attributes:
        linked: How many pairs were linked. The five numbers add up to `total`.
        partial: How many were linked with errors.
        failed: How many failed.
        unprocessed: How many the run left open.
        skipped: How many needed no call.
        failures: The outcomes that are neither linked nor skipped: the first *max_failures_kept*.
    """

    linked: int = 0
    partial: int = 0
    failed: int = 0
    unprocessed: int = 0
    skipped: int = 0
    failures: list[Outcome] = attrs.Factory(list)

    @property
    def total(self) -> int:
        """How many pairs have an outcome: at the end, all that were read."""
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
        Do nothing when the whole input was read, and every pair is linked or skipped.

        Raises:
            BulkLinkError: pairs failed, the run stopped, or the input was not read to its end; with
                the failures that were kept.
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
    """HubSpot does not have it."""
    UNKNOWN = "unknown"
    """HubSpot did not say: it was not asked, or gave no valid response."""


@attrs.define
class Verification:
    """
    Whether one pair is linked.

    Attributes:
        index: The pair's place in the input, from 0.
        pair: The caller's own pair.
        state: See `LinkState`.
        error: Why nothing is known; of a missing link HubSpot's reason, such as a record that does
            not exist. None where there is none.
    """

    index: int
    pair: Pair
    state: LinkState
    error: AioHubAssocError | None = None


@attrs.define(kw_only=True)
class VerificationReport(RunReport):
    """
    How many pairs are linked.

    Attributes:
        linked: How many pairs are linked. The three numbers add up to `total`.
        missing: How many are not.
        unknown: For how many HubSpot did not say.
        not_linked: What was found about pairs that are missing or unknown: the first
            *max_failures_kept*.
    """

    linked: int = 0
    missing: int = 0
    unknown: int = 0
    not_linked: list[Verification] = attrs.Factory(list)

    @property
    def total(self) -> int:
        """How many pairs were reported: at the end, all that were read."""
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
