"""From a row of a table to its pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.files.cells import UnusableError, id_of, ids_of
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.files.column_mapping import End
    from aiohubassoc.files.record import Record


class TablePairing:
    """
    Reads the pairs of each row of a table.

    Args:
        header: The table's columns, as many as each row has.
        ends: Where the two ends of the pairs stand.
    """

    def __init__(self, header: list[str], ends: tuple[End, End]) -> None:
        self._header = header
        self._from, self._to = ends
        self._has_several = self._from.holds_several or self._to.holds_several

    @property
    def several(self) -> list[tuple[int, str]]:
        """The columns whose cells may hold several ids, with the name of that end of a pair."""
        ends = ((self._from, "from_id"), (self._to, "to_id"))
        return [(end.index, name) for end, name in ends if end.holds_several]

    def pairs(self, record: Record) -> Sequence[Pair] | None:
        """Return the pairs of *record*, each tagged with it; None if its problem is set, or was."""
        if record.problem is not None:
            return None
        fields = record.fields
        assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
        try:
            if len(fields) != len(self._header) or fields == self._header:
                raise UnusableError(self._shape_problem(fields))
            if self._has_several:
                return self._several(record, fields)
            from_, to = self._from, self._to
            from_id = id_of(fields[from_.index], from_.name)
            to_id = id_of(fields[to.index], to.name)
            return (Pair(_type(from_, fields), from_id, _type(to, fields), to_id, tag=record),)
        except ValueError as error:
            record.problem = str(error)
            return None

    def _several(self, record: Record, fields: list[str]) -> Sequence[Pair]:
        """Return a pair for each two of the ids: none where an end that may have many has none."""
        ends = (self._from, self._to)
        if any(end.holds_several and not fields[end.index].strip(" ;") for end in ends):
            return ()  # whatever else is wrong with the row, nothing was to be linked
        from_ids, to_ids = (
            (ids_of if end.holds_several else _only_id)(fields[end.index], end.name) for end in ends
        )
        from_type, to_type = _type(self._from, fields), _type(self._to, fields)
        return [
            Pair(from_type, from_id, to_type, to_id, tag=record)
            for from_id in from_ids
            for to_id in to_ids
        ]

    def _shape_problem(self, fields: list[str]) -> str:
        have, need = len(fields), len(self._header)
        if have > need:
            return f"has too many fields: {have}, the header has {need}"
        if have < need:
            return f"has a missing column: {have} of {need} fields"
        return "repeats the header"


def _only_id(text: str, name: str) -> list[str]:
    return [id_of(text, name)]


def _type(end: End, fields: list[str]) -> str:
    own = "" if end.type_index is None else fields[end.type_index].strip()
    if object_type := own or end.object_type:
        return object_type
    raise UnusableError(f"{end.type_name} is empty")
