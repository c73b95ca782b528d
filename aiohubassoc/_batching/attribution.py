"""
What a batch's reply means for each of its pairs.

Success is read from the results, by the ids of both ends in either direction, never by position.
An error is assigned to a pair only where its ids are unambiguous. A pair that the reply does not
mention is to be sent alone, and so is a pair that an error without ids may be about.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from aiohubassoc._batching.error_ids import Excerpts, Mention, find_ids, parse_kind
from aiohubassoc._protocol.codec import ERRORS_AT_ONCE, MOST_OF_A_PAIR
from aiohubassoc._protocol.verdicts import Partial, Refused, Replied, judge_batch_reply
from aiohubassoc.errors import ApiError
from aiohubassoc.pair import canonical_id
from aiohubassoc.replies import DefaultAssociations, StandardError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from aiohubassoc._protocol.codec import Steps
    from aiohubassoc._protocol.verdicts import Response, Verdict
    from aiohubassoc.pair import Pair
    from aiohubassoc.replies import Association

# Some other pair, beside one that may be meant.
_UNKNOWN_PAIR: Final = -1


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
        self._from_kind = parse_kind(pairs[0].from_type)
        self._to_kind = parse_kind(pairs[0].to_type)
        self._is_one_type = pairs[0].from_type == pairs[0].to_type
        self.ids = {*self._from, *self._to}

    def parts(
        self, error: _ErrorT, linked: set[int], full: Collection[int] = ()
    ) -> Steps[dict[int, _ErrorT]]:
        """Return what an error says of each pair that it names; of *full* pairs the whole error."""
        mentions = yield from find_ids(error.context, error.errors, error.sub_category)
        if len(mentions) > ERRORS_AT_ONCE:
            yield
        named = self.named(mentions, linked)
        if len(named) > ERRORS_AT_ONCE:
            yield
        own = dict.fromkeys(named, error)
        named.difference_update(full)
        if not named:
            return own
        excerpts = Excerpts(error.context, error.errors, self.ids)
        for number, position in enumerate(named, 1):
            from_end = (self._from_kind, self._from_ids[position])
            to_end = (self._to_kind, self._to_ids[position])
            context, details = excerpts.of((from_end, to_end))
            is_whole = context is error.context and details == error.errors
            if not is_whole:
                own[position] = attrs.evolve(error, context=context, errors=details)
            if number % ERRORS_AT_ONCE == 0:
                yield
        return own

    def named(self, mentions: Sequence[Mention], linked: set[int]) -> set[int]:
        """Return the pairs that an error is about for certain; the *linked* ones have a result."""
        # Either a record that it names is the cause, and the error is about each pair of it; or the
        # record is an end of a rejected pair whose other end is named too. What holds either way is
        # certain. A record of a linked pair is not the cause.
        sure = [one for one in mentions if one.is_sure]
        if not sure and any(one.record_id not in self.ids for one in mentions):
            return set()  # perhaps the other end of a pair, by another id
        joined = {} if sure else self._joined(mentions)
        is_of_inputs = {"from", "to"} <= {one.role for one in mentions}
        named: set[int] = set()
        for mention in sure or mentions:
            own = joined.get(mention)
            if own is None:
                named |= self._of_record(mention, linked)
            elif len(own) == 1 and (
                self._is_one_record(mention) or (is_of_inputs and self._fits(mention, *own))
            ):
                named |= own
        return named

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
                            joined[one].add(_UNKNOWN_PAIR)
        return joined

    def _of_record(self, mention: Mention, linked: set[int]) -> set[int]:
        """Return the pairs of a record that is the cause of an error."""
        if mention.is_other_end:
            return set()
        own = self._places(mention)
        every = own
        if self._is_one_type:
            every = {*self._from.get(mention.record_id, ()), *self._to.get(mention.record_id, ())}
        # A record that is linked elsewhere exists: then it is unknown which of its pairs are meant.
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


ReplyPart: TypeAlias = DefaultAssociations | Partial | None
"""The part of a reply about one pair; None: there is none, so the pair is to be sent alone."""

_PairIds: TypeAlias = tuple[str, str]
_ResultsByPair: TypeAlias = "Sequence[tuple[Association, ...] | None]"
_Errors: TypeAlias = dict[int, tuple[StandardError, ...]]
_ErrorT = TypeVar("_ErrorT", StandardError, ApiError)
# HubSpot counts an error for each end of a pair (recorded: one pair, `numErrors` 2).
_ENDS: Final = 2
# Of a link, each a result (HubSpot, Associations v4).
_DIRECTIONS: Final = 2


def judge_batch(response: Response, pairs: Sequence[Pair]) -> Steps[Verdict]:
    """Return what a *response* with 2xx means for *pairs*, with the part about each of them."""
    verdict = yield from judge_batch_reply(response)
    if isinstance(verdict, Replied) and isinstance(verdict.reply, DefaultAssociations):
        yield  # to decode 2,000 results takes as long as all that follows
        verdict.parts = yield from read_reply(pairs, verdict.reply)
    return verdict


def read_reply(pairs: Sequence[Pair], reply: DefaultAssociations) -> Steps[list[ReplyPart]]:
    """Return the part of *reply* about each of *pairs*: different ones of the same two types."""
    found = _match_results(pairs, reply.results)
    errors: _Errors = {}
    doubtful: set[int] = set()
    # An error without ids can only be about the pair if there is one.
    is_alone = len(pairs) == 1
    if is_alone:
        errors = {0: reply.errors} if reply.errors else {}
    elif reply.errors or reply.num_errors:
        errors, nameless = yield from _match_errors(pairs, found, reply.errors)
        doubtful = _doubtful(found, errors, _left_over(reply, nameless))
    is_odd = reply.status == "CANCELED" or (is_alone and bool(reply.num_errors))
    status, asked = reply.status, reply.requested_at
    began, ended = reply.started_at, reply.completed_at
    if not (errors or doubtful or is_odd or None in found):  # nearly always
        count = reply.num_errors if is_alone else None
        return [
            DefaultAssociations(results or (), status, (), count, began, ended, asked)
            for results in found
        ]
    parts: list[ReplyPart] = []
    for position, results in enumerate(found):
        own = errors.get(position, ()) if errors else ()
        if not (results or own) or (position in doubtful and not is_odd):
            parts.append(None)
            continue
        count = reply.num_errors if is_alone else len(own) or None
        # What concerns this pair: to keep the whole reply for each pair would fill memory.
        part = DefaultAssociations(results or (), status, own, count, began, ended, asked)
        parts.append(Partial(part, linked=bool(results)) if own or is_odd else part)
    return parts


def read_refusal(pairs: Sequence[Pair], error: ApiError) -> Steps[dict[int, Refused]]:
    """Return the pairs that the refusal of a whole batch names, by their position."""
    index = BatchIndex(pairs)
    yield
    parts = yield from index.parts(error, set())
    return {position: Refused(part) for position, part in parts.items()}


def _match_results(
    pairs: Sequence[Pair], results: Iterable[Association]
) -> list[tuple[Association, ...] | None]:
    positions: dict[_PairIds, int] = {
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
    positions: Mapping[_PairIds, int],
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
        if before is None:
            found[position] = (result,)
        elif len(before) < MOST_OF_A_PAIR:  # as of a reply for one pair
            found[position] = (*before, result)
    return others


def _match_errors(
    pairs: Sequence[Pair], found: _ResultsByPair, errors: tuple[StandardError, ...]
) -> Steps[tuple[_Errors, int]]:
    inputs = BatchIndex(pairs)
    linked = {position for position, results in enumerate(found) if results}
    own: dict[int, list[StandardError]] = {}
    full: set[int] = set()  # each error may name every pair: of these no more are kept
    nameless = 0
    for number, error in enumerate(errors, 1):
        parts = yield from inputs.parts(error, linked, full)
        nameless += not parts
        for position in parts.keys() - full:
            kept = own.setdefault(position, [])
            kept.append(parts[position])
            if len(kept) == MOST_OF_A_PAIR:
                full.add(position)
        if number % ERRORS_AT_ONCE == 0:
            yield
    return {position: tuple(parts) for position, parts in own.items()}, nameless


def _left_over(reply: DefaultAssociations, nameless: int) -> float:
    """Return how many errors of *reply* are of no pair; *nameless* of them are described."""
    counted = reply.num_errors or 0
    if counted < 0:
        return inf  # there are errors, and their number is unknown
    return max(counted - (len(reply.errors) - nameless), nameless)


def _doubtful(found: _ResultsByPair, named: Collection[int], left_over: float) -> set[int]:
    """Return the pairs with a result that one of the *left_over* errors of no pair may be about."""
    # It may be about those with fewer directions than others have. If there is no other pair that
    # it can be about, it may be about each.
    if not left_over:
        return set()
    ways = [len({(one.from_id, one.to_id) for one in results or ()}) for results in found]
    linked = {position for position, count in enumerate(ways) if count} - {*named}
    usual = max(ways)
    incomplete = {position for position in linked if ways[position] < usual}
    suspects = len(found) - len(linked) + len(incomplete)
    # Where each pair has one direction, the way back may be what failed.
    is_explained = suspects and (usual >= _DIRECTIONS or left_over <= _ENDS * suspects)
    return incomplete if is_explained else linked
