"""One batch call, and what it says about each pair; nothing is sent again by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc._batching.batch import MOST_PAIRS, Batch
from aiohubassoc._http.request_state import Call, make_outcome, settled_error
from aiohubassoc._protocol.requests import BatchRequest
from aiohubassoc._protocol.verdicts import Accepted, Replied
from aiohubassoc._run.batched import read_outcomes
from aiohubassoc._run.dataframes import is_frame
from aiohubassoc._run.input_errors import not_iterable
from aiohubassoc._run.source import read_pair
from aiohubassoc.errors import OptionsError, PairError, UnconfirmedError
from aiohubassoc.models import Outcome, Status
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._run.batched import SettleBatch
    from aiohubassoc.pair import Pair, RecordId


_INDEX: Final = attrgetter("index")


async def send_one_batch(
    settle: SettleBatch,
    types: tuple[str, str],
    pairs: Iterable[Pair | tuple[RecordId, RecordId]],
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """
    Send pairs in one call and return their outcomes, in their order.

    *on_outcome* is given each of them, also those of pairs whose call raises.

    Raises:
        AioHubAssocError: as `AssociationClient.create_default_batch` says.
    """
    batch = _make_batch(types, pairs)
    call = Call(BatchRequest(types, batch.pairs))
    settled = await settle(call)
    assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
    if isinstance(settled, Replied):
        outcomes = _read(batch, settled, call)
    else:
        entries = zip(batch.indexes, batch.pairs, strict=True)
        outcomes = [make_outcome(index, pair, call, settled) for index, pair in entries]
    outcomes = _with_repeats(outcomes, batch)
    if on_outcome is not None:
        for outcome in outcomes:
            on_outcome(outcome)
    if not isinstance(settled, Replied):
        raise settled_error(settled)
    return outcomes


def _read(batch: Batch, settled: Replied, call: Call[BatchRequest]) -> list[Outcome]:
    """Return what a reply says of each pair, in any order."""
    linked, others, silent = read_outcomes(batch.indexes, batch.pairs, settled, call)
    outcomes = linked + others
    # Not the whole reply: it is about other pairs.
    error = UnconfirmedError(DefaultAssociations((), settled.reply.status))
    for index, pair in silent:
        outcomes.append(
            Outcome(index, pair, Status.FAILED, call.attempts, error=error, maybe_applied=True)
        )
    return outcomes


def _with_repeats(outcomes: list[Outcome], batch: Batch) -> list[Outcome]:
    """Return outcomes in the order of their pairs, those that repeat another among them."""
    outcomes.sort(key=_INDEX)
    for position, repeats in batch.repeats.items():
        outcomes += [
            attrs.evolve(outcomes[position], index=index, pair=pair) for index, pair in repeats
        ]
    return sorted(outcomes, key=_INDEX)


def _make_batch(types: tuple[str, str], pairs: Iterable[Pair | tuple[RecordId, RecordId]]) -> Batch:
    given: object = pairs
    is_iterable = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
    if not is_iterable or is_frame(given):
        raise not_iterable(given)
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
