"""Which links are made at a portal: by calls, and before any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator.link_index import LinkIndex
from aiohubassoc.simulator.put_operation import LinkedPair, pair_of
from aiohubassoc.simulator.records import RecordRef, no_such_id
from aiohubassoc.simulator.routing import PutCall

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc.simulator.fault_plan import ScriptedPair
    from aiohubassoc.simulator.object_types import ObjectTypes
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings


class LinkStore:
    """
    Makes links.

    Args:
        settings: Say whether links are kept, which are there from the beginning, and how many are
            told and not made.
        chance: Draws those.
        types: The portal's object types.

    Attributes:
        links: Those there are. Empty unless the settings keep links.

    Raises:
        ValueError: the settings link pairs that no records can be, or keep no links.
    """

    def __init__(self, settings: PortalSettings, chance: SeededRandom, types: ObjectTypes) -> None:
        self.links = LinkIndex()
        self._keep_links = settings.keep_links
        self._unmade_share = settings.unmade_share
        self._chance = chance
        self._types = types
        if settings.labelled_only:
            self.links.add_labelled(map(self._known, settings.labelled_only))

    def before(self, pairs: Iterable[ScriptedPair]) -> None:
        """
        Link *pairs* as if that had been done before the portal began.

        Raises:
            ValueError: no links are kept, or a type or an id cannot be; those before are linked.
        """
        self.links.add(map(self._known, pairs))

    def by_call(self, pairs: tuple[LinkedPair, ...]) -> tuple[LinkedPair, ...]:
        """Link those of *pairs* that are not only told to be, and return them."""
        if self._unmade_share:
            pairs = tuple(pair for pair in pairs if not self._is_unmade(pair))
        if self._keep_links:
            self.links.add(pairs)
        return pairs

    def _is_unmade(self, pair: LinkedPair) -> bool:
        return self._chance.share("unmade", "|".join(pair)) < self._unmade_share

    def _known(self, pair: ScriptedPair) -> LinkedPair:
        if not self._keep_links:
            raise ValueError("a portal with keep_links=False has no links to begin with")
        call = PutCall(*pair)
        for name, record_id in ((call.from_type, call.from_id), (call.to_type, call.to_id)):
            kind = self._types.find(name)
            if kind is None:
                raise ValueError(f"{name!r} is no object type of this portal")
            if no_such_id(RecordRef(kind, record_id)) is not None:
                raise ValueError(f"{record_id!r} is no id of a record")
        return pair_of(self._types, call)
