"""What a run folder keeps of the rows of a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from aiohubassoc.cli.feed import Table
from aiohubassoc.files.record import Record
from aiohubassoc.journal.places import parts_of, place_of

if TYPE_CHECKING:
    from aiohubassoc.journal.places import Place
    from aiohubassoc.pair import Pair


class CellsTable(Table, Protocol):
    """A table that says which cells a pair stands in."""

    def cells(self, pair: Pair) -> list[str] | dict[str, object]:
        """Return the row of *pair*, with only its own ids where a cell holds several."""
        ...


class TablePlaces:
    """
    Places of a table's rows, and their cells as tags.

    Args:
        table: Where the pairs come from: each is tagged with its record.
        are_stable: Whether the input is surely the same as in every run of the folder.
    """

    def __init__(self, table: CellsTable, *, are_stable: bool) -> None:
        self.are_stable = are_stable
        self._table = table

    def place(self, index: int, pair: Pair) -> Place:
        """Return input and line."""
        del index
        record = pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- the table tags each pair with its row
        return place_of(record.source, record.line)

    def told(self, place: Place) -> str:
        """Return it as messages call it."""
        return self._table.place(*parts_of(place))

    def tag(self, pair: Pair) -> str | None:
        """Return the cells as JSON; None where they are just the two ids, in their order."""
        cells = self._table.cells(pair)
        if cells == [pair.from_id, pair.to_id]:
            return None
        return json.dumps(cells)


def cells_of(pair: Pair) -> list[str] | dict[str, object]:
    """Return the cells that were kept of a pair from a run folder."""
    kept = pair.tag
    if isinstance(kept, list | dict):
        return kept
    return [pair.from_id, pair.to_id]
