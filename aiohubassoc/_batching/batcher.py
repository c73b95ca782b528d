"""Pairs sorted into groups that go together: by their types, until a group is full or due."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aiohubassoc.pair import Pair


class PairGroup(Protocol):
    """Pairs of the same two object types."""

    began_at: float
    """When it was begun, in seconds."""

    @property
    def is_full(self) -> bool:
        """Whether it holds as many as it may."""
        ...

    def add(self, index: int, pair: Pair) -> bool:
        """Take a pair, and return whether it could be taken; else it waits for the next group."""
        ...

    def items(self) -> Iterator[tuple[int, Pair]]:
        """Yield every pair with its place in the caller's input."""
        ...


GroupT = TypeVar("GroupT", bound=PairGroup)


class Batcher(Generic[GroupT]):
    """
    Sorts pairs into groups.

    Args:
        begin: Makes a group for two types, at a time.
        wait: Seconds after which a group is due, full or not.
    """

    def __init__(self, begin: Callable[[tuple[str, str], float], GroupT], wait: float) -> None:
        self._begin = begin
        self._wait = wait
        self._open: dict[tuple[str, str], GroupT] = {}
        self._held: dict[tuple[str, str], list[tuple[int, Pair]]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no pair waits."""
        return not self._open

    @property
    def due_at(self) -> float:
        """When the next group is due; inf: there is none."""
        return self._wait + min((b.began_at for b in self._open.values()), default=math.inf)

    def add(self, pairs: Iterable[tuple[int, Pair]], now: float) -> list[GroupT]:
        """Take pairs with their places, and return the groups that are full with them."""
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

    def due(self, now: float) -> GroupT | None:
        """Return a group that is due; None: none is."""
        return self.oldest(now) if self.due_at <= now else None

    def oldest(self, now: float) -> GroupT | None:
        """Return the group that waited longest, whether it is due or not; None: there is none."""
        if not self._open:
            return None
        return self._cut(min(self._open, key=lambda types: self._open[types].began_at), now)

    def rest(self, now: float) -> Iterator[GroupT]:
        """Yield all that is left."""
        while (group := self.oldest(now)) is not None:
            yield group

    def abandon(self) -> Iterator[tuple[int, Pair]]:
        """Yield every pair with its place, and keep none."""
        groups, held = list(self._open.values()), list(self._held.values())
        self._open.clear()
        self._held.clear()
        for group in groups:
            yield from group.items()
        for waiting in held:
            yield from waiting

    def _cut(self, types: tuple[str, str], now: float) -> GroupT:
        group = self._open.pop(types)
        if held := self._held.pop(types, None):
            self.add(held, now)  # fewer than fill a group: each has its mirror image in this one
        return group
