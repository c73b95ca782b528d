"""Parquet files, read some thousand rows at a time."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import COLUMNS, PARQUET_RATIO, most_bytes, most_rows
from aiohubassoc.files.parquet_cells import REPEATED_BYTES, CellReader, Undecoded
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    import pyarrow.parquet as pq

_BATCH_ROWS: Final = 2000
# Of each column of a row group so much is read at a time, not all of it.
_BUFFER_BYTES: Final = 1 << 16
_TEXT: Final = "BYTE_ARRAY"


class ParquetReader:
    """
    The rows of a Parquet file, each cell as text; the first are the columns' names.

    Args:
        file: The file, at its beginning; closed by `close`.
        name: How messages call it.

    Attributes:
        count: The number of rows.
        list_columns: The places of columns of lists.
        row_chars: About how long the latest row is.

    Raises:
        InputError: it is damaged, holds too much for its size, or the library is not installed.
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
        self._cells = [CellReader(pyarrow, kind) for kind in schema.types]
        self.list_columns = frozenset(n for n, cells in enumerate(self._cells) if cells.is_list)
        self.count: int | None = self._metadata.num_rows

    def __iter__(self) -> Iterator[Record]:
        yield Record(0, self._header)
        line = 0
        for columns in self._batches():
            has_broken = any(isinstance(column, Undecoded) for column in columns)
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
                # One thread: more of them would read ahead whatever comes.
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
            and chunk.total_uncompressed_size > REPEATED_BYTES
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
            and max(map(self._cells[0].longest_stored, first.columns)) > REPEATED_BYTES
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
        told = str(error).partition("\n")[0][:200]
        return InputError(f"{self.name} cannot be read as a Parquet file: {told}")
