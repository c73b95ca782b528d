"""Parquet files, read some thousand rows at a time."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.cells import value_text
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    import pyarrow as pa

_BATCH_ROWS: Final = 2000
# Of each column of a row group so much is read at a time, not all of it.
_BUFFER_BYTES: Final = 1 << 16


class ParquetReader:
    """
    The rows of a Parquet file, each cell as text.

    Args:
        file: The file, at its beginning; closed by `close`.
        name: How messages call it.

    Attributes:
        header: The columns as written.
        count: The number of rows.

    Raises:
        InputError: it is damaged, or the library is not installed.
    """

    unit: str = "row"
    delimiter: str | None = None

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        try:
            # Imported when such a file is opened: it takes a tenth of a second.
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise InputError(
                f"{name} is a Parquet file, which needs a library: "
                "pip install 'aiohubassoc[parquet]'"
            ) from None
        self._arrow: ModuleType = pyarrow
        # Python's dates have an end, and neither nanoseconds nor zones of any name.
        self._not_for_python = (ValueError, OverflowError, LookupError, pyarrow.ArrowException)
        try:
            self._parquet = pyarrow.parquet.ParquetFile(
                file,
                pre_buffer=False,
                buffer_size=_BUFFER_BYTES,
                page_checksum_verification=True,  # else damage could come as other ids
            )
        except (pyarrow.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        self.header: list[str] = list(self._parquet.schema_arrow.names)
        self.count: int | None = self._parquet.metadata.num_rows

    def __iter__(self) -> Iterator[Record]:
        line = 0
        for columns in self._batches():
            broken = [column for column in columns if isinstance(column, _Broken)]
            for fields in zip(*columns, strict=True):
                line += 1
                problem = character_problem("".join(fields), "utf-8") if broken else None
                yield Record(line, list(fields), problem)

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()
        self._file.close()

    def _batches(self) -> Iterator[list[list[str]]]:
        # One thread: more of them would read ahead whatever comes.
        batches = self._parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (self._arrow.ArrowException, OSError) as error:
                raise self._damaged(error) from None
            if batch is None:
                return
            yield [self._texts(column) for column in batch.columns]

    def _texts(self, column: pa.Array) -> list[str]:
        types = self._arrow.types
        if types.is_string(column.type) or types.is_large_string(column.type):
            try:
                return [text or "" for text in column.to_pylist()]
            except UnicodeDecodeError:
                return _Broken(_decoded(column.cast(self._arrow.large_binary()).to_pylist()))
        if types.is_integer(column.type):
            return ["" if number is None else str(number) for number in column.to_pylist()]
        if types.is_dictionary(column.type):
            return self._texts(column.dictionary_decode())
        try:
            return [value_text(value) for value in column.to_pylist()]
        except self._not_for_python:
            return [self._text(column, row) for row in range(len(column))]

    def _text(self, column: pa.Array, row: int) -> str:
        try:
            return value_text(column[row].as_py())
        except self._not_for_python:
            return " ".join(column.slice(row, 1).to_string().split()).removeprefix("[ ")[:-2]

    def _damaged(self, error: Exception) -> InputError:
        told = str(error).partition("\n")[0]
        return InputError(f"{self._name} cannot be read as a Parquet file: {told}")


class _Broken(list[str]):
    """A column with texts that are not UTF-8."""


def _decoded(values: Sequence[bytes | None]) -> list[str]:
    return ["" if value is None else value.decode(errors="surrogateescape") for value in values]
