"""The two files of a join: the pairs, and the rows of both inputs without one."""

from __future__ import annotations

import contextlib
import json
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import attrs

from aiohubassoc.cli import terminal
from aiohubassoc.errors import InputError
from aiohubassoc.files.join import Joined
from aiohubassoc.files.results import csv_writer, distinct_names, results_format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.files.join import Join

_HEADER: Final = ("from_id", "to_id", "from_key", "to_key")
_OWN_COLUMNS: Final = ("side", "line", "reason", "message")


def write_join(join: Join, output: str | None, unmatched: str | None) -> None:
    """
    Write the pairs, and the rows without one.

    Args:
        join: What is written; nothing of it was read.
        output: The file of the pairs; None: standard output.
        unmatched: The file of the rows without one; None: none is written.

    Raises:
        InputError: A file cannot be read further; the message says what was written.
        StorageError: A file cannot be written.
        OutputLostError: Standard output was closed.
    """
    # Where the first row of either file cannot be read, nothing is overwritten.
    results = iter(join)
    first = next(results, None)
    with ExitStack() as stack:
        joined, others = _RowFile(stack, output, _HEADER), None
        if unmatched is not None:
            taken = {name.strip().casefold() for name in join.header}
            own = [f"aiohubassoc_{name}" if name in taken else name for name in _OWN_COLUMNS]
            others = _RowFile(stack, unmatched, [*own, *join.header])
        try:
            for result in () if first is None else chain((first,), results):
                if isinstance(result, Joined):
                    joined.write(attrs.astuple(result))
                elif others is not None:
                    reason = (result.side, result.line, result.reason, result.message)
                    others.write([*reason, *result.cells])
        except InputError as error:
            if output is None:
                raise
            raise InputError(f"{error}. {output} has only the pairs of the rows before") from None
        if others is not None:
            others.flush()
        joined.flush()


class _RowFile:
    """Writes rows as CSV, or as JSON Lines as its name says; raises what `write_join` does."""

    def __init__(self, stack: ExitStack, path: str | None, names: Sequence[str]) -> None:
        self._path = path
        self._names = distinct_names(names)
        self._is_csv = path is None or names is _HEADER or results_format(path) == "csv"
        try:
            self._file = (
                terminal.rows_output() if path is None else stack.enter_context(_open(path))
            )
        except OSError as error:
            raise terminal.to_output_error(path, error) from None
        self._csv = csv_writer(self._file)
        if self._is_csv:
            self.write(names)

    def write(self, values: Sequence[object]) -> None:
        try:
            if self._is_csv:
                self._csv.writerow(values)
            else:
                self._file.write(json.dumps(dict(zip(self._names, values, strict=True))) + "\n")
        except OSError as error:
            raise terminal.to_output_error(self._path, error) from None

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise terminal.to_output_error(self._path, error) from None


@contextlib.contextmanager
def _open(path: str) -> Iterator[TextIO]:
    # A cell of JSON may hold half of a character.
    file = Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115 -- closed below
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):  # flush has raised before
            file.close()
