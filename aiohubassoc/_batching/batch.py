"""Pairs on their way into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc._protocol import codec
from aiohubassoc.pair import canonical_id

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
            from_id = canonical_id(from_id)
        if to_id[0] == "0":
            to_id = canonical_id(to_id)
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
    return codec.dump(
        {"inputs": [{"from": {"id": p.from_id}, "to": {"id": p.to_id}} for p in pairs]}
    )
