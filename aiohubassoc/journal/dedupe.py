"""Which pairs were seen before, whatever their number, in little memory."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.journal.bloom_filter import key_of

if TYPE_CHECKING:
    from typing import Self

    from aiohubassoc.journal.offsets import Place
    from aiohubassoc.pair import Pair


class SeenPairs:
    """
    The pairs of a run by their types and ids as written; a context manager.

    They are kept in a temporary file, which is gone when the block is left.

    Raises:
        OSError, sqlite3.Error: the temporary file cannot be made or written.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="aiohubassoc-")
        self._db = sqlite3.connect(Path(self._folder.name) / "seen.db", isolation_level=None)
        # Nothing of it outlives the process: it need not survive a crash.
        self._db.execute("pragma journal_mode = off")
        self._db.execute("pragma synchronous = off")
        self._db.execute(
            "create table seen (pair text primary key, place integer not null) without rowid"
        )
        self._db.execute("begin")  # one transaction for all: a commit each would cost a write each

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def first_place(self, pair: Pair, place: Place) -> Place | None:
        """Return where *pair* stood before, or note that it stands there."""
        key = key_of(pair)
        insert = "insert into seen values (?, ?) on conflict do nothing"
        if self._db.execute(insert, (key, place)).rowcount:
            return None
        (first,) = self._db.execute("select place from seen where pair = ?", (key,)).fetchone()
        return int(first)
