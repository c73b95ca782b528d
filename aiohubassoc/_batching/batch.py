"""Groups pairs by their object types into batches, until a batch is full or due."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aiohubassoc._protocol import codec
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiohubassoc.pair import Pair


# HubSpot, Associations v4: the most pairs of one call that links, and the most records of one call
# that reads links.
MOST_PAIRS: Final = 2000
MOST_RECORDS: Final = 1000


class Batch:
    """Different pairs of the same two object types, *most* at most."""

    def __init__(self, types: tuple[str, str], most: int, now: float) -> None:
        self.types = types
        self.began_at = now
        self._most = most
        self.pairs: list[Pair] = []  # one for each input of the call
        self.indexes: list[int] = []  # of each in the caller's input
        # By the index of a pair: the indexes and pairs that repeat it.
        self.repeats: dict[int, list[tuple[int, Pair]]] = {}
        self._positions: dict[tuple[str, str], int] = {}

    @property
    def is_full(self) -> bool:
        return len(self.pairs) >= self._most

    def add(self, index: int, pair: Pair) -> bool:
        """Add a pair, and return whether it could be added. A repeat shares the first's input."""
        # The same ids in the other direction would look the same in the reply.
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
            self.repeats.setdefault(self.indexes[position], []).append((index, pair))
            return True
        self.pairs.append(pair)
        self.indexes.append(index)
        return True


def encode_pairs(pairs: Sequence[Pair]) -> bytes:
    together = "".join([pair.from_id + pair.to_id for pair in pairs])
    if together.isalnum() and together.isascii():  # nearly always: no character needs an escape
        inputs = ",".join(
            [f'{{"from":{{"id":"{p.from_id}"}},"to":{{"id":"{p.to_id}"}}}}' for p in pairs]
        )
        return f'{{"inputs":[{inputs}]}}'.encode()
    return codec.dump(
        {"inputs": [{"from": {"id": p.from_id}, "to": {"id": p.to_id}} for p in pairs]}
    )


class LookupBatch:
    """Pairs of the same two object types."""

    def __init__(self, types: tuple[str, str], now: float) -> None:
        self.types = types
        self.began_at = now
        # By the id of the first record: the pairs, with their index in the caller's input.
        self.wanted: dict[str, list[tuple[int, Pair]]] = {}
        self._count = 0

    @property
    def is_full(self) -> bool:
        return len(self.wanted) >= MOST_RECORDS or self._count >= MOST_PAIRS

    def add(self, index: int, pair: Pair) -> bool:
        """Add a pair. Every pair can be added."""
        self.wanted.setdefault(canonical_id(pair.from_id), []).append((index, pair))
        self._count += 1
        return True

    def items(self) -> Iterator[tuple[int, Pair]]:
        """Yield every pair with its index in the caller's input."""
        for pairs in self.wanted.values():
            yield from pairs

    def to_ids(self) -> dict[str, set[str]]:
        """Return the ids of the second records of the pairs, by the id of the first record."""
        return {
            from_id: {canonical_id(pair.to_id) for _, pair in pairs}
            for from_id, pairs in self.wanted.items()
        }


GroupT = TypeVar("GroupT", Batch, LookupBatch)


class Batcher(Generic[GroupT]):
    """Sorts pairs into groups, each of which is due *wait* seconds after its begin, full or not."""

    def __init__(self, begin: Callable[[tuple[str, str], float], GroupT], wait: float) -> None:
        self._begin: Callable[[tuple[str, str], float], GroupT] = begin
        self._wait = wait
        self._open: dict[tuple[str, str], GroupT] = {}
        self._held: dict[tuple[str, str], list[tuple[int, Pair]]] = {}

    @property
    def due_at(self) -> float:
        """When the next group is due; inf: there is none."""
        return self._wait + min((b.began_at for b in self._open.values()), default=math.inf)

    def add(self, pairs: Iterable[tuple[int, Pair]], now: float) -> list[GroupT]:
        """Add pairs with their indexes, and return the groups that are full now."""
        full = []
        from_type = to_type = None
        group: GroupT | None = None
        for index, pair in pairs:
            if pair.from_type is not from_type or pair.to_type is not to_type or group is None:
                from_type, to_type = types = (pair.from_type, pair.to_type)
                group = self._open.get(types)
                if group is None:
                    group = self._open[types] = self._begin(types, now)
            if not group.add(index, pair):
                self._held.setdefault((from_type, to_type), []).append((index, pair))
            elif group.is_full:
                full.append(self._cut((from_type, to_type), now))
                group = None
        return full

    def take(self, now: float, *, by: float = math.inf) -> Iterator[GroupT]:
        """Yield the groups that are due at *by*, the oldest first; by default all that are left."""
        while self._open and self.due_at <= by:
            yield self._cut(min(self._open, key=lambda types: self._open[types].began_at), now)

    def _cut(self, types: tuple[str, str], now: float) -> GroupT:
        group = self._open.pop(types)
        if held := self._held.pop(types, None):
            self.add(held, now)  # they fill no group: each is the reverse of a pair in this one
        return group
