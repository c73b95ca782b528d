"""What a run gets of a call: reports on the way, its history, and the outcome of its pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, assert_never

import attrs

from aiohubassoc._protocol.verdicts import About, Accepted, Fatal, Partial, Refused, Replied
from aiohubassoc.errors import (
    AioHubAssocError,
    PartialFailureError,
    ServerError,
    TransportError,
    UnconfirmedError,
)
from aiohubassoc.models import Outcome, Status
from aiohubassoc.pair import Pair
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from aiohubassoc._http.sender import Call


class CallObserver(Protocol):
    """What a call uses of its run. A method that is not overridden does nothing."""

    stopping: bool  # whether the run stops: failed calls are not retried

    @property
    def run_id(self) -> str | None:
        """The id of the run in its events; None: the call is outside any run."""

    def on_response(self, status: int) -> None:
        return

    def on_progress(self) -> None:
        """Note that HubSpot linked or refused a pair."""
        return

    def on_retry(self, error: AioHubAssocError) -> None:
        """Note that an attempt failed; another one follows."""
        return

    def on_doubt(self, change: int) -> None:
        """Note that a call begins (1) or ends (-1) to wait until its refusal can be believed."""
        return


class _NoObserver(CallObserver):
    """The observer of a call outside any run."""

    stopping = False
    run_id = None


NO_OBSERVER: CallObserver = _NoObserver()


@attrs.frozen
class History:
    """The results of earlier calls for a pair that have left it without an outcome."""

    attempts: int = 0  # the attempts of these calls
    # Whether one of the attempts may have made the link without a confirmation.
    uncertain: bool = False
    # The error of the last attempt that may have made the link without a response.
    unknown: TransportError | None = None
    # Why the last call ended without an outcome; None: it was not cut off.
    error: AioHubAssocError | None = None
    # The last reply to that call; None: there was none, or it was about other pairs too.
    reply: DefaultAssociations | None = None
    # Whether a reply with 2xx to many pairs left this one open. If HubSpot refuses it later, it is
    # not linked.
    unmentioned: bool = False


NO_HISTORY = History()


@attrs.define
class Unfinished:
    """The run ended between two attempts."""

    about: ClassVar[About] = About.RUN
    error: AioHubAssocError


NotLinked: TypeAlias = Partial | Refused | Fatal | Unfinished
FinalVerdict: TypeAlias = Accepted | Replied | NotLinked


def to_error(verdict: NotLinked) -> AioHubAssocError:
    """Return why the pair is not linked, or linked with errors."""
    match verdict:
        case Partial(reply):
            return PartialFailureError(reply)
        case Refused(error) | Fatal(error) | Unfinished(error):
            return error
        case _:
            assert_never(verdict)


def make_outcome(index: int, pair: Pair, call: Call[Any], verdict: Accepted | NotLinked) -> Outcome:
    if isinstance(verdict, Accepted):
        return Outcome(index, pair, Status.LINKED, call.total_attempts, verdict.reply)
    error = to_error(verdict)
    # An earlier attempt than the refused one may have made the link.
    maybe = call.uncertain or is_uncertain(error)
    maybe = maybe or (call.history.unmentioned and verdict.about is not About.PAIR)
    match verdict:
        case Partial(linked=True):
            status, maybe = Status.PARTIAL, False
        case Partial() | Refused():
            status = Status.FAILED
        case Fatal() | Unfinished():
            status = Status.UNPROCESSED
        case _:
            assert_never(verdict)
    # The reply to a call for many pairs is about other pairs too.
    reply = call.reply if isinstance(call.subject, Pair) else getattr(verdict, "reply", None)
    return Outcome(index, pair, status, call.total_attempts, reply, error, maybe)


def is_uncertain(error: AioHubAssocError | None) -> bool:
    """Return whether HubSpot may have made the link although an attempt ended with *error*."""
    if isinstance(error, TransportError):
        return error.maybe_applied
    return isinstance(error, ServerError | UnconfirmedError)


def make_unwritten(outcome: Outcome, cause: AioHubAssocError | None) -> Outcome:
    """Return what is reported of a pair whose outcome could not be written."""
    if outcome.status is Status.UNPROCESSED:
        return outcome
    maybe = outcome.maybe_applied or outcome.status is not Status.FAILED
    return attrs.evolve(
        outcome, status=Status.UNPROCESSED, error=cause, maybe_applied=maybe, skip=None
    )
