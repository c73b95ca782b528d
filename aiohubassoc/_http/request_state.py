"""One call on its way, and what its run has to do with it."""

from __future__ import annotations

from typing import Generic, Protocol, TypeAlias, TypeVar, assert_never

import attrs

from aiohubassoc._protocol.verdicts import Accepted, Fatal, Partial, Refused, Replied
from aiohubassoc.errors import (
    AioHubAssocError,
    ConnectionLostError,
    PartialFailureError,
    ServerError,
    TransportError,
    UnconfirmedError,
)
from aiohubassoc.models import Outcome, Status
from aiohubassoc.pair import Pair
from aiohubassoc.replies import DefaultAssociations

SubjectT = TypeVar("SubjectT")


class CallObserver(Protocol):
    """A run, as its calls see it."""

    stopping: bool
    """Whether the run ends: calls that failed are not retried."""

    @property
    def run_id(self) -> str | None:
        """What its events are known by; None: the call is outside any run."""
        ...

    def on_response(self, status: int) -> None:
        """Count a response with this HTTP status."""
        ...

    def on_progress(self) -> None:
        """Note that a pair got its result from HubSpot."""
        ...

    def on_retry(self, error: AioHubAssocError) -> None:
        """Note that an attempt failed; another one follows."""
        ...


class _NoObserver:
    """The observer of a call outside any run."""

    stopping = False
    run_id = None

    def on_response(self, status: int) -> None:
        """No-op."""

    def on_progress(self) -> None:
        """No-op."""

    def on_retry(self, error: AioHubAssocError) -> None:
        """No-op."""


NO_OBSERVER: CallObserver = _NoObserver()


@attrs.frozen
class History:
    """
    What earlier calls that some pairs were in came to.

    Attributes:
        attempts: Attempts of these calls.
        uncertain: Whether one of them may have made the link without a confirmation.
        unknown: The last of them that may have, though no valid response came.
        error: Why the last call ended without an outcome; None: it was not cut off.
        reply: The last reply to that call; None: there was none, or it was about other pairs too.
    """

    attempts: int = 0
    uncertain: bool = False
    unknown: TransportError | None = None
    error: AioHubAssocError | None = None
    reply: DefaultAssociations | None = None


NO_HISTORY = History()


class Call(Generic[SubjectT]):
    """
    One logical call, with its retries.

    Args:
        subject: What the call is about.
        observer: Its run.
        history: What earlier calls for the same pairs came to.

    Attributes:
        attempts: Attempts made, without those that do not count, such as throttled ones.
        spent: Seconds since the first request was sent, without time in the wait queue.
        pause: Seconds for which the last throttle paused all calls.
        in_flight: Whether a request is in flight now.
        cut_off_in_flight: Whether the call was cancelled then.
        reply: The last reply that could be read.
        error: Why the last attempt failed.
        unknown: The error of the last attempt that may have made the link without a response.
        uncertain: Whether any attempt may have made the link without a confirmation.
        token: The token of the last attempt.
        renewals: How many renewals of tokens had ended by then.
        token_renewed: Whether it was refused, and this attempt has another one.
        is_resend: Whether this request repeats one over a new connection, as the same attempt.
    """

    # On the class: to set a dozen of them for every pair costs as much as reading its reply.
    attempts: int = 0
    spent: float = 0.0
    pause: float = 0.0
    in_flight: bool = False
    cut_off_in_flight: bool = False
    reply: DefaultAssociations | None = None
    error: AioHubAssocError | None = None
    unknown: TransportError | None = None
    uncertain: bool = False
    token: str = ""
    renewals: int = 0
    token_renewed: bool = False
    is_resend: bool = False

    history: History = NO_HISTORY

    def __init__(
        self, subject: SubjectT, observer: CallObserver = NO_OBSERVER, history: History = NO_HISTORY
    ) -> None:
        self.subject = subject
        self.observer = observer
        if history is not NO_HISTORY:
            self.history = history
            self.uncertain, self.unknown = history.uncertain, history.unknown

    @property
    def total_attempts(self) -> int:
        """The attempts of this call and of those before it."""
        return self.history.attempts + self.attempts

    def to_history(self) -> History:
        """Return what a later call for the same pairs must know."""
        return History(self.total_attempts, self.uncertain, self.unknown)

    def to_cut_off_history(self) -> History:
        """Return the same for a call that was cancelled: waiting, or in flight."""
        error, uncertain = self.error, self.uncertain
        if self.cut_off_in_flight:
            error, uncertain = ConnectionLostError("the run ended before the response came"), True
        return History(self.total_attempts, uncertain, self.unknown, error, self.reply)


@attrs.define
class Unfinished:
    """The run ended between two attempts."""

    error: AioHubAssocError


NotLinked: TypeAlias = Partial | Refused | Fatal | Unfinished
FinalVerdict: TypeAlias = Accepted | Replied | NotLinked


def to_error(verdict: NotLinked) -> AioHubAssocError:
    """Return why the pair is not linked, or not wholly."""
    match verdict:
        case Partial(reply):
            return PartialFailureError(reply)
        case Refused(error) | Fatal(error) | Unfinished(error):
            return error
        case _:
            assert_never(verdict)


def make_outcome(
    index: int, pair: Pair, call: Call[SubjectT], verdict: Accepted | NotLinked
) -> Outcome:
    """Return the outcome of a pair by that of its call."""
    if isinstance(verdict, Accepted):
        return Outcome(index, pair, Status.LINKED, call.total_attempts, verdict.reply)
    error = to_error(verdict)
    # A refusal says nothing about the attempts before it: one of them may have made the link.
    maybe = call.uncertain or is_uncertain(error)
    match verdict:
        case Partial(linked=True):
            status, maybe = Status.PARTIAL, False
        case Partial() | Refused():
            status = Status.FAILED
        case Fatal() | Unfinished():
            status = Status.UNPROCESSED
        case _:
            assert_never(verdict)
    # A reply to many pairs is not this pair's.
    reply = call.reply if isinstance(call.subject, Pair) else getattr(verdict, "reply", None)
    return Outcome(index, pair, status, call.total_attempts, reply, error, maybe)


def is_uncertain(error: AioHubAssocError | None) -> bool:
    """Return whether HubSpot may have made the link though an attempt came to *error*."""
    if isinstance(error, TransportError):
        return error.maybe_applied
    return isinstance(error, ServerError | UnconfirmedError)


def make_unwritten(outcome: Outcome, cause: AioHubAssocError | None) -> Outcome:
    """Return what can be claimed of a pair whose outcome could not be written."""
    if outcome.status is Status.UNPROCESSED:
        return outcome
    return Outcome(
        outcome.index,
        outcome.pair,
        Status.UNPROCESSED,
        outcome.attempts,
        outcome.reply,
        cause,
        maybe_applied=outcome.maybe_applied or outcome.status is not Status.FAILED,
    )
