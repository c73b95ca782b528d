"""Two exports joined by a column of each: pairs, and the rows that have none."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import shown
from aiohubassoc.files.record import Record
from aiohubassoc.files.table import MergedHeader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from aiohubassoc.files.keyed_table import KeyedRow, KeyedTable

Side: TypeAlias = Literal["left", "right"]
Reason: TypeAlias = Literal["NO_MATCH", "SEVERAL_MATCHES", "NO_KEY", "INVALID_ROW"]

_CACHE_KIB: Final = 8 << 10
# Rows are sorted by key in such portions: SQLite maps all that it sorts at once into memory.
_SORTED_ROWS: Final = 100_000
# The states of a key: no row of the left file has it, or its rows are in no pair, or in pairs.
_UNMET, _SEVERAL, _PAIRED = range(3)
_EXAMPLES: Final = 3


@attrs.frozen
class Joined:
    """A pair of records, and the cells of both rows that were compared, as written."""

    from_id: str
    to_id: str
    from_key: str
    to_key: str


@attrs.frozen
class Unmatched:
    """A row that is in no pair: its file, its number in it, and why, as a code and for people."""

    side: Side
    line: int
    reason: Reason
    message: str
    _cells: Callable[[], list[str]] = attrs.field(repr=False)

    @property
    def cells(self) -> list[str]:
        """Its cells, by the columns of both files together; empty if they are not kept."""
        return self._cells()  # not before: a long row would be kept while the next one is read


class Join:
    """
    Joins two files; a context manager that is an iterator of pairs and unmatched rows.

    A row of the left file, whose ids are the first of each pair, makes a pair with the row of the
    right file that has the same key. The right file is read first, into a temporary file, so that
    memory does not grow; then the left one. Rows of the right file that repeat an earlier id and
    key are that row once more. A left row that matches several records is paired with each if
    *all_matches*, else with none. The cells of unmatched rows are kept if *keeps_cells*.

    Raises:
        InputError: There are far more pairs than in tables of this size.
        OSError, sqlite3.Error: The temporary file cannot be written; every method may raise it.
    """

    def __init__(
        self, left: KeyedTable, right: KeyedTable, *, all_matches: bool, keeps_cells: bool
    ) -> None:
        self._left = left
        self._right = right
        self._all_matches = all_matches
        self._keeps_cells = keeps_cells
        self._merged = MergedHeader([left.columns, right.columns])
        self.header = self._merged.all  # the columns of both files together
        self.pairs = 0  # how many there are so far
        self.repeated = 0  # how many rows of the right file repeat an earlier id and key
        self.rows: Counter[Side] = Counter()  # how many rows each side has
        # How many rows of each side have no pair, by the reason.
        self.unmatched: Counter[tuple[Side, Reason]] = Counter()
        self._folder = tempfile.TemporaryDirectory(prefix="aiohubassoc-")
        self._db = sqlite3.connect(Path(self._folder.name) / "join.db", isolation_level=None)
        # Nothing of it outlives the process: it need not survive a crash.
        self._db.executescript(
            f"""
            pragma journal_mode = off;
            pragma synchronous = off;
            pragma cache_size = -{_CACHE_KIB};
            create table rows (
                row integer primary key, key text, id text, line integer, text text, cells blob
            );
            create table records (
                key text, id text, row integer, state integer, primary key (key, id)
            ) without rowid;
            begin;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def __iter__(self) -> Iterator[Joined | Unmatched]:
        yield from self._read_right()
        for row in self._left:
            self.rows["left"] += 1
            if row.key is None:
                yield self._refused("left", row)
            else:
                yield from self._matched(row, row.key)
        yield from self._left_over()

    def _read_right(self) -> Iterator[Unmatched]:
        insert = "insert into rows (key, id, line, text, cells) values (?, ?, ?, ?, ?)"
        kept = added = sorted_rows = 0
        for row in self._right:
            self.rows["right"] += 1
            if row.key is None:
                yield self._refused("right", row)
                continue
            cells = row.record.compact() if self._keeps_cells else None
            self._db.execute(insert, (row.key, row.record_id, row.record.line, row.text, cells))
            kept += 1
            if kept % _SORTED_ROWS == 0:
                added += self._sort(sorted_rows)
                sorted_rows = kept
        self.repeated = kept - added - self._sort(sorted_rows)

    def _sort(self, done: int) -> int:
        """Add the records of the rows after the first *done* ones; return how many are new."""
        # In the order of their keys: at random places each row would cost a write.
        return self._db.execute(
            "insert or ignore into records select key, id, row, ? from rows where row > ? "
            "order by key, id, row",
            (_UNMET, done),
        ).rowcount

    def _matched(self, row: KeyedRow, key: str) -> Iterator[Joined | Unmatched]:
        select = "select id, state, row from records where key = ?"
        found = self._db.execute(f"{select} limit {_EXAMPLES}", (key,)).fetchall()
        if not found:
            message = f"no row of {self._right.name} has this key"
            yield self._unmatched("left", row.record, "NO_MATCH", message)
            return
        is_paired = len(found) == 1 or self._all_matches
        state = _PAIRED if is_paired else _SEVERAL
        if found[0][1] < state:
            self._db.execute("update records set state = ? where key = ?", (state, key))
        if not is_paired:
            records = ", ".join(record_id for record_id, _, _ in found)
            message = f"several records of {self._right.name} have this key, such as {records}"
            yield self._unmatched("left", row.record, "SEVERAL_MATCHES", message)
            return
        for to_id, _, number in self._db.execute(select, (key,)) if len(found) > 1 else found:
            text = self._db.execute("select text from rows where row = ?", (number,)).fetchone()[0]
            self.pairs += 1
            if len(found) > 1 and self.pairs > self._left.most_pairs() + self._right.most_pairs():
                raise InputError(
                    f"{self._left.name}, {self._left.unit} {row.record.line}: {self.pairs:,} pairs "
                    f"are too many for files of their size. Many rows have the key {shown(key)}"
                )
            yield Joined(row.record_id, to_id, row.text, text)

    def _left_over(self) -> Iterator[Unmatched]:
        """Yield the right rows that are in no pair, or only count them."""
        reasons: dict[int, tuple[Reason, str]] = {
            _UNMET: ("NO_MATCH", f"no row of {self._left.name} has this key"),
            _SEVERAL: (
                "SEVERAL_MATCHES",
                f"the row of {self._left.name} with this key matches several records",
            ),
        }
        if not self._keeps_cells:
            for state, count in self._db.execute(
                "select state, count(*) from records where state < ? group by state", (_PAIRED,)
            ):
                self.unmatched["right", reasons[state][0]] += count
            return
        for state, line, cells in self._db.execute(
            "select state, line, cells from rows cross join records using (key, id, row) "
            "where state < ? order by rows.row",  # as they stand, without sorting
            (_PAIRED,),
        ):
            reason, message = reasons[state]
            yield self._unmatched("right", Record(line, cells), reason, message)

    def _refused(self, side: Side, row: KeyedRow) -> Unmatched:
        reason: Reason = "NO_KEY" if row.record_id else "INVALID_ROW"
        return self._unmatched(side, row.record, reason, row.problem or "")

    def _unmatched(self, side: Side, record: Record, reason: Reason, message: str) -> Unmatched:
        self.unmatched[side, reason] += 1
        return Unmatched(side, record.line, reason, message, partial(self._cells, side, record))

    def _cells(self, side: Side, record: Record) -> list[str]:
        """Return the cells of a row by the columns of both files; of a broken row as they are."""
        if not self._keeps_cells:
            return []
        source, table = (0, self._left) if side == "left" else (1, self._right)
        cells = self._merged.aligned(source, table.cells(record))
        width = len(self.header)
        return [*cells, *[""] * width][:width]
