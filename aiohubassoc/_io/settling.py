"""One batch to its end: sent, read, split where it was refused, and its loners sent alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, TypeAlias, cast

import attrs

from aiohubassoc._core.batch import Batch, Splitting
from aiohubassoc._core.blame import read_refusal, read_reply
from aiohubassoc._core.verdict import Accepted, Fatal, Partial, Told
from aiohubassoc._io.alone import NO_HISTORY, History, Loners, is_about_content
from aiohubassoc._io.call import Call, Unsettled, interrupted_outcome, outcome_of, settled_error
from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    ConnectFailedError,
    MigratingError,
    RateLimitedError,
    UnconfirmedError,
)
from aiohubassoc.models import DefaultAssociations, Outcome, Status
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._io.call import Final, NotLinked
    from aiohubassoc._io.crew import Run

_ALL_LINKED = {DefaultAssociations}
_LINKED = Status.LINKED  # to look it up on the enum costs as much as a call
_Types: TypeAlias = tuple[str, str]


@attrs.frozen
class Inputs:
    """Pairs of the same two types, as one call has them."""

    types: _Types
    pairs: Sequence[Pair]

    def __str__(self) -> str:
        return f"{len(self.pairs):,} pairs from {self.types[0]} to {self.types[1]}"


SettleBatch: TypeAlias = "Callable[[Call[Inputs]], Awaitable[Final]]"
"""Makes a call for many pairs until it is settled."""


@attrs.frozen
class Part:
    """
    Pairs of a batch that go together.

    Attributes:
        indexes: Their places in the caller's input.
        pairs: They themselves.
        history: What was tried with all of them.
    """

    indexes: Sequence[int]
    pairs: Sequence[Pair]
    history: History = NO_HISTORY

    def halves(self) -> tuple[Part, Part]:
        """Return both halves."""
        middle = (len(self.pairs) + 1) // 2
        return (
            Part(self.indexes[:middle], self.pairs[:middle], self.history),
            Part(self.indexes[middle:], self.pairs[middle:], self.history),
        )


_NOTHING = Part((), ())


class Settling:
    """
    A batch on its way.

    Args:
        run: The run.
        batch: The batch.
        send: Makes a call for many pairs.
        loners: Settles pairs one by one.
    """

    def __init__(self, run: Run, batch: Batch, send: SettleBatch, loners: Loners) -> None:
        self._run = run
        self._batch = batch
        self._send = send
        self._loners = loners
        self._splitting = Splitting()
        self._positions: dict[int, int] = {}
        if batch.repeats:
            self._positions = {index: number for number, index in enumerate(batch.indexes)}
        # Those that have no outcome yet, and belong to no loner.
        self._untold: dict[int, Pair] | None = None

    async def settle(self) -> None:
        """Return when every pair of the batch has its outcome."""
        batch = self._batch
        try:
            await self._settle(Part(batch.indexes, batch.pairs), is_refused=False)
        finally:
            # Whatever ended it, and however many are left: none is without an outcome.
            for index, pair in list(self._left().items()):
                self._put(self._run.unprocessed(index, pair))

    def _left(self) -> dict[int, Pair]:
        """Return the pairs without an outcome; they are looked for only once something is odd."""
        if self._untold is None:
            self._untold = dict(zip(self._batch.indexes, self._batch.pairs, strict=True))
        return self._untold

    async def _settle(self, part: Part, *, is_refused: bool) -> bool:
        """
        Settle *part*, and return whether HubSpot refused something of it.

        Args:
            part: The pairs.
            is_refused: Whether it is known that it would be refused as a whole.
        """
        was_refused = False
        while part.pairs:  # again as often as a refusal names records: there may be thousands
            if self._run.stopping:
                self._give_up(part)
                break
            if part.history.attempts and self._splitting.is_cheaper_alone(len(part.pairs)):
                return await self._settle_alone(part) or was_refused
            if is_refused:
                return await self._split(part, is_about_content=True)
            call, settled = await self._ask(part)
            if isinstance(settled, Told):
                return await self._read(part, settled, call) or was_refused
            assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
            part = await self._after_refusal(part, call, settled)
            was_refused = True
        return was_refused

    async def _split(self, part: Part, *, is_about_content: bool) -> bool:
        first, second = part.halves()
        was_refused = await self._settle(first, is_refused=False)
        # If there was nothing wrong with the first half, it is the second that was refused.
        is_refused = is_about_content and not was_refused
        return await self._settle(second, is_refused=is_refused) or was_refused

    async def _ask(self, part: Part) -> tuple[Call[Inputs], Final]:
        call = Call(Inputs(self._batch.types, part.pairs), self._run)
        call.uncertain, call.unknown = part.history.uncertain, part.history.unknown
        try:
            return call, await self._run.call(self._send, call)
        except BaseException:
            for index, pair in zip(part.indexes, part.pairs, strict=True):
                outcome = interrupted_outcome(index, pair, call, self._run.report.stopped)
                outcome.attempts += part.history.attempts
                self._put(outcome)
            raise

    async def _read(self, part: Part, told: Told, call: Call[Inputs]) -> bool:
        """Tell what a reply says of each pair; return whether it blames any."""
        assert isinstance(told.reply, DefaultAssociations)  # noqa: S101 -- of a call that links
        said = read_reply(part.pairs, told.reply)
        history = part.history.after(call)
        attempts = history.attempts
        if {*map(type, said)} == _ALL_LINKED:  # nearly always: at the speed of C
            replies = cast("list[DefaultAssociations]", said)
            all_linked, at = repeat(_LINKED), repeat(attempts)
            outcomes = list(map(Outcome, part.indexes, part.pairs, all_linked, at, replies))
            self._put_linked(outcomes)
            self._splitting.settled(len(said), 0)
            return False
        linked, alone = [], []
        blamed = 0
        for index, pair, one in zip(part.indexes, part.pairs, said, strict=True):
            if isinstance(one, DefaultAssociations):
                linked.append(Outcome(index, pair, _LINKED, attempts, one))
            elif one is None:
                alone.append((index, pair))
            else:
                assert isinstance(one, Partial)  # noqa: S101 -- see above
                self._put_other(index, pair, call, one, history)
                blamed += 1
        self._put_linked(linked)
        self._splitting.settled(len(said) - len(alone), blamed)
        if alone:
            indexes, pairs = zip(*alone, strict=True)
            return await self._settle_alone(Part(indexes, pairs, history)) or bool(blamed)
        return bool(blamed)

    async def _after_refusal(self, part: Part, call: Call[Inputs], settled: NotLinked) -> Part:
        """Settle pairs of a call that came to nothing, and return those that are to go again."""
        error = settled_error(settled)
        part = attrs.evolve(part, history=part.history.after(call))
        if self._is_final(part, settled, error):
            if self._run.stopping and len(part.pairs) > 1:
                settled = settled if isinstance(settled, Fatal) else Unsettled(error)
            for index, pair in zip(part.indexes, part.pairs, strict=True):
                self._put_other(index, pair, call, settled, part.history)
        elif isinstance(error, UnconfirmedError):
            await self._settle_alone(part)
        elif not (isinstance(error, ApiError) and is_about_content(error)):
            await self._split(part, is_about_content=False)
        else:
            rest = self._without_blamed(part, call, error)
            if len(rest.pairs) < len(part.pairs):
                return rest
            await self._split(part, is_about_content=True)
        return _NOTHING

    def _is_final(self, part: Part, settled: NotLinked, error: AioHubAssocError) -> bool:
        """Return whether what came of a call holds for each of its pairs."""
        return (
            isinstance(settled, Fatal)
            or self._run.stopping
            or isinstance(error, RateLimitedError | MigratingError | ConnectFailedError)
            or (len(part.pairs) == 1 and not isinstance(error, UnconfirmedError))
        )

    def _without_blamed(self, part: Part, call: Call[Inputs], error: ApiError) -> Part:
        """Tell the pairs that a refusal names, and return the others."""
        blamed = read_refusal(part.pairs, error)
        for position, refused in blamed.items():
            index, pair = part.indexes[position], part.pairs[position]
            self._put_other(index, pair, call, refused, part.history)
        self._splitting.settled(len(blamed), len(blamed))
        rest = [n for n in range(len(part.pairs)) if n not in blamed]
        return Part([part.indexes[n] for n in rest], [part.pairs[n] for n in rest], part.history)

    async def _settle_alone(self, part: Part) -> bool:
        """Send pairs one by one, and return whether one of them was refused."""
        items = list(zip(part.indexes, part.pairs, strict=True))
        claim = self._left().pop
        refused = await self._loners.settle(items, part.history, claim, self._put_repeats)
        if self._run.stopping:
            self._give_up(part)
        self._splitting.settled(len(items), refused)
        return refused > 0

    # --- telling -------------------------------------------------------------------------------

    def _give_up(self, part: Part) -> None:
        """Tell what is left of *part*, as the run stops."""
        for index, pair in zip(part.indexes, part.pairs, strict=True):
            outcome = self._run.unprocessed(index, pair)
            outcome.attempts = part.history.attempts
            outcome.maybe_applied = part.history.uncertain
            self._put(outcome)

    def _put_other(
        self,
        index: int,
        pair: Pair,
        call: Call[Inputs],
        settled: NotLinked,
        history: History,
    ) -> None:
        outcome = outcome_of(index, pair, call, settled)
        outcome.attempts = history.attempts
        outcome.reply = getattr(settled, "reply", None)  # the call's own is of all pairs
        self._put(outcome)

    def _put(self, outcome: Outcome) -> None:
        if self._left().pop(outcome.index, None) is not None:
            self._run.put(outcome)
            self._put_repeats(outcome)

    def _put_linked(self, outcomes: list[Outcome]) -> None:
        if self._untold is not None or len(outcomes) < len(self._batch.pairs):
            left = self._left()
            for outcome in outcomes:
                left.pop(outcome.index, None)
        else:
            self._untold = {}
        self._run.put_linked(outcomes)
        if self._batch.repeats:
            for outcome in outcomes:
                self._put_repeats(outcome)

    def _put_repeats(self, outcome: Outcome) -> None:
        """Tell the same of pairs that repeat one."""
        for index, pair in self._batch.repeats.get(self._positions.get(outcome.index, -1), ()):
            self._run.put(attrs.evolve(outcome, index=index, pair=pair))
