"""From a row of a table to its pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.files.cells import CellList
from aiohubassoc.files.id_rule import IdRule, RejectedRowError
from aiohubassoc.files.pairing import make_pairs, note_labels, pair_maker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc.files.column_mapping import End
    from aiohubassoc.files.counts import InputCounts
    from aiohubassoc.files.object_types import TypeNames
    from aiohubassoc.files.pairing import Ends
    from aiohubassoc.files.record import Record
    from aiohubassoc.files.table import Table
    from aiohubassoc.pair import Pair


class TablePairing:
    """
    Reads the pairs of each row of a table.

    Args:
        table: The table.
        name: How messages call it.
        counts: Where cleaned ids and labels are noted.
        types: The names of object types.
        any_id: Whether any text that can be sent is an id.
    """

    def __init__(
        self, table: Table, name: str, counts: InputCounts, types: TypeNames, *, any_id: bool
    ) -> None:
        note_labels(table.header, name, "column", counts)
        self._ends = self._from, self._to = table.ends
        self._from_type, self._to_type = (
            types.name(end.object_type or "", end.type_name) for end in table.ends
        )
        self._types = types
        self._rule = IdRule(counts, any_id=any_id)
        self._make = pair_maker(any_id=any_id)
        self._has_several = any(end.holds_several for end in self._ends)
        # One id in each cell, and one type for all: nearly every table.
        self._is_plain = not self._has_several and all(end.type_index is None for end in self._ends)

    def pairs(self, record: Record) -> Sequence[Pair] | None:
        """Return the pairs of *record*, each tagged with it; None if its problem is set, or was."""
        if record.problem is not None:
            return None
        fields = record.kept
        assert isinstance(fields, list)  # noqa: S101 -- a table's rows are its cells
        try:
            if self._is_plain:
                from_, to, one = self._from, self._to, self._rule.one
                from_id = one(fields[from_.index], from_.name)
                to_id = one(fields[to.index], to.name)
                types = self._from_type, self._to_type
                return (self._make(types[0], from_id, types[1], to_id, tag=record),)
            return self._several(record, fields)
        except ValueError as error:
            record.problem = str(error)
            record.held = error.held if isinstance(error, RejectedRowError) else None
            return None

    def cells(self, record: Record, pair: Pair, index: Callable[[int], int]) -> list[str]:
        """
        Return the row that *pair* stands in, with only its own id where a cell has several.

        Args:
            record: The row.
            pair: The pair.
            index: Returns where a column of the table stands among the record's cells.
        """
        cells = record.fields
        assert isinstance(cells, list)  # noqa: S101 -- a table's rows are its cells
        if self._has_several:
            cells = list(cells)
            for end, own in ((self._from, pair.from_id), (self._to, pair.to_id)):
                if end.holds_several:
                    cells[index(end.index)] = own
        return cells

    def _several(self, record: Record, fields: list[str]) -> Sequence[Pair]:
        """Return a pair for each two of the ids: none where an end that may have many has none."""
        for end in self._ends:
            cell = fields[end.index]
            if isinstance(cell, CellList):
                is_empty = not cell.items
            else:
                is_empty = end.holds_several and type(cell) is str and not cell.strip(" ;")
            if is_empty:
                return ()  # whatever else is wrong with the row, nothing was to be linked
        return make_pairs(
            self._make,
            record,
            self._records(self._from, self._from_type, fields),
            self._records(self._to, self._to_type, fields),
        )

    def _records(self, end: End, object_type: str, fields: list[str]) -> Ends:
        cell = fields[end.index]
        if end.holds_several:
            ids = self._rule.several(cell, end.name)
        else:
            ids = [self._rule.one(cell, end.name)]
        object_type = self._type(end, object_type, fields)
        return [(object_type, one) for one in ids]

    def _type(self, end: End, default: str, fields: list[str]) -> str:
        own = ""
        if end.type_index is not None:
            own = self._types.name(fields[end.type_index], end.type_name)
        if object_type := own or default:
            return object_type
        raise RejectedRowError(f"{end.type_name} is empty")
