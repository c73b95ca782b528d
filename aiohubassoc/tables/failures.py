"""The rows that did not come through, for people and for another run."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_ADDED: Final = ("status", "category", "message", "correlation_id")


class FailuresFile:
    """
    Writes the user's own rows with what became of them; a context manager.

    The file has the columns of the input, so that it can be given to another run as it is, and
    behind them ``status``, ``category``, ``message`` and ``correlation_id``; where the input has
    a column of such a name, it is called ``aiohubassoc_status`` and so on.

    Args:
        path: Written anew.
        header: The input's columns.

    Raises:
        OSError: it cannot be written; so for every method.
    """

    def __init__(self, path: str, header: Sequence[str]) -> None:
        taken = {name.strip().casefold() for name in header}
        # What a failures file of an earlier run says of its rows is replaced, not repeated.
        self._kept = len(header)
        if tuple(name.strip() for name in header[-len(_ADDED) :]) == _ADDED:
            self._kept -= len(_ADDED)
            taken -= set(_ADDED)
        self._file = Path(path).open(  # noqa: SIM115 -- closed by __exit__
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        )
        self._writer = csv.writer(self._file, lineterminator="\n")
        added = [f"aiohubassoc_{name}" if name in taken else name for name in _ADDED]
        self._writer.writerow([*header[: self._kept], *added])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written was told by `write` or `flush`.
        with contextlib.suppress(OSError):
            self._file.close()

    def write(
        self,
        fields: Sequence[str],
        status: str,
        category: str | None,
        message: str,
        correlation_id: str | None,
    ) -> None:
        """Write one row: as many cells of it as there are columns, and what became of it."""
        own = [*fields, *[""] * self._kept][: self._kept]
        self._writer.writerow([*own, status, category or "", message, correlation_id or ""])

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()
