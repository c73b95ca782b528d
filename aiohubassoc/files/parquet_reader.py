"""
Parquet files, decoded in a process of their own and read some hundred rows at a time.

The libraries that decode Parquet can end their process at damage, and a few bytes can stand for
gigabytes: in the other process both end only that, whose memory and time are bounded where the
system can do that. It runs `main` and writes lines of JSON. The first describes the table, each of
the others holds some of its rows or says what is wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from aiohubassoc.errors import InputError, install_command
from aiohubassoc.files.cells import CellList, Float, character_problem, value_text
from aiohubassoc.files.limits import most_bytes, most_rows
from aiohubassoc.files.record import Record, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    import pyarrow as pa

_NO_LIBRARY: Final = "no library"
_TOO_MUCH: Final = "too much"
_ONE_THREAD: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # others reserve memory that they do not use
    "ARROW_IO_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_BATCH_ROWS: Final = 500
# From here on a narrow float no longer holds every whole number.
_EXACT_BELOW: Final = {"halffloat": 2**11, "float": 2**24}
# Each column of a row group is read in pieces.
_BUFFER_BYTES: Final = 1 << 16
# What one line of JSON holds, unless a single row has more.
_LINE_BYTES: Final = 1 << 20
_LINE_CELLS: Final = 100_000
# A row may take this many times the bytes of its file, and this much in any case.
_ROW_RATIO: Final = 4
_ROW_BYTES: Final = 8 << 20, 68 << 20
# Memory beside what the libraries take themselves, and more for a file above 1 MB.
_MEMORY_BYTES: Final = 96 << 20
_MEMORY_RATIO: Final = 16
_CPU_SECONDS: Final = 30  # for each megabyte; a million rows of ids take two


class ParquetReader(TableReader):
    """
    The rows of a Parquet file, each cell as text; the first are the columns' names.

    The process that decodes it ends with this reader, or when it has rows for a process that is
    gone.

    Raises:
        InputError: It is damaged, holds too much for its size, or the library is not installed.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self._file = file
        self._process = self._start()
        # Always there after Popen with a pipe.
        self._messages: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        try:
            description, _ = self._receive()
            self._header: list[str] = description["names"]
            self.list_columns = frozenset[int](description["lists"])
            self._count: int = description["rows"]
        except BaseException:
            self._stop()
            raise
        if self._count > most_rows(os.fstat(file.fileno()).st_size):
            self._stop()
            raise self._too_much()

    @property
    def count(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        yield Record(0, self._header)
        line = 0
        while True:
            message, size = self._receive()
            if "problem" in message:
                return
            columns: list[list[Any]] = message["columns"]
            if not columns:
                continue
            for place in message["typed"]:
                columns[place] = list(map(_decoded_cell, columns[place]))
            self.row_chars = size // len(columns[0])
            has_undecoded = message["undecoded"]
            for fields in zip(*columns, strict=True):
                line += 1
                problem = character_problem("".join(fields), "utf-8") if has_undecoded else None
                yield Record(line, list(fields), problem)

    def close(self) -> None:
        self._stop()
        self._file.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # It finds what this process finds, and no module beside the input.
        path = os.pathsep.join(filter(None, sys.path))
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "aiohubassoc.files.parquet_reader"],
                stdin=self._file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what a library prints when it crashes
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C at a terminal is for us
            )
        except OSError as error:
            raise InputError(
                f"{self.name} cannot be read: no process could be started for it: {error.strerror}"
            ) from None

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._messages.close()

    def _receive(self) -> tuple[dict[str, Any], int]:
        """Return the next message, and its size in bytes; that of the end has no problem."""
        line = self._messages.readline()
        if not line.endswith(b"\n"):
            raise self._crashed(self._process.wait())
        message: dict[str, Any] = json.loads(line)
        problem = message.get("problem")
        if problem is None:
            return message, len(line)
        if problem == _NO_LIBRARY:
            raise InputError(
                f"{self.name} is a Parquet file, which needs a library: "
                f"{install_command('parquet')}"
            )
        if problem == _TOO_MUCH:
            raise self._too_much()
        raise InputError(f"{self.name} cannot be read as a Parquet file: {problem}")

    def _too_much(self) -> InputError:
        return InputError(
            f"{self.name} unpacks to far more than a table of its size: write it anew without "
            "compression, if you know what is in it"
        )

    def _crashed(self, code: int) -> InputError:
        if sys.platform != "win32" and code == -signal.SIGXCPU:
            return self._too_much()
        reason = f"exit code {code}" if code >= 0 else f"signal {-code}"
        return InputError(
            f"{self.name} cannot be read as a Parquet file: pyarrow crashed ({reason}), so it is "
            "damaged, or unpacks to far more than a table of its size. Write it anew, or save it "
            "as CSV"
        )


# --- the other process --------------------------------------------------------------------------


def main() -> None:
    """Write the messages of the file on standard input to standard output."""
    # Where the reader has ended, closing the output may fail too.
    with (
        contextlib.suppress(BrokenPipeError),
        os.fdopen(os.dup(1), "wb") as output,
        open(0, "rb", closefd=False) as file,
    ):
        os.dup2(2, 1)  # what a library prints is no message
        for line in encoded_messages(file):
            output.write(line)
            output.flush()


def encoded_messages(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of JSON that describe *file*; the last one is the end, or a problem."""
    most = min(max(_ROW_BYTES[0], _ROW_RATIO * file.seek(0, 2)), _ROW_BYTES[1])
    problem: str | None = None
    try:
        for message in _messages(file):
            yield _encoded(message, most)
    except ImportError:
        problem = _NO_LIBRARY
    except MemoryError:
        problem = _TOO_MUCH
    except Exception as error:  # noqa: BLE001 -- of several libraries, at damage of any kind
        problem = str(error).partition("\n")[0][:200] or type(error).__name__
    yield _encoded({"problem": problem}, most)


def _encoded(message: dict[str, Any], most: int) -> bytes:
    line = json.dumps(message, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
    if len(line) > most:
        raise MemoryError
    return line


def _messages(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet  # noqa: PLC0415 -- in this process only, and it may be missing

    if __name__ == "__main__":
        _bound_resources(file.seek(0, 2))
    parquet = pyarrow.parquet.ParquetFile(
        file,
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
        page_checksum_verification=True,  # else damage could come as other ids
    )
    schema = parquet.schema_arrow
    columns = [_ColumnDecoder(pyarrow, kind) for kind in schema.types]
    yield {
        "names": schema.names,
        "lists": [n for n, column in enumerate(columns) if column.is_list],
        "rows": parquet.metadata.num_rows,
    }
    # One thread: more of them would read ahead without need.
    for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        row_bytes = batch.nbytes // max(batch.num_rows, 1)
        step = max(1, min(_LINE_BYTES // (row_bytes + 1), _LINE_CELLS // (len(columns) + 1)))
        for start in range(0, batch.num_rows, step):
            some = batch.slice(start, step)
            cells = [
                column.cells(values) for column, values in zip(columns, some.columns, strict=True)
            ]
            yield {
                "columns": cells,
                "typed": [n for n, column in enumerate(columns) if column.is_typed],
                "undecoded": any(column.is_undecoded for column in columns),
            }


def _bound_resources(size_bytes: int) -> None:
    try:
        import resource  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return
    megabytes = max(size_bytes >> 20, 1)
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: _CPU_SECONDS * megabytes}
    if sys.platform == "linux":  # others do not hold a process to it
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
        more = _MEMORY_BYTES + most_bytes(size_bytes, _MEMORY_RATIO)
        limits[resource.RLIMIT_DATA] = pages * resource.getpagesize() + more
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(kind, (most, hard))


class _ColumnDecoder:
    def __init__(self, arrow: ModuleType, kind: pa.DataType) -> None:
        self._arrow = arrow
        types = arrow.types
        self.is_list = hasattr(kind, "value_field")  # of any kind of list
        self.is_undecoded = False  # whether the latest cells have a text that is not UTF-8
        self._is_dictionary = types.is_dictionary(kind)
        kind = kind.value_type if self._is_dictionary else kind
        self._exact_below = _EXACT_BELOW.get(str(_innermost(kind)))
        self._is_string = types.is_string(kind) or types.is_large_string(kind)
        self._is_integer = types.is_integer(kind)
        # Whether its cells may be other than texts and integers.
        self.is_typed = not self._is_string and not self._is_integer
        # Python's dates have an end, and neither nanoseconds nor zones of any name.
        self._not_for_python = (ValueError, OverflowError, LookupError, arrow.ArrowException)

    def cells(self, column: pa.Array) -> Sequence[Any]:
        """Return its cells; see `_encoded_cell` for those that are no texts."""
        self.is_undecoded = False
        column = column.dictionary_decode() if self._is_dictionary else column
        if self._is_string:
            return self._strings(column)
        if self._is_integer:
            return ["" if number is None else str(number) for number in column.to_pylist()]
        try:
            return [self._cell(value) for value in column.to_pylist()]
        except self._not_for_python:
            return [self._one(column, row) for row in range(len(column))]

    def _strings(self, column: pa.Array) -> list[str]:
        try:
            return [text or "" for text in column.to_pylist()]
        except UnicodeDecodeError:
            self.is_undecoded = True
            values = column.cast(self._arrow.large_binary()).to_pylist()
            return [(value or b"").decode(errors="surrogateescape") for value in values]

    def _one(self, column: pa.Array, row: int) -> Any:  # noqa: ANN401 -- as of `_encoded_cell`
        try:
            return self._cell(column[row].as_py())
        except self._not_for_python:
            text = " ".join(column.slice(row, 1).to_string().split()).removeprefix("[ ")[:-2]
            return f"{text} {column.type}" if text.isdecimal() else text

    def _cell(self, value: object) -> Any:  # noqa: ANN401 -- as of `_encoded_cell`
        if self._exact_below is not None:
            value = _without_lost_digits(value, self._exact_below)
        if self.is_list and (value is None or isinstance(value, list)):
            return _encoded_cell(CellList.from_values(value))
        return _encoded_cell(value_text(value))


def _innermost(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of lists and dictionaries."""
    while (inner := getattr(kind, "value_type", None)) is not None:
        kind = inner
    return kind


def _without_lost_digits(value: Any, exact_below: int) -> Any:  # noqa: ANN401 -- as Arrow gives it
    """Return a narrow float that may stand for another whole number as text with an exponent."""
    if isinstance(value, list):
        return [_without_lost_digits(one, exact_below) for one in value]
    if value is None:
        return None
    number = float(value)  # older pyarrow gives 16 bits as a type of NumPy
    return f"{number:.8e}" if abs(number) >= exact_below else number


def _encoded_cell(cell: str) -> str | list[Any]:
    """Return a text as it is, of a float ``[text]``, of a list ``[text, elements]``."""
    if isinstance(cell, CellList):
        return [str(cell), [_encoded_cell(item) for item in cell.items]]
    return [str(cell)] if isinstance(cell, Float) else cell


def _decoded_cell(cell: Any) -> str:  # noqa: ANN401 -- of `_encoded_cell`
    if isinstance(cell, str):
        return cell
    if len(cell) == 1:
        return Float(cell[0])
    text, elements = cell
    return CellList(text, [_decoded_cell(element) for element in elements])


if __name__ == "__main__":
    main()
