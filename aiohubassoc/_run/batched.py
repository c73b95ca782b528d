"""Links pairs by batch calls. A batch that HubSpot refuses is bisected, at last pair by pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final, cast

import attrs

from aiohubassoc._batching.attribution import read_refusal
from aiohubassoc._batching.batch import MOST_PAIRS, Batch
from aiohubassoc._batching.bisection import Bisection
from aiohubassoc._http.call_outcome import NO_HISTORY, make_outcome, to_error
from aiohubassoc._http.sender import Call
from aiohubassoc._protocol.requests import BatchRequest
from aiohubassoc._protocol.verdicts import About, Accepted, Replied
from aiohubassoc._run.dataframes import is_frame
from aiohubassoc._run.input_errors import not_iterable
from aiohubassoc._run.put import link_one, link_singly
from aiohubassoc._run.source import read_pair
from aiohubassoc._run.strategy import BatchReader, LinkStrategy
from aiohubassoc.errors import (
    ApiError,
    GatewayError,
    MigratingError,
    OptionsError,
    PairError,
    RateLimitedError,
    UnconfirmedError,
    WrongEndpointError,
)
from aiohubassoc.models import Outcome, Status
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiohubassoc._http.call_outcome import FinalVerdict, NotLinked
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.sender import Send
    from aiohubassoc._protocol.verdicts import Partial
    from aiohubassoc._run.source import Entry
    from aiohubassoc._run.strategy import SkipLinked
    from aiohubassoc.pair import Pair, RecordId


# In one call of `create_default_batch`, with repeated ones: an input may repeat a pair for ever.
_MOST_ITEMS: Final = 5 * MOST_PAIRS
_ALL_LINKED: Final = {DefaultAssociations}
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call


class Batched(LinkStrategy):
    """Links pairs by batch calls of *size* pairs, or fewer after *linger* seconds."""

    # Of a batch that HubSpot refused, *concurrency* pairs may be sent singly at once.

    def __init__(
        self,
        send: Send[BatchRequest],
        send_pair: Send[Pair],
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
        super().__init__(skip, self._most_in_hand())
        self._send = send
        self._send_pair = send_pair
        self._concurrency = concurrency
        # Whether batch calls reach HubSpot; None: not known yet.
        self._is_batch_path_open: bool | None = None
        self._reader: BatchReader[Batch] = BatchReader(
            lambda types, now: Batch(types, size, now), linger=linger, clock=clock
        )

    async def _work(self) -> None:
        """Read pairs into batches, and begin each."""
        is_more_coming = bool if self._skip is None else self._skip.is_asking
        await self._reader.read(self._run, self._read, self._begin, is_more_coming)

    def _begin(self, batch: Batch) -> None:
        run = self._run
        more = 0 if self._skip is None else self._skip.read_ahead
        run.read_ahead = max(run.read_ahead, self._most_in_hand() + more)
        run.repeats |= batch.repeats
        _ = run.begin(self._link(batch))

    def _most_in_hand(self) -> int:
        """Return how many pairs may be in hand: those of the batches in flight, at least two."""
        return self._size * max(2, self._max_in_flight())

    async def _link(self, batch: Batch) -> None:
        """Return when every pair of a batch has its outcome, or the run stops."""
        run = self._run
        bisection = Bisection(list(zip(batch.indexes, batch.pairs, strict=True)))
        while not run.stopping and (part := bisection.next()) is not None:
            if part.is_singly or self._is_batch_path_open is False:
                refused = await link_singly(run, self._send_pair, part.items, self._concurrency)
                bisection.completed_singly(refused)
                continue
            indexes, pairs = zip(*part.items, strict=True)
            history = run.histories.get(indexes[0], NO_HISTORY)
            call = Call(BatchRequest(batch.types, pairs), run, history)
            verdict = await run.call(self._send, call, indexes)
            if isinstance(verdict, Replied):
                self._is_batch_path_open = True
                await self._report(indexes, verdict, call, bisection)
            else:
                assert not isinstance(verdict, Accepted)  # noqa: S101 -- that is of one pair
                await self._after_refusal(indexes, verdict, call, bisection)

    async def _report(
        self,
        indexes: Sequence[int],
        verdict: Replied,
        call: Call[BatchRequest],
        bisection: Bisection[Entry],
    ) -> None:
        """Report what a reply says about each pair, and bisect no further."""
        run = self._run
        linked, others, unmentioned = read_outcomes(indexes, verdict, call)
        if unmentioned:
            run.remember(indexes, attrs.evolve(call.to_history(), unmentioned=True))
        if run.repeats or run.histories:
            await run.put_each(chain(linked, others), is_refusal=not linked)
        else:  # nearly always
            run.put_linked(linked)
            await run.put_each(others, is_refusal=not linked)
        completed = len(indexes) - len(unmentioned)
        bisection.accepted(completed, completed - len(linked), singly=unmentioned)

    async def _after_refusal(
        self,
        indexes: Sequence[int],
        verdict: NotLinked,
        call: Call[BatchRequest],
        bisection: Bisection[Entry],
    ) -> None:
        """Report what a failed call says about its pairs, and how to continue with the others."""
        run, pairs = self._run, call.subject.pairs
        error = to_error(verdict)
        is_unconfirmed = isinstance(error, UnconfirmedError)
        about = verdict.about
        if about is not About.PATH and (
            # The run stops, or a smaller call would fail too.
            about is About.RUN
            or isinstance(error, RateLimitedError | MigratingError)
            or (len(pairs) == 1 and not is_unconfirmed)
        ):
            every = map(make_outcome, indexes, pairs, repeat(call), repeat(verdict))
            await run.put_each(every, is_refusal=about is About.PAIR)
            bisection.closed()
            return
        run.remember(indexes, call.to_history())
        if about is About.PATH:
            if self._is_batch_path_open is None:
                self._is_batch_path_open = False
            # The response to the call for one pair says whether the run can continue.
            refusal = await link_one(run, self._send_pair, indexes[0], pairs[0])
            if isinstance(refusal, GatewayError | WrongEndpointError):
                run.stop(refusal)
            rest = list(zip(indexes[1:], pairs[1:], strict=True))
            bisection.accepted(1, int(refusal is not None), singly=rest)
        elif is_unconfirmed:
            bisection.send_singly()
        elif about is not About.PAIR:
            bisection.failed()
        else:
            assert isinstance(error, ApiError)  # noqa: S101 -- HubSpot refused what was sent
            named = await run.in_steps(read_refusal(pairs, error))
            outcomes = (
                make_outcome(indexes[at], pairs[at], call, refused) for at, refused in named.items()
            )
            await run.put_each(outcomes, is_refusal=True)
            bisection.refused(named)


def read_outcomes(
    indexes: Sequence[int], verdict: Replied, call: Call[BatchRequest]
) -> tuple[list[Outcome], Iterable[Outcome], list[Entry]]:
    """Return the pairs that a reply links, the others that it mentions, and those it does not."""
    assert isinstance(verdict.reply, DefaultAssociations)  # noqa: S101 -- of a call that links
    pairs, attempts = call.subject.pairs, call.total_attempts
    parts = verdict.parts
    if {*map(type, parts)} == _ALL_LINKED:  # nearly always: at the speed of C
        replies = cast("list[DefaultAssociations]", parts)
        return (
            list(map(Outcome, indexes, pairs, repeat(_LINKED), repeat(attempts), replies)),
            [],
            [],
        )
    linked: list[Outcome] = []
    others: list[tuple[int, Pair, Partial]] = []
    unmentioned: list[Entry] = []
    for index, pair, part in zip(indexes, pairs, parts, strict=True):
        if isinstance(part, DefaultAssociations):
            linked.append(Outcome(index, pair, _LINKED, attempts, part))
        elif part is None:
            unmentioned.append((index, pair))
        else:
            others.append((index, pair, part))
    outcomes = (make_outcome(index, pair, call, part) for index, pair, part in others)
    return linked, outcomes, unmentioned


async def send_one_batch(
    send: Send[BatchRequest],
    types: tuple[str, str],
    pairs: Iterable[Pair | tuple[RecordId, RecordId]],
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Send pairs in one call; return their outcomes, which *on_outcome* gets also if it raises."""
    batch = _make_batch(types, pairs)
    call = Call(BatchRequest(types, batch.pairs))
    verdict = await send(call)
    found = {outcome.index: outcome for outcome in _make_outcomes(batch, verdict, call)}
    for index, repeats in batch.repeats.items():
        _, _, *result = attrs.astuple(found[index], recurse=False)
        found |= {repeat: Outcome(repeat, pair, *result) for repeat, pair in repeats}
    outcomes = [found[index] for index in sorted(found)]
    if on_outcome is not None:
        for outcome in outcomes:
            on_outcome(outcome)
    if not isinstance(verdict, Accepted | Replied):
        raise to_error(verdict)
    return outcomes


def _make_outcomes(
    batch: Batch, verdict: FinalVerdict, call: Call[BatchRequest]
) -> Iterator[Outcome]:
    """Yield what a verdict means for each pair of a batch that is not sent again, in any order."""
    assert not isinstance(verdict, Accepted)  # noqa: S101 -- that is of one pair
    if not isinstance(verdict, Replied):
        for index, pair in zip(batch.indexes, batch.pairs, strict=True):
            yield make_outcome(index, pair, call, verdict)
        return
    linked, others, unmentioned = read_outcomes(batch.indexes, verdict, call)
    yield from linked
    yield from others
    # Without the results in the reply: they are about other pairs.
    error = UnconfirmedError(DefaultAssociations((), verdict.reply.status))
    for index, pair in unmentioned:
        yield Outcome(index, pair, Status.FAILED, call.attempts, error=error, maybe_applied=True)


def _make_batch(types: tuple[str, str], pairs: Iterable[Pair | tuple[RecordId, RecordId]]) -> Batch:
    given: object = pairs
    is_iterable = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
    if not is_iterable or is_frame(given):
        raise not_iterable(given)
    batch = Batch(types, MOST_PAIRS, 0.0)
    for index, item in enumerate(pairs):
        if index == _MOST_ITEMS:
            raise OptionsError(f"a batch takes {_MOST_ITEMS:,} items at most, repeats included")
        try:
            pair = read_pair(index, item, types)
        except PairError as error:
            raise OptionsError(error.message) from None
        if isinstance(pair, tuple):
            raise pair[1]
        if (pair.from_type, pair.to_type) != types:
            raise OptionsError(f"item {index} is not from {types[0]} to {types[1]}: {pair}")
        if not batch.add(index, pair):
            raise OptionsError(f"item {index} is the reverse of another pair: {pair}")
        if len(batch.pairs) > MOST_PAIRS:
            raise OptionsError(f"a batch holds {MOST_PAIRS:,} pairs at most")
    if not batch.pairs:
        raise OptionsError("a batch holds at least one pair")
    return batch
