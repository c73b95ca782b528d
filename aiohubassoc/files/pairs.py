"""The pairs of one or several inputs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import (
    digest_of_file,
    digest_of_text,
    display_name,
    estimate_lines,
    file_identity,
    open_source,
)
from aiohubassoc.files.columns import PairColumns
from aiohubassoc.files.formats import open_reader
from aiohubassoc.files.hubspot import TypeNames
from aiohubassoc.files.jsonl import JsonlPairs, JsonlReader
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.limits import KEPT_CHARS, most_rows
from aiohubassoc.files.record import InputCounts, Record
from aiohubassoc.files.table import MergedHeader, Table, TablePairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from aiohubassoc.files.byte_source import ByteSource
    from aiohubassoc.files.columns import FindColumns
    from aiohubassoc.pair import Pair

Rows: TypeAlias = Table | JsonlReader
_T = TypeVar("_T")
_NOTHING_SAID: Final = Layout()


class PairTable:
    """
    The pairs of one or several inputs, in their order; a context manager that is an iterator.

    Each record comes with a pair it holds, tagged with the record, or with None and its
    ``problem`` set. A record that holds several pairs comes with each of them; one that has
    nothing to link does not come at all.

    All inputs are opened and their columns read at once; plain files but the first are closed
    again until it is their turn.

    Raises:
        InputError: An input cannot be read as pairs, or is given twice.
    """

    def __init__(self, paths: str | Sequence[str], layout: Layout = _NOTHING_SAID) -> None:
        paths = [paths] if isinstance(paths, str) else list(paths)
        if not paths:
            raise InputError("there is no input: name a file, or - for standard input")
        _refuse_repeats(paths)
        self._inputs: list[_PairFile] = []
        self._has_begun = self._has_ended = False
        self.counts = InputCounts()  # the counts of the rows read so far
        types = TypeNames()
        try:
            for path in paths:
                is_first = not self._inputs
                self._inputs.append(_PairFile(path, layout, self.counts, types, is_first=is_first))
        except BaseException:
            for taken in self._inputs:
                taken.close()
            raise
        # The name of each of them, by `Record.source`.
        self.names = [taken.name for taken in self._inputs]
        others = len(self.names) - 1
        # The name of the inputs together, in messages.
        self.name = f"{self.names[0]} and {others} more" if others else self.names[0]
        self._merged = MergedHeader([taken.header for taken in self._inputs])
        self.header = self._merged.all  # the columns of all inputs together, as written
        # Whether rows are objects of JSON Lines.
        self.has_objects = any(taken.ends is None for taken in self._inputs)
        # Whether reading may wait for a pipe.
        self.may_block = any(taken.may_block for taken in self._inputs)
        self._pairs = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for taken in self._inputs:
            # A thread may be waiting in standard input: closing would wait with it, until
            # somebody types. The process ends without.
            if self._has_ended or not self._has_begun or not taken.may_block:
                taken.close()

    def __iter__(self) -> Iterator[tuple[Record, Pair | None]]:
        return self._pairs

    def place(self, source: int, line: int) -> str:
        """Return a place for messages: ``"line 5"``, among several ``"line 5 of b.csv"``."""
        unit = self._inputs[source].unit
        return f"{unit} {line}" + (f" of {self.names[source]}" if len(self.names) > 1 else "")

    def cells(self, pair: Pair) -> list[str] | dict[str, object]:
        """Return the row of *pair*, with only its own id where a cell has several."""
        record = pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- each pair is tagged with its record
        pairs = self._inputs[record.source].pairs
        if isinstance(pairs, TablePairs):
            return pairs.cells(record, pair, partial(self._merged.index, record.source))
        return pairs.cells(record, pair)

    def count_rows(self) -> int | None:
        """
        Return about how many rows there are; None if it cannot be known, as of standard input.

        It opens the files anew and may run in another thread.
        """
        counts = [taken.count_rows() for taken in self._inputs]
        return None if None in counts else sum(filter(None, counts))

    def fingerprints(self) -> list[dict[str, object]]:
        """
        Return what identifies each input: its path, columns, length in bytes and a digest.

        The digest is of the first and the last MiB of a plain file, as it is; of others, whose
        length is None, it is of the header and the first row, which may have to be waited for. No
        row is lost by it. An input that is gone, or can no longer be read, is an InputError.
        """
        return [taken.fingerprint() for taken in self._inputs]

    def _read(self) -> Iterator[tuple[Record, Pair | None]]:
        self._has_begun = True
        are_several = len(self._inputs) > 1
        counts = self.counts
        for source, taken in enumerate(self._inputs):
            align = partial(self._align, source) if are_several else None
            for record, pairs in taken.read(partial(taken.pairs_of_rows, align)):
                counts.rows += 1
                if not pairs or not counts.is_checked:
                    counts.add(record, pairs, self.place(source, record.line))
                record.counted = counts.rows, counts.rejected, counts.nothing_to_link
                if pairs is None:
                    yield record, None
                else:
                    for pair in pairs:
                        yield record, pair
            taken.close()
        counts.end()
        self._has_ended = True

    def _align(self, source: int, record: Record) -> None:
        record.source = source
        if isinstance(record.kept, list):
            record.kept = self._merged.aligned(source, record.kept)


class InputFile:
    """
    One input with its columns; its rows are read when it is its turn.

    Until then a plain file is closed, unless it *is_first*. *counts* counts rows that are left out.

    Raises:
        InputError: It cannot be read, or a column is missing.
    """

    def __init__(
        self, path: str, layout: Layout, find: FindColumns, counts: InputCounts, *, is_first: bool
    ) -> None:
        self._path = path
        self._layout = layout
        self._find = find
        self._left_out = counts
        source = open_source(path)
        self.name = source.name
        # Whether reading may wait for a pipe, which cannot be opened again.
        self.may_block = not source.is_regular
        stays_open = is_first or self.may_block
        # What this opening leaves out is counted by the next one.
        rows = self._open(source, counts if stays_open else InputCounts())
        self.header = rows.header
        self.unit = rows.unit  # what `Record.line` counts in it
        self.ends = rows.ends  # the columns of a table that *find* has found; None of JSON Lines
        self._count = rows.count
        self._is_text = rows.is_text
        self._rows: Rows | None = rows
        if not stays_open:
            self.close()

    def read(self, make: Callable[[Rows], Iterator[_T]]) -> Iterator[_T]:
        """Yield what *make* makes of the rows; InputError: it broke, or was changed."""
        if self._rows is None:
            self._rows = self._open(open_source(self._path), self._left_out)
            if self._rows.header != self.header:
                raise InputError(
                    f"{self.name} was changed while other inputs were read: its columns are now "
                    f"{', '.join(self._rows.header)}"
                )
        rows = self._rows
        made = make(rows)
        try:
            if self.may_block:
                rows.beginning()  # it cannot be read again
            yield from rows.hold_back(made) if isinstance(rows, Table) else made
        except OSError as error:
            raise InputError(f"{self.name} cannot be read further: {error.strerror}") from None
        self.close()

    def close(self) -> None:
        """Close the file; its rows are read by another opening if it can be opened again."""
        if self._rows is not None:
            self._rows.close()
            if not self.may_block:
                self._rows = None

    def count_rows(self) -> int | None:
        """Return about how many rows there are; None if it cannot be known."""
        if self.may_block or not self._is_text:
            return self._count
        lines = estimate_lines(self._path)
        return None if lines is None else max(lines - (self.ends is not None), 0)

    def fingerprint(self) -> dict[str, object]:
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

    def most_pairs(self) -> int:
        """Return how many pairs a file of this size, or what was read of a pipe, may hold."""
        return most_rows(self._source.size_bytes or self._source.taken_bytes)

    def _open(self, source: ByteSource, counts: InputCounts) -> Rows:
        self._source = source
        try:
            reader = open_reader(source, self._path, self._layout, counts)
            if isinstance(reader, JsonlReader):
                return reader
            try:
                return Table(reader, self._find)
            except BaseException:
                reader.close()
                raise
        except OSError as error:
            source.close()
            raise InputError(f"cannot read {source.name}: {error.strerror}") from None
        except BaseException:
            source.close()
            raise


class _PairFile(InputFile):
    def __init__(
        self, path: str, layout: Layout, counts: InputCounts, types: TypeNames, *, is_first: bool
    ) -> None:
        super().__init__(path, layout, PairColumns(layout).find, counts, is_first=is_first)
        self._counts = counts
        try:
            self.pairs: TablePairs | JsonlPairs = (
                JsonlPairs(layout, self.name, counts, types)
                if self.ends is None
                else TablePairs(
                    self.header, self.ends, self.name, counts, types, any_id=layout.any_id
                )
            )
        except BaseException:
            self.close()
            raise

    def pairs_of_rows(
        self, align: Callable[[Record], None] | None, rows: Rows
    ) -> Iterator[tuple[Record, Sequence[Pair] | None]]:
        """Yield each row, after *align* had it, with its pairs; None: it is rejected."""
        pairs_of, counts = self.pairs.pairs, self._counts
        pairs: Sequence[Pair] | None
        table = rows if isinstance(rows, Table) else None
        made = 0
        for record in rows:
            pairs = None
            if record.problem is None:
                try:
                    pairs = pairs_of(record)
                except ValueError as error:
                    record.reject(error)
            if pairs:
                made += len(pairs)
                if len(pairs) > 1 and made > self.most_pairs():
                    raise InputError(
                        f"{self.name}, {self.unit} {record.line}: {made:,} pairs are too many "
                        "for a file of its size"
                    )
            elif table is not None:
                table.refuse_if_broken(record)
            if align is not None:
                align(record)
            if rows.row_chars > KEPT_CHARS:
                record.compact()
            # Rows after this one may be read before it is taken: they are held back.
            record.taken_off = counts.spaces, counts.text_marks, counts.floats
            yield record, pairs


def _refuse_repeats(paths: Sequence[str]) -> None:
    # Before any is opened: opening a pipe a second time never returns.
    known: dict[object, str] = {}
    for path in paths:
        identity = file_identity(path)
        if identity in known:
            first = known[identity]
            under = f", first as {display_name(first)}" if first != path else ""
            raise InputError(f"{display_name(path)} is given twice{under}")
        known[identity] = path
