"""One pair, one call, one outcome; and many pairs so, one by one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc._http.request_state import Call, make_outcome
from aiohubassoc._protocol.verdicts import About, Accepted, Partial, Refused, Replied
from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from aiohubassoc._http import request_state as _call
    from aiohubassoc._run.run import Run
    from aiohubassoc.errors import AioHubAssocError
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
) -> AioHubAssocError | None:
    """
    Make the call for one pair, give its outcome to the run, and return why HubSpot refused it.

    *repeats* are other entries of the same pair: they share the call.
    """
    call = Call(pair, run, run.get_history(index))
    indexes = (index, *(again for again, _ in repeats)) if repeats else (index,)
    settled = await run.call(settle, call, indexes)
    is_refusal = False
    if type(settled) is Accepted:  # nearly always
        run.on_progress()
        outcome = Outcome(index, pair, _LINKED, call.total_attempts, settled.reply)
    else:
        assert not isinstance(settled, Accepted | Replied)  # noqa: S101 -- it was for one pair
        outcome = make_outcome(index, pair, call, settled)
        is_refusal = isinstance(settled, Partial | Refused) and settled.about is About.PAIR
    run.put(outcome, is_refusal=is_refusal)
    for again, repeated in repeats:
        run.put(attrs.evolve(outcome, index=again, pair=repeated))
    return outcome.error if is_refusal else None


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

    *repeats* has, by the place of a pair, the entries that repeat it.
    """
    waiting = deque(entries)
    working = min(len(waiting), concurrency)
    refused = 0
    all_ended = asyncio.Event()

    async def work() -> None:
        nonlocal refused
        while waiting and not run.stopping:
            index, pair = waiting.popleft()
            error = await settle_one(run, settle, index, pair, repeats.get(index, ()))
            refused += error is not None

    def end(_: object) -> None:  # called even if the task never had its first turn
        nonlocal working
        working -= 1
        if not working:
            all_ended.set()

    for _ in range(working):
        run.begin(work(), end)
    await all_ended.wait()
    return refused
