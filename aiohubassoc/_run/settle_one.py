"""One pair, one call, one outcome; and many pairs so, one by one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc._core.verdict import Accepted, Told
from aiohubassoc._io.call import Call, make_outcome
from aiohubassoc.errors import ApiError
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from aiohubassoc._io import call as _call
    from aiohubassoc._run.run import Run
    from aiohubassoc.pair import Pair

SettlePair: TypeAlias = "Callable[[Call[Pair]], Awaitable[_call.Final]]"
"""Makes a call for one pair until it is settled."""

Entry: TypeAlias = "tuple[int, Pair]"
"""A pair with its place in the input."""

_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


async def settle_one(
    run: Run[Outcome],
    settle: SettlePair,
    index: int,
    pair: Pair,
    repeats: Sequence[Entry] = (),
) -> Outcome:
    """
    Make the call for one pair, give its outcome to the run, and return it.

    Args:
        run: The run, which owns the pair.
        settle: Makes the call.
        index: The pair's place in the input.
        pair: The pair.
        repeats: Entries of the run that repeat the pair, and share its call.
    """
    call = Call(pair, run, run.get_history(index))
    indexes = (index, *(again for again, _ in repeats)) if repeats else (index,)
    settled = await run.call(settle, call, indexes)
    if isinstance(settled, Accepted):  # nearly always
        run.alive()
        outcome = Outcome(index, pair, _LINKED, call.total_attempts, settled.reply)
    else:
        assert not isinstance(settled, Told)  # noqa: S101 -- it was a call for one pair
        outcome = make_outcome(index, pair, call, settled)
    run.put(outcome)
    for again, repeated in repeats:
        run.put(attrs.evolve(outcome, index=again, pair=repeated))
    return outcome


async def settle_singly(
    run: Run[Outcome],
    settle: SettlePair,
    entries: Iterable[Entry],
    repeats: Mapping[int, Sequence[Entry]],
    *,
    concurrency: int,
) -> int:
    """
    Settle pairs by a call for each, and return how many HubSpot refused. A stop leaves some open.

    Args:
        run: The run, which owns the pairs.
        settle: Makes the call for one pair.
        entries: The pairs with their places.
        repeats: By the place of a pair: the entries that repeat it.
        concurrency: How many go at once.
    """
    waiting = deque(entries)
    working = min(len(waiting), concurrency)
    refused = 0
    all_ended = asyncio.Event()

    async def work() -> None:
        nonlocal refused
        while waiting and not run.stopping:
            index, pair = waiting.popleft()
            outcome = await settle_one(run, settle, index, pair, repeats.get(index, ()))
            refused += is_refusal(outcome)

    def end(_: object) -> None:  # called even if the task never had its first turn
        nonlocal working
        working -= 1
        if not working:
            all_ended.set()

    for _ in range(working):
        run.begin(work(), end)
    await all_ended.wait()
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
