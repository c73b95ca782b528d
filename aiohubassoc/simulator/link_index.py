"""The links there are at a portal, found from either of their ends."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from aiohubassoc.simulator.put_operation import LinkedPair

if TYPE_CHECKING:
    from collections.abc import Iterable

# Most records have one link only: a dict for each would take five times the memory.
_Others: TypeAlias = str | dict[str, None]


class LinkIndex:
    """
    Which records are linked; a link that is made again stays where it was.

    A link has two directions, and reading either finds it. Finding the links of a record costs as
    much as the record has links, whatever else there is.
    """

    def __init__(self) -> None:
        self._ways: dict[tuple[str, str], dict[str, _Others]] = {}
        self._labelled_only: set[LinkedPair] = set()

    def add(self, pairs: Iterable[LinkedPair]) -> None:
        """Link *pairs* by default."""
        for pair in pairs:
            self._connect(pair)
            if self._labelled_only:
                self._labelled_only -= {pair, _turned(pair)}

    def add_labelled(self, pairs: Iterable[LinkedPair]) -> None:
        """Link *pairs* with a label and not by default; those that are so already stay so."""
        for pair in pairs:
            if not self._has(pair):
                self._connect(pair)
                self._labelled_only |= {pair, _turned(pair)}

    def is_default(self, pair: LinkedPair) -> bool:
        """Return whether the link of *pair* is the default one, perhaps with labels besides."""
        return pair not in self._labelled_only

    def others(
        self, from_type: str, from_id: str, to_type: str, start: int, most: int
    ) -> tuple[list[str], bool]:
        """
        Return the ids of *to_type* that a record is linked to, and whether there are more.

        Args:
            from_type: As the books call it.
            from_id: As HubSpot writes it.
            to_type: As the books call it.
            start: Pass over so many, in the order in which they were made; 0 or more.
            most: Return so many at most, 1 or more.
        """
        others = self._ways.get((from_type, to_type), {}).get(from_id, {})
        if isinstance(others, str):
            others = {others: None}
        return list(islice(others, start, start + most)), len(others) > start + most

    def _has(self, pair: LinkedPair) -> bool:
        others = self._ways.get((pair.from_type, pair.to_type), {}).get(pair.from_id, {})
        return pair.to_id == others if isinstance(others, str) else pair.to_id in others

    def _connect(self, pair: LinkedPair) -> None:
        for from_type, from_id, to_type, to_id in (pair, _turned(pair)):
            way = self._ways.setdefault((from_type, to_type), {})
            others = way.setdefault(from_id, to_id)
            if isinstance(others, dict):
                others[to_id] = None
            elif others != to_id:
                way[from_id] = {others: None, to_id: None}


def _turned(pair: LinkedPair) -> LinkedPair:
    """Return the other direction."""
    return LinkedPair(pair.to_type, pair.to_id, pair.from_type, pair.from_id)
