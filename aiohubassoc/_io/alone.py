"""Pairs that go one by one although others went together."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import attrs

from aiohubassoc._core.verdict import Accepted, Told
from aiohubassoc._io.call import Call, interrupted_outcome, outcome_of
from aiohubassoc.errors import ApiError, TransportError
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohubassoc._io.call import Final, SubjectT
    from aiohubassoc._io.crew import Run
    from aiohubassoc.pair import Pair

Settle: TypeAlias = "Callable[[Call[Pair]], Awaitable[Final]]"
"""Makes a call for one pair until it is settled."""


@attrs.frozen
class History:
    """
    What was tried before with all of some pairs.

    Attributes:
        attempts: Calls they were in.
        uncertain: Whether one of them may have made the links without a confirmation.
        unknown: The last of them that may have, though no usable answer came.
    """

    attempts: int = 0
    uncertain: bool = False
    unknown: TransportError | None = None

    def after(self, call: Call[SubjectT]) -> History:
        """Return it with *call*."""
        return History(
            self.attempts + call.attempts,
            self.uncertain or call.uncertain,
            call.unknown or self.unknown,
        )


NO_HISTORY = History()


def _nobody(_: Outcome) -> None:
    """Nobody else wants to know."""


async def settle_alone(
    run: Run,
    settle: Settle,
    index: int,
    pair: Pair,
    *,
    history: History = NO_HISTORY,
    told: Callable[[Outcome], None] = _nobody,
) -> Outcome:
    """Settle a pair, tell its outcome to the run and to *told*, and return it."""
    call = Call(pair, run)
    call.uncertain, call.unknown = history.uncertain, history.unknown
    try:
        settled = await run.call(settle, call)
    except BaseException:
        outcome = interrupted_outcome(index, pair, call, run.report.stopped)
        outcome.attempts += history.attempts
        run.put(outcome)
        told(outcome)
        raise
    if isinstance(settled, Accepted):
        run.alive()
        outcome = Outcome(index, pair, Status.LINKED, call.attempts, settled.reply)
    else:
        assert not isinstance(settled, Told)  # noqa: S101 -- it was a call for one pair
        outcome = outcome_of(index, pair, call, settled)
    outcome.attempts += history.attempts
    run.put(outcome)
    told(outcome)
    return outcome


class Loners:
    """
    Settles pairs one by one, many at once.

    Args:
        run: The run.
        settle: Makes a call for one pair.
        at_once: The most of them.
    """

    def __init__(self, run: Run, settle: Settle, at_once: int) -> None:
        self._run = run
        self._settle = settle
        self._at_once = at_once

    async def settle(
        self,
        items: Iterable[tuple[int, Pair]],
        history: History,
        claim: Callable[[int], object],
        told: Callable[[Outcome], None],
    ) -> int:
        """
        Settle pairs, and return how many were refused. If the run stops, some are left.

        Args:
            items: The pairs with their places.
            history: What was tried with them before.
            claim: Called with the place of each that is not left.
            told: Called with each outcome.
        """
        left = deque(items)
        refused = 0
        working = min(len(left), self._at_once)
        over = asyncio.Event()

        async def work() -> None:
            nonlocal refused, working
            try:
                while left and not self._run.stopping:
                    index, pair = left.popleft()
                    claim(index)
                    outcome = await settle_alone(
                        self._run, self._settle, index, pair, history=history, told=told
                    )
                    refused += is_refusal(outcome)
            finally:
                working -= 1
                if not working:
                    over.set()

        for _ in range(working):
            self._run.begin(work())
        if working:
            await over.wait()
        return refused


def is_refusal(outcome: Outcome) -> bool:
    """Return whether HubSpot would not link that very pair."""
    return outcome.status is Status.FAILED and is_about_content(outcome.error)


def is_about_content(error: object) -> bool:
    """Return whether an error is HubSpot's refusal of what was sent, not of the moment."""
    return (
        isinstance(error, ApiError)
        and 400 <= error.status < 500  # noqa: PLR2004 -- RFC 9110, 15.5
        and error.status not in _OF_THE_MOMENT
    )


# HubSpot, API error handling: they pass, so a pair fails with one when its tries are used up.
_OF_THE_MOMENT = frozenset({408, 423, 429, 477})
