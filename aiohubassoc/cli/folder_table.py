"""The pairs of a run folder, as the table that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.cli.places import cells_of
from aiohubassoc.errors import JournalError
from aiohubassoc.files.counts import InputCounts
from aiohubassoc.files.record import Record
from aiohubassoc.journal.reader import Reader
from aiohubassoc.pair import Pair, unchecked_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc.models import Status


class FolderTable:
    """
    The pairs of a run folder whose input can no longer be read, or need not be.

    Args:
        reader: The folder. For every pair, its last run has read the input to its end.
        statuses: Only pairs of these, and nothing else; none: every pair, and the rows that hold
            none.
        place: How messages call a place; None: by its line.

    Raises:
        JournalError: it cannot be read; so for every method.
    """

    may_block = False

    def __init__(
        self,
        reader: Reader,
        statuses: tuple[Status, ...] = (),
        place: Callable[[int, int], str] | None = None,
    ) -> None:
        self._reader = reader
        self._statuses = statuses
        self.counts = InputCounts()  # of files, of which none is read
        header = reader.header()
        self.header: list[str] = header["columns"]
        self.names: list[str] = header["names"]
        self.name = self.names[0]
        self.job: dict[str, object] = header["job"]
        self._inputs: list[dict[str, object]] = header["inputs"]
        self._place = place or self._place_told

    def __iter__(self) -> Iterator[tuple[Record, Pair | None]]:
        if not self._statuses:
            for source, line, problem, fields in self._reader.unusable():
                yield Record(line, fields, problem, source), None
        for row in self._reader.rows(*self._statuses):
            kept = row.pair
            record = Record(row.line, cells_of(kept), None, row.source)
            ends = (kept.from_type, kept.from_id, kept.to_type, kept.to_id)
            yield record, unchecked_pair(*ends, tag=record)

    def cells(self, pair: Pair) -> list[str] | dict[str, object]:
        """Return the row of *pair*."""
        record = pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- set above
        return record.fields

    def place(self, source: int, line: int) -> str:
        """Return how messages call a place."""
        return self._place(source, line)

    def count_rows(self) -> int | None:
        """Return how many pairs and unusable rows there are; None: the folder is gone."""
        try:
            # One of its own: this runs in another thread, and the other may be closed meanwhile.
            with Reader(self._reader.folder) as reader:
                counts = reader.counts()
                if self._statuses:
                    return sum(counts[status] for status in self._statuses)
                return sum(counts.values()) + reader.unusable_count()
        except JournalError:
            return None

    def fingerprints(self) -> list[dict[str, object]]:
        """Return those of the input."""
        return self._inputs

    def _place_told(self, source: int, line: int) -> str:
        return f"line {line}" + (f" of {self.names[source]}" if len(self.names) > 1 else "")
