"""Which association types a link has: the default one, labelled ones, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator.object_types import association_type, seeded_type_id

if TYPE_CHECKING:
    from aiohubassoc.simulator.object_types import ObjectType
    from aiohubassoc.simulator.put_operation import LinkedPair
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.seeded_random import SeededRandom

# Of the default links, so many carry a label besides.
_LABELLED_SHARE = 0.125

# HubSpot, Associations v4, "Association type ID values": the labelled ones of its own, each way.
_PRIMARY_IDS = {
    ("contacts", "companies"): 1,
    ("companies", "contacts"): 2,
    ("deals", "companies"): 5,
    ("companies", "deals"): 6,
    ("tickets", "companies"): 26,
    ("companies", "tickets"): 25,
}
# Such as an account makes them.
_OWN_LABELS = ("Billing contact", "Decision maker", "Former employer")


class AssociationTypes:
    """
    The association types of every link; a link has the same labels in both directions.

    Args:
        chance: Draws them.
    """

    def __init__(self, chance: SeededRandom) -> None:
        self._chance = chance
        self._default: dict[tuple[ObjectType, ObjectType], Document] = {}

    def types_of(
        self, pair: LinkedPair, kinds: tuple[ObjectType, ObjectType], *, is_default: bool
    ) -> list[Document]:
        """
        Return the association types of one link, at least one, in an order of their own.

        Args:
            pair: The link in the direction that is read.
            kinds: The types of its ends in the same order.
            is_default: Whether the default type is among them.
        """
        key = "|".join(sorted((f"{pair.from_type}|{pair.from_id}", f"{pair.to_type}|{pair.to_id}")))
        drawn = self._chance.share("label", key)
        if not is_default:
            return [self._labelled(kinds, drawn)]
        if drawn >= _LABELLED_SHARE:
            return [self._unlabelled(kinds)]
        both = [self._unlabelled(kinds), self._labelled(kinds, drawn / _LABELLED_SHARE)]
        return both if self._chance.share("label first", key) < 1 / 2 else both[::-1]

    def _unlabelled(self, kinds: tuple[ObjectType, ObjectType]) -> Document:
        known = self._default.get(kinds)
        if known is None:
            category, type_id = association_type(*kinds, self._chance)
            known = {"category": category, "typeId": type_id, "label": None}
            self._default[kinds] = known
        return known

    def _labelled(self, kinds: tuple[ObjectType, ObjectType], drawn: float) -> Document:
        from_type, to_type = kinds
        primary = _PRIMARY_IDS.get((from_type.name, to_type.name))
        if primary is not None and drawn < 1 / 2:
            return {"category": "HUBSPOT_DEFINED", "typeId": primary, "label": "Primary"}
        label = _OWN_LABELS[int(drawn * 100) % len(_OWN_LABELS)]
        type_id = seeded_type_id(from_type, to_type, self._chance, label)
        return {"category": "USER_DEFINED", "typeId": type_id, "label": label}
