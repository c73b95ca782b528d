"""Calls for many pairs: sent, read, bisected where HubSpot refuses, and pair by pair at last."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import attrs

from aiohubassoc._batching.attribution import read_refusal, read_reply
from aiohubassoc._batching.batch import Batch
from aiohubassoc._batching.bisection import Bisection
from aiohubassoc._http.request_state import Call, make_outcome, settled_error
from aiohubassoc._protocol.requests import BatchRequest
from aiohubassoc._protocol.verdicts import About, Accepted, Refused, Replied
from aiohubassoc._run.batch_reader import BatchReader
from aiohubassoc._run.put import LinkStrategy
from aiohubassoc._run.settle_one import settle_one, settle_singly
from aiohubassoc.errors import (
    ApiError,
    ConnectError,
    GatewayError,
    MigratingError,
    RateLimitedError,
    UnconfirmedError,
    WrongEndpointError,
)
from aiohubassoc.models import Outcome, Status
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from aiohubassoc._http import request_state as _call
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.settle_one import Entry, SettlePair
    from aiohubassoc._run.skip_linked import SkipLinked
    from aiohubassoc.pair import Pair

SettleBatch: TypeAlias = "Callable[[Call[BatchRequest]], Awaitable[_call.Final]]"
"""Makes a call for many pairs until it is settled."""

_ALL_LINKED: Final = {DefaultAssociations}
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


class Batched(LinkStrategy):
    """
    Links pairs by calls for many.

    Args:
        settle: Makes a call for many pairs.
        settle_pair: Makes a call for one pair.
        size: The most pairs of a batch.
        linger: Seconds after which a batch goes though it is not full.
        max_in_flight: Gives how many batches may be in flight.
        concurrency: How many pairs of a batch may go one by one at once.
        clock: For *linger*.
        skip: Leaves out what is linked already; None: nothing is left out.
    """

    def __init__(
        self,
        settle: SettleBatch,
        settle_pair: SettlePair,
        *,
        size: int,
        linger: float,
        max_in_flight: Callable[[], int],
        concurrency: int,
        clock: Clock,
        skip: SkipLinked | None = None,
    ) -> None:
        self._size = size
        self._max_in_flight = max_in_flight
        super().__init__(skip, self._pairs_at_once())
        self.settle = settle
        # Whether calls for many get through: None while nothing is known.
        self.is_path_usable: bool | None = None
        self.settle_pair = settle_pair
        self._concurrency = concurrency
        self._reader: BatchReader[Batch] = BatchReader(
            lambda types, now: Batch(types, size, now), linger=linger, clock=clock
        )

    def start(self, run: Run[Outcome]) -> None:
        """Begin to read."""
        self._run = run
        if self._skip is None:
            work = self._reader.read(run, run.prefetch.next_many, self._send)
        else:
            skip = self._skip
            work = self._reader.read(run, skip.next_many, self._send, skip.is_asking)
            skip.start(run)
        run.begin(work)

    def wake(self) -> None:
        """Let tasks that wait for one another look again, and send no batch for its waiting."""
        super().wake()
        self._reader.cancel_timer()

    def _send(self, batch: Batch) -> None:
        more = 0 if self._skip is None else self._skip.read_ahead
        self._run.read_ahead = max(self._run.read_ahead, self._pairs_at_once() + more)
        singly = partial(settle_singly, self._run, self.settle_pair, concurrency=self._concurrency)
        self._run.begin(_BatchJob(self._run, self, batch, singly).settle())

    def _pairs_at_once(self) -> int:
        """Return how many pairs may be in hand: those of the batches in flight, at least two."""
        return self._size * max(2, self._max_in_flight())


class _BatchJob:
    """One batch, until nothing more is to be sent for it. Pairs without an outcome stay open."""

    def __init__(
        self,
        run: Run[Outcome],
        strategy: Batched,
        batch: Batch,
        settle_singly: Callable[..., Awaitable[int]],
    ) -> None:
        self._run = run
        self._strategy = strategy
        self._types = batch.types
        self._settle_singly = settle_singly
        self._repeats = {batch.indexes[at]: entries for at, entries in batch.repeats.items()}
        self._bisection = Bisection(list(zip(batch.indexes, batch.pairs, strict=True)))

    async def settle(self) -> None:
        """Return when every pair has its outcome, or the run stops."""
        bisection = self._bisection
        while not self._run.stopping and (part := bisection.next()) is not None:
            if part.is_singly or self._strategy.is_path_usable is False:
                refused = await self._settle_singly(part.items, self._repeats)
                bisection.settled_singly(refused)
                continue
            indexes, pairs = zip(*part.items, strict=True)
            history = self._run.get_history(indexes[0])
            call = Call(BatchRequest(self._types, pairs), self._run, history)
            settled = await self._run.call(self._strategy.settle, call, self._with_repeats(indexes))
            if isinstance(settled, Replied):
                self._strategy.is_path_usable = True
                self._read(indexes, pairs, settled, call)
            else:
                assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
                await self._after_refusal(indexes, pairs, settled, call)

    def _read(
        self, indexes: Sequence[int], pairs: Sequence[Pair], told: Replied, call: Call[BatchRequest]
    ) -> None:
        """Report what a reply says about each pair, and bisect no further."""
        linked, others, silent = read_outcomes(indexes, pairs, told, call)
        if silent:
            self._run.remember(self._with_repeats(indexes), call.to_history())
        self._put_linked(linked)
        for outcome in others:
            self._put(outcome, is_refusal=not linked)
        self._bisection.accepted(len(pairs) - len(silent), len(others), singly=silent)

    async def _after_refusal(
        self,
        indexes: Sequence[int],
        pairs: Sequence[Pair],
        settled: _call.NotLinked,
        call: Call[BatchRequest],
    ) -> None:
        """Report what a call that came to nothing settles, and say how to go on with the rest."""
        bisection = self._bisection
        error = settled_error(settled)
        is_unconfirmed = isinstance(error, UnconfirmedError)
        about = settled.about if isinstance(settled, Refused) else None
        if about is not About.PATH and (
            # The run ends; or a smaller call would meet the same.
            about is None
            or isinstance(error, RateLimitedError | MigratingError | ConnectError)
            or (len(pairs) == 1 and not is_unconfirmed)
        ):
            for index, pair in zip(indexes, pairs, strict=True):
                outcome = make_outcome(index, pair, call, settled)
                self._put(outcome, is_refusal=about is About.PAIR)
            bisection.closed()
            return
        self._run.remember(self._with_repeats(indexes), call.to_history())
        if about is About.PATH:
            await self._after_blocked_path(list(zip(indexes, pairs, strict=True)))
        elif is_unconfirmed:
            bisection.send_singly()
        elif about is not About.PAIR:
            bisection.failed()
        else:
            assert isinstance(error, ApiError)  # noqa: S101 -- HubSpot refused what was sent
            blamed = read_refusal(pairs, error)
            for at, refused in blamed.items():
                outcome = make_outcome(indexes[at], pairs[at], call, refused)
                self._put(outcome, is_refusal=True)
            bisection.refused(blamed)

    async def _after_blocked_path(self, entries: list[Entry]) -> None:
        """Send one pair by a call for itself: its response says whether the run can go on."""
        strategy, (index, pair) = self._strategy, entries[0]
        if strategy.is_path_usable is None:
            strategy.is_path_usable = False
        repeats = self._repeats.get(index, ())
        error = await settle_one(self._run, strategy.settle_pair, index, pair, repeats)
        if isinstance(error, GatewayError | WrongEndpointError):
            self._run.stop(error)
        self._bisection.accepted(1, int(error is not None), singly=entries[1:])

    def _put(self, outcome: Outcome, *, is_refusal: bool = False) -> None:
        self._run.put(outcome, is_refusal=is_refusal)
        for index, pair in self._repeats.get(outcome.index, ()):
            self._run.put(attrs.evolve(outcome, index=index, pair=pair))

    def _put_linked(self, outcomes: list[Outcome]) -> None:
        if self._repeats:
            for outcome in outcomes:
                self._put(outcome)
        else:
            self._run.put_all(outcomes)

    def _with_repeats(self, indexes: Sequence[int]) -> Iterator[int]:
        """Yield the places of pairs and of those that repeat one."""
        yield from indexes
        for index in indexes if self._repeats else ():
            yield from (again for again, _ in self._repeats.get(index, ()))


def read_outcomes(
    indexes: Sequence[int], pairs: Sequence[Pair], told: Replied, call: Call[BatchRequest]
) -> tuple[list[Outcome], list[Outcome], list[Entry]]:
    """Return the pairs that a reply links, the others that it speaks of, and those it does not."""
    assert isinstance(told.reply, DefaultAssociations)  # noqa: S101 -- of a call that links
    said = read_reply(pairs, told.reply)
    attempts = call.total_attempts
    if {*map(type, said)} == _ALL_LINKED:  # nearly always: at the speed of C
        replies = cast("list[DefaultAssociations]", said)
        always, at = repeat(_LINKED), repeat(attempts)
        return list(map(Outcome, indexes, pairs, always, at, replies)), [], []
    linked: list[Outcome] = []
    others: list[Outcome] = []
    silent: list[Entry] = []
    for index, pair, one in zip(indexes, pairs, said, strict=True):
        if isinstance(one, DefaultAssociations):
            linked.append(Outcome(index, pair, _LINKED, attempts, one))
        elif one is None:
            silent.append((index, pair))
        else:
            others.append(make_outcome(index, pair, call, one))
    return linked, others, silent
