"""What a client reports while it works: one small event for each thing that happens."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import attrs

from aiohubassoc.errors import AioHubAssocError, ApiError, InvalidResponseError, RateLimitedError
from aiohubassoc.models import Outcome, RunReport, Verification
from aiohubassoc.options import Quota
from aiohubassoc.pair import Pair


class CallKind(StrEnum):
    """What a call is for."""

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
    A run was entered; nothing was read or sent yet.

    Attributes:
        run: The run's id: 16 hexadecimal digits. Every event and log line of the run has it.
        portal: The host that calls go to, with its port where that is not 443.
        mode: ``"put"``, ``"batch"`` or ``"verify"``.
        skip_linked: Whether HubSpot is asked first which pairs are linked.
        total: How many items the input has; None where it does not know (a generator, a file).
        quota: The quota of the run's main calls at its start: of single calls for ``"put"``, else
            of batch calls.
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
        report: What became of the pairs: a `Report`, or a `VerificationReport`. ``report.stopped``
            is None if the run was not stopped.
        seconds: Since the run started.
    """

    run: str
    report: RunReport
    seconds: float


@attrs.frozen
class ResponseEvent:
    """
    A request ended: with a response, or without one. A request that is cancelled has no event.

    Attributes:
        run: The run's id; None for a call outside a run.
        portal: The host that it went to, with its port where that is not 443.
        kind: What the call is for.
        method: The HTTP method.
        pair: The pair of a `CallKind.PUT`; None for the other kinds.
        pairs: How many pairs the call links: 1 for a `CallKind.PUT`. For a `CallKind.LOOKUP` how
            many records it asks for, for a `CallKind.ACCOUNT` 0.
        attempt: The attempt, from 1, as `Outcome.attempts` counts. The attempt after a throttle has
            the same number, since a throttle is not counted.
        status: The HTTP status; None: no response came.
        error: The class name of the transport error if no response came, such as
            ``"ConnectionLostError"``; else None.
        seconds: From sending the request to the end of the response.
        correlation_id: What HubSpot's support asks for; None where the response has none.
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
        """Whether it was a call for many pairs."""
        return self.kind is CallKind.BATCH


@attrs.frozen
class RetryEvent:
    """
    An attempt came to nothing, and the call is sent again.

    Attributes:
        run: The run's id; None for a call outside a run.
        kind: What the call is for.
        pair: The pair of a `CallKind.PUT`; None for the other kinds.
        pairs: As in `ResponseEvent`.
        attempt: The attempt that failed, as in its `ResponseEvent`.
        delay: Seconds until the call may be sent again; the wait for the quota comes on top.
        error: What the attempt came to.
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
        """The HTTP status; None: no response came."""
        return error_status(self.error)

    @property
    def category(self) -> str:
        """A name to group retries by, HubSpot's category where there is one."""
        return self.error.label

    @property
    def correlation_id(self) -> str | None:
        """What HubSpot's support asks for; None where there was none."""
        return error_correlation_id(self.error)

    @property
    def reason(self) -> str:
        """The status and the category, such as ``"503 HTTP_503"``; without a status the latter."""
        return self.category if self.status is None else f"{self.status} {self.category}"


@attrs.frozen
class ThrottleEvent:
    """
    HubSpot refused a call because it takes none for a while: all calls of its quota pause.

    Attributes:
        run: The run's id; None for a call outside a run.
        kind: What the refused call is for.
        pause: Seconds for which no call of that quota is sent.
        policy: HubSpot's name of the limit, such as ``"TEN_SECONDLY_ROLLING"``; None: not named.
        status: The HTTP status, nearly always 429.
    """

    run: str | None
    kind: CallKind
    pause: float
    policy: str | None
    status: int | None


class Observer(Protocol):
    """
    What a client reports to, given as ``AssociationClient(..., observer=...)``.

    Write a class that has some of these methods; those that are missing, or that a subclass of this
    class does not define, cost nothing. They are called in the client's event loop, in the order in
    which things happen, and must return at once: the run waits for them. What they raise is logged
    once for each client, with its traceback, and ends nothing.
    """

    def run_started(self, event: RunStartedEvent) -> None:
        """Take note that a run was entered: of `link_each`, `link_all` or `verify`."""
        return

    def run_finished(self, event: RunFinishedEvent) -> None:
        """Take note that a run ended, for any reason: once for each that was started."""
        return

    def response(self, event: ResponseEvent) -> None:
        """Take note that a request ended."""
        return

    def retry(self, event: RetryEvent) -> None:
        """Take note that a call is sent again."""
        return

    def throttled(self, event: ThrottleEvent) -> None:
        """Take note that HubSpot refused a call for its limits."""
        return

    def outcome(self, outcome: Outcome | Verification) -> None:
        """
        Take what became of a pair, once for each pair, when it can be taken from the run.

        It is an `Outcome`; in a run of `verify` it is a `Verification`. The calls outside a run
        have outcomes too, with the pair's place in that call as their index.
        """
        return


def error_status(error: AioHubAssocError) -> int | None:
    """Return the HTTP status of the response that *error* stands for; None: there is none."""
    return error.status if isinstance(error, ApiError | InvalidResponseError) else None


def error_correlation_id(error: AioHubAssocError) -> str | None:
    """Return what HubSpot's support asks for; None where *error* has none."""
    return error.correlation_id if isinstance(error, ApiError) else None


def error_policy(error: AioHubAssocError) -> str | None:
    """Return HubSpot's name of the limit that was reached; None where *error* names none."""
    return error.policy if isinstance(error, RateLimitedError) else None
