"""
What a batch's reply says of each of its pairs.

Success is read from the results, by the ids of both ends in either direction, never by position.
An error is blamed on a pair only where its ids leave no doubt; a pair without a word about it is
not linked, and is to be sent alone, which tells the truth in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc._core.ids import canonical
from aiohubassoc._core.mentions import Mention, kind_of, mentions_of
from aiohubassoc._core.verdict import Partial, Refused
from aiohubassoc.models import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiohubassoc.errors import ApiError
    from aiohubassoc.models import Association, StandardError
    from aiohubassoc.pair import Pair

Said: TypeAlias = DefaultAssociations | Partial | None
"""Of a pair: its part of the reply if it is linked; None: nothing, so it is to be sent alone."""

_Ends: TypeAlias = tuple[str, str]


def read_reply(pairs: Sequence[Pair], reply: DefaultAssociations) -> list[Said]:
    """Return what *reply* says of each of *pairs*: different ones of the same two types."""
    found = _results_of(pairs, reply.results)
    errors: dict[int, tuple[StandardError, ...]] = {}
    if reply.errors:
        inputs = _Inputs(pairs)
        linked = {position for position, results in enumerate(found) if results}
        for error in reply.errors:
            told = mentions_of(error.context, error.errors, error.sub_category, inputs.ids)
            for position in inputs.blamed(told, linked):
                errors[position] = (*errors.get(position, ()), error)
    is_cancelled = reply.status == "CANCELED"
    status, began, ended, asked = (
        reply.status,
        reply.started_at,
        reply.completed_at,
        reply.requested_at,
    )
    said: list[Said] = []
    for position, results in enumerate(found):
        own = errors.get(position, ()) if errors else ()
        if not (results or own):
            said.append(None)
            continue
        # What concerns this pair: to keep the whole reply for each pair would fill memory.
        part = DefaultAssociations(
            results or (), status, own, len(own) or None, began, ended, asked
        )
        said.append(Partial(part, linked=bool(results)) if own or is_cancelled else part)
    return said


def read_refusal(pairs: Sequence[Pair], error: ApiError) -> dict[int, Refused]:
    """Return the pairs that the refusal of a whole batch blames, by their position."""
    inputs = _Inputs(pairs)
    told = mentions_of(error.context, error.errors, error.sub_category, inputs.ids)
    return {
        position: Refused(_for_one(error, pairs[position]))
        for position in inputs.blamed(told, set())
    }


def is_about_types(error: ApiError, types: tuple[str, str]) -> bool:
    """Return whether a refusal is about the object types: no pair of them would fare better."""
    # "Unable to infer object type from: x", "Invalid object or event type id: 0-9999": recorded.
    text = error.message
    return not error.context and any(
        f"{start}{name}" == text.rstrip(".") for start in _TYPE_REFUSALS for name in types
    )


_TYPE_REFUSALS: Final = ("Unable to infer object type from: ", "Invalid object or event type id: ")


def _results_of(
    pairs: Sequence[Pair], results: Iterable[Association]
) -> list[tuple[Association, ...] | None]:
    """Return the results of each pair; None: there are none."""
    positions: dict[_Ends, int] = {
        (pair.from_id, pair.to_id): position for position, pair in enumerate(pairs)
    }
    found: list[tuple[Association, ...] | None] = [None] * len(pairs)
    place = positions.get
    others = []
    for result in results:
        from_id, to_id = result.from_id, result.to_id
        position = place((from_id, to_id))
        if position is None and (position := place((to_id, from_id))) is None:
            others.append(result)
            continue
        before = found[position]
        found[position] = (result,) if before is None else (*before, result)
    if others:  # ids that were not written as HubSpot does
        for position, pair in enumerate(pairs):
            ends = {canonical(pair.from_id), canonical(pair.to_id)}
            if found[position] is None and (pair.from_id[0] == "0" or pair.to_id[0] == "0"):
                own = tuple(
                    one for one in others if {canonical(one.from_id), canonical(one.to_id)} == ends
                )
                found[position] = own or None
    return found


def _for_one(error: ApiError, pair: Pair) -> ApiError:
    """Return the refusal of a batch as that of one of its pairs: without the others' ids."""
    own = {canonical(pair.from_id), canonical(pair.to_id)}
    context = {}
    for name, values in error.context.items():
        mine = tuple(value for value in values if _names(name, value, own))
        if mine or not values:
            context[name] = mine
    return attrs.evolve(error, context=context)


def _names(name: str, value: str, own: set[str]) -> bool:
    if "type" in name.lower():
        return True
    return bool(mentions_of({name: (value,)}, (), None, own))


class _Inputs:
    """The pairs of a batch, to be found by an id."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._from: dict[str, list[int]] = {}
        self._to: dict[str, list[int]] = {}
        for position, pair in enumerate(pairs):
            self._from.setdefault(canonical(pair.from_id), []).append(position)
            self._to.setdefault(canonical(pair.to_id), []).append(position)
        self._to_ids = [canonical(pair.to_id) for pair in pairs]
        self._from_kind = kind_of(pairs[0].from_type)
        self._to_kind = kind_of(pairs[0].to_type)
        self.ids = {*self._from, *self._to}

    def blamed(self, mentions: Sequence[Mention], linked: set[int]) -> set[int]:
        """
        Return the pairs that an error speaks of beyond doubt.

        Args:
            mentions: The ids that it names.
            linked: The pairs that have a result. They are blamed only where no other can be.
        """
        sure = [one for one in mentions if one.is_sure]
        if not sure and (both := self._with_both_ends(mentions)):
            return both - linked or both
        blamed: set[int] = set()
        for mention in sure or mentions:
            blamed |= self._with_end(mention)
        return blamed - linked or blamed

    def _with_both_ends(self, mentions: Sequence[Mention]) -> set[int]:
        """Return the pairs both of whose ends are named."""
        roles = {mention.role for mention in mentions}
        found = self._joined(
            [one.record_id for one in mentions if one.role != "to"],
            {one.record_id for one in mentions if one.role != "from"},
        )
        if not found and roles == {"from", "to"}:
            # The error is about the way back of a link.
            found = self._joined(
                [one.record_id for one in mentions if one.role == "to"],
                {one.record_id for one in mentions if one.role == "from"},
            )
        return found

    def _joined(self, from_ids: Iterable[str], to_ids: set[str]) -> set[int]:
        return {
            position
            for from_id in from_ids
            for position in self._from.get(from_id, ())
            if self._to_ids[position] in to_ids
        }

    def _with_end(self, mention: Mention) -> set[int]:
        """Return the pairs that have this record at an end; none if two records may be meant."""
        at_from = self._at(mention, "from", self._from, self._from_kind)
        at_to = self._at(mention, "to", self._to, self._to_kind)
        if at_from and at_to and self._from_kind != self._to_kind:
            return set()
        return at_from | at_to

    @staticmethod
    def _at(mention: Mention, role: str, places: Mapping[str, list[int]], kind: str) -> set[int]:
        if mention.role not in {None, role} or mention.kind not in {None, kind}:
            return set()
        return set(places.get(mention.record_id, ()))
