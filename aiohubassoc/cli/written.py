"""What a run writes as it goes on: a line of JSON for each row, and a file of some of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.cli.feed import StorageError
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.results import FailuresFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc.cli.lines import OutcomeLines
    from aiohubassoc.files.results import Told


class Written:
    """
    Writes rows; what can no longer be written stops the run.

    Args:
        lines: Told of every row; None: nobody is.
        path: The file of some rows; None: none is written.
        stop: Called with the reason when something can no longer be written.

    Attributes:
        problem: What could not be written, and why; None if nothing.
        output_is_gone: Whether nobody reads the lines any more.
    """

    def __init__(
        self, lines: OutcomeLines | None, path: str | None, stop: Callable[[str], None]
    ) -> None:
        self.problem: str | None = None
        self.output_is_gone = False
        self._lines = lines
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

    def line(self, write: Callable[[OutcomeLines], None]) -> None:
        """Write a line, by *write*, if anybody is told."""
        if self._lines is None:
            return
        try:
            write(self._lines)
        except OSError as error:
            self._lines, self.output_is_gone = None, True
            self.problem = f"standard output: {error.strerror}"
            self._stop(f"cannot write {self.problem}")

    def row(self, fields: list[str] | dict[str, object], told: Told) -> None:
        """Write a row to the file, if there is one."""
        if self._file is None:
            return
        try:
            self._file.write(fields, told)
        except OSError as error:
            with self._file:
                self._file = None
            self.problem = f"{self._path}: {error.strerror}"
            self._stop(f"cannot write {self.problem}")

    def close(self) -> None:
        """Write what still waits."""
        self.line(lambda lines: lines.close())
        if self._file is None:
            return
        with self._file:
            try:
                self._file.flush()
            except OSError as error:
                self.problem = f"{self._path}: {error.strerror}"


def refuse_to_overwrite(inputs: Sequence[str], option: str, path: str | None) -> None:
    """
    Raise OptionsError if *option* names a file to be written that is an input; None: it does not.

    Raises:
        OptionsError: it is.
    """
    if path is not None and any(_is_same_file(each, path) for each in inputs):
        raise OptionsError(f"{option} {path} would overwrite the input")


def _is_same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
