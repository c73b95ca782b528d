"""Reads links back: a run that asks and sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from aiohubassoc._io.unlinked import Unlinked
from aiohubassoc.errors import PairError
from aiohubassoc.models import Outcome, Status
from aiohubassoc.verification import LinkState, Verification, VerificationReport

if TYPE_CHECKING:
    from types import TracebackType

    from aiohubassoc._io.stream import OutcomeStream
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair


class VerifyCrew(Unlinked):
    """Tells of every pair what HubSpot says, as an outcome that `VerificationStream` reads."""

    def linked(self, index: int, pair: Pair) -> None:
        """Tell that a pair is linked."""
        self._run.put(Outcome(index, pair, Status.SKIPPED))

    def missing(self, index: int, pair: Pair, error: AioHubAssocError | None) -> bool:
        """Tell that it is not."""
        self._run.put(Outcome(index, pair, Status.FAILED, error=error))
        return True

    def unknown(self, index: int, pair: Pair, error: AioHubAssocError | None) -> bool:
        """Tell that this is not known, unless it is because the run stops."""
        if error is None:
            return False
        self._run.put(Outcome(index, pair, Status.UNPROCESSED, error=error))
        return True


class VerificationStream:
    """
    What HubSpot says of pairs: a context manager that is an async iterator.

    Each pair that is read is told once. When it stops by itself, the rest of the input is read and
    told as ``unknown``. Leaving the block early ends it in good order.

    Attributes:
        report: What was told so far.
    """

    def __init__(self, outcomes: OutcomeStream, *, keep_failures: int) -> None:
        self.report = VerificationReport(keep_failures=keep_failures)
        self._outcomes = outcomes

    async def __aenter__(self) -> Self:
        await self._outcomes.__aenter__()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Verification:
        try:
            outcome = await anext(self._outcomes)
        finally:
            told = self._outcomes.report
            self.report.stopped = told.stopped
            self.report.answers, self.report.error_answers = told.answers, told.error_answers
        verification = Verification(outcome.index, outcome.pair, _state(outcome), outcome.error)
        self.report.add(verification)
        return verification

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._outcomes.__aexit__(exc_type, exc, traceback)

    def stop(self, cause: AioHubAssocError, *, drain: float | None = None) -> None:
        """
        Ask nothing more: what is on the wire ends, everything else is unknown.

        Args:
            cause: What the report and the unknown pairs say.
            drain: Seconds that requests on the wire may take to end. None: as long as their
                timeouts allow.
        """
        self._outcomes.stop(cause, drain=drain)

    @property
    def in_flight(self) -> int:
        """How many requests are on the wire."""
        return self._outcomes.in_flight


def _state(outcome: Outcome) -> LinkState:
    if outcome.status is Status.SKIPPED:
        return LinkState.LINKED
    if outcome.status is Status.FAILED and not isinstance(outcome.error, PairError):
        return LinkState.MISSING
    return LinkState.UNKNOWN
