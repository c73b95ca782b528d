"""One batch call, and what it says of each pair; nothing is sent again alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc._core.batch import MOST_PAIRS, Batch
from aiohubassoc._core.blame import read_reply
from aiohubassoc._core.verdict import Accepted, Told
from aiohubassoc._io.call import Call, outcome_of, settled_error
from aiohubassoc._io.settling import Inputs
from aiohubassoc.errors import OptionsError, UnconfirmedError
from aiohubassoc.models import DefaultAssociations, Outcome, Status
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc._io.settling import SettleBatch
    from aiohubassoc.pair import RecordId


async def settle_once(
    settle: SettleBatch,
    types: tuple[str, str],
    pairs: Iterable[Pair | tuple[RecordId, RecordId]],
) -> list[Outcome]:
    """
    Send pairs in one call and return their outcomes, in their order.

    Raises:
        AioHubAssocError: as `AssociationClient.create_default_batch` says.
    """
    batch = _batch_of(types, pairs)
    call = Call(Inputs(types, batch.pairs))
    settled = await settle(call)
    if not isinstance(settled, Told):
        assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
        raise settled_error(settled)
    assert isinstance(settled.reply, DefaultAssociations)  # noqa: S101 -- of a call that links
    outcomes: list[Outcome] = []
    said = read_reply(batch.pairs, settled.reply)
    for position, (index, pair, one) in enumerate(
        zip(batch.indexes, batch.pairs, said, strict=True)
    ):
        if isinstance(one, DefaultAssociations):
            outcome = Outcome(index, pair, Status.LINKED, call.attempts, one)
        elif one is None:
            error = UnconfirmedError()
            maybe = True
            outcome = Outcome(index, pair, Status.FAILED, call.attempts, None, error, maybe)
        else:
            outcome = attrs.evolve(outcome_of(index, pair, call, one), reply=one.reply)
        outcomes.append(outcome)
        outcomes += [
            attrs.evolve(outcome, index=again, pair=repeated)
            for again, repeated in batch.repeats.get(position, ())
        ]
    return sorted(outcomes, key=lambda outcome: outcome.index)


def _batch_of(types: tuple[str, str], pairs: Iterable[Pair | tuple[RecordId, RecordId]]) -> Batch:
    batch = Batch(types, MOST_PAIRS, 0.0)
    for index, given in enumerate(pairs):
        if isinstance(given, Pair):
            pair = given
        else:
            try:
                from_id, to_id = given
            except (TypeError, ValueError):
                told = f"item {index} is neither a pair nor two ids: {given!r}"
                raise OptionsError(told) from None
            pair = Pair(types[0], from_id, types[1], to_id)
        if (pair.from_type, pair.to_type) != types:
            raise OptionsError(f"item {index} is not from {types[0]} to {types[1]}: {pair}")
        if not batch.add(index, pair):
            raise OptionsError(f"item {index} is another pair turned round: {pair}")
        if len(batch.pairs) > MOST_PAIRS:
            raise OptionsError(f"a batch holds {MOST_PAIRS:,} pairs at most")
    if not batch.pairs:
        raise OptionsError("a batch holds at least one pair")
    return batch
