"""One row of an input, what reads rows, and the counts of all rows for the summary of a run."""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc.files.ids import CellKind, RejectedRowError
from aiohubassoc.files.limits import LONG_ROW_BYTES, ROW_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiohubassoc.pair import Pair

Fields: TypeAlias = list[str] | dict[str, object]
Ends: TypeAlias = list[tuple[str, str]]
"""The records of one end of a row's pairs: the type and the id of each."""

# How compact rows begin. Neither byte occurs in text that is encoded as UTF-8.
_BETWEEN_CELLS: Final = b"\xff"
_COMPRESSED: Final = b"\xfe"
# These rows show whether the columns were chosen well.
CHECKED_ROWS: Final = 1000
_NOTES: Final = 20


@attrs.define
class Record:
    """One row of an input."""

    line: int  # the line on which it begins, from 1; of Excel and Parquet the row
    kept: Fields | bytes  # its fields; once it is compact, bytes that hold them
    problem: str | None = None  # why it is rejected; None if nothing is wrong so far
    source: int = 0  # which of the inputs it is from, from 0
    # The column whose cell is no id, and what it holds; None: another problem.
    wrong_cell: tuple[str, CellKind] | None = None
    # The counts of `InputCounts` as of this row: rows, rejected, nothing to link.
    counted: tuple[int, int, int] = attrs.field(default=(0, 0, 0), eq=False)
    # And of what was removed from cells: spaces, text marks, floats.
    taken_off: tuple[int, int, int] = attrs.field(default=(0, 0, 0), eq=False)

    @property
    def fields(self) -> Fields:
        """Its cells, or the object of a line of JSON; of a line that is not JSON, that line."""
        kept = self.kept
        if not isinstance(kept, bytes):
            return kept
        if kept.startswith(_COMPRESSED):
            kept = zlib.decompress(kept[1:])
        if kept.startswith(_BETWEEN_CELLS):
            return [cell.decode(errors="surrogatepass") for cell in kept.split(_BETWEEN_CELLS)[1:]]
        fields: Fields = json.loads(kept)
        return fields

    def compact(self) -> bytes:
        """
        Keep the fields as bytes, those of a long row compressed, and return these.

        Thousands of rows wait for their outcome, and a short cell takes 50 bytes as an object.
        """
        kept = self.kept
        if isinstance(kept, bytes):
            return kept
        if isinstance(kept, list):
            cells = (b"", *(cell.encode(errors="surrogatepass") for cell in kept))
            data = _BETWEEN_CELLS.join(cells)
        else:
            data = json.dumps(kept, ensure_ascii=False).encode(errors="surrogatepass")
        if len(data) > LONG_ROW_BYTES:
            data = _COMPRESSED + zlib.compress(data, 1)
        self.kept = data
        return data

    def reject(self, error: ValueError) -> None:
        self.problem = str(error)
        self.wrong_cell = error.wrong_cell if isinstance(error, RejectedRowError) else None

    def pairs(self, make: Callable[..., Pair], first: Ends, second: Ends) -> list[Pair]:
        """Return a pair for each two records, tagged with this row; RejectedRowError: too many."""
        count = len(first) * len(second)
        if count == 1:
            return [make(*first[0], *second[0], tag=self)]
        if count > ROW_PAIRS:
            raise RejectedRowError(
                f"would make {count:,} pairs, more than {ROW_PAIRS:,} of one row"
            )
        return [
            make(from_type, from_id, to_type, to_id, tag=self)
            for from_type, from_id in first
            for to_type, to_id in second
        ]


class TableReader(ABC):
    """The rows of one file, the header among them, each cell as text; read when asked for."""

    name: str  # its name in messages
    unit: str = "row"  # what `Record.line` counts: ``"line"`` or ``"row"``
    delimiter: str | None = None  # the character between the columns; None where there is none
    list_columns: frozenset[int] = frozenset()  # the places of columns whose cells are lists
    has_fixed_columns = True  # whether each cell surely stands in its column, even in a short row
    row_chars = 0  # about how long the latest row is

    @property
    def count(self) -> int | None:
        """The number of the last row; None if the file does not say it."""
        return None

    @property
    def hint(self) -> str:
        """Where else the columns may be, as a sentence."""
        return ""

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """Yield each row; raise an InputError at damage."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""


@attrs.define
class InputCounts:
    """Counts as the inputs are read."""

    rows: int = 0  # rows with content
    rejected: int = 0  # of these, rows that are rejected
    nothing_to_link: int = 0  # of these, rows that have no id where a cell may hold several
    spaces: int = 0  # cells from which spaces around an id were removed
    text_marks: int = 0  # cells from which Excel's text mark was removed: ``'101`` or ``="101"``
    floats: int = 0  # whole numbers of columns of floats that were taken as ids
    hidden_rows: int = 0  # hidden rows of a sheet that were left out
    hidden_sheets: int = 0  # hidden sheets that were left out
    # Sentences for the summary, such as that a key is not used.
    notes: list[str] = attrs.Factory(list)
    # Why none of the first 1,000 rows is valid, and what to do; None if one is, or while that is
    # unknown.
    none_valid: str | None = None
    # Whether it is known if any of the first 1,000 rows is valid.
    is_checked: bool = attrs.field(default=False, init=False)
    _wrong_cells: dict[tuple[str, CellKind], int] = attrs.field(factory=dict, init=False)
    _first_problem: str = attrs.field(default="", init=False)

    def restore(self, last: Record) -> None:
        """Take back what was counted of rows that were read after *last*, and nobody has taken."""
        self.rows, self.rejected, self.nothing_to_link = last.counted
        self.spaces, self.text_marks, self.floats = last.taken_off

    def note(self, text: str) -> None:
        """Add *text* to the notes unless it is there."""
        if text not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(text)

    def add(self, record: Record, pairs: Sequence[object] | None, place: str) -> None:
        """Count a row that is among `rows`; its pairs are None if it is rejected."""
        if pairs is None:
            self.rejected += 1
        elif not pairs:
            self.nothing_to_link += 1
        if self.is_checked:
            return
        if pairs is not None:
            self.is_checked = True
            return
        self._first_problem = self._first_problem or f"{place}: {record.problem}"
        if record.wrong_cell is not None:
            self._wrong_cells[record.wrong_cell] = self._wrong_cells.get(record.wrong_cell, 0) + 1
        if self.rows == CHECKED_ROWS:
            self.end()

    def end(self) -> None:
        """Decide `none_valid`: there are no further rows to check."""
        if not self.is_checked and self.rejected:
            self.none_valid = self._explanation()
        self.is_checked = True

    def _explanation(self) -> str:
        rows = f"none of the first {self.rows:,} rows" if self.rows > 1 else "the only row"
        verb = "is valid" if self.rows > 1 else "is rejected"
        sentences = [f"{rows} {verb}: {self._first_problem}"]
        columns: dict[str, CellKind] = {}
        for (column, kind), count in sorted(self._wrong_cells.items(), key=lambda item: -item[1]):
            if count * 2 > self.rows:
                columns.setdefault(column, kind)
        if columns:
            sentences += [
                f"Column {column!r} holds {kind.many}" for column, kind in columns.items()
            ]
            sentences.append(
                "Choose the columns of record ids with --from-column and --to-column, or take any "
                "text as an id with --any-id"
            )
        return ". ".join(sentences)

    def sentences(self) -> list[str]:
        """Return the sentences of the summary of a run, without those of counts that are 0."""
        counted = (
            (self.nothing_to_link, "Rows with nothing to link", ""),
            (self.spaces, "Cells with spaces around an id, which were removed", ""),
            (
                self.text_marks,
                "Cells with Excel's text mark (' or =\"...\"), which was removed",
                "",
            ),
            (self.floats, "Whole numbers in columns of floats, taken as ids", ""),
            (self.hidden_rows, "Hidden rows left out", " (--include-hidden reads them)"),
            (self.hidden_sheets, "Hidden sheets left out", " (--include-hidden reads them)"),
        )
        return [
            *(f"{what}: {count:,}{how}." for count, what, how in counted if count),
            *self.notes,
        ]

    def as_json(self) -> dict[str, Any]:
        names = ("rows", "rejected", "nothing_to_link", "spaces", "text_marks", "floats")
        return {name: getattr(self, name) for name in (*names, "hidden_rows", "hidden_sheets")} | {
            "notes": list(self.notes)
        }
