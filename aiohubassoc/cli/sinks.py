"""What a run writes as it goes on: a line of JSON for each row, and a file of some of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.cli.row_source import StorageError
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import file_identity
from aiohubassoc.files.results import FailuresFile
from aiohubassoc.journal.schema import DATABASE, LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohubassoc.cli.jsonl_output import JsonlOutput
    from aiohubassoc.files.results import RowResult


class Sinks:
    """
    Writes rows; what can no longer be written stops the run.

    Args:
        jsonl: Writes a line for every row; None: nothing does.
        path: The file of some rows; None: none is written.
        stop: Called with the reason when something can no longer be written.

    Attributes:
        problem: What could not be written, and why; None if nothing.
        output_is_gone: Whether nobody reads the lines any more.
        rows_written: How many rows the file has.
    """

    def __init__(
        self, jsonl: JsonlOutput | None, path: str | None, stop: Callable[[str], None]
    ) -> None:
        self.problem: str | None = None
        self.output_is_gone = False
        self.rows_written = 0
        self._jsonl = jsonl
        self._path = path
        self._stop = stop
        self._file: FailuresFile | None = None

    def open(self, header: list[str]) -> None:
        """
        Begin the file, which has the columns *header*.

        Raises:
            StorageError: it cannot be written.
        """
        if self._path is None:
            return
        try:
            self._file = FailuresFile(self._path, header)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from None

    def line(self, write: Callable[[JsonlOutput], None]) -> None:
        """Write a line by *write*, if lines are written."""
        if self._jsonl is None:
            return
        try:
            write(self._jsonl)
        except OSError as error:
            self._jsonl, self.output_is_gone = None, True
            self.problem = f"standard output: {error.strerror}"
            self._stop(f"cannot write {self.problem}")

    def row(self, fields: list[str] | dict[str, object], told: RowResult) -> None:
        """Write a row to the file, if there is one."""
        if self._file is None:
            return
        try:
            self._file.write(fields, told)
            self.rows_written += 1
        except OSError as error:
            with self._file:
                self._file = None
            self.problem = f"{self._path}: {error.strerror}"
            self._stop(f"cannot write {self.problem}")

    def close(self) -> None:
        """Write what still waits."""
        self.line(lambda jsonl: jsonl.close())
        if self._file is None:
            return
        with self._file:
            try:
                self._file.flush()
            except OSError as error:
                self.problem = f"{self._path}: {error.strerror}"


def check_output(
    option: str,
    path: str | None,
    *,
    inputs: Iterable[str],
    token_file: str | None = None,
    folder: str | None = None,
) -> None:
    """
    Refuse to overwrite what is needed, by whatever name it goes.

    Args:
        option: The option that names the file to be written.
        path: That file; None: none is written.
        inputs: The inputs.
        token_file: The file of the access token; None: there is none.
        folder: The run folder that is used, there or not; None: none is.

    Raises:
        OptionsError: it is one of these files, or in this or another run folder.
    """
    if path is None:
        return
    kept = [*((each, "the input") for each in inputs), (token_file, "the token file")]
    for file, what in kept:
        if file is not None and _is_same_file(file, path):
            raise OptionsError(f"{option} {path} would overwrite {what}: name another file")
    found = _find_run_folder(path, folder)
    if found is not None:
        raise OptionsError(
            f"{option} {path} is in the run folder {found}, which is the run's own: name a file "
            "outside"
        )


def _is_same_file(one: str, other: str) -> bool:
    # Of plain files only: nothing in a pipe or a device is overwritten.
    return file_identity(one) == file_identity(other) and Path(other).is_file()


def _find_run_folder(path: str, folder: str | None) -> str | None:
    """Return the run folder that *path* is in, or one of whose files it is; None: there is none."""
    whole = Path(path).resolve()
    if folder is not None:
        own = Path(folder).resolve()
        if any(_is_same_folder(each, own) for each in (whole, *whole.parents)):
            return folder
        links = own.iterdir() if own.is_dir() else ()
        if any(_is_same_file(str(each), path) for each in links):
            return folder
    parent = whole.parent
    is_run_folder = all((parent / name).is_file() for name in (DATABASE, LOCK))
    return str(parent) if is_run_folder else None


def _is_same_folder(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    # Neither is there yet: where case does not count, they would be one.
    return not one.exists() and str(one).casefold() == str(other).casefold()
