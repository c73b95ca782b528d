"""Pairs whose links are read together: those of up to a thousand records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.pair import Pair

# HubSpot, Associations v4: the most records of one call.
MOST_RECORDS: Final = 1000
# However few records they belong to.
MOST_PAIRS: Final = 2000


class Window:
    """
    Pairs of the same two object types.

    Args:
        types: The two types, as written.
        now: The time, in seconds.

    Attributes:
        wanted: By the id of the first record: the pairs, with their place in the caller's input.
    """

    def __init__(self, types: tuple[str, str], now: float) -> None:
        self.types = types
        self.began_at = now
        self.wanted: dict[str, list[tuple[int, Pair]]] = {}
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether it holds as many as it may."""
        return len(self.wanted) >= MOST_RECORDS or self._count >= MOST_PAIRS

    def add(self, index: int, pair: Pair) -> bool:
        """Take a pair; every one can be taken."""
        self.wanted.setdefault(canonical_id(pair.from_id), []).append((index, pair))
        self._count += 1
        return True

    def items(self) -> Iterator[tuple[int, Pair]]:
        """Yield every pair with its place in the caller's input."""
        for pairs in self.wanted.values():
            yield from pairs

    def to_ids(self) -> dict[str, set[str]]:
        """Return the ids of the second records that are of interest, by those of the first."""
        return {
            from_id: {canonical_id(pair.to_id) for _, pair in pairs}
            for from_id, pairs in self.wanted.items()
        }
