"""Which columns of a table hold the ids and their types."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot

if TYPE_CHECKING:
    from aiohubassoc.files.layout import Layout

_OTHER_DELIMITERS: Final = {
    ";": "semicolons: give --delimiter ';'",
    "\t": "tabs: give --format tsv",
    "|": "bars: give --delimiter '|'",
    ",": "commas: give --delimiter ','",
}
_NUMBERS = re.compile(r"[\d.,eE+ -]*")


@attrs.frozen
class End:
    """
    Where one end of the pairs stands in a table.

    Attributes:
        name: The column of its ids, without blanks around it.
        index: That column's place.
        holds_several: Whether a cell may hold several ids.
        type_name: How messages call the column of its types.
        type_index: That column's place; None if there is none.
        object_type: The type of ids whose row does not say it; None if each must.
    """

    name: str
    index: int
    holds_several: bool
    type_name: str
    type_index: int | None
    object_type: str | None


@attrs.frozen
class _Wanted:
    """What is looked for: the names of an end and what the user said about it."""

    id_name: str
    type_name: str
    column: str | None
    column_option: str
    object_type: str | None
    type_option: str
    is_exported: Callable[[str], bool]


def find_ends(
    header: Sequence[str],
    layout: Layout,
    name: str,
    *,
    unit: str = "line",
    delimiter: str | None = None,
) -> tuple[End, End]:
    """
    Return where both ends of the pairs stand in a table.

    Args:
        header: The table's columns.
        layout: What the user said.
        name: How messages call the table.
        unit: How messages call its rows.
        delimiter: What stands between the columns; None where nothing does.

    Raises:
        InputError: the ends cannot be found.
    """
    search = _Search([column.strip() for column in header], name, unit, delimiter)
    first = _Wanted(
        "from_id",
        "from_type",
        layout.from_column,
        "--from-column",
        layout.from_type,
        "--from",
        hubspot.is_record_id,
    )
    second = _Wanted(
        "to_id",
        "to_type",
        layout.to_column,
        "--to-column",
        layout.to_type,
        "--to",
        hubspot.is_associated,
    )
    return search.end(first), search.end(second)


@attrs.frozen
class _Search:
    """The columns of one table, without blanks around them."""

    columns: list[str]
    name: str
    unit: str
    delimiter: str | None

    def end(self, wanted: _Wanted) -> End:
        index = self._ids(wanted)
        column = self.columns[index]
        type_index = self._find(wanted.type_name)
        object_type = wanted.object_type or hubspot.type_of(column)
        if type_index is None and object_type is None:
            raise InputError(
                f"{self.name} has no column {wanted.type_name!r}: give {wanted.type_option}"
            )
        return End(
            column,
            index,
            hubspot.holds_several(column),
            wanted.type_name,
            type_index,
            object_type,
        )

    def _ids(self, wanted: _Wanted) -> int:
        column = wanted.id_name if wanted.column is None else wanted.column
        index = self._find(column)
        if index is not None:
            return index
        if wanted.column is None:
            exported = [n for n, name in enumerate(self.columns) if wanted.is_exported(name)]
            if exported:
                return self._exported(exported, wanted)
        raise InputError(
            f"{self.name} {self._why_no_table() or self._what_there_is(column, wanted)}"
        )

    def _exported(self, exported: list[int], wanted: _Wanted) -> int:
        """Return the one of HubSpot's columns that is meant."""
        fitting = [
            index
            for index in exported
            if wanted.object_type is None
            or hubspot.is_record_id(self.columns[index])
            or hubspot.may_be_of(self.columns[index], wanted.object_type)
        ]
        if len(fitting) == 1:
            return fitting[0]
        there = ", ".join(repr(self.columns[index]) for index in exported)
        if not fitting:
            raise InputError(
                f"{self.name} has no column with ids of {wanted.object_type} but {there}: "
                f"name the column with {wanted.column_option}"
            )
        choose = (
            f"choose one with {wanted.type_option} or {wanted.column_option}"
            if wanted.object_type is None
            else f"name it with {wanted.column_option}"
        )
        raise InputError(
            f"{self.name} has more than one column that may be meant, {there}: {choose}"
        )

    def _find(self, column: str) -> int | None:
        for wanted, among in (
            (column.strip(), self.columns),
            (column.strip().casefold(), [name.casefold() for name in self.columns]),
        ):
            if among.count(wanted) > 1:
                raise InputError(f"{self.name} has more than one column {column!r}")
            if wanted in among:
                return among.index(wanted)
        return None

    def _what_there_is(self, column: str, wanted: _Wanted) -> str:
        there = ", ".join(self.columns)
        return f"has no column {column!r} but {there}: name it with {wanted.column_option}"

    def _why_no_table(self) -> str | None:
        """Return what is wrong with the header as a whole; None if it looks like one."""
        first = ",".join(self.columns)
        if self.delimiter is not None:
            if first.startswith("sep="):
                return f"begins with {first!r}, which only Excel understands: delete that line"
            if first.startswith("{"):
                return "holds JSON, whatever its name says: give --format jsonl"
            for other, told in _OTHER_DELIMITERS.items():
                if len(self.columns) == 1 and other in first and other != self.delimiter:
                    return f"separates its columns by {told}"
        if all(_NUMBERS.fullmatch(column) for column in self.columns):
            return (
                f"has no header: its first {self.unit} is {first!r}, but must name the columns, "
                "such as from_id,to_id"
            )
        return None
