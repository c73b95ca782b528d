"""One of the inputs: its columns, its rows with their pairs, and what it is known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import open_source
from aiohubassoc.files.column_mapping import find_ends
from aiohubassoc.files.csv_reader import CsvReader
from aiohubassoc.files.fingerprints import digest_of_file, digest_of_text
from aiohubassoc.files.jsonl_pairs import JsonlPairing
from aiohubassoc.files.jsonl_reader import JsonlReader
from aiohubassoc.files.readers import open_reader
from aiohubassoc.files.row_count import estimate_lines
from aiohubassoc.files.table_pairs import TablePairing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.readers import Reader
    from aiohubassoc.files.record import Record
    from aiohubassoc.pair import Pair


class InputFile:
    """
    One of the inputs, open; its columns are read.

    Args:
        path: A file, or ``-`` for standard input.
        layout: What the user said.

    Attributes:
        name: How messages call it.
        header: Its columns as written.
        unit: What `Record.line` counts in it.
        may_block: Whether reading it may wait for somebody; it cannot be opened again then.

    Raises:
        InputError: it cannot be read as pairs.
    """

    def __init__(self, path: str, layout: Layout) -> None:
        self._path = path
        self._layout = layout
        self._rows: Reader | None = self._open()
        rows = self._rows
        self.header = rows.header
        self.unit = rows.unit
        self._count = rows.count
        self._is_text = isinstance(rows, CsvReader | JsonlReader)
        self._has_header = not isinstance(rows, JsonlReader)
        try:
            self._pairing = self._pairing_of(rows)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[tuple[Record, Sequence[Pair] | None]]:
        """
        Yield each row with its pairs, or with None and its problem set.

        Raises:
            InputError: it was changed, is damaged or can no longer be read.
        """
        if self._rows is None:
            self._rows = self._open()
            if self._rows.header != self.header:
                raise InputError(
                    f"{self.name} was changed while other inputs were read: its columns are now "
                    f"{', '.join(self._rows.header)}"
                )
        pairs = self._pairing.pairs
        try:
            for record in self._rows:
                yield record, pairs(record)
        except OSError as error:
            raise InputError(f"{self.name} cannot be read further: {error.strerror}") from None

    @property
    def several(self) -> list[tuple[int, str]]:
        """The columns whose cells may hold several ids, with the name of that end of a pair."""
        return self._pairing.several if isinstance(self._pairing, TablePairing) else []

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
            assert isinstance(self._rows, CsvReader | JsonlReader)  # noqa: S101 -- others cannot block
            digest = digest_of_text(self._rows.beginning())
        else:
            size_bytes, digest = digest_of_file(self._path)
        return {
            "name": self._path,
            "columns": list(self.header),
            "size_bytes": size_bytes,
            "digest": digest,
        }

    def _open(self) -> Reader:
        source = open_source(self._path)
        self.name = source.name
        self.may_block = not source.is_regular
        try:
            return open_reader(source, self._path, self._layout)
        except OSError as error:
            source.close()
            raise InputError(f"cannot read {self.name}: {error.strerror}") from None
        except BaseException:
            source.close()
            raise

    def _pairing_of(self, rows: Reader) -> JsonlPairing | TablePairing:
        if isinstance(rows, JsonlReader):
            return JsonlPairing(self._layout)
        ends = find_ends(
            rows.header, self._layout, self.name, unit=rows.unit, delimiter=rows.delimiter
        )
        return TablePairing(rows.header, ends)
