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
    """What a run wants to know of its calls, and tell them."""

    stopping: bool
    """Whether the run ends: calls that failed are not tried again."""

    @property
    def run_id(self) -> str | None:
        """What its events are known by; None: the call is outside any run."""
        ...

    def on_response(self, status: int) -> None:
        """HubSpot answered, with that HTTP status."""
        ...

    def on_progress(self) -> None:
        """HubSpot settled a pair."""
        ...

    def on_retry(self, error: AioHubAssocError) -> None:
        """A try came to nothing; another follows."""
        ...


class _NoObserver:
    """The watch of a call outside any run."""

    stopping = False
    run_id = None

    def on_response(self, status: int) -> None:
        """Nobody wants to know."""

    def on_progress(self) -> None:
        """Nobody wants to know."""

    def on_retry(self, error: AioHubAssocError) -> None:
        """Nobody wants to know."""


NO_OBSERVER: CallObserver = _NoObserver()


@attrs.frozen
class History:
    """
    What earlier calls that some pairs were in came to.

    Attributes:
        attempts: Attempts of these calls.
        uncertain: Whether one of them may have made the link without a confirmation.
        unknown: The last of them that may have, though no usable response came.
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
        attempts: Tries made; refusals that were not the pair's fault are taken back.
        spent: Seconds since the first sending, without time in line.
        pause: Seconds for which everybody was held after the last refusal.
        in_flight: Whether a request is in flight now.
        cut_off_in_flight: Whether the call was cancelled then.
        reply: The last reply that could be read.
        error: What the last try came to, if nothing was settled.
        unknown: The last try that may have made the link though no usable answer came.
        uncertain: Whether any try may have made the link without a confirmation.
        token: What the last try was sent with.
        renewals: How many renewals of tokens had ended by then.
        token_renewed: Whether it was refused, and this try is with another.
        is_resend: Whether this try goes over a new connection, as that of the last one is to blame.
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
class Unsettled:
    """The run ended between two tries."""

    error: AioHubAssocError


NotLinked: TypeAlias = Partial | Refused | Fatal | Unsettled
Final: TypeAlias = Accepted | Replied | NotLinked


def settled_error(settled: NotLinked) -> AioHubAssocError:
    """Return why the pair is not linked, or not wholly."""
    match settled:
        case Partial(reply):
            return PartialFailureError(reply)
        case Refused(error) | Fatal(error) | Unsettled(error):
            return error
        case _:
            assert_never(settled)


def make_outcome(
    index: int, pair: Pair, call: Call[SubjectT], settled: Accepted | NotLinked
) -> Outcome:
    """Return the outcome of a pair by that of its call."""
    if isinstance(settled, Accepted):
        return Outcome(index, pair, Status.LINKED, call.total_attempts, settled.reply)
    error = settled_error(settled)
    # A refusal says nothing about the attempts before it: one of them may have made the link.
    maybe = call.uncertain or is_uncertain(error)
    match settled:
        case Partial(linked=True):
            status, maybe = Status.PARTIAL, False
        case Partial() | Refused():
            status = Status.FAILED
        case Fatal() | Unsettled():
            status = Status.UNPROCESSED
        case _:
            assert_never(settled)
    # A reply to many pairs is not this pair's.
    reply = call.reply if isinstance(call.subject, Pair) else getattr(settled, "reply", None)
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
