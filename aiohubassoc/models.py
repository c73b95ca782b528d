"""
What HubSpot says (`DefaultAssociations` and its parts), and what comes out.

The fields of what HubSpot says are those of HubSpot, Associations v4, "Create Default", in
snake_case. Whatever HubSpot may leave out is None or empty here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, Final

import attrs

from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    BulkLinkError,
    EarlierFailureError,
)
from aiohubassoc.pair import Pair


@attrs.frozen
class AssociationSpec:
    """
    Which association was made. Links of the same kind may share one.

    Attributes:
        association_category: ``HUBSPOT_DEFINED``, ``USER_DEFINED``, ``INTEGRATOR_DEFINED``,
            ``WORK``, or a value that came later.
        association_type_id: Such as 279 for contact to company.
    """

    association_category: str | None = None
    association_type_id: int | None = None


@attrs.define
class Association:
    """One direction of a link that HubSpot made. A usual success has two, in no fixed order."""

    from_id: str
    to_id: str
    association_spec: AssociationSpec = attrs.Factory(AssociationSpec)


@attrs.define
class ErrorDetail:
    """One detail of an error."""

    message: str | None = None
    sub_category: str | None = None
    code: str | None = None
    in_: str | None = None
    context: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)


@attrs.define
class StandardError:
    """
    One error inside a 2xx answer.

    Attributes:
        category: Such as ``"OBJECT_NOT_FOUND"``.
        message: For people.
        status: HubSpot's word, mostly ``"error"``.
        context: Names to lists of values, often the ids at fault.
        errors: Details.
        links: Names to addresses.
        id: Where HubSpot gives one.
        sub_category: As text: a string in real traffic, an object in HubSpot's description.
    """

    category: str | None = None
    message: str | None = None
    status: str | None = None
    context: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)
    errors: tuple[ErrorDetail, ...] = ()
    links: Mapping[str, str] = attrs.Factory(dict)
    id: str | None = None
    sub_category: str | None = None


@attrs.define
class DefaultAssociations:
    """
    HubSpot's reply to Create Default.

    Attributes:
        status: ``PENDING``, ``PROCESSING``, ``CANCELED``, ``COMPLETE``, or a value that came later.
        results: The directions that were linked, in HubSpot's order.
        errors: What went wrong, though the answer was 2xx.
        num_errors: HubSpot's count of errors: it counts ends, not pairs. None when absent.
        started_at: When HubSpot began; aware. None when absent or not a date.
        completed_at: When it ended; likewise.
        requested_at: When it was asked; likewise.
        links: Names to addresses.
    """

    results: tuple[Association, ...]
    status: str | None = None
    errors: tuple[StandardError, ...] = ()
    num_errors: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    requested_at: datetime | None = None
    links: Mapping[str, str] = attrs.Factory(dict)


_TOO_MANY: Final = 429


class Status(StrEnum):
    """What became of a pair."""

    LINKED = "linked"
    """HubSpot confirmed the link, without any error."""
    PARTIAL = "partial"
    """HubSpot confirmed a link together with errors, or cancelled."""
    FAILED = "failed"
    """Refused, or not confirmed until the tries were used up."""
    UNPROCESSED = "unprocessed"
    """The run ended before the pair was settled."""
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
class Outcome:
    """
    What became of one pair.

    Attributes:
        index: The pair's place in the input, from 0.
        pair: The caller's own pair.
        status: See `Status`.
        attempts: Tries made, from 1; refusals by the quota are not tries. 0 when none was made. By
            batches: the calls that the pair was in.
        reply: HubSpot's last readable reply, whatever the status; None where there was none.
        error: Why the pair is not linked; None for linked and skipped pairs.
        maybe_applied: True when HubSpot may have made the link though it did not confirm it: the
            answer to one of the tries was lost, garbled or a server's failure. Sending the pair
            again is safe.
        skip: Why a skipped pair needed no call; None for all others.
    """

    index: int
    pair: Pair
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
        if isinstance(self.error, ApiError | EarlierFailureError):
            return self.error.correlation_id
        return None


@attrs.define(kw_only=True)
class RunReport:
    """
    What the reports of all runs have in common.

    Attributes:
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to the end that it has itself. False while the
            run goes on, and if it was left early, cut off, or the input failed.
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

    def add_error(self, status: int) -> None:
        """Count that the last response had this HTTP status, 400 or more."""
        self.error_responses += 1
        if status == _TOO_MANY:
            self.throttled += 1


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
