"""
Finds what HubSpot refuses among many items, with few calls.

A part that is refused is halved until the items at fault stand alone. The cost laws in
tests/core/test_bisection.py run on this class; the drivers only make the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

ItemT = TypeVar("ItemT")


class RefusalRate:
    """The share of items refused just before. Where it is high, halving does not pay."""

    # From this share on. 380 items at fault of 2,000, evenly spread, take as many calls either way;
    # it is less because a share that only happens to be low costs more than one that is high.
    _TOO_MANY: Final = 0.15
    # Larger parts are tried as a whole: twenty calls of 2,000 at worst. Where items at fault
    # stand side by side, it is soon known that there are no more of them.
    _REMEMBERED: Final = 128

    def __init__(self) -> None:
        self._settled = 0
        self._refused = 0.0

    def add(self, count: int, refused: int) -> None:
        """Note that *refused* of *count* items were refused."""
        if not count:
            return
        share = refused / count
        count = min(count, self._REMEMBERED)
        kept = min(self._settled, self._REMEMBERED - count)
        if self._settled:
            self._refused *= kept / self._settled
        self._refused += share * count
        self._settled = kept + count

    def favours_single_calls(self, count: int) -> bool:
        """Return whether *count* items that are not settled yet are cheaper one by one."""
        # No more than were settled just before: a few at fault say little about many.
        most = self._settled if self._refused < self._settled else 2 * self._settled
        return count == 1 or (count <= most and self._refused >= self._TOO_MANY * self._settled)


@attrs.define
class _Split(Generic[ItemT]):
    """The halves of a part that did not go through as a whole."""

    part: Part[ItemT]
    is_item_at_fault: bool
    """Whether one of its items must be refused, as HubSpot refused the part for what it holds."""
    first_had_refusal: bool = False


@attrs.define
class Part(Generic[ItemT]):
    """
    Items that go together.

    Attributes:
        items: The items.
        is_singly: Whether each is to go by itself instead.
        was_sent: Whether they were in a call before.
        half_of: The split that made it; None: it is the whole batch.
        is_first: Whether it is the first half of that.
    """

    items: Sequence[ItemT]
    is_singly: bool = False
    was_sent: bool = False
    half_of: _Split[ItemT] | None = None
    is_first: bool = False


class Bisection(Generic[ItemT]):
    """
    The parts of a batch to send next.

    After each `next`, one of the other methods says what came of that part.

    Args:
        items: The whole batch: the first part.
    """

    def __init__(self, items: Sequence[ItemT]) -> None:
        self._parts = [Part(items)]
        self._current = self._parts[0]
        self._rate = RefusalRate()

    def next(self) -> Part[ItemT] | None:
        """Return the next part to send; None when there is none left."""
        while self._parts:
            part = self._current = self._parts.pop()
            if part.is_singly:
                return part
            if part.was_sent and self._rate.favours_single_calls(len(part.items)):
                part.is_singly = True
                return part
            if not self._is_known_refused(part):
                return part
            self._halve(part, is_item_at_fault=True)
        return None

    def accepted(self, count: int, refused: int = 0, *, singly: Sequence[ItemT] = ()) -> None:
        """
        Note that HubSpot accepted the part.

        Args:
            count: How many of its items are settled by that.
            refused: How many of these were refused.
            singly: The other items: each is to go by itself.
        """
        self._rate.add(count, refused)
        if refused:
            self._note_refusal()
        if singly:
            self._push(singly, is_singly=True)

    def refused(self, blamed: Collection[int]) -> None:
        """Note that HubSpot refused the part for the items at these positions; none: unknown."""
        self._note_refusal()
        self._rate.add(len(blamed), len(blamed))
        items = self._current.items
        if not blamed:
            self._halve(self._current, is_item_at_fault=True)
        elif rest := [item for place, item in enumerate(items) if place not in blamed]:
            self._push(rest)

    def failed(self) -> None:
        """Note that the part did not get through, perhaps for its size: its halves may."""
        self._note_refusal()
        self._halve(self._current, is_item_at_fault=False)

    def send_singly(self) -> None:
        """Note that nothing is known of the part: each of its items is to go by itself."""
        self._note_refusal()
        self._push(self._current.items, is_singly=True)

    def closed(self) -> None:
        """Note that every item of the part is settled, as refused."""
        self._note_refusal()

    def settled_singly(self, refused: int) -> None:
        """Note that each item of the part went by itself, and how many were refused."""
        self._rate.add(len(self._current.items), refused)
        if refused:
            self._note_refusal()

    def _push(self, items: Sequence[ItemT], *, is_singly: bool = False) -> None:
        """Put items of the current part back, in its place among the halves."""
        half_of, is_first = self._current.half_of, self._current.is_first
        self._parts.append(Part(items, is_singly, True, half_of, is_first))

    def _halve(self, part: Part[ItemT], *, is_item_at_fault: bool) -> None:
        split = _Split(part, is_item_at_fault)
        middle = (len(part.items) + 1) // 2
        first, second = part.items[:middle], part.items[middle:]
        if second:
            self._parts.append(Part(second, was_sent=True, half_of=split))
        self._parts.append(Part(first, was_sent=True, half_of=split, is_first=True))

    def _is_known_refused(self, part: Part[ItemT]) -> bool:
        """Return whether a call is needless: the first half was fine, so the fault is here."""
        split = part.half_of
        return (
            split is not None
            and not part.is_first
            and split.is_item_at_fault
            and not split.first_had_refusal
        )

    def _note_refusal(self) -> None:
        part = self._current
        while (split := part.half_of) is not None:
            if part.is_first:
                split.first_had_refusal = True
            part = split.part
