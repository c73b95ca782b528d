"""The rows that did not come through, for people and for another run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.files.results import Told, result_writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


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
        self._rows = result_writer(self._file, header, format_=format_of(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written was told by `write` or `flush`.
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, fields: list[str] | dict[str, object], told: Told) -> None:
        """Write one row and what became of it."""
        self._rows.write(fields, told)

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()


def format_of(path: str) -> str:
    """Return in which format a file of this name is written."""
    return "jsonl" if path.casefold().endswith((".jsonl", ".ndjson")) else "csv"
