"""A column of a Parquet file as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc.files.cells import CellList, value_text
from aiohubassoc.files.limits import CELL_IDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

    import pyarrow as pa

# Texts that repeat are stored once, and a batch of rows could be of any size: one that would take
# more is read row by row, and its longer texts are cut.
_BATCH_BYTES: Final = 32 << 20
REPEATED_BYTES: Final = 1 << 15
_CUT_CHARS: Final = 1 << 10
# A cell of a list, an object or a map; each value inside is an object of Python's.
_CELL_BYTES: Final = CELL_IDS * 100
_VALUE_BYTES: Final = 100


class Undecoded(list[str]):
    """A column with texts that are not UTF-8."""


class CellReader:
    """
    Reads one column.

    Args:
        arrow: pyarrow.
        kind: The column's type.

    Attributes:
        is_list: Whether its cells are lists.
    """

    def __init__(self, arrow: ModuleType, kind: pa.DataType) -> None:
        self._arrow = arrow
        types = arrow.types
        self.is_list = (
            types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        )
        # Python's dates have an end, and neither nanoseconds nor zones of any name.
        self._not_for_python = (ValueError, OverflowError, LookupError, arrow.ArrowException)
        self._dictionary: pa.Array | None = None
        self._decoded: Sequence[str] = []

    def texts(self, column: pa.Array) -> Iterable[str]:
        """Return the cells of one batch."""
        types = self._arrow.types
        if types.is_dictionary(column.type):
            return self._repeated(column)
        if types.is_string(column.type) or types.is_large_string(column.type):
            return self._strings(column)
        if types.is_integer(column.type):
            return ["" if number is None else str(number) for number in column.to_pylist()]
        if types.is_nested(column.type) and self._bytes(column) > _BATCH_BYTES:
            return self._cut(column)
        try:
            return [self._text(value) for value in column.to_pylist()]
        except self._not_for_python:
            return [self._one(column, row) for row in range(len(column))]

    def _strings(self, column: pa.Array) -> list[str]:
        try:
            return [text or "" for text in column.to_pylist()]
        except UnicodeDecodeError:
            values = column.cast(self._arrow.large_binary()).to_pylist()
            return Undecoded(
                "" if value is None else value.decode(errors="surrogateescape") for value in values
            )

    def _repeated(self, column: pa.DictionaryArray) -> Iterable[str]:
        if self._bytes(column) <= _BATCH_BYTES:
            return self.texts(column.dictionary_decode())
        dictionary = column.dictionary
        if self._dictionary is None or not _is_same(self._dictionary, dictionary):
            self._dictionary = dictionary
            self._decoded = [
                text if len(text) <= REPEATED_BYTES else f"{text[:_CUT_CHARS]}..."
                for text in self.texts(dictionary)
            ]
        decoded = self._decoded
        return ["" if at is None else decoded[at] for at in column.indices.to_pylist()]

    def _cut(self, column: pa.Array) -> Iterator[str]:
        for row in range(len(column)):
            cell = column.slice(row, 1)
            if self._bytes(cell) > _CELL_BYTES or self._longest(cell) > REPEATED_BYTES:
                yield "(a value that is too long)"
            else:
                yield self._one(column, row)

    def _one(self, column: pa.Array, row: int) -> str:
        try:
            return self._text(column[row].as_py())
        except self._not_for_python:
            return " ".join(column.slice(row, 1).to_string().split()).removeprefix("[ ")[:-2]

    def _text(self, value: object) -> str:
        if self.is_list and (value is None or isinstance(value, list)):
            return CellList.from_values(value)
        return value_text(value)

    def longest_stored(self, array: pa.Array) -> int:
        """Return the length in bytes of the longest text that rows beside *array* may have too."""
        if self._arrow.types.is_dictionary(array.type):
            compute = self._arrow.compute
            return compute.max(compute.binary_length(array.dictionary)).as_py() or 0
        return max(map(self.longest_stored, self._inside(array)), default=0)

    def _longest(self, array: pa.Array) -> int:
        """Return the length in bytes of its longest text, among those that may repeat."""
        if self._arrow.types.is_dictionary(array.type):
            return max(self._lengths(array)[0], default=0)
        return max(map(self._longest, self._inside(array)), default=0)

    def _bytes(self, array: pa.Array) -> int:
        """Return about how many bytes the values take as objects, each counted where it repeats."""
        if self._arrow.types.is_dictionary(array.type):
            used = sum(length * count for length, count in zip(*self._lengths(array), strict=True))
            return max(used, len(array) * _VALUE_BYTES)
        if self._arrow.types.is_nested(array.type):
            return sum(map(self._bytes, self._inside(array)))
        return max(int(array.nbytes), len(array) * _VALUE_BYTES)

    def _lengths(self, array: pa.DictionaryArray) -> tuple[list[int], list[int]]:
        """Return the lengths of the texts that *array* has, and how often it has each."""
        counts = array.indices.drop_null().value_counts()
        places, times = counts.flatten()
        lengths = self._arrow.compute.binary_length(array.dictionary.take(places))
        return lengths.fill_null(0).to_pylist(), times.to_pylist()

    def _inside(self, array: pa.Array) -> list[pa.Array]:
        """Return the arrays that a nested one is made of."""
        types = self._arrow.types
        if types.is_struct(array.type):
            return list(array.flatten())
        if types.is_map(array.type):
            return [array.keys, array.items]
        return [array.flatten()] if types.is_nested(array.type) else []


def _is_same(one: pa.Array, other: pa.Array) -> bool:
    """Return whether both are the same values in memory, which are not looked at."""
    return len(one) == len(other) and [buffer and buffer.address for buffer in one.buffers()] == [
        buffer and buffer.address for buffer in other.buffers()
    ]
