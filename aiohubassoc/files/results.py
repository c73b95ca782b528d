"""The user's own rows with what became of them, for people and for another run."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

ADDED: Final = ("status", "category", "message", "correlation_id")


@attrs.frozen
class RowResult:
    """What became of a row."""

    status: str
    category: str | None = None
    message: str | None = None
    correlation_id: str | None = None


def result_writer(file: TextIO, header: Sequence[str], *, format_: str) -> CsvResults | JsonResults:
    """
    Return what writes rows to *file*.

    Args:
        file: Open for text, without translation of line ends.
        header: The input's columns.
        format_: ``csv`` or ``jsonl``.
    """
    return CsvResults(file, header) if format_ == "csv" else JsonResults(file, header)


class CsvResults:
    """
    Rows as CSV: the columns of the input, so that it can be given to another run as it is, and
    behind them ``status``, ``category``, ``message`` and ``correlation_id``; where the input has
    a column of such a name, it is called ``aiohubassoc_status`` and so on.

    Raises:
        OSError: it cannot be written; so for every method.
    """  # noqa: D205 -- one sentence

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        self._kept = _without_earlier(header)
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow([*self._kept, *_added_names(self._kept)])

    def write(self, fields: list[str] | dict[str, object], told: RowResult) -> None:
        """Write one row: as many cells of it as there are columns, and what became of it."""
        if isinstance(fields, dict):
            fields = [_cell(fields.get(name)) for name in self._kept]
        own = [*fields, *[""] * len(self._kept)][: len(self._kept)]
        self._writer.writerow([*own, *("" if part is None else part for part in _parts(told))])


class JsonResults:
    """
    Rows as JSON Lines: the names and values of the input, and behind them those of `RowResult`.

    Raises:
        OSError: it cannot be written; so for every method.
    """

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        self._file = file
        self._kept = _without_earlier(header)

    def write(self, fields: list[str] | dict[str, object], told: RowResult) -> None:
        """Write one row and what became of it."""
        if isinstance(fields, list):
            own: dict[str, object] = dict(zip(self._kept, fields, strict=False))
        else:
            earlier = set(ADDED) if fields.keys() >= set(ADDED) else set()
            own = {name: value for name, value in fields.items() if name not in earlier}
        added = dict(zip(_added_names(list(own)), _parts(told), strict=True))
        # ASCII only: whatever the input held, this can be written and read.
        self._file.write(json.dumps({**own, **added}) + "\n")


def _without_earlier(header: Sequence[str]) -> list[str]:
    """Return the columns without those that an earlier file of results has added."""
    names = tuple(name.strip() for name in header[-len(ADDED) :])
    return list(header[: -len(ADDED)] if names == ADDED else header)


def _added_names(header: Sequence[str]) -> list[str]:
    taken = {name.strip().casefold() for name in header}
    return [f"aiohubassoc_{name}" if name in taken else name for name in ADDED]


def _parts(told: RowResult) -> tuple[str | None, ...]:
    return (told.status, told.category, told.message, told.correlation_id)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


class FailuresFile:
    """
    Writes the user's own rows with what became of them; a context manager.

    It is CSV, or JSON Lines where its name ends with ``.jsonl`` or ``.ndjson``.

    Args:
        path: Written anew.
        header: The input's columns.

    Raises:
        OSError: it cannot be written; so for every method.
    """

    def __init__(self, path: str, header: Sequence[str]) -> None:
        self._file = Path(path).open(  # noqa: SIM115 -- closed by __exit__
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        )
        self._rows = result_writer(self._file, header, format_=result_format(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written was told by `write` or `flush`.
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, fields: list[str] | dict[str, object], told: RowResult) -> None:
        """Write one row and what became of it."""
        self._rows.write(fields, told)

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()


def result_format(path: str) -> str:
    """Return in which format a file of this name is written."""
    return "jsonl" if path.casefold().endswith((".jsonl", ".ndjson")) else "csv"
