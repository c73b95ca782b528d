"""
What a batch's reply says of each of its pairs.

Success is read from the results, by the ids of both ends in either direction, never by position.
An error is blamed on a pair only where its ids leave no doubt; a pair without a word about it is
to be sent alone, which tells the truth in any case. So is a pair that an error without a name may
be about.
"""

from __future__ import annotations

from itertools import repeat
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from aiohubassoc._batching.batch_index import BatchIndex
from aiohubassoc._batching.error_ids import End, find_ids
from aiohubassoc._batching.excerpts import Excerpts
from aiohubassoc._protocol.verdicts import Partial, Refused
from aiohubassoc.errors import ApiError
from aiohubassoc.pair import canonical_id
from aiohubassoc.replies import DefaultAssociations, StandardError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from aiohubassoc.pair import Pair
    from aiohubassoc.replies import Association

Said: TypeAlias = DefaultAssociations | Partial | None
"""Of a pair: its part of the reply if it is linked; None: nothing, so it is to be sent alone."""

_Ends: TypeAlias = tuple[str, str]
_Found: TypeAlias = "Sequence[tuple[Association, ...] | None]"
_Errors: TypeAlias = dict[int, tuple[StandardError, ...]]
_ErrorT = TypeVar("_ErrorT", StandardError, ApiError)
# HubSpot counts an error for each end of a pair (recorded: one pair, `numErrors` 2).
_ENDS: Final = 2
# Of a link, each a result (HubSpot, Associations v4).
_DIRECTIONS: Final = 2


def read_reply(pairs: Sequence[Pair], reply: DefaultAssociations) -> list[Said]:
    """Return what *reply* says of each of *pairs*: different ones of the same two types."""
    found = _results_of(pairs, reply.results)
    errors: _Errors = {}
    doubtful: set[int] = set()
    # What is told of a single pair without a name can only be about that one.
    is_alone = len(pairs) == 1
    if is_alone:
        errors = {0: reply.errors} if reply.errors else {}
    elif reply.errors or reply.num_errors:
        errors, nameless = _errors_of(pairs, found, reply.errors)
        doubtful = _doubtful(found, errors, _left_over(reply, nameless))
    is_odd = reply.status == "CANCELED" or (is_alone and bool(reply.num_errors))
    status, began, ended, asked = (
        reply.status,
        reply.started_at,
        reply.completed_at,
        reply.requested_at,
    )
    if not (errors or doubtful or is_odd or None in found):  # nearly always: at the speed of C
        nothing = repeat(())
        parts = map(
            DefaultAssociations,
            found,
            repeat(status),
            nothing,
            repeat(reply.num_errors if is_alone else None),
            repeat(began),
            repeat(ended),
            repeat(asked),
        )
        return list(parts)
    said: list[Said] = []
    for position, results in enumerate(found):
        own = errors.get(position, ()) if errors else ()
        if not (results or own) or (position in doubtful and not is_odd):
            said.append(None)
            continue
        count = reply.num_errors if is_alone else len(own) or None
        # What concerns this pair: to keep the whole reply for each pair would fill memory.
        part = DefaultAssociations(results or (), status, own, count, began, ended, asked)
        said.append(Partial(part, linked=bool(results)) if own or is_odd else part)
    return said


def read_refusal(pairs: Sequence[Pair], error: ApiError) -> dict[int, Refused]:
    """Return the pairs that the refusal of a whole batch blames, by their position."""
    inputs = BatchIndex(pairs)
    told = find_ids(error.context, error.errors, error.sub_category)
    blamed = inputs.blamed(told, set())
    if not blamed:
        return {}
    excerpts = Excerpts(error.context, error.errors, inputs.ids)
    return {
        position: Refused(_excerpt(error, excerpts, inputs.ends(position))) for position in blamed
    }


def _results_of(
    pairs: Sequence[Pair], results: Iterable[Association]
) -> list[tuple[Association, ...] | None]:
    """Return the results of each pair; None: there are none."""
    positions: dict[_Ends, int] = {
        (pair.from_id, pair.to_id): position for position, pair in enumerate(pairs)
    }
    found: list[tuple[Association, ...] | None] = [None] * len(pairs)
    others = _share_out(results, positions, found)
    if others:  # ids that were not written as HubSpot does
        positions = {
            (canonical_id(pair.from_id), canonical_id(pair.to_id)): position
            for position, pair in enumerate(pairs)
        }
        _share_out(others, positions, found, canonical_id)
    return found


def _share_out(
    results: Iterable[Association],
    positions: Mapping[_Ends, int],
    found: list[tuple[Association, ...] | None],
    written: Callable[[str], str] | None = None,
) -> list[Association]:
    """Add each result to its pair, and return those that belong to none."""
    place = positions.get
    others = []
    for result in results:
        from_id, to_id = result.from_id, result.to_id
        if written is not None:
            from_id, to_id = written(from_id), written(to_id)
        position = place((from_id, to_id))
        if position is None and (position := place((to_id, from_id))) is None:
            others.append(result)
            continue
        before = found[position]
        found[position] = (result,) if before is None else (*before, result)
    return others


def _errors_of(
    pairs: Sequence[Pair], found: _Found, errors: tuple[StandardError, ...]
) -> tuple[_Errors, int]:
    """Return the errors of each pair by its position, and how many are of no pair."""
    inputs = BatchIndex(pairs)
    linked = {position for position, results in enumerate(found) if results}
    own: _Errors = {}
    nameless = 0
    for error in errors:
        told = find_ids(error.context, error.errors, error.sub_category)
        blamed = inputs.blamed(told, linked)
        nameless += not blamed
        if blamed:
            excerpts = Excerpts(error.context, error.errors, inputs.ids)
            for position in blamed:
                part = _excerpt(error, excerpts, inputs.ends(position))
                own[position] = (*own.get(position, ()), part)
    return own, nameless


def _left_over(reply: DefaultAssociations, nameless: int) -> float:
    """Return how many errors of *reply* are of no pair; *nameless* of them are described."""
    counted = reply.num_errors or 0
    if counted < 0:
        return inf  # there are errors, and nobody knows how many
    return max(counted - (len(reply.errors) - nameless), nameless)


def _doubtful(found: _Found, blamed: Collection[int], left_over: float) -> set[int]:
    """
    Return the pairs with a result that an error of no pair may be about.

    It may be about those with fewer directions than others have. If there is no other pair that it
    can be about, it may be about each.

    Args:
        found: The results of each pair.
        blamed: The pairs that have an error of their own.
        left_over: How many errors are of no pair.
    """
    if not left_over:
        return set()
    ways = [len({(one.from_id, one.to_id) for one in results or ()}) for results in found]
    linked = {position for position, count in enumerate(ways) if count} - {*blamed}
    usual = max(ways, default=0)
    incomplete = {position for position in linked if ways[position] < usual}
    suspects = len(found) - len(linked) + len(incomplete)
    # Where each pair has one direction, nobody knows whether the way back is what failed.
    is_explained = suspects and (usual >= _DIRECTIONS or left_over <= _ENDS * suspects)
    return incomplete if is_explained else linked


def _excerpt(error: _ErrorT, excerpts: Excerpts, ends: tuple[End, End]) -> _ErrorT:
    """Return an error as that of one pair: without the others' ids."""
    context, details = excerpts.of(ends)
    if context is error.context and details == error.errors:
        return error
    return attrs.evolve(error, context=context, errors=details)
