"""Object types with all their names, and which records and links exist."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from aiohubassoc.simulator.error_bodies import invalid_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiohubassoc.simulator.fault_plan import ScriptedPair
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings

_ID = re.compile(r"-?[0-9]{1,19}")
_LARGEST_ID = 2**63 - 1  # record ids are Java longs


class ObjectType(NamedTuple):
    """One object type."""

    name: str  # its name in the ledger: the plural, or the whole name of a custom type
    singular: str  # HubSpot's other name for it
    type_id: str  # HubSpot's number for it, such as ``0-1``
    custom: bool = False  # whether it is the account's own type

    @property
    def label(self) -> str:
        return self.singular if self.custom else self.singular.upper()


# Plural, singular and id. HubSpot, Using object APIs, "Object type ID".
_HUBSPOT_TYPES = """
    appointments appointment 0-421, calls call 0-48, carts cart 0-142,
    communications communication 0-18, companies company 0-2, contacts contact 0-1,
    courses course 0-410, deals deal 0-3, discounts discount 0-84, emails email 0-49,
    feedback_submissions feedback_submission 0-19, fees fee 0-85, goal_targets goal_target 0-74,
    invoices invoice 0-53, leads lead 0-136, line_items line_item 0-8, listings listing 0-420,
    marketing_events marketing_event 0-54, meetings meeting 0-47, notes note 0-46,
    orders order 0-123, payments payment 0-101, postal_mail postal_mail 0-116, products product 0-7,
    projects project 0-970, quotes quote 0-14, services service 0-162,
    subscriptions subscription 0-69, tasks task 0-27, taxes tax 0-86, tickets ticket 0-5,
    users user 0-115
"""


class RecordRef(NamedTuple):
    """One end of a pair: its type, and its id as it was written."""

    kind: ObjectType
    record_id: str

    @property
    def is_numeric(self) -> bool:
        return _is_numeric(self.record_id)

    @property
    def canonical_id(self) -> str:
        """The id as HubSpot writes it; an impossible one stays as it is."""
        return _canonical_id(self.record_id)


class LinkedPair(NamedTuple):
    """A pair in the ledger: the same for every name of its types."""

    from_type: str
    from_id: str
    to_type: str
    to_id: str

    @classmethod
    def from_refs(cls, from_ref: RecordRef, to_ref: RecordRef) -> LinkedPair:
        return cls(from_ref.kind.name, from_ref.canonical_id, to_ref.kind.name, to_ref.canonical_id)

    def reversed(self) -> LinkedPair:
        return LinkedPair(self.to_type, self.to_id, self.from_type, self.from_id)


class ObjectTypes:
    """The object types of one portal, found by any of their names in any case."""

    def __init__(self, custom: Iterable[str] = ()) -> None:
        known = map(str.split, _HUBSPOT_TYPES.split(","))
        self._types = (
            *(ObjectType(plural, singular, type_id) for plural, singular, type_id in known),
            *(ObjectType(name, name, name, custom=True) for name in custom),
        )
        self._by_name = {
            name: kind for kind in self._types for name in (kind.name, kind.singular, kind.type_id)
        }

    def __iter__(self) -> Iterator[ObjectType]:
        return iter(self._types)

    def find(self, written: str) -> ObjectType | None:
        return self._by_name.get(written) or self._by_name.get(written.lower())

    def to_pair(self, from_type: str, from_id: str, to_type: str, to_id: str) -> LinkedPair:
        """Return the pair with these types and ids; what is unknown stays as it was written."""
        return LinkedPair(
            self._canonical(from_type),
            _canonical_id(from_id),
            self._canonical(to_type),
            _canonical_id(to_id),
        )

    def _canonical(self, written: str) -> str:
        kind = self.find(written)
        return kind.name if kind else written


def _is_numeric(record_id: str) -> bool:
    return _ID.fullmatch(record_id) is not None and int(record_id) <= _LARGEST_ID


def _canonical_id(record_id: str) -> str:
    return str(int(record_id)) if _is_numeric(record_id) else record_id


# Most records have one link only: a dict for each would take five times the memory.
_Others: TypeAlias = str | dict[str, None]


class LinkStore:
    """Which records exist, and which are linked. Making a link again changes nothing."""

    # A link has two directions, and a read of either finds it. The cost of a read is proportional
    # to the number of links of its record.

    def __init__(self, settings: PortalSettings, rng: SeededRandom, types: ObjectTypes) -> None:
        self._settings = settings
        self._rng = rng
        self._types = types
        self._others: dict[tuple[str, str], dict[str, _Others]] = {}
        self._labelled_only: set[LinkedPair] = set()
        for pair in map(self._checked, settings.labelled_only):
            self.add_labelled(pair)

    def add(self, pair: LinkedPair) -> None:
        self._connect(pair)
        if self._labelled_only:
            self._labelled_only -= {pair, pair.reversed()}

    def add_labelled(self, pair: LinkedPair) -> None:
        """Link *pair* with a label and not by default; a default link stays one."""
        if pair.to_id not in self._linked(pair.from_type, pair.from_id, pair.to_type):
            self._connect(pair)
            self._labelled_only |= {pair, pair.reversed()}

    def add_existing(self, pairs: Iterable[ScriptedPair]) -> None:
        """Link *pairs* by default without a call: see `Portal.add_links`."""
        for pair in map(self._checked, pairs):
            self.add(pair)

    def add_by_call(self, pairs: tuple[LinkedPair, ...]) -> tuple[LinkedPair, ...]:
        """Link *pairs*, without the share that is only confirmed, and return those linked."""
        if share := self._settings.unmade_share:
            drawn = ((pair, self._rng.uniform("unmade", "|".join(pair))) for pair in pairs)
            pairs = tuple(pair for pair, draw in drawn if draw >= share)
        if self._settings.keep_links:
            for pair in pairs:
                self.add(pair)
        return pairs

    def exists(self, ref: RecordRef) -> bool:
        """Return whether the record exists. Its id must be numeric."""
        number, largest = int(ref.record_id), self._settings.records_up_to
        if number < 1 or (largest is not None and number > largest):
            return False
        share = self._settings.missing_share
        return not share or self._rng.uniform("record", f"{ref.kind.name}|{number}") >= share

    def is_default(self, pair: LinkedPair) -> bool:
        """Return whether *pair* has the default link, with or without labels."""
        return pair not in self._labelled_only

    def others(
        self, from_type: str, from_id: str, to_type: str, start: int, limit: int
    ) -> tuple[list[str], bool]:
        """Return ids that a record is linked to, at most *limit*, and whether more follow."""
        others = self._linked(from_type, from_id, to_type)
        return list(islice(others, start, start + limit)), len(others) > start + limit

    def _linked(self, from_type: str, from_id: str, to_type: str) -> dict[str, None]:
        others = self._others.get((from_type, to_type), {}).get(from_id, {})
        return {others: None} if isinstance(others, str) else others

    def _connect(self, pair: LinkedPair) -> None:
        for from_type, from_id, to_type, to_id in (pair, pair.reversed()):
            records = self._others.setdefault((from_type, to_type), {})
            others = records.setdefault(from_id, to_id)
            if isinstance(others, dict):
                others[to_id] = None
            elif others != to_id:
                records[from_id] = {others: None, to_id: None}

    def _checked(self, pair: ScriptedPair) -> LinkedPair:
        if not self._settings.keep_links:
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
