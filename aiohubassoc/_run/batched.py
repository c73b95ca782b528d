"""Calls for many pairs: sent, read, bisected where HubSpot refuses, and pair by pair at last."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import attrs

from aiohubassoc._core.batch import Batch
from aiohubassoc._core.bisection import Bisection
from aiohubassoc._core.blame import is_about_types, read_refusal, read_reply
from aiohubassoc._core.endpoints import BatchRequest
from aiohubassoc._core.verdict import Accepted, Fatal, Partial, Told
from aiohubassoc._io.call import Call, make_outcome, settled_error
from aiohubassoc._run.batch_reader import BatchReader
from aiohubassoc._run.put import LinkStrategy
from aiohubassoc._run.settle_one import is_about_content, settle_singly
from aiohubassoc.errors import (
    ApiError,
    ConnectFailedError,
    MigratingError,
    RateLimitedError,
    UnconfirmedError,
)
from aiohubassoc.models import DefaultAssociations, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from aiohubassoc._io import call as _call
    from aiohubassoc._io.clock import Clock
    from aiohubassoc._run.run import Run
    from aiohubassoc._run.settle_one import SettlePair
    from aiohubassoc._run.skip_linked import SkipLinked
    from aiohubassoc.errors import AioHubAssocError
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
        clock: Time.
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
        self._settle_pair = settle_pair
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
        singly = partial(settle_singly, self._run, self._settle_pair, concurrency=self._concurrency)
        self._run.begin(_BatchJob(self._run, batch, self.settle, singly).settle())

    def _pairs_at_once(self) -> int:
        """Return how many pairs may be in hand: those of the batches in flight, at least two."""
        return self._size * max(2, self._max_in_flight())


class _BatchJob:
    """
    One batch, until nothing more is to be sent for it. A pair it gives no outcome for stays open.

    Args:
        run: The run, which owns the pairs.
        batch: The batch.
        settle: Makes a call for many pairs.
        settle_singly: Settles pairs one by one, and returns how many HubSpot refused.
    """

    def __init__(
        self,
        run: Run[Outcome],
        batch: Batch,
        settle: SettleBatch,
        settle_singly: Callable[..., Awaitable[int]],
    ) -> None:
        self._run = run
        self._types = batch.types
        self._settle = settle
        self._settle_singly = settle_singly
        self._repeats = {batch.indexes[at]: entries for at, entries in batch.repeats.items()}
        self._bisection = Bisection(list(zip(batch.indexes, batch.pairs, strict=True)))

    async def settle(self) -> None:
        """Return when every pair has its outcome, or the run stops."""
        bisection = self._bisection
        while not self._run.stopping and (part := bisection.next()) is not None:
            if part.is_singly:
                refused = await self._settle_singly(part.items, self._repeats)
                bisection.settled_singly(refused)
                continue
            indexes, pairs = zip(*part.items, strict=True)
            history = self._run.get_history(indexes[0])
            call = Call(BatchRequest(self._types, pairs), self._run, history)
            settled = await self._run.call(self._settle, call, self._with_repeats(indexes))
            if isinstance(settled, Told):
                self._read(indexes, pairs, settled, call)
            else:
                assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
                self._after_refusal(indexes, pairs, settled, call)

    def _read(
        self, indexes: Sequence[int], pairs: Sequence[Pair], told: Told, call: Call[BatchRequest]
    ) -> None:
        """Report what a reply says about each pair, and bisect no further."""
        assert isinstance(told.reply, DefaultAssociations)  # noqa: S101 -- of a call that links
        said = read_reply(pairs, told.reply)
        attempts = call.total_attempts
        if {*map(type, said)} == _ALL_LINKED:  # nearly always: at the speed of C
            replies = cast("list[DefaultAssociations]", said)
            always, at = repeat(_LINKED), repeat(attempts)
            self._put_linked(list(map(Outcome, indexes, pairs, always, at, replies)))
            self._bisection.accepted(len(said))
            return
        self._run.remember(self._with_repeats(indexes), call.to_history())
        linked, others, singly = [], [], []
        for index, pair, one in zip(indexes, pairs, said, strict=True):
            if isinstance(one, DefaultAssociations):
                linked.append(Outcome(index, pair, _LINKED, attempts, one))
            elif one is None:
                singly.append((index, pair))
            else:
                assert isinstance(one, Partial)  # noqa: S101 -- see above
                others.append(make_outcome(index, pair, call, one))
        self._put_linked(linked)
        for outcome in others:
            self._put(outcome)
        self._bisection.accepted(len(said) - len(singly), len(others), singly=singly)

    def _after_refusal(
        self,
        indexes: Sequence[int],
        pairs: Sequence[Pair],
        settled: _call.NotLinked,
        call: Call[BatchRequest],
    ) -> None:
        """Report what a call that came to nothing settles, and say how to go on with the rest."""
        error = settled_error(settled)
        bisection = self._bisection
        if self._is_final(pairs, settled, error):
            for index, pair in zip(indexes, pairs, strict=True):
                self._put(make_outcome(index, pair, call, settled))
            bisection.closed()
            return
        self._run.remember(self._with_repeats(indexes), call.to_history())
        if isinstance(error, UnconfirmedError):
            bisection.send_singly()
        elif not (isinstance(error, ApiError) and is_about_content(error)):
            bisection.failed()
        else:
            blamed = read_refusal(pairs, error)
            for at, refused in blamed.items():
                self._put(make_outcome(indexes[at], pairs[at], call, refused))
            bisection.refused(blamed)

    def _is_final(
        self, pairs: Sequence[Pair], settled: _call.NotLinked, error: AioHubAssocError
    ) -> bool:
        """Return whether what came of a call holds for each of its pairs."""
        if len(pairs) == 1:
            return not isinstance(error, UnconfirmedError)
        return (
            isinstance(settled, Fatal)
            or isinstance(error, RateLimitedError | MigratingError | ConnectFailedError)
            or (isinstance(error, ApiError) and is_about_types(error, self._types))
        )

    def _put(self, outcome: Outcome) -> None:
        self._run.put(outcome)
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
