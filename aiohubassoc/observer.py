"""The observer interface: a client calls it with a small event for each run, request and retry."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import attrs

from aiohubassoc.errors import AioHubAssocError, ApiError, InvalidResponseError, RateLimitedError
from aiohubassoc.models import Outcome, RunReport, Verification
from aiohubassoc.options import Quota
from aiohubassoc.pair import Pair


class CallKind(StrEnum):
    """The kind of a call."""

    PUT = "put"
    """It links one pair."""
    BATCH = "batch"
    """It links up to 2,000 pairs."""
    LOOKUP = "lookup"
    """It reads to what records are linked: for ``skip_linked`` and `AssociationClient.verify`."""
    ACCOUNT = "account"
    """It reads about the account, for `AssociationClient.check`."""


@attrs.frozen
class RunStartedEvent:
    """
    A run was started; nothing has been read or sent yet.

    Attributes:
        run: The run's id: 16 hexadecimal digits. Every event and log line of the run has it.
        portal: The host of the API, with the port if it is not 443.
        mode: ``"put"``, ``"batch"`` or ``"verify"``.
        skip_linked: Whether existing links are looked up first.
        total: The number of items in the input; None if unknown (a generator, a file).
        quota: The quota at the start of the run: of single calls for ``"put"``, otherwise of batch
            calls.
    """

    run: str
    portal: str
    mode: str
    skip_linked: bool
    total: int | None
    quota: Quota


@attrs.frozen
class RunFinishedEvent:
    """
    A run ended: every pair that was read has its outcome, and no request is in flight.

    Attributes:
        run: The run's id.
        report: The `Report` or `VerificationReport` of the run. ``report.stopped`` is None if the
            run was not stopped.
        seconds: Duration of the run.
    """

    run: str
    report: RunReport
    seconds: float


@attrs.frozen
class ResponseEvent:
    """
    A request ended, with or without a response. A cancelled request has no event.

    Attributes:
        run: The run's id; None for a call outside a run.
        portal: The host of the API, with the port if it is not 443.
        kind: The kind of the call.
        method: The HTTP method.
        pair: The pair of a `CallKind.PUT`; None for the other kinds.
        pairs: The number of pairs in the call: 1 for a `CallKind.PUT`. For a `CallKind.LOOKUP` the
            number of records, for a `CallKind.ACCOUNT` 0.
        attempt: The number of the attempt, from 1, as in `Outcome.attempts`. The attempt after a
            throttle has the same number, because a throttle is not counted.
        status: The HTTP status; None if there was no response.
        error: The class name of the transport error if there was no response, such as
            ``"ConnectionLostError"``; otherwise None.
        seconds: From sending the request to the end of the response.
        correlation_id: The id for HubSpot's support; None if the response has none.
    """

    run: str | None
    portal: str
    kind: CallKind
    method: str
    pair: Pair | None
    pairs: int
    attempt: int
    status: int | None
    error: str | None
    seconds: float
    correlation_id: str | None

    @property
    def by_batch(self) -> bool:
        """Whether it was a batch call that links."""
        return self.kind is CallKind.BATCH


@attrs.frozen
class RetryEvent:
    """
    An attempt failed, and the call will be sent again.

    Attributes:
        run: The run's id; None for a call outside a run.
        kind: The kind of the call.
        pair: The pair of a `CallKind.PUT`; None for the other kinds.
        pairs: As in `ResponseEvent`.
        attempt: The attempt that failed, as in its `ResponseEvent`.
        delay: Seconds until the call may be sent again, without the wait for the quota.
        error: The error of the attempt.
    """

    run: str | None
    kind: CallKind
    pair: Pair | None
    pairs: int
    attempt: int
    delay: float
    error: AioHubAssocError

    @property
    def status(self) -> int | None:
        """The HTTP status; None if there was no response."""
        return error_status(self.error)

    @property
    def category(self) -> str:
        """A name to group retries by: HubSpot's category if there is one."""
        return self.error.label

    @property
    def correlation_id(self) -> str | None:
        """The correlation id for HubSpot's support; None if there is none."""
        return error_correlation_id(self.error)

    @property
    def reason(self) -> str:
        """The status, if there is one, and the category, such as ``"503 HTTP_503"``."""
        return self.category if self.status is None else f"{self.status} {self.category}"


@attrs.frozen
class ThrottleEvent:
    """
    HubSpot throttled a call, and all calls of the same quota pause.

    Attributes:
        run: The run's id; None for a call outside a run.
        kind: The kind of the refused call.
        pause: Seconds for which no call of that quota is sent.
        policy: HubSpot's name of the limit, such as ``"TEN_SECONDLY_ROLLING"``; None if not named.
        status: The HTTP status, nearly always 429.
    """

    run: str | None
    kind: CallKind
    pause: float
    policy: str | None
    status: int | None


class Observer(Protocol):
    """
    The interface of an observer, passed as ``AssociationClient(..., observer=...)``.

    Write a class with some of these methods. A method that is missing, or that a subclass of this
    class does not override, costs nothing. Methods are called in the client's event loop, in the
    order of the events, and must return immediately, because the run waits for them. The first
    exception of an observer is logged with its traceback; the run continues.
    """

    def run_started(self, event: RunStartedEvent) -> None:
        """Handle the start of a run of `link_each`, `link_all` or `verify`."""
        return

    def run_finished(self, event: RunFinishedEvent) -> None:
        """Handle the end of a run, called once for each started run, for any end."""
        return

    def response(self, event: ResponseEvent) -> None:
        """Handle the end of a request."""
        return

    def retry(self, event: RetryEvent) -> None:
        """Handle a retry."""
        return

    def throttled(self, event: ThrottleEvent) -> None:
        """Handle a throttle."""
        return

    def outcome(self, outcome: Outcome | Verification) -> None:
        """
        Handle the outcome of a pair, called once for each pair when the outcome is available.

        In a run of `verify` it is a `Verification`. `create_default` and `create_default_batch`
        have outcomes too; their index is the position of the pair in the call.
        """
        return


def error_status(error: AioHubAssocError) -> int | None:
    """Return the HTTP status of the response behind *error*; None if there is none."""
    return error.status if isinstance(error, ApiError | InvalidResponseError) else None


def error_correlation_id(error: AioHubAssocError) -> str | None:
    """Return the correlation id of *error*; None if it has none."""
    return error.correlation_id if isinstance(error, ApiError) else None


def error_policy(error: AioHubAssocError) -> str | None:
    """Return HubSpot's name of the limit that was reached; None if *error* has none."""
    return error.policy if isinstance(error, RateLimitedError) else None
