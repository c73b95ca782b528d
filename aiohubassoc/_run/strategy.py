"""How the pairs of a run get results: what a strategy is, and the base of those that link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohubassoc._run.stream import ResultT
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._http.call_outcome import History
    from aiohubassoc._run.lookup_strategies import SkipLinked
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.source import Entry
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair


class Strategy(Protocol[ResultT]):
    """Makes the results of pairs. The run itself reports the pairs that get no result here."""

    read_ahead: int
    """How many pairs beyond the last result taken it needs to have read."""

    def start(self, run: Run[ResultT]) -> None:
        """Begin the tasks."""

    def make_unsent(
        self, index: int, pair: Pair, error: AioHubAssocError | None, history: History | None
    ) -> ResultT:
        """Return the result of a pair that cannot be sent; with *history*: that is left open."""


class LinkStrategy:
    """What both strategies that link pairs have in common."""

    def __init__(self, skip: SkipLinked | None, read_ahead: int) -> None:
        self._skip = skip
        self.read_ahead = read_ahead + (0 if skip is None else skip.read_ahead)

    def start(self, run: Run[Outcome]) -> None:
        self._run = run
        self._read: Callable[[int], Awaitable[list[Entry]]] = run.prefetch.read
        if self._skip is not None:
            self._skip.start(run)
            self._read = self._skip.read
        _ = run.begin(self._work())

    async def _work(self) -> None:
        raise NotImplementedError

    def make_unsent(
        self, index: int, pair: Pair, error: AioHubAssocError | None, history: History | None
    ) -> Outcome:
        if history is None:
            return Outcome(index, pair, Status.FAILED, error=error)
        return Outcome(
            index,
            pair,
            Status.UNPROCESSED,
            history.attempts,
            history.reply,
            history.error or error,
            history.uncertain,
        )
