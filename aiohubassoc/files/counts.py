"""What reading the inputs came to, for the summary of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc.files.not_ids import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc.files.record import Record

# So many rows show whether the columns were chosen well.
CHECKED_ROWS: Final = 1000
_NOTES: Final = 20


@attrs.define
class InputCounts:
    """
    Counts as the inputs are read.

    Attributes:
        rows: Rows with content.
        rejected: Of these, rows that cannot be used.
        nothing_to_link: Of these, rows that have no id where a cell may hold several.
        spaces: Cells from which spaces around an id were taken off.
        text_marks: Cells from which Excel's text mark was removed: ``'101`` or ``="101"``.
        floats: Whole numbers of columns of floats that were taken as ids.
        hidden_rows: Rows of a sheet that were left out because they are hidden.
        hidden_sheets: Sheets that were left out because they are hidden.
        notes: What is said once, such as a key that is not obeyed.
        is_checked: Whether it is known if any of the first 1,000 rows can be used.
        none_usable: Set once it is known that none of the first 1,000 rows can be used: what the
            columns hold, and what to do.
    """

    rows: int = 0
    rejected: int = 0
    nothing_to_link: int = 0
    spaces: int = 0
    text_marks: int = 0
    floats: int = 0
    hidden_rows: int = 0
    hidden_sheets: int = 0
    notes: list[str] = attrs.Factory(list)
    none_usable: str | None = None
    _held: dict[tuple[str, Kind], int] = attrs.field(factory=dict, init=False)
    _first_problem: str = attrs.field(default="", init=False)
    is_checked: bool = attrs.field(default=False, init=False)

    def note(self, text: str) -> None:
        """Say *text* once."""
        if text not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(text)

    def add(
        self, record: Record, pairs: Sequence[object] | None, place: Callable[[Record], str]
    ) -> None:
        """
        Count what became of a row, which is among `rows` already.

        Args:
            record: The row.
            pairs: The pairs it makes; None: it cannot be used.
            place: Returns how messages call its place.
        """
        if pairs is None:
            self.rejected += 1
        elif not pairs:
            self.nothing_to_link += 1
        if not self.is_checked:
            self._check(record, place, is_usable=pairs is not None)

    def end(self) -> None:
        """Decide `none_usable`: there are no further rows."""
        if not self.is_checked and self.rejected:
            self.none_usable = self._explanation()
        self.is_checked = True

    def _check(self, record: Record, place: Callable[[Record], str], *, is_usable: bool) -> None:
        if is_usable:
            self.is_checked = True
            return
        if not self._first_problem:
            self._first_problem = f"{place(record)}: {record.problem}"
        if record.held is not None:
            self._held[record.held] = self._held.get(record.held, 0) + 1
        if self.rows == CHECKED_ROWS:
            self.end()

    def _explanation(self) -> str:
        rows = f"none of the first {self.rows:,} rows" if self.rows > 1 else "not even one row"
        told = [f"{rows} can be used, such as {self._first_problem}"]
        columns: dict[str, Kind] = {}
        for (column, kind), count in sorted(self._held.items(), key=lambda item: -item[1]):
            if count * 2 > self.rows:
                columns.setdefault(column, kind)
        if columns:
            told += [f"Column {column!r} holds {kind.many}" for column, kind in columns.items()]
            told.append(
                "Choose the columns of record ids with --from-column and --to-column, or take any "
                "text as an id with --any-id"
            )
        return ". ".join(told)

    def sentences(self) -> list[str]:
        """Return what the summary of a run says, a sentence each; nothing that is 0."""
        counted = (
            (self.nothing_to_link, "Rows with nothing to link", ""),
            (self.spaces, "Cells with spaces around an id, which were taken off", ""),
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
        """Return the counts and notes as plain values."""
        names = ("rows", "rejected", "nothing_to_link", "spaces", "text_marks", "floats")
        return {name: getattr(self, name) for name in (*names, "hidden_rows", "hidden_sheets")} | {
            "notes": list(self.notes)
        }
