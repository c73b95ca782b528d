"""From an object of JSON Lines to its pairs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohubassoc.files import hubspot
from aiohubassoc.files.cells import UnusableError, id_of, ids_of
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.record import Record


class JsonlPairing:
    """
    Reads the pairs of each object: ``{"from": "contacts:101", "to": "companies:202"}``.

    The ids may as well stand in ``from_id`` and ``to_id``, without their types, or in the keys
    that the user named; ``from_type`` and ``to_type`` say the types of ids that do not.

    Args:
        layout: What the user said.
    """

    def __init__(self, layout: Layout) -> None:
        self._from = _End("from", layout.from_column, layout.from_type)
        self._to = _End("to", layout.to_column, layout.to_type)

    def pairs(self, record: Record) -> Sequence[Pair] | None:
        """Return the pairs of *record*, each tagged with it; None if its problem is set, or was."""
        if record.problem is not None:
            return None
        fields = record.fields
        assert isinstance(fields, dict)  # noqa: S101 -- without a problem it is an object
        try:
            from_type, from_ids = self._from.of(fields)
            to_type, to_ids = self._to.of(fields)
            return [
                Pair(from_type, from_id, to_type, to_id, tag=record)
                for from_id in from_ids
                for to_id in to_ids
            ]
        except ValueError as error:
            record.problem = str(error)
            return None


class _End:
    """
    One end of the pairs.

    Args:
        name: ``"from"`` or ``"to"``.
        key: The key that the user named; None: the usual ones.
        object_type: The type of ids that do not say it; None if each must.
    """

    def __init__(self, name: str, key: str | None, object_type: str | None) -> None:
        self._name = name
        self._id_name = f"{name}_id"
        self._names = (self._id_name, name) if key is None else (key,)
        self._type_name = f"{name}_type"
        self._looked_at: tuple[str, ...] | None = None
        self._key = ""
        self._type_key: str | None = None
        self._object_type = object_type

    def of(self, fields: Mapping[str, object]) -> tuple[str, Sequence[str]]:
        """
        Return the type and the ids.

        Raises:
            UnusableError: one of them is missing or none.
        """
        names = tuple(fields)
        if names != self._looked_at:  # as a rule each object has the keys of the one before it
            self._key, self._type_key = self._find(fields)
            self._looked_at = names
        key = self._key
        value = fields[key]
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UnusableError(_no_id(key, value))
        text = str(value)
        own_type = ""
        if ":" in text and key.casefold() != self._id_name:
            own_type, _, text = text.partition(":")
            if not own_type:
                raise UnusableError(f"{key} is {value!r}, without a type before the colon")
        ids = ids_of(text, key) if hubspot.holds_several(key) else [id_of(text, key)]
        return own_type or self._type(fields), ids

    def _find(self, fields: Mapping[str, object]) -> tuple[str, str | None]:
        """Return the keys of the id and of its type."""
        for name in self._names:
            if (key := _key_of(name, fields)) is not None:
                return key, _key_of(self._type_name, fields)
        raise UnusableError("has no " + " or ".join(map(repr, reversed(self._names))))

    def _type(self, fields: Mapping[str, object]) -> str:
        value = None if self._type_key is None else fields[self._type_key]
        if value is not None and not isinstance(value, str):
            raise UnusableError(f"{self._type_key} is {_json(value)}: a type must be a string")
        if value and (own := value.strip()):
            return own
        if self._object_type is not None:
            return self._object_type
        raise UnusableError(
            f'{self._key} has no type: write it as "contacts:101", add {self._type_name!r}, '
            f"or give --{self._name}"
        )


def _key_of(name: str, fields: Mapping[str, object]) -> str | None:
    if name in fields:
        return name
    found = [key for key in fields if key.strip().casefold() == name.strip().casefold()]
    if len(found) > 1:
        raise UnusableError(f"has more than one {name!r}")
    return found[0] if found else None


def _no_id(key: str, value: object) -> str:
    if isinstance(value, float):
        return f"{key} is {_json(value)}, a number with a point: write the id as an int or a string"
    told = "nested" if isinstance(value, dict | list) else _json(value)
    return f"{key} is {told}: an id must be a string or an int"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
