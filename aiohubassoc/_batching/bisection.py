"""
Finds the items that HubSpot refuses among many, with few calls.

A refused part is halved until each rejected item is found. The callers make the calls. The cost
laws in tests/batching/test_bisection.py run on this worklist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

ItemT = TypeVar("ItemT")


class RefusalRate:
    """The share of recent items that were refused. If it is high, single calls are cheaper."""

    # From this share on. 380 rejected items of 2,000, evenly spread, take as many calls either way;
    # it is less because a share that only happens to be low costs more than one that is high.
    _TOO_MANY: Final = 0.15
    # Larger parts are tried as a whole: twenty calls of 2,000 at worst. Where rejected items are
    # side by side, it is soon known that there are no more of them.
    _REMEMBERED: Final = 128

    def __init__(self) -> None:
        self._completed = 0
        self._refused = 0.0

    def add(self, count: int, refused: int) -> None:
        if not count:
            return
        share = refused / count
        count = min(count, self._REMEMBERED)
        kept = min(self._completed, self._REMEMBERED - count)
        if self._completed:
            self._refused *= kept / self._completed
        self._refused += share * count
        self._completed = kept + count

    def favours_single_calls(self, count: int) -> bool:
        """Return whether *count* items that are not complete yet are cheaper one by one."""
        # No more than completed just before: a few rejected items say little about many.
        most = self._completed if self._refused < self._completed else 2 * self._completed
        return count == 1 or (count <= most and self._refused >= self._TOO_MANY * self._completed)


@attrs.define
class _Split(Generic[ItemT]):
    """The halves of a part. One holds a rejected item if HubSpot refused the part for an item."""

    part: Part[ItemT]
    has_rejected_item: bool
    first_had_refusal: bool = False


@attrs.define
class Part(Generic[ItemT]):
    """Items that go together; with *is_singly* each goes singly."""

    items: Sequence[ItemT]
    is_singly: bool = False
    was_sent: bool = False
    half_of: _Split[ItemT] | None = None
    is_first: bool = False

    @property
    def is_known_refused(self) -> bool:
        """Whether a call is needless: the first half was accepted, so this one is not."""
        split = self.half_of
        return (
            split is not None
            and not self.is_first
            and split.has_rejected_item
            and not split.first_had_refusal
        )


class Bisection(Generic[ItemT]):
    """The parts of a batch to send next. Report the result of each part after its `next`."""

    def __init__(self, items: Sequence[ItemT]) -> None:
        self._parts = [Part(items)]
        self._current = self._parts[0]
        self._rate = RefusalRate()

    def next(self) -> Part[ItemT] | None:
        """Return the next part to send; None: there are no more."""
        while self._parts:
            part = self._current = self._parts.pop()
            if part.was_sent and self._rate.favours_single_calls(len(part.items)):
                part.is_singly = True
            if part.is_singly or not part.is_known_refused:
                return part
            self._halve(has_rejected_item=True)
        return None

    def accepted(self, count: int, refused: int = 0, *, singly: Sequence[ItemT] = ()) -> None:
        """Note that *count* items completed, *refused* of them; the others go *singly*."""
        self._rate.add(count, refused)
        if refused:
            self.closed()
        if singly:
            self._push(singly, is_singly=True)

    def refused(self, named: Collection[int]) -> None:
        """Note that HubSpot refused the part for the items at these positions; none: unknown."""
        self.closed()
        self._rate.add(len(named), len(named))
        items = self._current.items
        if not named:
            self._halve(has_rejected_item=True)
        elif rest := [item for position, item in enumerate(items) if position not in named]:
            self._push(rest)

    def failed(self) -> None:
        """Note that the part failed, perhaps because of its size. Its halves may succeed."""
        self.closed()
        self._halve(has_rejected_item=False)

    def send_singly(self) -> None:
        """Note that the result of the part is unknown. Each of its items is sent singly."""
        self.closed()
        self._push(self._current.items, is_singly=True)

    def completed_singly(self, refused: int) -> None:
        """Note that each item of the part went singly, and how many were refused."""
        self.accepted(len(self._current.items), refused)

    def closed(self) -> None:
        """Note that the part was refused. Without a call of another method none of it is resent."""
        part = self._current
        while (split := part.half_of) is not None:
            if part.is_first:
                split.first_had_refusal = True
            part = split.part

    def _push(self, items: Sequence[ItemT], *, is_singly: bool = False) -> None:
        """Put items of the current part back, in its position among the halves."""
        half_of, is_first = self._current.half_of, self._current.is_first
        self._parts.append(Part(items, is_singly, True, half_of, is_first))

    def _halve(self, *, has_rejected_item: bool) -> None:
        split = _Split(self._current, has_rejected_item)
        items = self._current.items  # two or more: one that was refused goes singly, or not at all
        middle = (len(items) + 1) // 2
        self._parts.append(Part(items[middle:], was_sent=True, half_of=split))
        self._parts.append(Part(items[:middle], was_sent=True, half_of=split, is_first=True))
