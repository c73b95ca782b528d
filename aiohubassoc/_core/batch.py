"""Pairs on their way into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc._core import wire
from aiohubassoc._core.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.pair import Pair

# HubSpot, Associations v4: the most pairs of one call.
MOST_PAIRS: Final = 2000


class Batch:
    """
    Different pairs of the same two object types.

    Args:
        types: The two types, as written.
        most: The most of them, 1 or more.
        now: The time, in seconds.

    Attributes:
        pairs: One for each input of the call.
        indexes: Each one's place in the caller's input.
        repeats: Places and pairs that repeat one of them, by its position.
    """

    def __init__(self, types: tuple[str, str], most: int, now: float) -> None:
        self.types = types
        self.began_at = now
        self._most = most
        self.pairs: list[Pair] = []
        self.indexes: list[int] = []
        self.repeats: dict[int, list[tuple[int, Pair]]] = {}
        self._positions: dict[tuple[str, str], int] = {}

    @property
    def is_full(self) -> bool:
        """Whether it holds as many as it may."""
        return len(self.pairs) >= self._most

    def items(self) -> Iterator[tuple[int, Pair]]:
        """Yield every pair with its place in the caller's input."""
        yield from zip(self.indexes, self.pairs, strict=True)
        for repeats in self.repeats.values():
            yield from repeats

    def add(self, index: int, pair: Pair) -> bool:
        """
        Take a pair, and return whether it could be taken.

        One that repeats another shares its input, and its fate. One that would link the same ids
        the other way round cannot be taken: in the reply both would look the same.
        """
        from_id, to_id = pair.from_id, pair.to_id
        if from_id[0] == "0":
            from_id = canonical(from_id)
        if to_id[0] == "0":
            to_id = canonical(to_id)
        positions = self._positions
        if from_id != to_id and (to_id, from_id) in positions:
            return False
        position = positions.setdefault((from_id, to_id), len(self.pairs))
        if position < len(self.pairs):
            self.repeats.setdefault(position, []).append((index, pair))
            return True
        self.pairs.append(pair)
        self.indexes.append(index)
        return True


def encode_pairs(pairs: Sequence[Pair]) -> bytes:
    """Return the body of the call that links *pairs*."""
    together = "".join([pair.from_id + pair.to_id for pair in pairs])
    if together.isalnum() and together.isascii():  # nearly always: nothing is to be escaped
        inputs = ",".join(
            [f'{{"from":{{"id":"{p.from_id}"}},"to":{{"id":"{p.to_id}"}}}}' for p in pairs]
        )
        return f'{{"inputs":[{inputs}]}}'.encode()
    return wire.dump(
        {"inputs": [{"from": {"id": p.from_id}, "to": {"id": p.to_id}} for p in pairs]}
    )


class Splitting:
    """
    How to settle a batch that was refused as a whole, with few calls.

    It is halved, and halved again, until the pairs at fault stand alone. Where many of the pairs
    just before were at fault that takes more calls than to send each alone.
    """

    # From this share on. 380 pairs at fault of 2,000, evenly spread, take as many calls either way;
    # it is less as a share that only happens to be low costs more than one that happens to be high.
    _TOO_MANY: Final = 0.15
    # Larger parts are tried as a whole: twenty calls of 2,000 at worst, and where pairs at fault
    # stand side by side it is soon known that there are no more of them.
    _REMEMBERED: Final = 128

    def __init__(self) -> None:
        self._settled = 0
        self._refused = 0.0

    def settled(self, count: int, refused: int) -> None:
        """Note that of so many pairs so many were refused."""
        if not count:
            return
        share = refused / count
        count = min(count, self._REMEMBERED)
        kept = min(self._settled, self._REMEMBERED - count)
        if self._settled:
            self._refused *= kept / self._settled
        self._refused += share * count
        self._settled = kept + count

    def is_cheaper_alone(self, count: int) -> bool:
        """Return whether a part of so many pairs, not settled yet, is to be sent one by one."""
        # No more than were settled just before: a few at fault say little of many.
        most = self._settled if self._refused < self._settled else 2 * self._settled
        return count == 1 or (count <= most and self._refused >= self._TOO_MANY * self._settled)
