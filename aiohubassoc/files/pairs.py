"""Pairs from the files that people have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import display_name, file_identity
from aiohubassoc.files.counts import InputCounts
from aiohubassoc.files.input_file import InputFile
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.limits import KEPT_CHARS
from aiohubassoc.files.merged_header import MergedHeader
from aiohubassoc.files.object_types import TypeNames
from aiohubassoc.files.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from aiohubassoc.pair import Pair

_NOTHING_SAID: Final = Layout()


class PairTable:
    """
    The pairs of one or several inputs, in their order; a context manager that is an iterator.

    Each record comes with a pair it holds, tagged with the record, or with None and its
    ``problem`` set. A record that holds several pairs comes with each of them; one that has
    nothing to link does not come at all.

    All inputs are opened and their columns read at once; plain files but the first are closed
    again until it is their turn.

    Args:
        paths: Files of CSV, TSV, JSON Lines, Parquet or Excel; text may be compressed with gzip
            or zstd, and ``-`` is standard input.
        layout: What the user said about them.

    Attributes:
        name: How messages call the inputs together.
        names: How they call each of them, by `Record.source`.
        header: The columns of all inputs together, as written.
        may_block: Whether reading may wait for somebody.
        counts: What reading has come to so far.

    Raises:
        InputError: an input cannot be read as pairs, or is given twice.
    """

    def __init__(self, paths: str | Sequence[str], layout: Layout = _NOTHING_SAID) -> None:
        paths = [paths] if isinstance(paths, str) else list(paths)
        if not paths:
            raise InputError("there is no input: name a file, or - for standard input")
        _refuse_repeats(paths)
        self._inputs: list[InputFile] = []
        self._has_begun = self._has_ended = False
        self.counts = InputCounts()
        try:
            self._open(paths, layout)
        except BaseException:
            for taken in self._inputs:
                taken.close()
            raise
        self.names = [taken.name for taken in self._inputs]
        self.name = _together(self.names)
        self._merged = MergedHeader([taken.header for taken in self._inputs])
        self.header = self._merged.all
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
        """Return how messages call a place: ``"line 5"``, among several ``"line 5 of b.csv"``."""
        unit = self._inputs[source].unit
        return f"{unit} {line}" + (f" of {self.names[source]}" if len(self.names) > 1 else "")

    def cells(self, pair: Pair) -> list[str] | dict[str, object]:
        """Return the row that *pair* stands in, with only its own id where a cell has several."""
        record = pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- each pair is tagged with its record
        source = record.source
        return self._inputs[source].cells(record, pair, partial(self._merged.index, source))

    def count_rows(self) -> int | None:
        """
        Return about how many rows there are; None where nobody can know, as of standard input.

        It opens the files anew and may run in another thread.
        """
        counts = [taken.count_rows() for taken in self._inputs]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def fingerprints(self) -> list[dict[str, object]]:
        """
        Return what tells each input from others: its path, columns, length in bytes and a digest.

        The digest is of the first and the last MiB of a plain file, as it is; of others, whose
        length is None, it is of the header and the first row, which may have to be waited for.
        No row is lost by it.

        Raises:
            InputError: an input is gone, or can no longer be read.
        """
        return [taken.fingerprint() for taken in self._inputs]

    def _open(self, paths: Sequence[str], layout: Layout) -> None:
        types = TypeNames()
        for path in paths:
            is_first = not self._inputs
            self._inputs.append(InputFile(path, layout, self.counts, types, is_first=is_first))
            if not is_first:
                self._inputs[-1].rest()

    def _read(self) -> Iterator[tuple[Record, Pair | None]]:
        self._has_begun = True
        are_several = len(self._inputs) > 1
        counts = self.counts
        for source, taken in enumerate(self._inputs):
            for record, pairs in taken:
                if are_several:
                    record.source = source
                    if isinstance(record.kept, list):
                        record.kept = self._merged.aligned(source, record.kept)
                if taken.row_chars > KEPT_CHARS:
                    record.compact()
                counts.rows += 1
                if not pairs or not counts.is_checked:
                    counts.add(record, pairs, self._place)
                if pairs is None:
                    yield record, None
                else:
                    for pair in pairs:
                        yield record, pair
            taken.close()
        counts.end()
        self._has_ended = True

    def _place(self, record: Record) -> str:
        return self.place(record.source, record.line)


def _refuse_repeats(paths: Sequence[str]) -> None:
    # Before any is opened: to open a pipe a second time would wait for ever.
    known: dict[object, str] = {}
    for path in paths:
        identity = file_identity(path)
        if identity in known:
            first = known[identity]
            under = f", first as {display_name(first)}" if first != path else ""
            raise InputError(f"{display_name(path)} is given twice{under}")
        known[identity] = path


def _together(names: Sequence[str]) -> str:
    others = len(names) - 1
    return f"{names[0]} and {others} more" if others else names[0]
