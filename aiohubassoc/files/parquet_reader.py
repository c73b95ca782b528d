"""Parquet files, read some thousand rows at a time."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.cells import CellList, value_text
from aiohubassoc.files.limits import CELL_IDS, COLUMNS, PARQUET_RATIO, most_bytes, most_rows
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS: Final = 2000
# Each column of a row group is read in pieces.
_BUFFER_BYTES: Final = 1 << 16
_TEXT: Final = "BYTE_ARRAY"
# Texts that repeat are stored once, and a batch of rows could be of any size: one that would take
# more is read row by row, and its longer texts are cut.
_BATCH_BYTES: Final = 32 << 20
_REPEATED_BYTES: Final = 1 << 15
_CUT_CHARS: Final = 1 << 10
# A cell of a list, an object or a map; each value inside is an object of Python's.
_CELL_BYTES: Final = CELL_IDS * 100
_VALUE_BYTES: Final = 100


class ParquetReader:
    """
    The rows of a Parquet file, each cell as text; the first are the columns' names.

    Args:
        file: The file, at its beginning; closed by `close`.

    Attributes:
        count: The number of rows.
        list_columns: The places of columns of lists.
        row_chars: About how long the latest row is.

    Raises:
        InputError: It is damaged, holds too much for its size, or the library is not installed.
    """

    unit: str = "row"
    delimiter: str | None = None
    hint: str = ""
    has_fixed_columns: bool = True

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self.row_chars = 0
        self._file = file
        try:
            # Imported when such a file is opened: it takes a tenth of a second.
            import pyarrow.compute  # noqa: PLC0415
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise InputError(
                f"{name} is a Parquet file, which needs a library: "
                "pip install 'aiohubassoc[parquet]'"
            ) from None
        self._arrow: ModuleType = pyarrow
        self._repeating: pq.ParquetFile | None = None
        try:
            self._parquet = self._open()
            self._metadata = self._parquet.metadata
            self._refuse_bomb(file.seek(0, 2))
        except (pyarrow.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        schema = self._parquet.schema_arrow
        self._header = list(schema.names)
        self._cells = [_ColumnReader(pyarrow, kind) for kind in schema.types]
        self.list_columns = frozenset(n for n, cells in enumerate(self._cells) if cells.is_list)
        self.count: int | None = self._metadata.num_rows

    def __iter__(self) -> Iterator[Record]:
        yield Record(0, self._header)
        line = 0
        for columns in self._batches():
            has_broken = any(isinstance(column, _Undecoded) for column in columns)
            for fields in zip(*columns, strict=True):
                line += 1
                problem = character_problem("".join(fields), "utf-8") if has_broken else None
                yield Record(line, list(fields), problem)

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()
        self._file.close()

    def _open(self, **how: Any) -> pq.ParquetFile:  # noqa: ANN401 -- as pyarrow takes it
        return self._arrow.parquet.ParquetFile(
            self._file,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
            page_checksum_verification=True,  # else damage could come as other ids
            **how,
        )

    def _batches(self) -> Iterator[list[Iterable[str]]]:
        try:
            for group in range(self._metadata.num_row_groups):
                # One thread: more of them would read ahead without need.
                for batch in self._reader(group).iter_batches(
                    batch_size=_BATCH_ROWS, row_groups=[group], use_threads=False
                ):
                    self.row_chars = batch.nbytes // max(batch.num_rows, 1)
                    yield [
                        cells.texts(column)
                        for cells, column in zip(self._cells, batch.columns, strict=True)
                    ]
        except (self._arrow.ArrowException, OSError) as error:
            raise self._damaged(error) from None

    def _reader(self, group: int) -> pq.ParquetFile:
        """
        Return what reads a row group.

        A text that repeats stands in it once, and a batch of rows could be of any size: where one
        is long, each is kept once in memory too.
        """
        texts = [
            chunk.path_in_schema
            for chunk in self._chunks(group)
            if chunk.physical_type == _TEXT
            and chunk.has_dictionary_page
            and chunk.total_uncompressed_size > _REPEATED_BYTES
        ]
        if not texts:
            return self._parquet
        if self._repeating is None:
            paths = {
                one.path_in_schema for one in self._chunks(group) if one.physical_type == _TEXT
            }
            self._repeating = self._open(metadata=self._metadata, read_dictionary=list(paths))
        first = next(
            self._repeating.iter_batches(
                batch_size=1, row_groups=[group], columns=texts, use_threads=False
            ),
            None,
        )
        if (
            first is not None
            and max(map(self._cells[0].longest_stored, first.columns)) > _REPEATED_BYTES
        ):
            return self._repeating
        return self._parquet

    def _chunks(self, group: int) -> list[pq.ColumnChunkMetaData]:
        row_group = self._metadata.row_group(group)
        return [row_group.column(place) for place in range(row_group.num_columns)]

    def _refuse_bomb(self, size_bytes: int) -> None:
        if self._metadata.num_columns > COLUMNS:
            columns = self._metadata.num_columns
            raise InputError(f"{self.name} has {columns:,} columns: is this a table?")
        for group in range(self._metadata.num_row_groups):
            chunks = self._chunks(group)
            texts = sum(
                chunk.total_uncompressed_size for chunk in chunks if chunk.physical_type == _TEXT
            )
            values = max((chunk.num_values for chunk in chunks), default=0)
            if max(values, self._metadata.num_rows) > most_rows(size_bytes) or texts > most_bytes(
                size_bytes, PARQUET_RATIO
            ):
                raise InputError(
                    f"{self.name} unpacks to far more than a table of its size: write it anew "
                    "without compression, if you know what is in it"
                )

    def _damaged(self, error: Exception) -> InputError:
        message = str(error).partition("\n")[0][:200]
        return InputError(f"{self.name} cannot be read as a Parquet file: {message}")


class _Undecoded(list[str]):
    """A column with texts that are not UTF-8."""


class _ColumnReader:
    """
    Reads one column.

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
            return _Undecoded(
                "" if value is None else value.decode(errors="surrogateescape") for value in values
            )

    def _repeated(self, column: pa.DictionaryArray) -> Iterable[str]:
        if self._bytes(column) <= _BATCH_BYTES:
            return self.texts(column.dictionary_decode())
        dictionary = column.dictionary
        if self._dictionary is None or not _is_same(self._dictionary, dictionary):
            self._dictionary = dictionary
            self._decoded = [
                text if len(text) <= _REPEATED_BYTES else f"{text[:_CUT_CHARS]}..."
                for text in self.texts(dictionary)
            ]
        decoded = self._decoded
        return ["" if at is None else decoded[at] for at in column.indices.to_pylist()]

    def _cut(self, column: pa.Array) -> Iterator[str]:
        for row in range(len(column)):
            cell = column.slice(row, 1)
            if self._bytes(cell) > _CELL_BYTES or self._longest(cell) > _REPEATED_BYTES:
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
