"""
What a batch's reply says of each of its pairs.

Success is read from the results, by the ids of both ends in either direction, never by position.
An error is blamed on a pair only where its ids leave no doubt; a pair without a word about it is
to be sent alone, which tells the truth in any case.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from aiohubassoc._core.batch_index import BatchIndex
from aiohubassoc._core.excerpts import Excerpts
from aiohubassoc._core.ids import canonical
from aiohubassoc._core.mentions import End, mentions_of
from aiohubassoc._core.verdict import Partial, Refused
from aiohubassoc.errors import ApiError
from aiohubassoc.models import DefaultAssociations, StandardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiohubassoc.models import Association
    from aiohubassoc.pair import Pair

Said: TypeAlias = DefaultAssociations | Partial | None
"""Of a pair: its part of the reply if it is linked; None: nothing, so it is to be sent alone."""

_Ends: TypeAlias = tuple[str, str]
_ErrorT = TypeVar("_ErrorT", StandardError, ApiError)


def read_reply(pairs: Sequence[Pair], reply: DefaultAssociations) -> list[Said]:
    """Return what *reply* says of each of *pairs*: different ones of the same two types."""
    found = _results_of(pairs, reply.results)
    errors = _errors_of(pairs, found, reply.errors) if reply.errors else {}
    # What is told of a single pair without a name can only be about that one.
    is_alone = len(pairs) == 1
    is_odd = reply.status == "CANCELED" or (is_alone and (reply.num_errors or 0) > 0)
    status, began, ended, asked = (
        reply.status,
        reply.started_at,
        reply.completed_at,
        reply.requested_at,
    )
    if not (errors or is_odd or None in found):  # nearly always: at the speed of C
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
        if not (results or own):
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
    told = mentions_of(error.context, error.errors, error.sub_category)
    blamed = inputs.blamed(told, set())
    if not blamed:
        return {}
    excerpts = Excerpts(error.context, error.errors, inputs.ids)
    return {
        position: Refused(_excerpt(error, excerpts, inputs.ends(position))) for position in blamed
    }


def is_about_types(error: ApiError, types: tuple[str, str]) -> bool:
    """Return whether a refusal is about the object types: no pair of them would fare better."""
    # "Unable to infer object type from: x", "Invalid object or event type id: 0-9999": recorded.
    for start in _TYPE_REFUSALS:
        if error.message.startswith(start) and not error.context:
            named = error.message.removeprefix(start).strip()
            return not {named, named.removesuffix("."), named.rstrip(". ")}.isdisjoint(types)
    return False


_TYPE_REFUSALS: Final = ("Unable to infer object type from: ", "Invalid object or event type id: ")


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
            (canonical(pair.from_id), canonical(pair.to_id)): position
            for position, pair in enumerate(pairs)
        }
        _share_out(others, positions, found, canonical)
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
    pairs: Sequence[Pair],
    found: Sequence[tuple[Association, ...] | None],
    errors: tuple[StandardError, ...],
) -> dict[int, tuple[StandardError, ...]]:
    """Return the errors of each pair, by its position."""
    if len(pairs) == 1:
        return {0: errors}
    inputs = BatchIndex(pairs)
    linked = {position for position, results in enumerate(found) if results}
    own: dict[int, tuple[StandardError, ...]] = {}
    for error in errors:
        told = mentions_of(error.context, error.errors, error.sub_category)
        if blamed := inputs.blamed(told, linked):
            excerpts = Excerpts(error.context, error.errors, inputs.ids)
            for position in blamed:
                part = _excerpt(error, excerpts, inputs.ends(position))
                own[position] = (*own.get(position, ()), part)
    return own


def _excerpt(error: _ErrorT, excerpts: Excerpts, ends: tuple[End, End]) -> _ErrorT:
    """Return an error as that of one pair: without the others' ids."""
    context, details = excerpts.of(ends)
    if context is error.context and details == error.errors:
        return error
    return attrs.evolve(error, context=context, errors=details)
