"""One of the inputs: its columns, its rows with their pairs, and what it is known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import open_source
from aiohubassoc.files.column_mapping import find_ends
from aiohubassoc.files.counts import InputCounts
from aiohubassoc.files.fingerprints import digest_of_file, digest_of_text
from aiohubassoc.files.jsonl_pairs import JsonlPairing
from aiohubassoc.files.jsonl_reader import JsonlReader
from aiohubassoc.files.limits import most_rows
from aiohubassoc.files.readers import open_reader
from aiohubassoc.files.row_count import estimate_lines
from aiohubassoc.files.table import Table
from aiohubassoc.files.table_pairs import TablePairing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiohubassoc.files.byte_source import ByteSource
    from aiohubassoc.files.column_mapping import FindColumns
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.object_types import TypeNames
    from aiohubassoc.files.record import Record
    from aiohubassoc.pair import Pair


class InputFile:
    """
    One of the inputs, open; its columns are read.

    Args:
        path: A file, or ``-`` for standard input.
        layout: What the user said.
        counts: What reading it comes to.
        types: The names of object types.
        is_first: Whether its rows are read from this opening on, and not from another one.

    Attributes:
        name: How messages call it.
        header: Its columns as written.
        unit: What `Record.line` counts in it.
        may_block: Whether reading it may wait for somebody; it cannot be opened again then.
        row_chars: About how long the latest row is.

    Raises:
        InputError: it cannot be read as pairs.
    """

    def __init__(
        self, path: str, layout: Layout, counts: InputCounts, types: TypeNames, *, is_first: bool
    ) -> None:
        self._path = path
        self._layout = layout
        self._counts = counts
        self.row_chars = 0
        self._rows: Table | JsonlReader | None = self._open(counts if is_first else InputCounts())
        rows = self._rows
        self.header = rows.header
        self.unit = rows.unit
        self._count = rows.count
        self._is_text = isinstance(rows, JsonlReader) or rows.is_text
        self._has_header = isinstance(rows, Table)
        try:
            self._pairing = self._pairing_of(rows, types)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[tuple[Record, Sequence[Pair] | None]]:
        """
        Yield each row with its pairs, or with None and its problem set.

        Raises:
            InputError: It was changed, is damaged, broken or too much for its size, or can no
                longer be read.
        """
        if self._rows is None:
            self._rows = self._open(self._counts)
            if self._rows.header != self.header:
                raise InputError(
                    f"{self.name} was changed while other inputs were read: its columns are now "
                    f"{', '.join(self._rows.header)}"
                )
        rows, pairing = self._rows, self._pairing.pairs
        table = rows if isinstance(rows, Table) else None
        made = 0
        try:
            if table is not None:
                if self.may_block:
                    table.beginning()  # it cannot be read again
                table.forget_beginning()
            for record in rows:
                pairs = pairing(record)
                self.row_chars = rows.row_chars
                if pairs:
                    made += len(pairs)
                    if len(pairs) > 1 and made > most_rows(self._size_bytes()):
                        raise InputError(
                            f"{self.name}, {self.unit} {record.line}: {made:,} pairs are too many "
                            "for a file of its size"
                        )
                elif table is not None:
                    table.refuse_if_broken(record)
                yield record, pairs
        except OSError as error:
            raise InputError(f"{self.name} cannot be read further: {error.strerror}") from None

    def cells(
        self, record: Record, pair: Pair, index: Callable[[int], int]
    ) -> list[str] | dict[str, object]:
        """
        Return the row that *pair* stands in, with only its own id where a cell has several.

        Args:
            record: The row.
            pair: The pair.
            index: Returns where a column of this input stands among the record's cells.
        """
        if isinstance(self._pairing, TablePairing):
            return self._pairing.cells(record, pair, index)
        return self._pairing.cells(record, pair)

    def rest(self) -> None:
        """Keep no file open until the rows are read, if it can be opened again."""
        if not self.may_block:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._rows is not None:
            self._rows.close()
            if not self.may_block:
                self._rows = None

    def count_rows(self) -> int | None:
        """Return about how many rows there are; None where nobody can know."""
        if self.may_block or not self._is_text:
            return self._count
        lines = estimate_lines(self._path)
        return None if lines is None else max(lines - self._has_header, 1)

    def fingerprint(self) -> dict[str, object]:
        """
        Return what tells the input from others.

        Raises:
            InputError: it is gone, or can no longer be read.
        """
        size_bytes: int | None = None
        if self.may_block:
            assert self._rows is not None  # noqa: S101 -- what may block is not closed early
            digest = digest_of_text(self._rows.beginning())
        else:
            size_bytes, digest = digest_of_file(self._path)
        return {
            "name": self._path,
            "columns": list(self.header),
            "size_bytes": size_bytes,
            "digest": digest,
        }

    def _pairing_of(
        self, rows: Table | JsonlReader, types: TypeNames
    ) -> TablePairing | JsonlPairing:
        layout, counts = self._layout, self._counts
        if isinstance(rows, JsonlReader):
            return JsonlPairing(layout, self.name, counts, types)
        return TablePairing(rows, self.name, counts, types, any_id=layout.any_id)

    def _size_bytes(self) -> int:
        return self._source.size_bytes or self._source.taken_bytes

    def _open(self, counts: InputCounts) -> Table | JsonlReader:
        source = open_source(self._path)
        self._source = source
        self.name = source.name
        self.may_block = not source.is_regular
        return open_rows(source, self._path, self._layout, counts)


def open_rows(
    source: ByteSource,
    path: str,
    layout: Layout,
    counts: InputCounts,
    find: FindColumns = find_ends,
) -> Table | JsonlReader:
    """
    Return the rows of *source*, which is closed with them; of a table its columns are found.

    Args:
        source: The bytes, of which none were read.
        path: The file's name, which may tell the format.
        layout: What the user said.
        counts: Where rows that are left out are counted.
        find: Finds the columns of a table.

    Raises:
        InputError: It cannot be read, or a column is missing.
    """
    try:
        reader = open_reader(source, path, layout, counts)
        if isinstance(reader, JsonlReader):
            return reader
        try:
            return Table(reader, layout, find)
        except BaseException:
            reader.close()
            raise
    except OSError as error:
        source.close()
        raise InputError(f"cannot read {source.name}: {error.strerror}") from None
    except BaseException:
        source.close()
        raise
