"""One batch call, and what it says about each pair; nothing is sent again by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc._core.batch import MOST_PAIRS, Batch
from aiohubassoc._core.blame import read_reply
from aiohubassoc._core.endpoints import BatchRequest
from aiohubassoc._core.verdict import Accepted, Told
from aiohubassoc._io.call import Call, make_outcome, settled_error
from aiohubassoc._run.source import read_pair
from aiohubassoc.errors import OptionsError, PairError, UnconfirmedError
from aiohubassoc.models import DefaultAssociations, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc._run.batched import SettleBatch
    from aiohubassoc.pair import Pair, RecordId


async def send_one_batch(
    settle: SettleBatch,
    types: tuple[str, str],
    pairs: Iterable[Pair | tuple[RecordId, RecordId]],
) -> list[Outcome]:
    """
    Send pairs in one call and return their outcomes, in their order.

    Raises:
        AioHubAssocError: as `AssociationClient.create_default_batch` says.
    """
    batch = _make_batch(types, pairs)
    call = Call(BatchRequest(types, batch.pairs))
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
            outcome = Outcome(
                index, pair, Status.FAILED, call.attempts, error=error, maybe_applied=True
            )
        else:
            outcome = make_outcome(index, pair, call, one)
        outcomes.append(outcome)
        outcomes += [
            attrs.evolve(outcome, index=again, pair=repeated)
            for again, repeated in batch.repeats.get(position, ())
        ]
    return sorted(outcomes, key=lambda outcome: outcome.index)


def _make_batch(types: tuple[str, str], pairs: Iterable[Pair | tuple[RecordId, RecordId]]) -> Batch:
    batch = Batch(types, MOST_PAIRS, 0.0)
    for index, item in enumerate(pairs):
        try:
            pair = read_pair(index, item, types)
        except PairError as error:
            raise OptionsError(error.message) from None
        if isinstance(pair, tuple):
            raise pair[1]
        if (pair.from_type, pair.to_type) != types:
            raise OptionsError(f"item {index} is not from {types[0]} to {types[1]}: {pair}")
        if not batch.add(index, pair):
            raise OptionsError(f"item {index} is another pair turned round: {pair}")
        if len(batch.pairs) > MOST_PAIRS:
            raise OptionsError(f"a batch holds {MOST_PAIRS:,} pairs at most")
    if not batch.pairs:
        raise OptionsError("a batch holds at least one pair")
    return batch
