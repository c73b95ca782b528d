"""Which pairs were seen before, for any number of pairs, in little memory."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.journal.row_codec import make_key

if TYPE_CHECKING:
    from typing import Self

    from aiohubassoc.journal.row_codec import Place
    from aiohubassoc.pair import Pair


@attrs.frozen
class FanOut:
    """
    A record and its pairs with records of one type.

    Attributes:
        record: Its type and id, such as ``companies:202``.
        other_type: The type of the records at the other end.
        pairs: How many pairs there are, in either direction.
    """

    record: str
    other_type: str
    pairs: int


class SeenPairs:
    """
    The pairs of a run by their types and ids as written; a context manager.

    They are kept in a temporary file, which is gone when the block is left.

    Raises:
        OSError, sqlite3.Error: the temporary file cannot be made or written.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="aiohubassoc-")
        # `largest_fan_out` takes seconds for millions of pairs: another thread may wait for it.
        self._db = sqlite3.connect(
            Path(self._folder.name) / "seen.db", isolation_level=None, check_same_thread=False
        )
        # Nothing of it outlives the process: it need not survive a crash.
        self._db.execute("pragma journal_mode = off")
        self._db.execute("pragma synchronous = off")
        self._db.execute(
            "create table seen (pair text primary key, place integer not null) without rowid"
        )
        self._db.create_function("get_end", 2, _get_end, deterministic=True)
        self._db.execute("begin")  # one transaction for all: a commit each would cost a write each

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def first_place(self, pair: Pair, place: Place) -> Place | None:
        """Return where *pair* stood before, or note that it stands there."""
        key = make_key(pair)
        insert = "insert into seen values (?, ?) on conflict do nothing"
        if self._db.execute(insert, (key, place)).rowcount:
            return None
        (first,) = self._db.execute("select place from seen where pair = ?", (key,)).fetchone()
        return int(first)

    def largest_fan_out(self) -> FanOut | None:
        """Return the record with the most pairs to records of one type; None without pairs."""
        # The database sorts in a file: memory does not grow with the number of records.
        row = self._db.execute(
            "select end, count(*) as pairs from ("
            "select get_end(pair, 0) as end from seen union all select get_end(pair, 1) from seen"
            ") group by end order by pairs desc, end limit 1"
        ).fetchone()
        if row is None:
            return None
        object_type, record_id, other_type = row[0].split("\n")
        return FanOut(f"{object_type}:{record_id}", other_type, row[1])


def _get_end(key: str, end: int) -> str:
    """Return a record of a pair, the first or the second, and the type of the other one."""
    types_ids = key.split("\n")
    return f"{types_ids[end]}\n{types_ids[2 + end]}\n{types_ids[1 - end]}"
