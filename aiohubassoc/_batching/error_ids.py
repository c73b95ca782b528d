"""
Which records an error of HubSpot's names: every id in its context, and what it means there.

Recorded contexts (2013-2026): ``fromObjectId``, ``toObjectId``, ``objectId`` with ``objectType``,
``id``, ``ids``, and sentences such as ``INVALID_OBJECT_IDS: ["CONTACT=1 is not valid"]``. Under any
other name a number may be a limit or a portal as well as a record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc._protocol.bounds import CUT, is_cut
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aiohubassoc._protocol.codec import Steps
    from aiohubassoc.replies import ErrorDetail


Context: TypeAlias = Mapping[str, tuple[str, ...]]
RecordKey: TypeAlias = tuple[str, str]
"""A record: its object type as `parse_kind` names it, and its id as HubSpot writes it."""

_KEY: Final = re.compile(r"(invalid|missing)?(from|to)?(?:object|record)?s?(?:ids?)?")
_TYPED_ID: Final = re.compile(r"(?<![\w-])([\w-]+)=([\w-]+)")
_WORD: Final = re.compile(r"[\w-]+")
_LIST: Final = re.compile(r"[\s\[\"']*[\w-]+(?:[\s\"']*[,;][\s\"']*[\w-]+)*[\s\]\"']*")
_NUMBER: Final = re.compile(r"(?<![\w-])\d+(?![\w-])")
_ROLES: Final = re.compile(r"(FROM|TO)_OBJECT")
_IDS_AT_ONCE: Final = 500
# HubSpot, Using object APIs, "Object type ID"; errors name a type by its word, calls by either.
_NAMES: Final = {
    "0-1": "contact",
    "0-2": "company",
    "0-3": "deal",
    "0-5": "ticket",
    "0-7": "product",
    "0-8": "line_item",
    "0-14": "quote",
    "0-27": "task",
    "0-46": "note",
    "0-47": "meeting",
    "0-48": "call",
    "0-49": "email",
    "companies": "company",
    "meeting_event": "meeting",
}


@attrs.frozen
class Mention:
    """An id in an error."""

    record_id: str  # as HubSpot writes ids; ``...`` stands for others that were cut off
    role: str | None = None  # "from" or "to" where the error says which
    kind: str | None = None  # the object type as `parse_kind` names it; None: not known
    # Whether the error says that this very record is the cause, not one end of the rejected pair.
    is_sure: bool = False
    is_other_end: bool = False  # whether the error says that the cause is at the other end


def parse_kind(object_type: str) -> str:
    """Return one name for an object type, however it was written."""
    name = object_type.strip().lower().replace("-", "_")
    name = _NAMES.get(object_type.strip().lower()) or _NAMES.get(name) or name
    return name if name in _NAMES.values() else name.removesuffix("s")


def find_ids(
    context: Context, details: Iterable[ErrorDetail], sub_category: str | None
) -> Steps[list[Mention]]:
    """Return the ids that an error names; its *sub_category* may name the end that is the cause."""
    ends = _ROLES.findall(sub_category or "")
    hint = ends[0].lower() if len(ends) == 1 else None
    found: dict[Mention, None] = {}
    contexts = chain([context], (detail.context for detail in details))
    mentions = chain.from_iterable(_of_context(one, hint) for one in contexts)
    for number, mention in enumerate(mentions, 1):
        found[mention] = None
        if number % _IDS_AT_ONCE == 0:
            yield
    if hint is not None and len({one.record_id for one in found if one.role is None}) == 1:
        # Of several, some may be the other ends of rejected pairs.
        found = {
            one if one.role is not None else attrs.evolve(one, role=hint): None for one in found
        }
    return list(found)


def _of_context(context: Context, hint: str | None) -> Iterator[Mention]:
    for key, values in context.items():
        name = plain_name(key)
        match = _KEY.fullmatch(name)
        role = match[2] if match else None
        kinds = _kinds(context, role)
        is_other_end = None not in {role, hint} and role != hint
        for value in values:
            if is_cut(value):  # its last id may be cut too, and what is missing may name others
                yield Mention(CUT)
                continue
            for record_id, kind, is_sure in ids_in(name, value):
                yield Mention(
                    record_id,
                    role,
                    kind or (kinds[0] if len(kinds) == 1 else None),
                    is_sure,
                    is_other_end,
                )


def plain_name(key: str) -> str:
    return key.lower().replace("_", "")


def is_type(key: str) -> bool:
    return "type" in key.lower()


def _kinds(context: Context, role: str | None) -> list[str]:
    """Return the object types that a context has for the ids of a role."""
    wanted = f"{role or ''}objecttype"
    for key, values in context.items():
        if plain_name(key) == wanted:
            return list({parse_kind(value) for value in values})
    return []


def ids_in(name: str, value: str) -> Iterator[tuple[str, str | None, bool]]:
    """Yield the ids in a value, their kind where it is known, and whether they are the cause."""
    if is_type(name):
        return
    if typed := _TYPED_ID.findall(value):
        for kind, record_id in typed:
            # Of two in one sentence either may be the cause, or only both together.
            yield canonical_id(record_id), parse_kind(kind), len(typed) == 1
    elif name and (match := _KEY.fullmatch(name)):
        # In prose a word may be anything, and of two numbers one may be a count.
        is_list = _LIST.fullmatch(value) is not None
        found = (_WORD if is_list else _NUMBER).findall(value)
        if is_list or len(found) == 1:
            for word in found:
                yield canonical_id(word), None, match[1] is not None


# Values and details of one pair that are kept, and as many that name no record.
_MOST_KEPT: Final = 20


class _IdIndex:
    """Where an error names records, as there may be thousands of either."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[tuple[int, str | None]]] = {}
        self._general: list[int] = []

    def add(self, place: int, named: Collection[tuple[str, str | None]]) -> None:
        for record_id, kind in named:
            self._by_id.setdefault(record_id, []).append((place, kind))
        if not named and len(self._general) < _MOST_KEPT:
            self._general.append(place)

    def about(self, ends: tuple[RecordKey, RecordKey]) -> list[int]:
        """Return the places that name one of these records, or no record."""
        own = (
            place
            for kind, record_id in ends
            for place, named_kind in self._by_id.get(record_id, ())
            if named_kind in {None, kind}
        )
        return sorted({*self._general, *islice(own, _MOST_KEPT)})


class Excerpts:
    """An error's context and details, cut to what concerns one pair; *known*: the ids sent."""

    def __init__(
        self, context: Context, details: Iterable[ErrorDetail], known: Collection[str]
    ) -> None:
        self._context = _Excerpt(context, known)
        self._details = [(detail, _Excerpt(detail.context, known)) for detail in details]
        self._places = _IdIndex()
        for place, (_, excerpt) in enumerate(self._details):
            self._places.add(place, excerpt.named)

    def of(self, ends: tuple[RecordKey, RecordKey]) -> tuple[Context, tuple[ErrorDetail, ...]]:
        """Return the context and details about a pair with these ends, and about no record."""
        details = []
        for detail, excerpt in map(self._details.__getitem__, self._places.about(ends)):
            context = excerpt.of(ends)
            is_whole = context is detail.context
            details.append(detail if is_whole else attrs.evolve(detail, context=context))
        return self._context.of(ends), tuple(details)


class _Excerpt:
    """One context, cut as by `Excerpts`; *named*: the ids in it, each with its kind."""

    def __init__(self, context: Context, known: Collection[str]) -> None:
        self._context = context
        self._values = [(name, value) for name, values in context.items() for value in values]
        self._places = _IdIndex()
        self.named: dict[tuple[str, str | None], None] = {}
        for place, (name, value) in enumerate(self._values):
            named = [(one, kind) for one, kind, _ in ids_in(plain_name(name), value)]
            if not named and (one := canonical_id(value.strip())) in known and not is_type(name):
                named = [(one, None)]
            self._places.add(place, named)
            self.named |= dict.fromkeys(named)

    def of(self, ends: tuple[RecordKey, RecordKey]) -> Context:
        places = self._places.about(ends)
        if len(places) == len(self._values):
            return self._context
        empty = (name for name, values in self._context.items() if not values)
        kept: dict[str, tuple[str, ...]] = dict.fromkeys(islice(empty, _MOST_KEPT), ())
        for name, value in map(self._values.__getitem__, places):
            kept[name] = (*kept.get(name, ()), value)
        return kept
