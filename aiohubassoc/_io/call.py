"""One call on its way, and what its run has to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar, assert_never

import attrs

from aiohubassoc._core.verdict import Accepted, Fatal, Partial, Refused, Told
from aiohubassoc.errors import (
    AioHubAssocError,
    ConnectionLostError,
    PartialFailureError,
    ServerError,
    TransportError,
    UnconfirmedError,
)
from aiohubassoc.models import DefaultAssociations, Outcome, Status

if TYPE_CHECKING:
    from aiohubassoc.pair import Pair

SubjectT = TypeVar("SubjectT")


class Watch(Protocol):
    """What a run wants to know of its calls, and tell them."""

    stopping: bool
    """Whether the run ends: calls that failed are not tried again."""

    def heard(self, status: int) -> None:
        """HubSpot answered, with that HTTP status."""
        ...

    def alive(self) -> None:
        """HubSpot settled a pair."""
        ...

    def trouble(self, error: AioHubAssocError) -> None:
        """A try came to nothing; another follows."""
        ...


class _NoRun:
    """The watch of a call outside any run."""

    stopping = False

    def heard(self, status: int) -> None:
        """Nobody wants to know."""

    def alive(self) -> None:
        """Nobody wants to know."""

    def trouble(self, error: AioHubAssocError) -> None:
        """Nobody wants to know."""


NO_RUN: Watch = _NoRun()


class Call(Generic[SubjectT]):
    """
    A pair on its way, or many that go together.

    Args:
        subject: What the call is about.
        watch: Its run.

    Attributes:
        attempts: Tries made; refusals that were not the pair's fault are taken back.
        spent: Seconds since the first sending, without time in line.
        pause: Seconds for which everybody was held after the last refusal.
        on_wire: Whether a request is being answered now.
        interrupted_on_wire: Whether the call was cancelled then.
        reply: The last reply that could be read.
        error: What the last try came to, if nothing was settled.
        unknown: The last try that may have made the link though no usable answer came.
        uncertain: Whether any try may have made the link without a confirmation.
        token: What the last try was sent with.
        token_renewed: Whether it was refused, and this try is with another.
        is_resend: Whether this try goes over a new connection, as that of the last one is to blame.
    """

    # On the class: to set a dozen of them for every pair costs as much as reading its reply.
    attempts: int = 0
    spent: float = 0.0
    pause: float = 0.0
    on_wire: bool = False
    interrupted_on_wire: bool = False
    reply: DefaultAssociations | None = None
    error: AioHubAssocError | None = None
    unknown: TransportError | None = None
    uncertain: bool = False
    token: str = ""
    token_renewed: bool = False
    is_resend: bool = False

    def __init__(self, subject: SubjectT, watch: Watch = NO_RUN) -> None:
        self.subject = subject
        self.watch = watch


@attrs.define
class Unsettled:
    """The run ended between two tries."""

    error: AioHubAssocError


NotLinked: TypeAlias = Partial | Refused | Fatal | Unsettled
Final: TypeAlias = Accepted | Told | NotLinked


def settled_error(settled: NotLinked) -> AioHubAssocError:
    """Return why the pair is not linked, or not wholly."""
    match settled:
        case Partial(reply):
            return PartialFailureError(reply)
        case Refused(error) | Fatal(error) | Unsettled(error):
            return error
        case _:
            assert_never(settled)


def outcome_of(index: int, pair: Pair, call: Call[SubjectT], settled: NotLinked) -> Outcome:
    """Return the outcome of a pair whose call came to another end than a link."""
    error = settled_error(settled)
    # A refusal says nothing of the tries before it: one of them may have made the link.
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
    return Outcome(index, pair, status, call.attempts, call.reply, error, maybe)


def is_uncertain(error: AioHubAssocError | None) -> bool:
    """Return whether HubSpot may have made the link though a try came to *error*."""
    if isinstance(error, TransportError):
        return error.maybe_applied
    return isinstance(error, ServerError | UnconfirmedError)


def interrupted_outcome(
    index: int, pair: Pair, call: Call[SubjectT], stopped: AioHubAssocError | None
) -> Outcome:
    """Return that of a pair whose call was cancelled in line, in a wait, or on the wire."""
    if call.interrupted_on_wire:
        call.error = ConnectionLostError("the run ended before the answer came")
        call.uncertain = True
    return Outcome(
        index,
        pair,
        Status.UNPROCESSED,
        call.attempts,
        call.reply,
        call.error or stopped,
        maybe_applied=call.uncertain,
    )


def unwritten_outcome(outcome: Outcome, cause: AioHubAssocError | None) -> Outcome:
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
