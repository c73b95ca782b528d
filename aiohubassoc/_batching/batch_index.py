"""The pairs of a batch by the ids of their ends, and which of them an error speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc._batching.error_ids import End, Mention, kind_of
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.pair import Pair

# Some other pair, beside one that may be meant.
_WHO_KNOWS: Final = -1


class BatchIndex:
    """The pairs of a batch, to be found by an id."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._from: dict[str, list[int]] = {}
        self._to: dict[str, list[int]] = {}
        self._from_ids = [canonical_id(pair.from_id) for pair in pairs]
        self._to_ids = [canonical_id(pair.to_id) for pair in pairs]
        for position, (from_id, to_id) in enumerate(zip(self._from_ids, self._to_ids, strict=True)):
            self._from.setdefault(from_id, []).append(position)
            self._to.setdefault(to_id, []).append(position)
        self._from_kind = kind_of(pairs[0].from_type)
        self._to_kind = kind_of(pairs[0].to_type)
        self._is_one_type = pairs[0].from_type == pairs[0].to_type
        self.ids = {*self._from, *self._to}

    def ends(self, position: int) -> tuple[End, End]:
        """Return both ends of a pair."""
        return (
            (self._from_kind, self._from_ids[position]),
            (self._to_kind, self._to_ids[position]),
        )

    def blamed(self, mentions: Sequence[Mention], linked: set[int]) -> set[int]:
        """
        Return the pairs that an error speaks of beyond doubt.

        Either a record that is named is at fault, and so is each of its pairs; or it is an end of
        a pair at fault, whose other end is named too. What holds either way is beyond doubt.

        Args:
            mentions: The ids that it names.
            linked: The pairs that have a result: their records are not at fault.
        """
        sure = [one for one in mentions if one.is_sure]
        if not sure and any(one.record_id not in self.ids for one in mentions):
            return set()  # perhaps the other end of a pair, by another id
        joined = {} if sure else self._joined(mentions)
        is_of_inputs = {"from", "to"} <= {one.role for one in mentions}
        blamed: set[int] = set()
        for mention in sure or mentions:
            own = joined.get(mention)
            if own is None:
                blamed |= self._of_record(mention, linked)
            elif len(own) == 1 and (
                self._is_one_record(mention) or (is_of_inputs and self._fits(mention, *own))
            ):
                blamed |= own
        return blamed

    def _joined(self, mentions: Sequence[Mention]) -> dict[Mention, set[int]]:
        """Return the pairs both of whose ends are named, by either name."""
        joined: dict[Mention, set[int]] = {}
        # HubSpot makes a link for each direction, and an error may be about the way back.
        for first, second in (("from", "to"), ("to", "from")):
            to_named: dict[str, list[Mention]] = {}
            for one in mentions:
                if one.role in {None, second} and one.kind in {None, self._to_kind}:
                    to_named.setdefault(one.record_id, []).append(one)
            for one in mentions:
                if one.role not in {None, first} or one.kind not in {None, self._from_kind}:
                    continue
                for position in self._from.get(one.record_id, ()):
                    for other in to_named.get(self._to_ids[position], ()):
                        joined.setdefault(one, set()).add(position)
                        joined.setdefault(other, set()).add(position)
                        if one is other:  # a record and itself, or only the record
                            joined[one].add(_WHO_KNOWS)
        return joined

    def _of_record(self, mention: Mention, linked: set[int]) -> set[int]:
        """Return the pairs of a record that is at fault."""
        if mention.is_other_end:
            return set()
        own = self._places(mention)
        every = own
        if self._is_one_type:
            every = {*self._from.get(mention.record_id, ()), *self._to.get(mention.record_id, ())}
        # One that is linked elsewhere is there: it is some of its pairs, and who knows which.
        return own if every <= linked or every.isdisjoint(linked) else set()

    def _places(self, mention: Mention) -> set[int]:
        """Return the pairs of the record that is named; none if two may be meant."""
        if not self._is_one_record(mention):
            return set()
        at_from, at_to = self._at_either_end(mention)
        return (at_from if mention.role != "to" else set()) | (
            at_to if mention.role != "from" else set()
        )

    def _is_one_record(self, mention: Mention) -> bool:
        return self._is_one_type or not all(self._at_either_end(mention))

    def _fits(self, mention: Mention, position: int) -> bool:
        """Return whether a record is at the end of a pair that its role says."""
        ids = self._from_ids if mention.role == "from" else self._to_ids
        return mention.role is not None and ids[position] == mention.record_id

    def _at_either_end(self, mention: Mention) -> list[set[int]]:
        return [
            set(places.get(mention.record_id, ())) if mention.kind in {None, kind} else set()
            for places, kind in ((self._from, self._from_kind), (self._to, self._to_kind))
        ]
