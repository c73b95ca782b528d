"""From an object of JSON Lines to its pairs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.files import hubspot
from aiohubassoc.files.cells import Float
from aiohubassoc.files.column_mapping import normalize, refuse_contradiction
from aiohubassoc.files.id_rule import IdRule, RejectedRowError, reject
from aiohubassoc.files.limits import SHOWN_CHARS, shown
from aiohubassoc.files.not_ids import Kind
from aiohubassoc.files.pairing import make_pairs, note_labels, pair_maker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohubassoc.files.counts import InputCounts
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.object_types import TypeNames
    from aiohubassoc.files.pairing import Ends
    from aiohubassoc.files.record import Record
    from aiohubassoc.pair import Pair


class JsonlPairing:
    """
    Reads the pairs of each object: ``{"from": "contacts:101", "to": "companies:202"}``.

    The ids may as well stand in ``from_id`` and ``to_id``, without their types, or in the keys
    that the user named; ``from_type`` and ``to_type`` say the types of ids that do not. A list
    holds several ids, or none.

    Args:
        layout: What the user said.
        name: How messages call the input.
        counts: Where cleaned ids and labels are noted.
        types: The names of object types.

    Raises:
        InputError: A key that the user named is of another type than the one given.
    """

    def __init__(self, layout: Layout, name: str, counts: InputCounts, types: TypeNames) -> None:
        for column, object_type, option in (
            (layout.from_column, layout.from_type, "--from"),
            (layout.to_column, layout.to_type, "--to"),
        ):
            refuse_contradiction(column or "", object_type, option, name)
        self._name = name
        self._counts = counts
        self._make = pair_maker(any_id=layout.any_id)
        rule = IdRule(counts, any_id=layout.any_id)
        self._from = _End("from", layout.from_column, layout.from_type, rule, types)
        self._to = _End("to", layout.to_column, layout.to_type, rule, types)
        self._looked_at: tuple[str, ...] | None = None

    def pairs(self, record: Record) -> Sequence[Pair] | None:
        """Return the pairs of *record*, each tagged with it; None if its problem is set, or was."""
        if record.problem is not None:
            return None
        fields = record.kept
        assert isinstance(fields, dict)  # noqa: S101 -- without a problem it is an object
        try:
            names = tuple(fields)
            if names != self._looked_at:  # as a rule each object has the keys of the one before
                self._look_at(names, fields)
            return make_pairs(self._make, record, self._from.of(fields), self._to.of(fields))
        except ValueError as error:
            record.problem = str(error)
            record.held = error.held if isinstance(error, RejectedRowError) else None
            return None

    def cells(self, record: Record, pair: Pair) -> dict[str, object]:
        """Return the object that *pair* stands in, with only its own id where it has several."""
        fields = record.fields
        assert isinstance(fields, dict)  # noqa: S101 -- it gave a pair
        own = dict(fields)
        for end, object_type, record_id in (
            (self._from, pair.from_type, pair.from_id),
            (self._to, pair.to_type, pair.to_id),
        ):
            keys = end.find(fields)
            if keys.holds_several or isinstance(fields[keys.id], list):
                own[keys.id] = f"{object_type}:{record_id}" if keys.has_types else record_id
        return own

    def _look_at(self, names: tuple[str, ...], fields: Mapping[str, object]) -> None:
        self._looked_at = None
        note_labels(names, self._name, "key", self._counts)
        self._from.keys = self._from.find(fields)
        self._to.keys = self._to.find(fields)
        self._looked_at = names


@attrs.frozen
class _Keys:
    """
    Where one end stands in objects with the same keys.

    Attributes:
        id: The key of its ids.
        shown: The same for messages.
        type: The key of its type; None if there is none.
        has_types: Whether an id may have its type before a colon.
        holds_several: Whether a text may hold several ids, or none.
    """

    id: str
    shown: str
    type: str | None
    has_types: bool
    holds_several: bool


class _End:
    """
    One end of the pairs.

    Args:
        name: ``"from"`` or ``"to"``.
        key: The key that the user named; None: the usual ones.
        object_type: The type of ids that do not say it; None if each must.
        rule: Reads ids.
        types: The names of object types.

    Attributes:
        keys: Where this end stands in the objects that come next.
    """

    keys: _Keys

    def __init__(
        self, name: str, key: str | None, object_type: str | None, rule: IdRule, types: TypeNames
    ) -> None:
        self._name = name
        self._id_name = f"{name}_id"
        self._names = (self._id_name, name) if key is None else (key,)
        self._type_name = f"{name}_type"
        object_type = object_type or hubspot.named_type(key or "")
        self._object_type = None if object_type is None else types.name(object_type, f"--{name}")
        self._rule = rule
        self._types = types

    def find(self, fields: Mapping[str, object]) -> _Keys:
        """
        Return where this end stands in an object.

        Raises:
            RejectedRowError: It has no id.
        """
        for name in self._names:
            if (key := key_of(name, fields)) is not None:
                return _Keys(
                    key,
                    key[:SHOWN_CHARS],
                    key_of(self._type_name, fields),
                    normalize(key) != self._id_name,
                    hubspot.holds_several(key),
                )
        raise RejectedRowError("has no " + " or ".join(map(repr, reversed(self._names))))

    def of(self, fields: Mapping[str, object]) -> Ends:
        """
        Return the records of this end.

        Raises:
            RejectedRowError: One of them is missing or none.
        """
        value = fields[self.keys.id]
        if isinstance(value, list):
            return [one for item in value for one in self._records(item, fields)]
        return self._records(value, fields)

    def _records(self, value: object, fields: Mapping[str, object]) -> Ends:
        keys = self.keys
        text = self._cell(value)
        own_type = ""
        if keys.has_types and ":" in text:
            own_type, _, text = text.partition(":")
            if not own_type:
                told = shown(str(value))
                raise RejectedRowError(f"{keys.shown} is {told}, without a type before the colon")
        if keys.holds_several:
            ids = self._rule.several(text, keys.shown)
        else:
            ids = [self._rule.one(text, keys.shown)]
        if not ids:
            return []
        object_type = self._types.name(own_type, keys.shown) or self._type(fields)
        return [(object_type, one) for one in ids]

    def _cell(self, value: object) -> str:
        name = self.keys.shown
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            raise reject(name, _json(value), Kind.TRUTH)
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return Float(value)
        if value is None and self.keys.holds_several:
            return ""
        if value is None:
            raise reject(name, _json(value), Kind.PLACEHOLDER)
        raise RejectedRowError(f"{name} is nested: an id must be a string or a number")

    def _type(self, fields: Mapping[str, object]) -> str:
        key = self.keys.type
        value = None if key is None else fields[key]
        if value is not None and not isinstance(value, str):
            told = shown(_json(value))
            raise RejectedRowError(f"{self._type_name} is {told}: a type must be a string")
        if value and (own := self._types.name(value, self._type_name)):
            return own
        if self._object_type is not None:
            return self._object_type
        raise RejectedRowError(
            f'{self.keys.shown} has no type: write it as "contacts:101", add '
            f"{self._type_name!r}, or give --{self._name}"
        )


def key_of(name: str, fields: Mapping[str, object]) -> str | None:
    """
    Return the key of an object that is called *name*, however it is cased; None: there is none.

    Raises:
        RejectedRowError: Several are.
    """
    if name in fields:
        return name
    found = [key for key in fields if normalize(key) == normalize(name)]
    if len(found) > 1:
        raise RejectedRowError(f"has more than one {name!r}")
    return found[0] if found else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
