"""The links of a portal: calls make them, and reads find them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from aiohubassoc.simulator.error_bodies import invalid_id
from aiohubassoc.simulator.records import LinkedPair, RecordRef

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc.simulator.fault_plan import ScriptedPair
    from aiohubassoc.simulator.records import ObjectTypes
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings

# Most records have one link only: a dict for each would take five times the memory.
_Others: TypeAlias = str | dict[str, None]


class LinkStore:
    """
    Which records are linked. Making a link again changes nothing.

    A link has two directions, and a read of either finds it. The cost of a read is proportional to
    the number of links of its record.

    Raises:
        ValueError: the settings have impossible links, or links though none are kept.
    """

    def __init__(self, settings: PortalSettings, rng: SeededRandom, types: ObjectTypes) -> None:
        self._keep_links = settings.keep_links
        self._unmade_share = settings.unmade_share
        self._rng = rng
        self._types = types
        self._others: dict[tuple[str, str], dict[str, _Others]] = {}
        self._labelled_only: set[LinkedPair] = set()
        for pair in map(self._checked, settings.labelled_only):
            self.add_labelled(pair)

    def add(self, pair: LinkedPair) -> None:
        """Link *pair* by default."""
        self._connect(pair)
        if self._labelled_only:
            self._labelled_only -= {pair, pair.reversed()}

    def add_labelled(self, pair: LinkedPair) -> None:
        """Link *pair* with a label and not by default; a default link stays one."""
        if not self._has(pair):
            self._connect(pair)
            self._labelled_only |= {pair, pair.reversed()}

    def add_existing(self, pairs: Iterable[ScriptedPair]) -> None:
        """
        Link *pairs* by default without a call.

        Raises:
            ValueError: no links are kept, or a pair is not four strings, or a type or an id is
                impossible; the pairs before are linked.
        """
        for pair in map(self._checked, pairs):
            self.add(pair)

    def add_by_call(self, pairs: tuple[LinkedPair, ...]) -> tuple[LinkedPair, ...]:
        """Link *pairs*, without the share that is only confirmed, and return those linked."""
        if self._unmade_share:
            pairs = tuple(pair for pair in pairs if not self._is_unmade(pair))
        if self._keep_links:
            for pair in pairs:
                self.add(pair)
        return pairs

    def is_default(self, pair: LinkedPair) -> bool:
        """Return whether *pair* has the default link, with or without labels."""
        return pair not in self._labelled_only

    def others(
        self, from_type: str, from_id: str, to_type: str, start: int, limit: int
    ) -> tuple[list[str], bool]:
        """
        Return the ids of *to_type* that a record is linked to, and whether there are more.

        Args:
            from_type: The name of the type in the ledger.
            from_id: The canonical id.
            to_type: The name of the type in the ledger.
            start: Skip this many, in the order in which they were made; 0 or more.
            limit: Return at most this many, 1 or more.
        """
        others = self._others.get((from_type, to_type), {}).get(from_id, {})
        if isinstance(others, str):
            others = {others: None}
        return list(islice(others, start, start + limit)), len(others) > start + limit

    def _is_unmade(self, pair: LinkedPair) -> bool:
        return self._rng.uniform("unmade", "|".join(pair)) < self._unmade_share

    def _has(self, pair: LinkedPair) -> bool:
        others = self._others.get((pair.from_type, pair.to_type), {}).get(pair.from_id, {})
        return pair.to_id == others if isinstance(others, str) else pair.to_id in others

    def _connect(self, pair: LinkedPair) -> None:
        for from_type, from_id, to_type, to_id in (pair, pair.reversed()):
            records = self._others.setdefault((from_type, to_type), {})
            others = records.setdefault(from_id, to_id)
            if isinstance(others, dict):
                others[to_id] = None
            elif others != to_id:
                records[from_id] = {others: None, to_id: None}

    def _checked(self, pair: ScriptedPair) -> LinkedPair:
        if not self._keep_links:
            raise ValueError("a portal with keep_links=False has no links to start with")
        if list(map(type, pair)) != [str] * 4:
            raise ValueError(f"a pair has four strings, not {pair!r}")
        linked = self._types.to_pair(*pair)
        from_type, from_id, to_type, to_id = pair
        for name, record_id in ((from_type, from_id), (to_type, to_id)):
            kind = self._types.find(name)
            if kind is None:
                raise ValueError(f"{name!r} is no object type of this portal")
            if invalid_id(RecordRef(kind, record_id)) is not None:
                raise ValueError(f"{record_id!r} is no id of a record")
        return linked
