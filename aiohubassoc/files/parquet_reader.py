"""Parquet files, decoded in a process of their own and read some hundred rows at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, Final

from aiohubassoc.errors import InputError, install_command
from aiohubassoc.files.cells import CellList, Float
from aiohubassoc.files.limits import most_rows
from aiohubassoc.files.parquet_decoder import NO_LIBRARY, TOO_MUCH
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITE_ANEW: Final = "write it anew without compression, if you know what is in it"
_ONE_THREAD: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # others reserve memory that they do not use
    "ARROW_IO_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class ParquetReader:
    """
    The rows of a Parquet file, each cell as text; the first are the columns' names.

    Another process decodes it, see `parquet_decoder`. That process ends with this reader, or when
    it has rows for a process that is gone.

    Args:
        file: The file; closed by `close`.

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
        self._process = self._start()
        # Always there after Popen with a pipe.
        self._messages: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        try:
            description, _ = self._receive()
            self._header: list[str] = description["names"]
            self.list_columns = frozenset[int](description["lists"])
            self.count: int | None = self._bounded(description["rows"])
        except BaseException:
            self._stop()
            raise

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
        """End the process and close the file."""
        self._stop()
        self._file.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # It finds what this process finds, and no module beside the input.
        path = os.pathsep.join(filter(None, sys.path))
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "aiohubassoc.files.parquet_decoder"],
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
        if problem == NO_LIBRARY:
            raise InputError(
                f"{self.name} is a Parquet file, which needs a library: "
                f"{install_command('parquet')}"
            )
        if problem == TOO_MUCH:
            raise self._too_much()
        raise InputError(f"{self.name} cannot be read as a Parquet file: {problem}")

    def _bounded(self, rows: int) -> int:
        if rows > most_rows(os.fstat(self._file.fileno()).st_size):
            raise self._too_much()
        return rows

    def _too_much(self) -> InputError:
        return InputError(
            f"{self.name} unpacks to far more than a table of its size: {_WRITE_ANEW}"
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


def _decoded_cell(cell: Any) -> str:  # noqa: ANN401 -- see `parquet_decoder`
    if isinstance(cell, str):
        return cell
    if len(cell) == 1:
        return Float(cell[0])
    text, elements = cell
    return CellList.from_texts(text, [_decoded_cell(element) for element in elements])
