"""An export as one side of a join: each row with its record id and the cell that is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot
from aiohubassoc.files.byte_source import open_source
from aiohubassoc.files.cells import CellList, value_text
from aiohubassoc.files.column_mapping import End, MissingColumnsError, normalize
from aiohubassoc.files.counts import InputCounts
from aiohubassoc.files.header_advice import explain_no_table, list_columns
from aiohubassoc.files.id_rule import IdRule, RejectedRowError
from aiohubassoc.files.input_file import open_rows
from aiohubassoc.files.jsonl_pairs import key_of
from aiohubassoc.files.limits import SHOWN_CHARS, shown
from aiohubassoc.files.match_keys import UnusableKeyError
from aiohubassoc.files.record import Record
from aiohubassoc.files.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.match_keys import ToKey


@attrs.frozen
class KeyColumns:
    """
    The two columns of a side.

    Attributes:
        key: The column that is compared.
        key_option: The option that names it.
        record_id: The column of record ids; None: as HubSpot exports it.
        id_option: The option that names it.
    """

    key: str
    key_option: str
    record_id: str | None
    id_option: str

    def find(
        self,
        header: Sequence[str],
        layout: Layout,
        name: str,
        *,
        unit: str = "line",
        delimiter: str | None = None,
        hint: str = "",
    ) -> tuple[End, End]:
        """Return the column of record ids and the one that is compared; see `FindColumns`."""
        del layout
        columns = [column.strip() for column in header]
        key = _find(self.key, columns, name)
        record_id = self.find_id(columns, key, name)
        if key is None or record_id is None:
            message = explain_no_table(columns, unit, delimiter)
            if message is None:
                message = self._missing(columns, key=key, record_id=record_id)
            hint = f". {hint}" if hint else ""
            found = (key is not None) + (record_id is not None)
            raise MissingColumnsError(f"{name} {message}{hint}", found)
        column = columns[record_id]
        object_type = hubspot.named_type(column) or hubspot.exported_type(columns)
        return _end(column, record_id, object_type), _end(columns[key], key, None)

    def find_id(self, columns: Sequence[str], key: int | None, name: str) -> int | None:
        """
        Return which column has the record ids; None if none does, or not the one that is named.

        Args:
            columns: The columns, without spaces around them.
            key: Which of them is compared; None if none is.
            name: How messages call the file.

        Raises:
            InputError: Several may have them.
        """
        if self.record_id is not None:
            return _find(self.record_id, columns, name)
        usual = [n for n, column in enumerate(columns) if hubspot.is_record_id(column)]
        own_type = hubspot.exported_type(columns)
        named = [
            n
            for n, column in enumerate(columns)
            if n != key
            and not hubspot.is_associated(column)
            and hubspot.named_type(column) is not None
            and own_type in {None, hubspot.named_type(column)}
        ]
        found = usual or named
        if len(found) > 1:
            listed = list_columns([columns[n] for n in found])
            raise InputError(
                f"{name} has more than one column that may hold its record ids, {listed}: choose "
                f"with {self.id_option}"
            )
        return found[0] if found else None

    def _missing(self, columns: Sequence[str], *, key: int | None, record_id: int | None) -> str:
        missing, options = [], []
        if key is None:
            missing.append(f"no column {shown(self.key)}")
            options.append(self.key_option)
        if record_id is None:
            missing.append(f"no column {shown(self.record_id or 'Record ID')}")
            options.append(self.id_option)
        listed = list_columns(columns, quoted=False)
        return (
            f"has {' and '.join(missing)}. Its columns: {listed}. Choose with {' '.join(options)}"
        )


@attrs.frozen
class KeyedRow:
    """
    A row of a side.

    Attributes:
        record: The row.
        record_id: Its record id; "" if the row cannot be used.
        text: The cell that is compared, as written.
        key: What it is compared by; None if by nothing.
        problem: Why the row cannot be used or compared; None if it can.
    """

    record: Record
    record_id: str = ""
    text: str = ""
    key: str | None = None
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it has a record id."""
        return bool(self.record_id)


class KeyedTable:
    """
    One side of a join: an iterator of its rows; a context manager.

    Args:
        path: A file, or ``-`` for standard input.
        columns: Its columns.
        layout: What the user said about it.
        to_key: Returns what a cell is compared by.

    Attributes:
        name: How messages call it.
        unit: What the numbers of its rows count.
        header: Its columns as written.
        object_type: The type of its records, if its columns show it; else None.
        counts: What reading it comes to.

    Raises:
        InputError: It cannot be read, or a column is missing.
    """

    def __init__(self, path: str, columns: KeyColumns, layout: Layout, to_key: ToKey) -> None:
        self.counts = InputCounts()
        source = open_source(path)
        self.name = source.name
        self._columns = columns
        self._to_key = to_key
        self._rule = IdRule(self.counts, any_id=layout.any_id)
        self._rows = rows = open_rows(source, path, layout, self.counts, columns.find)
        self.unit = rows.unit
        self.header = rows.header
        try:
            if isinstance(rows, Table):
                self._id, self._key = rows.ends
            else:
                self._id, self._key = self._keys_of_objects(rows.header)
        except BaseException:
            rows.close()
            raise
        self.object_type = self._id.object_type

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def __iter__(self) -> Iterator[KeyedRow]:
        """
        Yield each row.

        Raises:
            InputError: A record broke, behind which nothing can be read, or reading failed.
        """
        rows = self._rows
        table = rows if isinstance(rows, Table) else None
        try:
            for record in rows:
                row = self._keyed(record)
                if table is not None and row.problem is not None:
                    table.refuse_if_broken(record)
                self.counts.rows += 1
                yield row
        except OSError as error:
            raise InputError(f"{self.name} cannot be read further: {error.strerror}") from None

    def cells(self, record: Record) -> list[str]:
        """Return the row as cells, one for each column if it has the shape of the table."""
        fields = record.fields
        if isinstance(fields, dict):
            return [value_text(fields.get(name)) for name in self.header]
        return fields

    def _keyed(self, record: Record) -> KeyedRow:
        if record.problem is not None:
            return KeyedRow(record, problem=record.problem)
        try:
            id_cell, text = self._cells_of(record)
            record_id = self._rule.one(id_cell, self._id.name)
        except RejectedRowError as error:
            return KeyedRow(record, problem=str(error))
        try:
            return KeyedRow(record, record_id, text, self._to_key(text))
        except UnusableKeyError as error:
            return KeyedRow(record, record_id, text, problem=f"{self._key.name} {error}")

    def _cells_of(self, record: Record) -> tuple[str, str]:
        fields = record.kept
        if isinstance(fields, list):
            return fields[self._id.index], fields[self._key.index]
        assert isinstance(fields, dict)  # noqa: S101 -- it is read, not compact
        return _value(self._id.name, fields), _value(self._key.name, fields)

    def _keys_of_objects(self, header: Sequence[str]) -> tuple[End, End]:
        """Return the keys of JSON Lines, of which not every object needs to have each."""
        wanted, columns = self._columns, [key.strip() for key in header]
        index = wanted.find_id(columns, _find(wanted.key, columns, self.name), self.name)
        record_id = wanted.record_id if index is None else header[index]
        if record_id is None:
            listed = list_columns(columns, quoted=False)
            raise InputError(
                f"{self.name} has no key 'Record ID'. The keys of its first object: {listed}. "
                f"Choose with {wanted.id_option}"
            )
        object_type = hubspot.named_type(record_id) or hubspot.exported_type(columns)
        return _end(record_id, 0, object_type), _end(wanted.key, 0, None)


def _find(column: str, columns: Sequence[str], name: str) -> int | None:
    same = [n for n, one in enumerate(columns) if normalize(one) == normalize(column)]
    found = [n for n in same if columns[n] == column.strip()] or same
    if len(found) > 1:
        raise InputError(f"{name} has more than one column {shown(column)}")
    return found[0] if found else None


def _end(column: str, index: int, object_type: str | None) -> End:
    return End(column[:SHOWN_CHARS], index, False, "", None, object_type)


def _value(name: str, fields: Mapping[str, object]) -> str:
    key = key_of(name, fields)
    if key is None:
        raise RejectedRowError(f"has no {name!r}")
    value = fields[key]
    if isinstance(value, list):
        return CellList.from_values(value)
    if isinstance(value, dict):
        raise RejectedRowError(f"{name} is nested")
    return value_text(value)
